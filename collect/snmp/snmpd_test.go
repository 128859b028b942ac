package snmp

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: apt-get install %s", name, pkg)
	}
	return path
}

func freePort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// snmpd starts Debian's agent.
func snmpd(t *testing.T) string {
	t.Helper()
	path, dir, address := program(t, "snmpd", "snmpd"), t.TempDir(), freePort(t, "udp")
	config := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(config, []byte("rocommunity hush\nsysName testbox\nsysLocation the attic\nagentAddress udp:"+address+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-f", "-Lo", "-C", "-c", config, "-I", "-smux", "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir)
	start(t, cmd)
	return address
}

func page(t *testing.T, address string) string {
	t.Helper()
	var text string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get(address)
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if text = string(body); resp.StatusCode == http.StatusOK {
			return text
		}
	}
	t.Fatalf("%s: %s", address, text)
	return ""
}

// oldForm writes embedded modules as snmp_exporter until 0.22 read them.
func oldForm(t *testing.T, names ...string) []byte {
	t.Helper()
	top := map[string]any{}
	for _, name := range names {
		data, err := embedded.ReadFile("modules/" + name + ".yml")
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Modules map[string]map[string]any }
		if err := yaml.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for n, m := range file.Modules {
			delete(m, "detect") // is ours alone
			m["version"], m["auth"] = 2, map[string]string{"community": "hush"}
			top[n] = m
		}
	}
	var b bytes.Buffer
	if err := yaml.NewEncoder(&b).Encode(top); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// series are the lines of a page without values that change by themselves.
func series(text string) []string {
	changes := regexp.MustCompile(`^(sysUpTime|(snmp_scrape|if[A-Za-z]*(Octets|Pkts|Packets)|hr[A-Za-z]*|ss[A-Z]|mem[A-Z]|laLoad)[a-zA-Z_]*)( |\{.*\} ).*$`)
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == '#' || strings.HasPrefix(line, "snmp_") {
			continue
		}
		out = append(out, changes.ReplaceAllString(line, "$1$4*"))
	}
	slices.Sort(out)
	return out
}

// TestBesideExporter reads the same agent with the same modules through snmp_exporter and through ours.
func TestBesideExporter(t *testing.T) {
	exporter, agent := program(t, "prometheus-snmp-exporter", "prometheus-snmp-exporter"), snmpd(t)
	config := filepath.Join(t.TempDir(), "snmp.yml")
	text := oldForm(t, "if_mib", "system", "host_resources", "ucd")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	address := freePort(t, "tcp")
	start(t, exec.Command(exporter, "--config.file="+config, "--web.listen-address="+address))
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	ours := httptest.NewServer(Handler(func() *Config { return c }, 0, nil))
	defer ours.Close()
	for name := range c.Modules {
		query := "/snmp?module=" + name + "&target=" + url.QueryEscape(agent)
		want, got := series(page(t, "http://"+address+query)), series(page(t, ours.URL+query))
		if len(want) == 0 {
			t.Fatalf("%s: the exporter gives no series", name)
		}
		t.Logf("%s: %d series", name, len(want))
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s: missing %s", name, line)
			}
		}
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("%s: not the exporter's: %s", name, line)
			}
		}
	}
}

func TestEmbedded(t *testing.T) {
	c, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Modules["if_mib"].Metrics) < 30 || len(c.Modules["system"].Metrics) != 6 {
		t.Error("modules are missing metrics")
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	f("modules: {a: {walk: [x]}}", "module a: walk")
	f("modules: {a: {metrics: [{name: b, oid: 1.3, type: colour}]}}", `metric b: type: "colour"`)
	f("auths: {a: {version: 9}}", "auth a: version: 9")
	f("a: {version: 3, auth: {}}", "module a: auth: username")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("modules: {a: {walk: [1.3.6], metrics: [{name: b, oid: 1.3.6.1, type: gauge, indexes: [{labelname: i, type: gauge}]}]}}"))
	f.Add([]byte("a: {version: 2, auth: {community: x}}"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = Parse(data) })
}
