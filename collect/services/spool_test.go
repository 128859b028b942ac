package services

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"
	"time"

	programs "github.com/hulotte-dev/hulotte/test/services"
)

func TestPostfixReal(t *testing.T) {
	s := programs.Start(t, "postfix")
	write(t, s.Extra["queue"]+"/hold/0A1B2C", strings.Repeat("x", 2000))
	target := Target{Options: map[string]any{"queue": s.Extra["queue"]}}
	fams := mustRead(t, "postfix", target)
	got := exposition(t, fams)
	for _, want := range []string{
		`postfix_showq_message_size_bytes_bucket{queue="hold",le="1000"} 0`, `postfix_showq_message_size_bytes_bucket{queue="hold",le="10000"} 1`,
		`postfix_showq_message_size_bytes_sum{queue="hold"} 2000`, `postfix_showq_message_age_seconds_count{queue="active"} 0`,
		`postfix_up{path="` + s.Extra["queue"] + `/public/showq"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("lacks %s in\n%s", want, got)
		}
	}
	exporter := program(t, "prometheus-postfix-exporter")
	port := freePort(t)
	log := write(t, t.TempDir()+"/mail.log", "")
	theirs := scrapeExporter(t, port, exec.Command(exporter, "--postfix.showq_path", s.Extra["queue"]+"/public/showq", "--postfix.logfile_path", log, "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port)))
	wantShape(t, fams, theirs, map[string]string{
		"postfix_smtp* postfix_cleanup* postfix_qmgr*": "counted by the exporter in the log",
	})
	wantDown(t, "postfix", Target{Options: map[string]any{"queue": t.TempDir()}}, "queue active", "CAP_DAC_READ_SEARCH")
}

func TestEximGolden(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/input/1/1abcde-000001-AB-H", "1abcde-000001-AB-H\nroot 0 0\n<a@example.org>\n1 0\n-frozen 1700000000\n1\n")
	write(t, dir+"/input/1/1abcde-000001-AB-D", "body")
	write(t, dir+"/input/1abcde-000002-AB-H", "1abcde-000002-AB-H\nroot 0 0\n")
	wantGolden(t, "exim", mustRead(t, "exim", Target{Options: map[string]any{"spool": dir}}))
	wantDown(t, "exim", Target{Options: map[string]any{"spool": dir + "/none"}}, "CAP_DAC_READ_SEARCH")
	if _, err := New("exim", Target{Options: map[string]any{"spool": "relative"}}); err == nil {
		t.Error("a relative path is taken")
	}
}

func TestVarnishGolden(t *testing.T) {
	f := newFamilies(defaultMaxSeries)
	if err := readVarnish([]byte(recorded(t, "varnish.json")), f); err != nil {
		t.Fatal(err)
	}
	addVarnishVersion(f, "varnishstat (varnish-7.1.1 revision 7cee1c581bead20e88d101ab3d72afb29f14d87a)\n")
	wantGolden(t, "varnish", f.result())
	if err := readVarnish([]byte(`{"version":1,"counters":{}}`), newFamilies(10)); err == nil {
		t.Error("no error without counters")
	}
}

func TestVarnishReal(t *testing.T) {
	s := programs.Start(t, "varnish")
	target := Target{Options: map[string]any{"instance": s.Dir + "/work"}}
	ours := untilRead(t, "varnish", target)
	wantValue(t, ours, 1, "varnish_up")
	wantAbove(t, ours, -1, "varnish_main_client_req")
	wantValue(t, ours, 1, "varnish_version")
	if os.Getenv("TEST_RECORD") != "" {
		text, err := exec.Command(varnishstat, "-1", "-j", "-n", s.Dir+"/work").Output()
		if err != nil {
			t.Fatal(err)
		}
		write(t, "testdata/varnish.json", string(text))
	}
	exporter := program(t, "prometheus-varnish-exporter")
	port := freePort(t)
	theirs := scrapeExporter(t, port, exec.Command(exporter, "-n", s.Dir+"/work", "-web.listen-address", fmt.Sprintf("127.0.0.1:%d", port)))
	ours = mustRead(t, "varnish", target)
	wantShape(t, ours, theirs, map[string]string{
		"varnish_exporter_*": "the exporter about itself",
	})
	wantDown(t, "varnish", Target{Options: map[string]any{"instance": s.Dir + "/none"}}, varnishstat)
}

func TestRunBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := runBounded(ctx, program(t, "yes")); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a program that writes without end: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := runBounded(ctx, program(t, "sleep"), "1000"); err == nil {
		t.Error("a program that does not end: no error")
	}
	if _, err := runBounded(t.Context(), program(t, "ls"), "/does/not/exist"); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("a program that fails: %v", err)
	}
}

func FuzzVarnish(f *testing.F) {
	f.Add([]byte(`{"version":1,"counters":{"MAIN.uptime":{"flag":"c","value":5},"VBE.boot.default.happy":{"flag":"b","value":3},"SMA.s0.g_bytes":{"flag":"g","value":1},"LCK.vcl.locks":{"flag":"c","value":1}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		fam := newFamilies(100)
		_ = readVarnish(in, fam)
		addVarnishVersion(fam, string(in))
	})
}

const dovecotAnswer = "reset_timestamp\tlast_update\tnum_logins\tnum_cmds\tuser_cpu\tnum_connected_sessions\n1700000000\t1700000001.5\t3\t17\t0.25\t2\n\n"

func TestDovecotGolden(t *testing.T) {
	answers := map[string]string{"EXPORT\tglobal": dovecotAnswer, "EXPORT\tuser": "user\tnum_logins\tlast_update\nalice\t2\t5\n\t1\t6\n\n"}
	address := serveTCP(t, func(c net.Conn) {
		line, _ := readLine(bufio.NewReader(c))
		fmt.Fprint(c, answers[line])
		<-t.Context().Done() // it keeps the connection
	})
	wantGolden(t, "dovecot", mustRead(t, "dovecot", Target{Address: address, Options: map[string]any{"users": true}}))
	wantDown(t, "dovecot", Target{Address: "unix:" + t.TempDir() + "/none"}, "plugin old_stats")
	wantDown(t, "dovecot", Target{Address: serveTCP(t, func(c net.Conn) { fmt.Fprint(c, "a\tb\n1\n") })}, "1 values for 2 columns")
}

// logIn logs in over IMAP and stays until the test ends.
func logIn(t *testing.T, address, name, password string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "a LOGIN %s %s\r\n", name, password)
	for r := bufio.NewReader(c); ; {
		line, err := readLine(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "a ") {
			if !strings.HasPrefix(line, "a OK") {
				t.Fatalf("login: %s", line)
			}
			return
		}
	}
}

// TestDovecotReal runs a Dovecot with the plugin.
func TestDovecotReal(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("Dovecot wants to be started by root")
	}
	dir, err := os.MkdirTemp("", "dovecot") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	conf := write(t, dir+"/d.conf", fmt.Sprintf(dovecotWithPlugin, dir, port))
	run(t, "dovecot", "-F", "-c", conf)
	socket := "unix:" + dir + "/run/old-stats"
	untilOpen(t, socket)
	untilOpen(t, fmt.Sprintf("127.0.0.1:%d", port))
	logIn(t, fmt.Sprintf("127.0.0.1:%d", port), "alice", "secret")
	until(t, "the plugin's first report", func() error {
		fams, err := read(t, "dovecot", Target{Address: socket})
		if v, _ := value(fams, "dovecot_global_num_logins"); err == nil && v != 1 {
			err = fmt.Errorf("%v logins", v)
		}
		return err
	})
}

const dovecotWithPlugin = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = dovecot
default_login_user = dovenull
mail_location = maildir:%[1]s/mail
mail_plugins = old_stats
protocol imap {
  mail_plugins = old_stats imap_old_stats
}
plugin {
  old_stats_refresh = 1 secs
  old_stats_track_cmds = yes
}
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=%[1]s/home
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
service old-stats {
  unix_listener old-stats {
    mode = 0666
  }
  fifo_listener old-stats-mail {
    mode = 0666
  }
  fifo_listener old-stats-user {
    mode = 0666
  }
}
`

// TestDovecotWithoutPlugin: as many sessions as there are logins.
func TestDovecotWithoutPlugin(t *testing.T) {
	s := programs.Start(t, "dovecot")
	target := Target{Address: "unix:" + s.Dir + "/run/old-stats"}
	wantValue(t, untilRead(t, "dovecot", target), 0, "dovecot_global_num_connected_sessions")
	logIn(t, s.Addr, s.Extra["user"], s.Extra["password"])
	until(t, "the session", func() error {
		fams, err := read(t, "dovecot", target)
		if v, _ := value(fams, "dovecot_global_num_connected_sessions"); err == nil && v != 1 {
			err = fmt.Errorf("%v sessions", v)
		}
		return err
	})
}

func FuzzAnvil(f *testing.F) {
	f.Add("VERSION\tanvil\t1\t0\nimap/127.0.0.1/alice\t12\t1\n\n")
	f.Fuzz(func(t *testing.T, in string) { _, _ = readAnvil(bufio.NewReader(strings.NewReader(in))) })
}

func FuzzDovecot(f *testing.F) {
	f.Add(dovecotAnswer, "user")
	f.Fuzz(func(t *testing.T, in, scope string) {
		_ = readDovecot(bufio.NewReader(strings.NewReader(in)), scope, newFamilies(100))
	})
}

func TestUwsgiReal(t *testing.T) {
	dir := t.TempDir()
	app := write(t, dir+"/app.py", "def application(env, start):\n    start('200 OK', [])\n    return [b'hello']\n")
	port, stats := freePort(t), freePort(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_ = me
	cmd := exec.Command(program(t, "uwsgi"), "--plugin", "python3", "--http-socket", fmt.Sprintf("127.0.0.1:%d", port), "--stats", fmt.Sprintf("127.0.0.1:%d", stats), "--wsgi-file", app, "--processes", "2", "--master", "--die-on-term", "--need-app")
	runCmd(t, cmd)
	target := Target{Address: fmt.Sprintf("127.0.0.1:%d", stats)}
	untilRead(t, "uwsgi", target)
	askWeb(t, port)
	fams := mustRead(t, "uwsgi", target)
	wantValue(t, fams, 1, "uwsgi_up")
	wantValue(t, fams, 2, "uwsgi_workers")
	sum := 0.0
	for _, id := range []string{"1", "2"} {
		v, _ := value(fams, "uwsgi_worker_requests_total", "worker_id", id)
		sum += v
	}
	if sum != 1 {
		t.Errorf("%v requests, want 1", sum)
	}
	if os.Getenv("TEST_RECORD") != "" {
		text, err := askAndReadAll(t.Context(), target.Address, "")
		if err != nil {
			t.Fatal(err)
		}
		write(t, "testdata/uwsgi.json", string(text))
	}
}

func askWeb(t *testing.T, port int) {
	t.Helper()
	until(t, "the application", func() error {
		text, err := askAndReadAll(t.Context(), fmt.Sprintf("127.0.0.1:%d", port), "GET / HTTP/1.0\r\n\r\n")
		if err == nil && !strings.Contains(string(text), "hello") {
			err = fmt.Errorf("it says %s", excerpt(string(text)))
		}
		return err
	})
}

func TestUwsgiGolden(t *testing.T) {
	o, err := readObject([]byte(recorded(t, "uwsgi.json")))
	if err != nil {
		t.Fatal(err)
	}
	f := newFamilies(defaultMaxSeries)
	addUwsgi(f, mustTable("uwsgi"), o, "tcp://127.0.0.1:1717")
	wantGolden(t, "uwsgi", f.result())
	wantDown(t, "uwsgi", Target{Address: serveTCP(t, func(c net.Conn) { fmt.Fprint(c, `{"a":1}`) })}, "is it uWSGI?")
}

func FuzzUwsgi(f *testing.F) {
	f.Add([]byte(`{"workers":[{"id":1,"status":"idle","apps":[{"id":0}],"cores":[{"id":0,"requests":1}]}],"sockets":[{"name":"a"}],"caches":[{"name":"c","hits":1}]}`))
	names := mustTable("uwsgi")
	f.Fuzz(func(t *testing.T, in []byte) {
		if o, err := readObject(in); err == nil {
			addUwsgi(newFamilies(100), names, o, "x")
		}
	})
}

func TestMosquittoReal(t *testing.T) {
	s := programs.Start(t, "mosquitto")
	var fams = untilRead(t, "mosquitto", Target{Address: s.Addr})
	until(t, "the second round of statistics", func() error {
		var err error
		fams, err = read(t, "mosquitto", Target{Address: s.Addr})
		if _, ok := value(fams, "broker_messages_received"); !ok && err == nil {
			err = fmt.Errorf("no broker_messages_received")
		}
		return err
	})
	wantValue(t, fams, 1, "broker_up")
	wantAbove(t, fams, -1, "broker_clients_connected")
	wantAbove(t, fams, -1, "broker_uptime")
}

func TestMosquittoGolden(t *testing.T) {
	message := func(topic, payload string) []byte {
		return appendMqtt(nil, mqttPublish<<4, append(appendMqttText(nil, topic), payload...))
	}
	serve := func(answer []byte) string {
		return serveTCP(t, func(c net.Conn) { go discard(c); _, _ = c.Write(answer); <-t.Context().Done() })
	}
	ok := []byte{mqttConnAck << 4, 2, 0, 0, mqttSubAck << 4, 3, 0, 1, 0}
	for topic, payload := range map[string]string{"version": "mosquitto version 2.0.11", "uptime": "12 seconds", "clients/connected": "3", "clients/active": "3", "load/messages/received/1min": "1.25", "messages/received": "77", "heap/current size": "48", "bad": "none"} {
		ok = append(ok, message("$SYS/broker/"+topic, payload)...)
	}
	wantGolden(t, "mosquitto", mustRead(t, "mosquitto", Target{Address: serve(ok)}))
	wantDown(t, "mosquitto", Target{Address: serve([]byte{mqttConnAck << 4, 2, 0, 5})}, "give a user")
	wantDown(t, "mosquitto", Target{Address: serve([]byte{mqttConnAck << 4, 2, 0, 0, mqttSubAck << 4, 3, 0, 1, 0x80})}, "refuses the subscription")
	wantDown(t, "mosquitto", Target{Address: serve(ok[:9])}, "sys_interval")
	wantDown(t, "mosquitto", Target{Address: serve(append(ok[:9:9], mqttPublish<<4, 3, 0, 200, 0))}, "shorter than its topic")
	wantDown(t, "mosquitto", Target{Address: serve([]byte{mqttConnAck << 4, 0xff, 0xff, 0xff, 0x7f})}, "too long")
	wantDown(t, "mosquitto", Target{Address: serve([]byte{mqttConnAck << 4, 0xff, 0xff, 0xff, 0xff, 1})}, "four bytes")
}

func FuzzMqtt(f *testing.F) {
	f.Add(appendMqtt(nil, mqttPublish<<4, append(appendMqttText(nil, "$SYS/broker/uptime"), "5 seconds"...)))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(strings.NewReader(string(in)))
		fam := newFamilies(100)
		for {
			typ, body, err := readMqtt(r)
			if err != nil {
				return
			}
			if typ == mqttPublish {
				if topic, payload, err := mqttMessage(body); err == nil {
					addMosquitto(fam, topic, payload)
				}
			}
		}
	})
}

func TestNutGolden(t *testing.T) {
	answers := map[string]string{
		"LIST UPS":      "BEGIN LIST UPS\nUPS rack \"The one in the \\\"rack\\\"\"\nEND LIST UPS\n",
		"LIST VAR rack": "BEGIN LIST VAR rack\nVAR rack battery.charge \"97\"\nVAR rack ups.status \"OL CHRG\"\nVAR rack device.model \"Smart 1500\"\nVAR rack device.mfr \"APC\"\nVAR rack ups.beeper.status \"enabled\"\nVAR rack input.voltage \"230.4\"\nEND LIST VAR rack\n",
	}
	address := serveTCP(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			line, err := readLine(r)
			if err != nil {
				return
			}
			fmt.Fprint(c, answers[line])
		}
	})
	wantGolden(t, "upsd", mustRead(t, "upsd", Target{Address: address}))
	wantDown(t, "upsd", Target{Address: serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, "ERR ACCESS-DENIED\n") })}, "ACCESS-DENIED")
	wantDown(t, "upsd", Target{Address: serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, "220 mail\n") })}, "is it upsd?")
}

// TestNutReal runs upsd with NUT's dummy driver.
func TestNutReal(t *testing.T) {
	upsd, driver := "/lib/nut/upsd", "/lib/nut/dummy-ups"
	if !executable(upsd) || !executable(driver) {
		t.Skip("upsd and the dummy driver of NUT are not installed")
	}
	dir, err := os.MkdirTemp("", "nut")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := freePort(t)
	write(t, dir+"/dev.seq", "device.model: Dummy\nups.status: OL\nbattery.charge: 90\nups.load: 12\n")
	write(t, dir+"/ups.conf", "maxretry = 3\n[dummy]\n  driver = dummy-ups\n  port = dev.seq\n")
	write(t, dir+"/upsd.conf", fmt.Sprintf("LISTEN 127.0.0.1 %d\n", port))
	write(t, dir+"/upsd.users", "")
	env := append(os.Environ(), "NUT_CONFPATH="+dir, "NUT_STATEPATH="+dir, "NUT_ALTPIDPATH="+dir)
	start := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Env = env
		cmd.Dir = dir
		runCmd(t, cmd)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	start(driver, "-D", "-u", me.Username, "-a", "dummy")
	until(t, "the driver", func() error { _, err := os.Stat(dir + "/dummy-ups-dummy"); return err })
	start(upsd, "-D", "-u", me.Username)
	var fams = untilRead(t, "upsd", Target{Address: fmt.Sprintf("127.0.0.1:%d", port)})
	until(t, "the battery", func() error {
		var err error
		fams, err = read(t, "upsd", Target{Address: fmt.Sprintf("127.0.0.1:%d", port), Timeout: 5 * time.Second})
		if _, ok := value(fams, "network_ups_tools_battery_charge"); !ok && err == nil {
			err = fmt.Errorf("no charge yet")
		}
		return err
	})
	wantValue(t, fams, 90, "network_ups_tools_battery_charge", "ups", "dummy")
	wantValue(t, fams, 1, "network_ups_tools_ups_status", "flag", "OL")
}

func FuzzNut(f *testing.F) {
	f.Add("BEGIN LIST VAR a\nVAR a ups.status \"OL\"\nVAR a x.y \"1\"\nEND LIST VAR a\n")
	f.Fuzz(func(t *testing.T, in string) {
		r := bufio.NewReader(strings.NewReader(in))
		if vars, err := readNut(func() (string, error) { return readLine(r) }, "VAR a"); err == nil {
			addNut(newFamilies(100), "a", vars)
		}
	})
}
