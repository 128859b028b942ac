package scrape

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

func TestLoadFillsDefaults(t *testing.T) {
	cfg := mustLoad(t, "scrape_configs: [{job_name: a, static_configs: [{targets: ['h:1']}]}]")
	job := cfg.Prometheus().ScrapeConfigs[0]
	if job.MetricsPath != "/metrics" || time.Duration(job.ScrapeInterval) != time.Minute || job.Scheme != "http" {
		t.Errorf("job = %+v", job)
	}
}

func TestLoadAcceptsAnEmptyFile(t *testing.T) {
	for _, text := range []string{"", "\n# nothing\n", "global:\n", "scrape_configs:\n", "{}"} {
		if _, warnings, err := Load([]byte(text), "p.yml"); err != nil || len(warnings) != 0 {
			t.Errorf("%q: warnings %v, error %v", text, warnings, err)
		}
	}
}

func TestLoadTakesPathsFromTheFilesFolder(t *testing.T) {
	cfg, _, err := Load([]byte(`
rule_files: [rules/*.yml, /abs/r.yml]
scrape_configs:
  - job_name: a
    authorization: {credentials_file: token}
    tls_config: {ca_file: ca.pem}
    file_sd_configs: [{files: [targets.json]}]
    scrape_failure_log_file: fails.log
remote_write:
  - url: http://x/w
    basic_auth: {username: u, password_file: pw}
`), "/etc/prom/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	prom := cfg.Prometheus()
	if want := []string{"/etc/prom/rules/*.yml", "/abs/r.yml"}; !slices.Equal(prom.RuleFiles, want) {
		t.Errorf("rule files %v", prom.RuleFiles)
	}
	job := prom.ScrapeConfigs[0]
	for _, got := range []string{
		job.HTTPClientConfig.Authorization.CredentialsFile, job.HTTPClientConfig.TLSConfig.CAFile,
		job.ScrapeFailureLogFile, prom.RemoteWriteConfigs[0].HTTPClientConfig.BasicAuth.PasswordFile,
	} {
		if !strings.HasPrefix(got, "/etc/prom/") {
			t.Errorf("path %q is not in the file's folder", got)
		}
	}
}

func TestLoadExpandsExternalLabels(t *testing.T) {
	t.Setenv("HULOTTE_TEST_SITE", "paris")
	cfg, warnings, err := Load([]byte(`
global:
  external_labels: {site: "${HULOTTE_TEST_SITE}-1", price: "$$5", gone: "x${HULOTTE_TEST_UNSET}"}
`), "p.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := labels.FromStrings("gone", "x", "price", "$5", "site", "paris-1")
	if got := cfg.Prometheus().GlobalConfig.ExternalLabels; !labels.Equal(got, want) {
		t.Errorf("external labels %s, want %s", got, want)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].String(), "HULOTTE_TEST_UNSET") {
		t.Errorf("warnings %v, want one about the variable that is not set", warnings)
	}
}

func TestLoadReadsScrapeConfigFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "jobs", "a.yml"), "scrape_configs: [{job_name: a, file_sd_configs: [{files: [x.json]}]}]")
	write(t, filepath.Join(dir, "jobs", "b.yml"), "scrape_configs: [{job_name: b, sample_limit: 0}, {job_name: c, sample_limit: 7}]")
	main := filepath.Join(dir, "prometheus.yml")
	cfg, _, err := Load([]byte("global: {scrape_interval: 7s}\nscrape_config_files: [jobs/*.yml]\nscrape_configs: [{job_name: m}]"), main)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint{}
	for _, job := range cfg.Prometheus().ScrapeConfigs {
		got[job.JobName] = job.SampleLimit
		if time.Duration(job.ScrapeInterval) != 7*time.Second {
			t.Errorf("job %s has interval %v, not the global one", job.JobName, job.ScrapeInterval)
		}
	}
	if len(got) != 4 || got["m"] != 300_000 || got["a"] != 300_000 || got["b"] != 0 || got["c"] != 7 {
		t.Errorf("sample limits by job %v", got)
	}
	if files := cfg.Prometheus().ScrapeConfigs[1].ServiceDiscoveryConfigs; len(files) != 1 {
		t.Errorf("discoveries of a: %v", files)
	}

	write(t, filepath.Join(dir, "jobs", "c.yml"), "scrape_configs: [{job_name: b}]")
	_, _, err = Load([]byte("scrape_config_files: [jobs/*.yml]"), main)
	if err == nil || !strings.Contains(err.Error(), "c.yml") || !strings.Contains(err.Error(), "b.yml") {
		t.Errorf("a job in two files: error %v, want both files named", err)
	}
}

func TestLoadWarnsOfWhatHasNoEffect(t *testing.T) {
	f := func(text string, keys ...string) {
		t.Helper()
		_, warnings, err := Load([]byte(text), "p.yml")
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var got []string
		for _, w := range warnings {
			got = append(got, w.Key)
			if w.Line == 0 || !strings.HasSuffix(w.Text, ".") {
				t.Errorf("warning %+v has no line or is no sentence", w)
			}
		}
		if !slices.Equal(got, keys) {
			t.Errorf("%q: warnings about %v, want %v", text, got, keys)
		}
	}
	f("global: {scrape_interval: 5s, evaluation_interval: 5s, external_labels: {a: b}}")
	f("alerting:\n  alertmanagers:\n    - static_configs: [{targets: [a]}]\n")
	f("remote_read: [{url: http://x}]", "remote_read")
	f("tracing: {endpoint: 'x:1'}", "tracing")
	f("otlp: {promote_resource_attributes: [a]}", "otlp")
	f("storage: {tsdb: {out_of_order_time_window: 1h}, exemplars: {max_exemplars: 5}}", "storage.tsdb", "storage.exemplars")
	f("global: {query_log_file: q.log, query_max_series: 5}", "global.query_log_file", "global.query_max_series")
	f("runtime: {gogc: 50, log_level: debug}", "runtime.gogc", "runtime.log_level")
	f("remote_write: [{url: http://x}]") // acted on
	f("scrape_config_files: [/nowhere/*.yml]", "scrape_config_files")
	f("scrape_configs:\n- job_name: a\n  static_configs: [{targets: []}]\n")
}

func TestLoadRefuses(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, _, err := Load([]byte(text), "/x/prometheus.yml")
		if err == nil {
			t.Errorf("accepted:\n%s", text)
			return
		}
		for _, w := range append(want, "/x/prometheus.yml: ") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q does not have %q", err, w)
			}
		}
	}
	f("a: [", "line 1")
	f("scrape_config: []", "line 1: unknown key scrape_config")
	f("global: {}\nglobal: {}\n", "line 2: the key global is there twice")
	f("scrape_configs:\n- job_name: a\n  taregts: []\n", "line 3: unknown key taregts")
	f("scrape_configs:\n- job_name: a\n  azure_sd_configs: []\n", "line 3: azure_sd_configs is not built into Hulotte", "http_sd_configs", "file_sd_configs")
	f("scrape_configs:\n- job_name: a\n  nomad_sd_configs: [{}]\n", "nomad_sd_configs is not built in")
	f("scrape_configs: nothing", "line 1: expected a list, found `nothing`")
	f("scrape_configs:\n- job_name: a\n  sample_limit: many\n", "line 3: expected a whole number, found `many`")
	f("scrape_configs:\n- job_name: a\n- job_name: b\n  scrape_timeout: 2m\n", "line 3: scrape_configs[job_name=b]: scrape timeout greater than scrape interval")
	f("global: {scrape_interval: 5s}\nscrape_configs:\n- {job_name: a, scrape_timeout: 6s}\n", "line 3: scrape_configs[job_name=a]")
	f("scrape_configs:\n- static_configs: []\n", "line 2: scrape_configs[0]: job_name is empty")
	f("scrape_configs:\n- job_name: a\n  relabel_configs: [{action: hide}]\n", "line 2: scrape_configs[job_name=a]", "hide")
	f("global:\n  scrape_interval: soon\n", "soon")
	f("remote_write:\n- {}\n", "line 2: remote_write[0]: url for remote_write is empty")
	f("scrape_configs:\n- job_name: a\n- job_name: a\n", "job name \"a\"")
	f("rule_files: ['a*/b.yml']", "rule file path")
	f("scrape_configs: [{job_name: a, static_configs: [{targets: ['http://a/m']}]}]", "http://a/m")
}

func TestLoadReadsRegularFilesOnly(t *testing.T) {
	for _, pattern := range []string{"/dev/zero", t.TempDir()} {
		_, _, err := Load([]byte("scrape_config_files: ['"+pattern+"']"), "/x/p.yml")
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: error %v", pattern, err)
		}
	}
}

func TestLimitsAreOnUnlessTheUserSaysOtherwise(t *testing.T) {
	f := func(text string, body, samples uint64) {
		t.Helper()
		job := mustLoad(t, text).Prometheus().ScrapeConfigs[0]
		if getBodySize(job) != body || getSamples(job) != samples {
			t.Errorf("%q: body_size_limit %d, sample_limit %d, want %d and %d", text, getBodySize(job), getSamples(job), body, samples)
		}
	}
	const mib = 1 << 20
	f("scrape_configs: [{job_name: a}]", 64*mib, 300_000)
	f("scrape_configs: [{job_name: a, body_size_limit: 1MB, sample_limit: 5}]", 1*mib, 5)
	f("scrape_configs: [{job_name: a, body_size_limit: 0, sample_limit: 0}]", 0, 0)
	f("scrape_configs: [{job_name: a, body_size_limit: 0MB}]", 0, 300_000)
	f("global: {sample_limit: 9}\nscrape_configs: [{job_name: a}]", 64*mib, 9)
	f("global: {sample_limit: 0, body_size_limit: 0B}\nscrape_configs: [{job_name: a}]", 0, 0)
	// As in Prometheus, a 0 in a job does not undo what global sets.
	f("global: {sample_limit: 9}\nscrape_configs: [{job_name: a, sample_limit: 0}]", 64*mib, 9)
	f("global: {sample_limit: 0}\nscrape_configs: [{job_name: a, sample_limit: 3}]", 64*mib, 3)
	f("scrape_configs:\n- &d {job_name: a, sample_limit: 0}\n- {<<: *d, job_name: b}\n", 64*mib, 0)
	f("scrape_configs: [{job_name: 1, sample_limit: 0}]", 64*mib, 0)
}

func TestEveryLimitHasAValue(t *testing.T) {
	job := mustLoad(t, "scrape_configs: [{job_name: a}]").Prometheus().ScrapeConfigs[0]
	for _, l := range limits {
		if l.get(job) != l.fallback {
			t.Errorf("%s = %d, want %d", l.key, l.get(job), l.fallback)
		}
	}
}

func TestStringMasksSecrets(t *testing.T) {
	cfg := mustLoad(t, "scrape_configs: [{job_name: a, basic_auth: {username: u, password: hunter2}}]")
	if s := cfg.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, "sample_limit: 300000") {
		t.Errorf("effective configuration:\n%s", s)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("global: {external_labels: {a: $b}}\nscrape_configs: [{job_name: a, static_configs: [{targets: [b]}]}]")
	f.Add("scrape_configs: [{job_name: a, sample_limit: 0, relabel_configs: [{action: hide}]}]")
	f.Add("x: &x [*x]")
	f.Add("alerting:\nremote_write: [{}]\nstorage: {tsdb: {}}")
	f.Add("scrape_configs:\n- &d {job_name: a}\n- {<<: *d, job_name: b}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "files") {
			t.Skip("reads other files")
		}
		cfg, _, err := Load([]byte(text), "p.yml")
		if (cfg == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", cfg, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "p.yml: ") {
			t.Fatalf("error %q does not name the file", err)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
