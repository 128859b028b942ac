package plugin

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hulotte-dev/hulotte/model"
)

// banner answers every connection with a greeting, and "221 bye" to each line.
func banner(t *testing.T, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				fmt.Fprint(c, greeting)
				buf := make([]byte, 512)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					fmt.Fprint(c, "221 bye\r\n")
				}
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestDebianPlugins runs the plugins of Debian's packages monitoring-plugins-basic and -standard as they are.
func TestDebianPlugins(t *testing.T) {
	if _, err := LookUp("check_http", Dirs()); err != nil {
		t.Skip("monitoring-plugins-basic is not installed")
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer web.Close()
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	ssh := banner(t, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
	smtp := banner(t, "220 mail.example.org ESMTP\r\n")
	ftp := banner(t, "220 ftp ready\r\n")
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	if err := os.WriteFile(file, []byte("one\ntwo error\n"), 0o644); err != nil { //nolint:gosec // a log
		t.Fatal(err)
	}
	mrtg := filepath.Join(dir, "mrtg.log")
	now := time.Now().Unix()
	if err := os.WriteFile(mrtg, fmt.Appendf(nil, "%d 10 20\n%d 10 20 30 40\n%d 10 20 30 40\n%d 10 20 30 40\n", now, now, now-300, now-600), 0o644); err != nil { //nolint:gosec // a log
		t.Fatal(err)
	}

	f := func(command string, status model.Status, output string, labels ...string) {
		t.Helper()
		words, err := Split(command)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := LookUp(words[0], Dirs()); err != nil {
			t.Errorf("%s is not installed: %v", words[0], err)
			return
		}
		r := probe(t, 20*time.Second, map[string]any{"command": words})
		var got []string
		for _, p := range r.Perf {
			got = append(got, p.Label)
		}
		if r.Status != status || !strings.Contains(r.Output, output) || strings.Join(got, ",") != strings.Join(labels, ",") {
			t.Errorf("%s\n got %v %q %q long %q\nwant %v %q %q", command, r.Status, r.Output, got, r.Long, status, output, labels)
		}
		t.Logf("%-16s %-8v %s | %s", words[0], r.Status, r.Output, FormatPerf(r.Perf))
	}
	f("check_http -H 127.0.0.1 -p "+port, model.OK, "HTTP OK: HTTP/1.1 200 OK", "time", "size")
	f("check_http -H 127.0.0.1 -s absent -p "+port, model.Critical, "HTTP CRITICAL", "time", "size")
	f("check_tcp -H 127.0.0.1 -p "+port, model.OK, "TCP OK", "time")
	f("check_tcp -H 127.0.0.1 -p 1 -t 2", model.Critical, "Connection refused")
	f("check_ftp -H 127.0.0.1 -p "+ftp, model.OK, "FTP OK", "time")
	f("check_ssh -p "+ssh+" 127.0.0.1", model.OK, "SSH OK - OpenSSH_9.2p1", "time")
	f("check_smtp -H 127.0.0.1 -p "+smtp, model.OK, "SMTP OK", "time")
	f("check_disk -w 0% -c 0% -p "+dir, model.OK, "DISK OK", mountOf(t, dir))
	f("check_load -w 999,999,999 -c 999,999,999", model.OK, "load average", "load1", "load5", "load15")
	f("check_procs -w 1: -c 1:", model.OK, "PROCS OK", "procs")
	f("check_procs -c 1: -C no_such_process", model.Critical, "PROCS CRITICAL: 0 processes", "procs")
	f("check_users -w 999 -c 999", model.OK, "USERS OK", "users")
	f("check_swap -w 1% -c 0% -n ok", model.OK, "SWAP OK", "swap")
	f("check_ping -H 127.0.0.1 -w 1000,50% -c 2000,90% -p 1", model.OK, "PING OK - Packet loss = 0%", "rta", "pl")
	f("check_icmp -n 2 127.0.0.1", model.OK, "OK - 127.0.0.1: rta", "rta", "pl", "rtmax", "rtmin")
	f("check_file_age -w 1000 -c 2000 "+file, model.OK, "FILE_AGE OK", "age", "size")
	f("check_log -F "+file+" -O "+filepath.Join(dir, "old")+" -q error", model.OK, "Log check data initialized")
	f("check_mrtg -F "+mrtg+" -a AVG -v 1 -e 10 -w 100 -c 200", model.OK, "Avg. value = 10", "value")
	f("check_dummy 2 'made up'", model.Critical, "CRITICAL: made up")
	f("check_apt -t 15 -n -i no_such_package", model.OK, "APT OK", "available_upgrades", "critical_updates")
	f("check_ntp_time -H 127.0.0.1 -p 1 -t 2", model.Critical, "No response from NTP server")
	f("check_ntp_time -H 127.0.0.1 -w 60 -c 120 -p "+timeServer(t), model.OK, "NTP OK: Offset", "offset")
	f("check_dns -H localhost -s 127.0.0.1 -t 2", model.Critical, "")
	if nameServer(t, "127.0.0.77:53") {
		f("check_dns -H www.example.org -s 127.0.0.77 -a 192.0.2.7 -t 5", model.OK, "DNS OK", "time")
	}
	f("check_nagios -F /no -C /no -e 5", model.Critical, "")
	f("check_sensors", model.Unknown, "")
	f("negate -s -o CRITICAL /usr/lib/nagios/plugins/check_dummy 0", model.Critical, "")
	f("urlize http://example.org /usr/lib/nagios/plugins/check_dummy 0 x", model.OK, "<A href=\"http://example.org\">OK: x</A>")
}

// timeServer answers SNTP with this machine's time.
func timeServer(t *testing.T) (port string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			answer := make([]byte, 48)
			answer[0], answer[1], answer[2], answer[3] = 4<<3|4, 1, 6, 0xec // version 4, server, stratum 1
			copy(answer[24:32], buf[40:48])                                 // originate = the client's transmit
			now := time.Now()
			stamp := uint64(now.Unix()+2208988800)<<32 | uint64(now.Nanosecond())<<32/1e9
			for _, at := range []int{16, 32, 40} {
				binary.BigEndian.PutUint64(answer[at:], stamp)
			}
			_, _ = c.WriteTo(answer, from)
		}
	}()
	_, port, _ = net.SplitHostPort(c.LocalAddr().String())
	return port
}

// nameServer answers every question for an address with 192.0.2.7; false when the port is not to be had.
func nameServer(t *testing.T, addr string) bool {
	t.Helper()
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Logf("no DNS server for check_dns: %v", err)
		return false
	}
	server := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg)
		a.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = append(a.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, 7)})
		}
		_ = w.WriteMsg(a)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = c.Close() })
	return true
}

func mountOf(t *testing.T, path string) string {
	t.Helper()
	best := ""
	b, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 1 && (strings.HasPrefix(path, strings.TrimSuffix(f[1], "/")+"/")) && len(f[1]) > len(best) {
			best = f[1]
		}
	}
	return best
}
