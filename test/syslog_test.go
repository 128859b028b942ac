package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// A real rsyslog forwards what the real logger writes: over UDP and over TCP with both framings, in its three formats.
func TestRsyslog(t *testing.T) {
	rsyslogd, logger := program(t, "rsyslogd"), program(t, "logger")
	port := freePort(t)
	p := harness.Start(t, harness.Options{Config: fmt.Sprintf("ingest:\n  syslog:\n    udp_listen: 127.0.0.1:%d\n    tcp_listen: 127.0.0.1:%d\n", port, port)})
	dir := t.TempDir()
	socket := filepath.Join(dir, "log")
	target := fmt.Sprintf(`action(type="omfwd" target="127.0.0.1" port="%d"`, port)
	harness.WriteFile(t, filepath.Join(dir, "rsyslog.conf"), strings.Join([]string{
		`module(load="imuxsock" SysSock.Use="off")`,
		`input(type="imuxsock" Socket="` + socket + `")`,
		target + ` protocol="udp" template="RSYSLOG_ForwardFormat")`,
		target + ` protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")`,
		target + ` protocol="tcp" template="RSYSLOG_TraditionalForwardFormat")`,
	}, "\n")+"\n")
	start(t, rsyslogd, "-n", "-f", filepath.Join(dir, "rsyslog.conf"), "-i", filepath.Join(dir, "pid"))
	harness.Eventually(t, 20*time.Second, func() error { _, err := os.Stat(socket); return err })
	lines := []string{`hello "quoted" [brackets] <angle>`, "ünïcode ✓", "level=warn a=1", "plain"}
	for _, line := range lines {
		run(t, dir, logger, "-u", socket, "-t", "myapp", "-i", "-p", "local3.err", "--", line)
	}
	var want []string
	for _, line := range lines {
		want = append(want, line, line, line)
	}
	slices.Sort(want)
	harness.Eventually(t, 20*time.Second, func() error {
		var got []string
		// RFC 5424 as rsyslog writes it has a second space before the message.
		readLines(t, p, `{job="syslog", app="myapp"} | severity="err" | facility="local3" | proc_id!=""`, func(l string) { got = append(got, strings.TrimPrefix(l, " ")) })
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

// program returns where a program is, which comes with a package of Debian.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/bin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: apt-get install -y rsyslog", name)
	return ""
}

// freePort returns a port that is free for UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no port is free for both")
	return 0
}

// start runs a program until the test ends.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}
