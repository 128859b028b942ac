package nagios

import (
	"encoding/json"
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

// recordObjects are services whose commands a script takes down; each has its name as first argument.
const recordObjects = `
define command {
  command_name  record
  command_line  $USER1$/record "$SERVICEDESC$" $ARG1$
}
define command {
  command_name  quoted
  command_line  $USER1$/record "$SERVICEDESC$" "$ARG1$" '$ARG2$' $ARG3$
}
define command {
  command_name  macros
  command_line  $USER1$/record $SERVICEDESC$ $HOSTNAME$ $HOSTADDRESS$ "$HOSTALIAS$" $_HOSTRACK$ $_SERVICEPORT$ $HOSTGROUPNAMES$ $SERVICEGROUPNAMES$ $HOSTGROUPNAME$ $SERVICEGROUPNAME$ $MAXSERVICEATTEMPTS$ $USER2$ x$ARG9$x $$ARG1
}
define timeperiod {
  timeperiod_name always
  alias           always
  sunday          00:00-24:00
  monday          00:00-24:00
  tuesday         00:00-24:00
  wednesday       00:00-24:00
  thursday        00:00-24:00
  friday          00:00-24:00
  saturday        00:00-24:00
}
define host {
  host_name          h1
  alias              The first
  address            192.0.2.1
  hostgroups         a,c,b
  max_check_attempts 1
  check_period       always
  _RACK              r 7
  notifications_enabled 0
}
define contact {
  contact_name                  ann
  host_notification_period      always
  service_notification_period   always
  host_notification_commands    record
  service_notification_commands record
}
define hostgroup {
  hostgroup_name a
  alias          a
}
define hostgroup {
  hostgroup_name c
  alias          c
}
define hostgroup {
  hostgroup_name b
  alias          b
}
define servicegroup {
  servicegroup_name g
  alias             g
}
define servicegroup {
  servicegroup_name h
  alias             h
}
define servicegroup {
  servicegroup_name f
  alias             f
}
`

// recordCommands are check_commands by the name of the service.
var recordCommands = map[string]string{
	"plain":        `record!-w 5 -c  10`,
	"empty":        `record`,
	"quotes":       `record!'a b' "c d" e\ f`,
	"nested":       `record!"it's" 'say "hi"' a"b"'c'`,
	"arg quoted":   `quoted!a b!c d!e f`,
	"arg missing":  `quoted!a`,
	"exclamation":  `record!hello\!world`,
	"arg macros":   `record!$HOSTADDRESS$:$_SERVICEPORT$ $USER2$`,
	"macros":       `macros!x`,
	"equals":       `record!a=b --x=y z=`,
	"percent":      `record!-w 20%,10% -m ~/x`,
	"pipe":         `record!a | cat`,
	"list":         `record!a && true`,
	"substitution": "record!`echo x` $$(echo y)",
	"hash":         `record!a#b`,
	"backslash":    `record!"a\\b" 'c\d' "\$$x"`,
	"braces":       `record!{a} [b] x^y`,
}

// TestCommandsAsNagios has Nagios run commands of a script that takes its arguments down, and runs what is imported after it.
func TestCommandsAsNagios(t *testing.T) {
	program, err := exec.LookPath("nagios4")
	if err != nil {
		t.Skip("nagios4 is not installed (package nagios4-core)")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"rw", "results", "out"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("record", "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\n' \"<$a>\"; done > \""+dir+"/out/$1.new\"\nmv \""+dir+"/out/$1.new\" \""+dir+"/out/$1\"\necho done\n", 0o755)
	write("resource.cfg", "$USER1$="+dir+"\n$USER2$=two words\n", 0o644)
	write("nagios.cfg", strings.NewReplacer("DIR", dir, "USER", me.Username, "GROUP", me.Gid).Replace(`cfg_file=objects.cfg
resource_file=DIR/resource.cfg
log_file=DIR/log
status_file=DIR/status
object_cache_file=DIR/cache
precached_object_file=DIR/precache
command_file=DIR/rw/cmd
query_socket=DIR/rw/qh
lock_file=DIR/pid
temp_file=DIR/tmp
temp_path=DIR
check_result_path=DIR/results
log_rotation_method=n
log_archive_path=DIR
use_syslog=0
nagios_user=USER
nagios_group=GROUP
check_for_updates=0
check_workers=1
retain_state_information=0
service_inter_check_delay_method=n
max_service_check_spread=1
illegal_macro_output_chars=~
`), 0o644)
	var objects strings.Builder
	objects.WriteString(recordObjects)
	for name, command := range recordCommands {
		fmt.Fprintf(&objects, "define service {\n host_name h1\n service_description %s\n check_command %s\n max_check_attempts 7\n"+
			" check_period always\n servicegroups g,f,h\n _PORT 80\n notifications_enabled 0\n}\n", name, command)
	}
	write("objects.cfg", objects.String(), 0o644)

	cmd := exec.Command(program, filepath.Join(dir, "nagios.cfg"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
		}
	}
	theirs := map[string]string{}
	for end := time.Now().Add(20 * time.Second); len(theirs) < len(recordCommands) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for name := range recordCommands {
			if b, err := os.ReadFile(filepath.Join(dir, "out", name)); err == nil {
				theirs[name] = string(b)
			}
		}
	}
	stop()
	if len(theirs) == 0 {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("Nagios ran nothing:\n%s", log)
	}

	r, err := Import(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, s := range r.Specs {
		var o pluginOptions
		if err := json.Unmarshal(s.Options, &o); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "out", s.Name)
		_ = os.Remove(file)
		run := exec.Command(o.Command[0], o.Command[1:]...)
		run.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + os.Getenv("HOME")}
		_ = run.Run()
		ours, _ := os.ReadFile(file)
		want, ok := theirs[s.Name]
		if !ok {
			t.Errorf("%s: Nagios did not run it", s.Name)
		}
		if string(ours) != want {
			t.Errorf("%s: %s\nNagios has the arguments\n%sours\n%s", s.Name, s.Options, want, ours)
		}
		seen++
	}
	if seen != len(recordCommands) {
		t.Errorf("%d of %d are imported: %v", seen, len(recordCommands), r.Warnings)
	}
}
