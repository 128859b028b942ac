package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (write it anew with: go test ./config -update)\n%s", name, firstDifference(got, string(want)))
	}
}

// firstDifference shows the first line that differs.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\ngot:  %s\nwant: %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(a), len(b))
}

// loadText loads a file with the given text.
func loadText(t *testing.T, text string, s Sources) (*Config, error) {
	t.Helper()
	s.File = filepath.Join(t.TempDir(), "hulotte.yml")
	if err := os.WriteFile(s.File, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(s)
}

func TestErrorsGolden(t *testing.T) {
	_, err := Load(Sources{
		File: "testdata/bad.yml",
		Env: []string{
			"HULOTTE_LOG_FORMAT=xml", "HULOTTE_SERVER_LISTN=x", "HULOTTE_NONSENSE=1", "PATH=/bin",
			"HULOTTE_CONFIG=elsewhere.yml", "HULOTTE_PORT=tcp://10.0.0.1:9070", "HULOTTE_SERVICE_HOST=10.0.0.1",
			"HULOTTE_SERVICE_PORT_HTTP=9070", "HULOTTE_PORT_9070_TCP_ADDR=10.0.0.1",
		},
		Flags: []Flag{{Name: "--log.level", Key: "log.level", Value: "loud"}},
	})
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("Load = %v, want Errors", err)
	}
	golden(t, "testdata/bad.txt", errs.Error()+"\n")
}

func TestShowGolden(t *testing.T) {
	c, err := Load(Sources{
		File:  "testdata/good.yml",
		Env:   []string{"HULOTTE_LOG_LEVEL=debug", "HULOTTE_STORAGE_SERIES_RETENTION_TIME=7d"},
		Flags: []Flag{{Name: "--listen", Key: "server.listen", Value: "127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	own, prom, ok := strings.Cut(b.String(), "\nglobal:\n")
	if !ok || !strings.Contains(prom, "localhost:9121") || !strings.Contains(prom, "password: <secret>") {
		t.Errorf("the part of Prometheus is missing or tells a secret:\n%s", prom)
	}
	golden(t, "testdata/good.txt", own+"\n")
	if strings.Contains(own, "KmbPJL") {
		t.Error("Show tells a secret")
	}
}

// What Show writes can be read again and means the same, but for the secrets.
func TestShowCanBeRead(t *testing.T) {
	c, err := loadText(t, "storage: {series: {retention_size: 10GiB}}\nserver: {allowed_hosts: [a, 'true', '1']}\nglobal: {scrape_interval: 7s}\n", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	again, err := loadText(t, b.String(), Sources{})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if keys := NeedRestart(c, again); len(keys) > 0 {
		t.Errorf("keys %v changed in\n%s", keys, b.String())
	}
	if got := again.Scrape.Prometheus().GlobalConfig.ScrapeInterval.String(); got != "7s" {
		t.Errorf("scrape_interval = %s, want 7s", got)
	}
}

func TestFlagsWinOverEnvironmentOverFileOverDefaults(t *testing.T) {
	const text = "log: {level: warn, format: json}\nserver: {listen: '127.0.0.1:1', idle_timeout: 5s}\n"
	c, err := loadText(t, text, Sources{
		Env:   []string{"HULOTTE_LOG_LEVEL=error", "HULOTTE_SERVER_LISTEN=127.0.0.1:2"},
		Flags: []Flag{{Name: "--listen", Key: "server.listen", Value: "127.0.0.1:3"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Listen != "127.0.0.1:3" || c.Log.Level != "error" || c.Server.IdleTimeout != 5*time.Second || c.Server.ReadTimeout != time.Minute {
		t.Errorf("got %+v %+v", c.Server, c.Log)
	}
}

func TestVariablesOfOthersSetNothing(t *testing.T) {
	env := []string{"HULOTTE_URL=http://a", "HULOTTE_TENANT=t", "HULOTTE_PASSWORD=p", "HULOTTE_CONFIG=f.yml", "HULOTTE_SERVICE_HOST=10.0.0.1", "PATH=/bin"}
	if _, err := loadText(t, "", Sources{Env: env}); err != nil {
		t.Error(err)
	}
}

func TestNoFileIsNoError(t *testing.T) {
	c, err := Load(Sources{Search: []string{"testdata/none.yml"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.File != "" || c.Server.Listen != "127.0.0.1:9070" || c.Scrape == nil {
		t.Errorf("got %+v", c)
	}
	if _, err := Load(Sources{File: "testdata/none.yml"}); err == nil || !strings.Contains(err.Error(), "testdata/none.yml") {
		t.Errorf("a file that was asked for and is missing: %v", err)
	}
}

func TestAccepts(t *testing.T) {
	f := func(text string) {
		t.Helper()
		if _, err := loadText(t, text, Sources{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	f("")
	f("# only a comment\n")
	f("---\nserver:\n")
	f("server:\n  listen:\n")
	f("server: &s {idle_timeout: 3s}\nlog: {level: info}\n")
	f("server: {listen: ':9070', allow_unauthenticated: true}\n")
	f("server: {listen: '[::1]:9070'}\n")
	f("server: {listen: 'localhost:9070'}\n")
	f("server: {allowed_hosts: one}\n")
	f("scrape_configs: []\n")
	f("{server: {listen: '127.0.0.1:1'}}\n")
}

func TestRefuses(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := loadText(t, text, Sources{})
		if err == nil {
			t.Errorf("%q was accepted", text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %q lacks %q", text, err, w)
			}
		}
	}
	f("server: [", ":1", "is not YAML")
	f("\n\n\tserver: 1", ":3: is not YAML")
	f("just words", "the file is one value")
	f("a: 1\n---\nb: 2\n", "second document")
	f("server: {listen: '0.0.0.0:9070'}", "server.listen", "server.users", "allow_unauthenticated")
	f("server: {listen: 'obs.example.org:9070'}", "nobody has to log in")
	f("server: {tls: {cert_file: a.pem}}", "server.tls.key_file")
	f("server: {tls: {client_ca_file: a.pem}}", "server.tls.cert_file")
	f("host: {interval: 2s}", ":1: host.interval", "shorter")
	f("host: {timeout: 20s}", ":1: host.timeout", "shorter")
	f("log: {level: info}\nlog: {level: warn}", ":2: log: stands twice", "line 1")
	f("{scrape_configs: []}", "each top-level key on a line of its own")
	f("prometheus: {config: none.yml}", "prometheus.config", "none.yml")
	f("prometheus: {config: none.yml}\nscrape_configs: []", ":2: scrape_configs: stands beside prometheus.config")
	f("scrape_config: []", `did you mean "scrape_configs"?`)
	f("tracing: {}", "prometheus.yml only")
	f("storage: {series: {retention_time: 15 days}}", "15d")
	f("storage: {series: {retention_size: -1}}", "10GiB")
	f("server: {users: {a: b, a: c}}", "twice")
	f("server: {users: [a]}", "is a list")
	f("rule_files: [rules.yml]\nglobal: {scrape_interval: x}", ":2: global: ", "30s")
	f("scrape_configs:\n- job_name: a\n- job_name: b\n  scrape_interval: 15 s", ":4: scrape_configs[job_name=b]")
}

// The lines of Prometheus' part are those of the user's file, whatever stands around it.
func TestLinesOfPrometheusPart(t *testing.T) {
	const text = `server:
  listen: 127.0.0.1:1
global:
  scrape_interval: 10s
log:
  level: info
scrape_configs:
  - job_name: a
    metrics_pth: /x
`
	_, err := loadText(t, text, Sources{})
	if err == nil || !strings.Contains(err.Error(), "hulotte.yml:9: ") || !strings.Contains(err.Error(), "metrics_pth") {
		t.Errorf("got %v, want line 9 and the key", err)
	}
}

func TestPrometheusFileIsTakenAsItIs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules.yml", "groups: [{name: g, rules: [{record: a, expr: b}]}]\n")
	write("prometheus.yml", "global: {scrape_interval: 9s}\nrule_files: [rules.yml]\nscrape_configs: [{job_name: x}]\nalerting: {}\n")
	c, err := Load(Sources{Flags: []Flag{{Name: "--prometheus.config", Key: "prometheus.config", Value: filepath.Join(dir, "prometheus.yml")}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Scrape.Prometheus().ScrapeConfigs); got != 1 || c.rules != 1 {
		t.Errorf("%d jobs, %d rules, want 1 and 1", got, c.rules)
	}

	write("rules.yml", "groups: [{name: g, rules: [{record: a, expr: 'sum('}]}]\n")
	_, err = Load(Sources{Flags: []Flag{{Name: "--prometheus.config", Key: "prometheus.config", Value: filepath.Join(dir, "prometheus.yml")}}})
	if err == nil || !strings.Contains(err.Error(), "rules.yml") {
		t.Errorf("a faulty rule file: %v", err)
	}
}

func TestRoleServerLeavesTheHostOut(t *testing.T) {
	f := func(role Role, text string, want bool) {
		t.Helper()
		c, err := loadText(t, text, Sources{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		if c.Host.Enabled != want {
			t.Errorf("role %q, %q: host.enabled = %v, want %v", role, text, c.Host.Enabled, want)
		}
	}
	f("", "", true)
	f(Both, "", true)
	f(ServerRole, "", false)
	f(ServerRole, "host: {enabled: true}", true)
}

func TestPrefix(t *testing.T) {
	f := func(external, route, wantPrefix, wantBase string) {
		t.Helper()
		s := Server{ExternalURL: external, RoutePrefix: route}
		if s.Prefix() != wantPrefix || s.BasePath() != wantBase {
			t.Errorf("%q, %q: prefix %q, base %q, want %q, %q", external, route, s.Prefix(), s.BasePath(), wantPrefix, wantBase)
		}
	}
	f("", "", "", "")
	f("http://a", "", "", "")
	f("http://a/", "", "", "")
	f("http://a/obs/", "", "/obs", "/obs")
	f("http://a/obs", "/", "", "/obs")
	f("", "/obs/", "/obs", "/obs")
	f("http://a//x/../obs", "", "/obs", "/obs")
}

func TestNeedRestart(t *testing.T) {
	load := func(text string) *Config {
		t.Helper()
		c, err := loadText(t, text, Sources{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := load("log: {level: info}\nserver: {listen: '127.0.0.1:1'}\n")
	got := NeedRestart(old, load("log: {level: warn}\nserver: {listen: '127.0.0.1:2', idle_timeout: 9s}\nglobal: {scrape_interval: 3s}\n"))
	if want := []string{"server.listen", "server.idle_timeout"}; !slices.Equal(got, want) {
		t.Errorf("NeedRestart = %v, want %v", got, want)
	}
}

func TestDefaultDataDir(t *testing.T) {
	checkout := t.TempDir()
	if err := os.WriteFile(filepath.Join(checkout, "go.mod"), []byte(moduleLine+"\n\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.org/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(dir, want string) {
		t.Helper()
		if got := defaultDataDir(dir); got != want {
			t.Errorf("defaultDataDir(%q) = %q, want %q", dir, got, want)
		}
	}
	f(checkout, filepath.Join(checkout, "data"))
	f(filepath.Join(checkout, "a", "b"), filepath.Join(checkout, "data"))
	f(other, installedDataDir)
	f("", installedDataDir)
}

func TestSizes(t *testing.T) {
	f := func(s string, want int64, shown string) {
		t.Helper()
		got, err := parseSize(s)
		if err != nil || got != want || formatSize(got) != shown {
			t.Errorf("parseSize(%q) = %d, %v, shown as %s; want %d, %s", s, got, err, formatSize(got), want, shown)
		}
	}
	f("0", 0, "0")
	f("1234", 1234, "1234B")
	f("10GB", 10e9, "10GB")
	f("10GiB", 10<<30, "10GiB")
	f("1.5MiB", 3<<19, "1536KiB")
	f("64 KiB", 64<<10, "64KiB")
	for _, s := range []string{"", "GB", "10gb", "-1", "1e30", "NaN", "Inf", "10GBB", "9PBiB"} {
		if n, err := parseSize(s); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", s, n)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	golden(t, "../docs/configuration.md", Reference())
	path := regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)
	envs := map[string]string{}
	for _, k := range keys(&Config{}, Sources{}) {
		if !path.MatchString(k.Path) {
			t.Errorf("key %q is not written like the others", k.Path)
		}
		if !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("key %s: its documentation is missing or ends without a full stop", k.Path)
		}
		if other, ok := envs[k.Env()]; ok {
			t.Errorf("keys %s and %s share the variable %s", k.Path, other, k.Env())
		}
		envs[k.Env()] = k.Path
	}
}

// A file that names every key with its default means what no file means.
func TestDefaultsAreStable(t *testing.T) {
	c, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.values() {
		if err := k.value.decode(k.value.encode()); err != nil {
			t.Errorf("default of %s cannot be read back: %v", k.Path, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, name := range []string{"testdata/bad.yml", "testdata/good.yml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("server: &a {tls: *a}\nlog: *a\n")
	f.Add("? [a]\n: b\nserver: {? {} : 1}\n")
	f.Add("global: {}\nserver:\n- x\n...\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := &Config{File: "f.yml", origins: map[string]origin{}}
		src, errs := c.loadFile(newTable(c, Sources{}), []byte(text))
		if len(errs) > 0 {
			_ = errs.sorted().Error()
			return
		}
		if strings.Count(string(src.text), "\n") != strings.Count(text, "\n") && len(src.blocks) > 0 {
			t.Errorf("the part of Prometheus has other lines than the file:\n%q\n%q", src.text, text)
		}
		for _, k := range c.values() {
			if err := k.value.decode(k.value.encode()); err != nil {
				t.Errorf("%s cannot be read back: %v", k.Path, err)
			}
		}
	})
}
