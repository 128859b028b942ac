package scrape

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// upstreamTestdata is the folder with the configurations that Prometheus itself is tested with.
func upstreamTestdata(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus").Output()
	if err != nil {
		t.Fatalf("cannot find Prometheus' module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "config", "testdata")
}

// unnamed says whether the files without .good or .bad in their name are accepted.
var unnamed = map[string]bool{
	"agent_mode.with_alert_manager.yml":              true, // only its agent mode refuses them
	"agent_mode.with_alert_relabels.yml":             true,
	"agent_mode.with_remote_reads.yml":               true,
	"agent_mode.with_rule_files.yml":                 true,
	"agent_mode.without_remote_writes.yml":           true,
	"config_with_deprecated_am_api_config.yml":       false,
	"otlp_allow_utf8.incompatible.yml":               false,
	"otlp_empty.yml":                                 true,
	"otlp_no_translation.incompatible.yml":           false,
	"scrape_config_default_validation_mode.yml":      true,
	"scrape_config_global_validation_mode.yml":       true,
	"scrape_config_local_global_validation_mode.yml": true,
	"scrape_config_local_infer_escaping.yml":         true,
	"scrape_config_local_validation_mode.yml":        true,
}

// What Prometheus' own tests accept is accepted, and what they refuse is refused. A file that only a discovery
// that is not built in keeps out gets the error that says so, and is accepted without the jobs that use it.
func TestPrometheusOwnConfigurations(t *testing.T) {
	dir := upstreamTestdata(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil || len(files) < 150 {
		t.Fatalf("%d files in %s, error %v", len(files), dir, err)
	}
	good, refused, withoutJobs := 0, 0, 0
	for _, file := range files {
		name := filepath.Base(file)
		want, listed := unnamed[name]
		switch {
		case strings.HasSuffix(name, ".good.yml"):
			want = true
		case strings.HasSuffix(name, ".bad.yml"):
		case !listed:
			t.Errorf("%s is new: say in this test whether it is accepted", name)
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = Load(text, file)
		if want && err != nil && strings.Contains(err.Error(), "is not built into Hulotte") {
			withoutJobs++
			text = withoutLeftOut(t, text)
			_, _, err = Load(text, file)
		}
		switch {
		case want && err != nil:
			t.Errorf("%s: %v", name, err)
		case !want && err == nil:
			t.Errorf("%s was accepted", name)
		case want:
			good++
		default:
			refused++
			checkWording(t, name, err)
		}
	}
	t.Logf("%d accepted (%d of them without the jobs of discoveries that are left out), %d refused", good, withoutJobs, refused)
}

// checkWording fails when an error does not name the file, or speaks of Go types.
func checkWording(t *testing.T, name string, err error) {
	t.Helper()
	for _, goType := range []string{"config.Plain", "config.ScrapeConfig", "config.plain", "type config."} {
		if strings.Contains(err.Error(), goType) {
			t.Errorf("%s: the error names a Go type: %v", name, err)
		}
	}
	if !strings.Contains(err.Error(), ".yml: ") {
		t.Errorf("%s: the error does not name a file: %v", name, err)
	}
}

// withoutLeftOut drops the jobs that use a discovery that is not built in.
func withoutLeftOut(t *testing.T, text []byte) []byte {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var kept []any
	for _, job := range doc["scrape_configs"].([]any) {
		uses := false
		for _, name := range leftOut {
			_, has := job.(map[any]any)[name+"_sd_configs"]
			uses = uses || has
		}
		if !uses {
			kept = append(kept, job)
		}
	}
	doc["scrape_configs"] = kept
	out, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
