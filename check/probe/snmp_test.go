package probe

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// snmpd starts Debian's agent on a free port, with a community and two users.
func snmpd(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("snmpd")
	if err != nil {
		t.Skip("snmpd is not installed: apt-get install snmpd")
	}
	dir := t.TempDir()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := c.LocalAddr().String()
	_ = c.Close()
	config := filepath.Join(dir, "snmpd.conf")
	text := "rocommunity hush\nsysName testbox\nsysLocation the attic\ncreateUser signer SHA-256 signing-it AES\n" +
		"createUser hidden SHA-512 signing-it AES hiding-it\nrouser signer auth\nrouser hidden priv\nagentAddress udp:" + address + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-f", "-Lo", "-C", "-c", config, "-I", "-smux", "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return address
}

// settled asks until the agent answers.
func settled(t *testing.T, address, options string) model.CheckResult {
	t.Helper()
	var r model.CheckResult
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
		if r = ask(t, "snmp", address, options); r.Status != model.Critical {
			return r
		}
	}
	return r
}

func TestSNMP(t *testing.T) {
	at := snmpd(t)
	r := settled(t, at, `{"community":"hush"}`)
	if r.Status != model.OK || !strings.HasPrefix(r.Output, "testbox answers; up for ") {
		t.Fatalf("%v %s", r.Status, r.Output)
	}
	f := func(options string, status model.Status, output string) {
		t.Helper()
		r := ask(t, "snmp", at, options)
		if r.Status != status || !strings.Contains(r.Output, output) {
			t.Errorf("%s: %v %s", options, r.Status, r.Output)
		}
	}
	f(`{"community":"hush","version":1}`, model.OK, "testbox answers")
	f(`{"community":"wrong","retries":-1}`, model.Critical, "no answer")
	f(`{"version":3,"username":"signer","password":"signing-it","auth_protocol":"SHA256"}`, model.OK, "testbox answers")
	f(`{"version":3,"username":"hidden","password":"signing-it","auth_protocol":"SHA512","priv_protocol":"AES","priv_password":"hiding-it"}`, model.OK, "testbox answers")
	f(`{"version":3,"username":"signer","password":"signing-wrong","auth_protocol":"SHA256"}`, model.Critical, "refused the user, the password")
	f(`{"version":3,"username":"nobody","retries":-1}`, model.Critical, "does not know the user")
	f(`{"community":"hush","get":[{"oid":"1.3.6.1.2.1.1.6.0","name":"where","expect":"the attic"}]}`, model.OK, "where the attic")
	f(`{"community":"hush","get":[{"oid":"1.3.6.1.2.1.1.6.0","name":"where","expect":"the cellar"}]}`, model.Critical, `where is "the attic", not "the cellar"`)
	f(`{"community":"hush","get":[{"oid":".1.3.6.1.2.1.1.6.0","name":"where","regexp":"^the","not":true}]}`, model.Critical, `anything but what matches ^the`)
	f(`{"community":"hush","get":[{"oid":"1.3.6.1.2.1.1.3.0","name":"ticks","scale":0.01,"unit":"s","warn":"@0:3600"}]}`, model.Warning, "ticks is")
	f(`{"community":"hush","version":1,"get":[{"oid":"1.3.6.1.2.1.1.6.0"},{"oid":"1.3.6.1.2.1.1.99.0"}]}`, model.Unknown, "no such object")
	f(`{"community":"hush","min_uptime":"1h"}`, model.Warning, "was started")
	f(`{"community":"hush","interface":"lo"}`, model.OK, "interface lo is up")
	f(`{"community":"hush","interface":"eth99"}`, model.Critical, `no interface "eth99"`)
}

func TestSNMPRefuses(t *testing.T) {
	refuses(t, "snmp", `{"version":4}`, "version: 4 is none")
	refuses(t, "snmp", `{"version":3}`, "username: version 3 needs one")
	refuses(t, "snmp", `{"version":3,"username":"x","password":"short"}`, "at least 8 characters")
	refuses(t, "snmp", `{"get":[{"oid":"sysUpTime.0"}]}`, "is no OID")
	refuses(t, "snmp", `{"transport":"dtls"}`, "write udp or tcp")
	refuses(t, "snmp", `{"get":[`+strings.Repeat(`{"oid":"1.3"},`, 100)+`{"oid":"1.3"}]}`, "at most 100")
}

// TestSNMPGarbage: an agent that answers nonsense is CRITICAL in time.
func TestSNMPGarbage(t *testing.T) {
	for i, answer := range []string{"", "\x30\x84\xff\xff\xff\xff", strings.Repeat("\x30\x80", 700), "\x30\x03\x02\x01\x01"} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				buffer := make([]byte, 2000)
				for {
					_, from, err := c.ReadFrom(buffer)
					if err != nil {
						return
					}
					_, _ = c.WriteTo([]byte(answer), from)
				}
			}()
			defer func() { _ = c.Close(); <-done }()
			p := build(t, "snmp", c.LocalAddr().String(), `{"retries":-1}`)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if r := p.Probe(ctx); r.Status != model.Critical {
				t.Errorf("%v %s", r.Status, r.Output)
			}
		})
	}
}
