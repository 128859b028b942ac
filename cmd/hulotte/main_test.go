package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/app"
)

var update = flag.Bool("update", false, "write the golden files anew")

// execute runs a command line and returns what it wrote and its exit code.
func execute(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	code = root().execute(args, streams{out: &b, err: f})
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), string(text), code
}

func TestHelpGolden(t *testing.T) {
	f := func(name string, args ...string) {
		t.Helper()
		out, errs, code := execute(t, args...)
		if code != exitOK || errs != "" {
			t.Errorf("%q: exit code %d, %s", args, code, errs)
		}
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if out != string(want) {
			t.Errorf("%s differs (write it anew with: go test ./cmd/hulotte -update)\n%s", file, out)
		}
	}
	f("help", "--help")
	f("help", "help")
	f("help-agent", "agent", "-h")
	f("help-server", "server", "--help")
	f("help-config", "config", "--help")
	f("help-config-check", "config", "check", "--help")
	f("help-config", "help", "config")
	f("help-config-show", "config", "show", "--help")
	f("help-discover", "discover", "--help")
	f("help-storage", "storage", "--help")
	f("help-storage-verify", "storage", "verify", "--help")
	f("help-storage-copy", "storage", "copy", "--help")
	f("help-storage-info", "storage", "info", "--help")
	f("help-backup", "backup", "--help")
	f("help-restore", "restore", "--help")
	f("help-alert", "alert", "--help")
	f("help-alert-list", "alert", "list", "--help")
	f("help-alert-explain", "alert", "explain", "--help")
	f("help-alert-ack", "alert", "ack", "--help")
	f("help-alert-silence", "alert", "silence", "--help")
	f("help-rules", "rules", "--help")
	f("help-rules-test", "rules", "test", "--help")
	f("help-version", "version", "--help")
	f("help-snmp", "snmp", "--help")
	f("help-snmp-get", "snmp", "get", "--help")
	f("help-snmp-walk", "snmp", "walk", "--help")
	f("help-snmp-try", "snmp", "try", "--help")
	f("help-snmp-scan", "snmp", "scan", "--help")
}

func TestWrongUse(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		out, errs, code := execute(t, args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%q: exit code %d, %q, want %d and %q", args, code, errs, exitUsage, want)
		}
	}
	f("did you mean --listen?", "--lisen", "x")
	f("did you mean --data-dir?", "agent", "--datadir=x")
	f(`did you mean "agent"?`, "agnet")
	f(`did you mean "check"?`, "config", "chek")
	f(`no command "zebra"`, "zebra")
	f("needs an argument", "--listen")
	f("takes no argument", "version", "now")
	f("give one file", "config", "check", "a.yml", "b.yml")
	f("hulotte config COMMAND", "config")
}

func TestConfigCheck(t *testing.T) {
	write := func(text string) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "hulotte.yml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := write("log: {level: warn}\nscrape_configs: [{job_name: a}]\nrule_files: [none.yml]\n")
	if out, errs, code := execute(t, "config", "check", good); code != exitOK || !strings.Contains(out, "1 scrape jobs") || !strings.Contains(errs, "none.yml") {
		t.Errorf("good: %d %q %q", code, out, errs)
	}
	bad := write("serber: {}\nlog: {level: loud}\n")
	if out, errs, code := execute(t, "config", "check", "--config", bad); code != exitFailed || out != "" || strings.Count(errs, "\n") != 2 {
		t.Errorf("bad: %d %q %q, want two lines", code, out, errs)
	}
	if _, errs, code := execute(t, "config", "check", bad, "--log.level", "info"); code != exitFailed || !strings.Contains(errs, "serber") {
		t.Errorf("flag behind the file: %d %q", code, errs)
	}
}

func TestConfigShow(t *testing.T) {
	t.Setenv("HULOTTE_LOG_LEVEL", "error")
	out, errs, code := execute(t, "config", "show", "--listen", "127.0.0.1:1")
	if code != exitOK || !strings.Contains(out, "listen: 127.0.0.1:1 # flag --listen") || !strings.Contains(out, "level: error # environment HULOTTE_LOG_LEVEL") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	t.Setenv("HULOTTE_LOG_LEVEL", "loud")
	if _, errs, code = execute(t, "config", "show"); code != exitFailed || !strings.Contains(errs, "HULOTTE_LOG_LEVEL") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestVersion(t *testing.T) {
	out, _, code := execute(t, "version", "--json")
	var b app.Build
	if err := json.Unmarshal([]byte(out), &b); err != nil || code != exitOK || !strings.HasPrefix(b.GoVersion, "go") {
		t.Errorf("%d %v %s", code, err, out)
	}
	if out, _, code = execute(t, "version"); code != exitOK || !strings.HasPrefix(out, "hulotte ") {
		t.Errorf("%d %s", code, out)
	}
}

func TestRunRefusesABadConfiguration(t *testing.T) {
	_, errs, code := execute(t, "--listen", "nowhere", "--log.level", "loud")
	if code != exitFailed || !strings.Contains(errs, "--listen") || !strings.Contains(errs, "--log.level") {
		t.Errorf("%d %s", code, errs)
	}
}

func TestDiscover(t *testing.T) {
	t.Chdir(t.TempDir())
	out, errs, code := execute(t, "discover", "--json")
	var answer seen
	if err := json.Unmarshal([]byte(out), &answer); code != exitOK || err != nil || answer.Services == nil {
		t.Errorf("exit code %d, %v, %s\n%s", code, err, errs, out)
	}
	for _, s := range answer.Services {
		if s.ID == "" || s.Check.Kind == "" || len(s.Why) == 0 {
			t.Errorf("a service has no name, no check or no reason: %+v", s)
		}
	}
	if out, errs, code := execute(t, "discover", "--why"); code != exitOK || !strings.Contains(out, "SERVICE") && !strings.Contains(out, "No service") {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
}
