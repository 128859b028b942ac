package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// runProgram runs a program of Debian, and returns what it prints with its exit code.
func runProgram(t *testing.T, stdin, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
}

// installed finds a program, or leaves the test out.
func installed(t *testing.T, names ...string) (path string) {
	t.Helper()
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Skipf("%s is not installed", names[0])
	return ""
}

// startAgents starts a Hulotte that speaks what the agents of Nagios and Zabbix speak, with a check for each way in.
func startAgents(t *testing.T) (p *harness.Process, ports map[string]string, pipe string) {
	t.Helper()
	ports = map[string]string{}
	addr := func(name string) string {
		a := harness.FreeAddr(t)
		_, ports[name], _ = net.SplitHostPort(a)
		return a
	}
	dir := t.TempDir()
	pipe = filepath.Join(dir, "nagios.cmd")
	cfg := filepath.Join(dir, "nrpe.cfg")
	harness.WriteFile(t, cfg, "dont_blame_nrpe=1\ncommand[say]=/bin/echo said $ARG1$ '|' a=1\n")
	return harness.Start(t, harness.Options{Config: fmt.Sprintf(`
monitoring:
  discovery: {enabled: false}
  command_file: %s
  nrpe: {listen: %q, config: %s}
  nsca: {listen: %q, method: aes, password: secret}
  zabbix: {agent_listen: %q, trapper_listen: %q, hostname: web1}
  hosts:
    - {name: web1, address: 127.0.0.1, check: none}
  checks:
    - {name: plugin, host: web1, interval: 1h, plugin: {command: "/bin/sh -c 'echo fine \\| t=5s; exit 1'"}, max_attempts: 1}
    - {name: nrpe, host: web1, interval: 1h, retry_interval: 1s, nrpe: {command: say, arguments: [hello], port: %s}}
    - {name: zabbix, host: web1, interval: 1h, retry_interval: 1s, zabbix: {key: agent.hostname, match: "^web1$", port: %s}}
    - {name: memory, host: web1, memory: {used_warning: 100, used_critical: 100}}
    - {name: query, host: web1, interval: 2s, promql: {query: "1 + 1", critical: 1}}
    - {name: nsca, host: web1, max_attempts: 1, passive: {}}
    - {name: pipe, host: web1, max_attempts: 1, passive: {}}
    - {name: item, host: web1, max_attempts: 1, passive: {zabbix_key: backup, critical: 10}}
    - {name: beat, host: web1, max_attempts: 1, heartbeat: {token: 0123456789abcdef}}
`, pipe, addr("nrpe"), cfg, addr("nsca"), addr("agent"), addr("trapper"), ports["nrpe"], ports["agent"])}), ports, pipe
}

// Checks over NRPE, Zabbix' protocol and plugins, the machine's own and those of expressions are asked, and their numbers are series.
func TestChecksOfAgents(t *testing.T) {
	p, _, _ := startAgents(t)
	f := func(name, status, output string) {
		t.Helper()
		v := becomes(t, p, "web1/"+name, 30*time.Second, func(v viewed) bool { return v.Status != "PENDING" && v.Output != "" && (v.Status == status || v.Hard) })
		if v.Status != status || !strings.HasPrefix(v.Output, output) {
			t.Errorf("%s is %s %q, want %s %q", name, v.Status, v.Output, status, output)
		}
	}
	f("plugin", "WARNING", "fine")
	f("nrpe", "OK", "said hello")
	f("zabbix", "OK", "ZABBIX agent.hostname = web1")
	f("memory", "OK", "MEMORY OK - ")
	f("query", "CRITICAL", "PROMQL CRITICAL - value = 2")
	harness.Eventually(t, 20*time.Second, func() error {
		if _, text := p.Get(t, `/api/v1/query?query=check_perfdata{check="nrpe",label="a"}`); !strings.Contains(text, `,"1"]`) {
			return fmt.Errorf("the performance data is no series: %s", text)
		}
		return nil
	})
}

func TestCheckNRPEAsksHulotte(t *testing.T) {
	program := installed(t, "/usr/lib/nagios/plugins/check_nrpe")
	p, ports, _ := startAgents(t)
	becomes(t, p, "web1/plugin", 20*time.Second, func(v viewed) bool { return v.Status == "WARNING" })
	f := func(exit int, want string, args ...string) {
		t.Helper()
		out, got := runProgram(t, "", program, append([]string{"-H", "127.0.0.1", "-p", ports["nrpe"]}, args...)...)
		if got != exit || !strings.Contains(out, want) {
			t.Errorf("check_nrpe %q: %d %q, want %d %q", args, got, out, exit, want)
		}
	}
	f(0, "NRPE v4")
	f(0, "said hello | a=1", "-c", "say", "-a", "hello")
	f(0, "said hello | a=1", "-2", "-c", "say", "-a", "hello")
	f(1, "fine", "-c", "web1/plugin")
	f(1, "fine", "-c", "check_hulotte", "-a", "web1/plugin")
	f(3, "not defined", "-c", "none")
	if out, exit := runProgram(t, "", program, "-H", "127.0.0.1", "-p", ports["nrpe"], "-c", "check_hulotte"); exit == 0 || exit > 3 {
		t.Errorf("of all checks: %d %s", exit, out)
	}
}

func TestResultsFromOutside(t *testing.T) {
	p, ports, pipe := startAgents(t)
	f := func(name, status, output string) {
		t.Helper()
		becomes(t, p, "web1/"+name, 20*time.Second, func(v viewed) bool { return v.Status == status && strings.HasPrefix(v.Output, output) })
	}
	if out, exit := runProgram(t, "", "/bin/sh", "-c", "printf '[%s] PROCESS_SERVICE_CHECK_RESULT;web1;pipe;2;from the pipe|x=1\\n' $(date +%s) > "+pipe); exit != 0 {
		t.Fatal(out)
	}
	f("pipe", "CRITICAL", "from the pipe")
	if out, exit := runProgram(t, "", "/bin/sh", "-c", "printf '[1] ACKNOWLEDGE_SVC_PROBLEM;web1;pipe;2;1;1;anna;on it\\n' > "+pipe); exit != 0 {
		t.Fatal(out)
	}
	v := becomes(t, p, "web1/pipe", 20*time.Second, func(v viewed) bool { return v.Ack != nil })
	if v.Ack.By != "anna" || v.Ack.Comment != "on it" || v.Handled != "acknowledged" {
		t.Errorf("%+v %s", v.Ack, v.Handled)
	}
	response, err := http.Post(p.URL+"/heartbeat/0123456789abcdef/3", "text/plain", strings.NewReader("no space"))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	_ = response.Body.Close()
	f("beat", "CRITICAL", "exit code 3: no space")

	t.Run("send_nsca", func(t *testing.T) {
		program := installed(t, "send_nsca")
		config := filepath.Join(t.TempDir(), "send_nsca.cfg")
		harness.WriteFile(t, config, "password=secret\nencryption_method=14\n")
		if out, exit := runProgram(t, "web1\tnsca\t1\tslow | t=5s\n", program, "-H", "127.0.0.1", "-p", ports["nsca"], "-c", config); exit != 0 {
			t.Error(out)
		}
		f("nsca", "WARNING", "slow")
	})
	t.Run("zabbix_sender", func(t *testing.T) {
		program := installed(t, "zabbix_sender")
		if out, exit := runProgram(t, "", program, "-z", "127.0.0.1", "-p", ports["trapper"], "-s", "web1", "-k", "backup", "-o", "12"); exit != 0 || !strings.Contains(out, "processed: 1; failed: 0") {
			t.Error(out)
		}
		f("item", "CRITICAL", "backup = 12")
		harness.Eventually(t, 20*time.Second, func() error {
			if _, text := p.Get(t, `/api/v1/query?query=zabbix_item_value{host="web1",key="backup"}`); !strings.Contains(text, `,"12"]`) {
				return fmt.Errorf("the value is no series: %s", text)
			}
			return nil
		})
	})
	t.Run("zabbix_get", func(t *testing.T) {
		program := os.Getenv("TEST_ZABBIX_GET")
		if program == "" {
			program = installed(t, "zabbix_get")
		}
		for key, want := range map[string]string{"agent.hostname": "web1", "system.run[id]": "ZBX_NOTSUPPORTED", "vm.memory.size[pavailable]": "."} {
			if out, _ := runProgram(t, "", program, "-s", "127.0.0.1", "-p", ports["agent"], "-k", key); !strings.Contains(out, want) {
				t.Errorf("%s: %s", key, out)
			}
		}
	})
}

// What the pages about checks tell people to write is a configuration.
func TestDocsOfChecks(t *testing.T) {
	for _, page := range []string{"plugins", "nrpe", "zabbix", "passive", "local", "query"} {
		text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "checks-"+page+".md"))
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```yaml\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("checks-%s.md has no configuration", page)
		}
		for i, block := range blocks {
			block, _, _ = strings.Cut(block, "```")
			block = strings.Replace(block, "monitoring:\n", "monitoring:\n  hosts: [{name: web1}, {name: db1}]\n", 1)
			dir := t.TempDir()
			block = regexp.MustCompile(`/etc/hulotte/[\w-]+\.(pem|key)`).ReplaceAllString(block, filepath.Join(dir, "both.pem"))
			harness.WriteFile(t, filepath.Join(dir, "both.pem"), certificateAndKey(t))
			file := filepath.Join(dir, "hulotte.yml")
			harness.WriteFile(t, file, block)
			if out, exit := runProgram(t, "", harness.Binary(t), "config", "check", "--config", file); exit != 0 {
				t.Errorf("checks-%s.md, block %d: %s\n%s", page, i+1, out, block)
			}
		}
	}
}

// certificateAndKey is a certificate of its own and its key in one text.
func certificateAndKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"db1.example.org"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
