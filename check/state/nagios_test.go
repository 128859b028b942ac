package state

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// core is a Nagios Core that runs in a temporary folder and takes results through its external command file.
type core struct {
	t       *testing.T
	dir     string
	command *os.File
}

const coreConfig = `log_file=DIR/nagios.log
cfg_file=DIR/objects.cfg
object_cache_file=DIR/objects.cache
precached_object_file=DIR/objects.precache
status_file=DIR/status.dat
status_update_interval=1
nagios_user=USER
nagios_group=GROUP
check_external_commands=1
command_file=DIR/rw/nagios.cmd
query_socket=DIR/rw/nagios.qh
lock_file=DIR/nagios.pid
temp_file=DIR/nagios.tmp
temp_path=DIR
check_result_path=DIR/results
event_broker_options=0
use_syslog=0
log_rotation_method=n
log_archive_path=DIR
log_external_commands=0
log_passive_checks=0
log_notifications=1
retain_state_information=0
check_for_updates=0
check_workers=1
execute_service_checks=0
execute_host_checks=0
accept_passive_service_checks=1
accept_passive_host_checks=1
passive_host_checks_are_soft=1
translate_passive_host_checks=1
enable_notifications=1
enable_event_handlers=0
enable_flap_detection=1
check_service_freshness=0
check_host_freshness=0
enable_predictive_host_dependency_checks=0
enable_predictive_service_dependency_checks=0
soft_state_dependencies=0
check_for_orphaned_services=0
check_for_orphaned_hosts=0
cached_host_check_horizon=0
`

const coreObjects = `define command{
 command_name none
 command_line /bin/true
}
define timeperiod{
 timeperiod_name always
 alias always
 sunday 00:00-24:00
 monday 00:00-24:00
 tuesday 00:00-24:00
 wednesday 00:00-24:00
 thursday 00:00-24:00
 friday 00:00-24:00
 saturday 00:00-24:00
}
define contact{
 contact_name admin
 host_notifications_enabled 1
 service_notifications_enabled 1
 host_notification_period always
 service_notification_period always
 host_notification_options d,u,r,f,s
 service_notification_options w,u,c,r,f,s
 host_notification_commands none
 service_notification_commands none
}
define host{
 name all-hosts
 register 0
 check_command none
 active_checks_enabled 0
 passive_checks_enabled 1
 check_interval 5
 check_period always
 notification_interval 0
 notification_period always
 notification_options d,r,f
 contacts admin
}
define service{
 name all-services
 register 0
 check_command none
 active_checks_enabled 0
 passive_checks_enabled 1
 check_interval 5
 retry_interval 1
 check_period always
 notification_interval 0
 notification_period always
 notification_options w,u,c,r,f
 contacts admin
}
`

// startCore starts Nagios Core with these objects besides coreObjects, and stops it at the end of the test.
func startCore(t *testing.T, objects string) *core {
	t.Helper()
	program, err := exec.LookPath("nagios4")
	if err != nil {
		t.Skip("nagios4 is not installed (package nagios4-core)")
	}
	c := &core{t: t, dir: t.TempDir()}
	// The program gives up being root, and its folder is below one that only root may enter.
	who := c.user()
	config := strings.NewReplacer("DIR", c.dir, "USER", who.Username, "GROUP", groupOf(t, who)).Replace(coreConfig)
	c.write("nagios.cfg", config)
	c.write("objects.cfg", coreObjects+objects)
	for _, d := range []string{"rw", "results"} {
		if err := os.Mkdir(filepath.Join(c.dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, filepath.Join(c.dir, "nagios.cfg"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
		}
	})
	fifo := filepath.Join(c.dir, "rw", "nagios.cmd")
	c.wait("the command file", func() bool {
		select {
		case err := <-ended:
			ended <- err
			log, _ := os.ReadFile(filepath.Join(c.dir, "nagios.log"))
			t.Fatalf("nagios4 ended: %v\n%s\n%s", err, tail(out.Bytes()), tail(log))
		default:
		}
		info, err := os.Stat(fifo)
		return err == nil && info.Mode()&os.ModeNamedPipe != 0
	})
	if c.command, err = os.OpenFile(fifo, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.command.Close() })
	return c
}

func (c *core) user() *user.User {
	who, err := user.Current()
	if err != nil {
		c.t.Fatal(err)
	}
	return who
}

func groupOf(t *testing.T, who *user.User) string {
	g, err := user.LookupGroupId(who.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return g.Name
}

func (c *core) write(name, text string) {
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *core) wait(what string, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(end) {
			c.t.Fatalf("waited 20 s for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func tail(b []byte) string {
	if len(b) > 3000 {
		b = b[len(b)-3000:]
	}
	return string(b)
}

// send writes external commands.
func (c *core) send(commands ...string) {
	c.t.Helper()
	now := time.Now().Unix()
	var b bytes.Buffer
	for _, line := range commands {
		fmt.Fprintf(&b, "[%d] %s\n", now, line)
	}
	if _, err := c.command.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

// status reads the status file: the attributes of each host ("h1") and service ("h1/s1"), and of their downtimes ("downtime h1").
func (c *core) status() map[string]map[string]string {
	b, err := os.ReadFile(filepath.Join(c.dir, "status.dat"))
	if err != nil {
		return nil
	}
	all := map[string]map[string]string{}
	var block map[string]string
	var kind string
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasSuffix(line, "{"):
			kind, block = strings.TrimSpace(strings.TrimSuffix(line, "{")), map[string]string{}
		case line == "}":
			switch kind {
			case "hoststatus":
				all[block["host_name"]] = block
			case "servicestatus":
				all[block["host_name"]+"/"+block["service_description"]] = block
			case "hostdowntime":
				all["downtime "+block["host_name"]] = block
			case "servicedowntime":
				all["downtime "+block["host_name"]+"/"+block["service_description"]] = block
			}
		default:
			key, value, _ := strings.Cut(line, "=")
			if block != nil {
				block[key] = value
			}
		}
	}
	return all
}
