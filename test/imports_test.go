// Package test holds the end-to-end tests: the real binary with real clients, and the table of imports.
package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/test/harness"
)

const module = "github.com/hulotte-dev/hulotte/"

// layers is the table of docs/architecture.md: which of our packages each package may import in its
// production code. The first prefix that matches a package decides. "*" allows everything.
var layers = []struct {
	pkg     string
	imports []string
}{
	{"cmd/", []string{"*"}},
	{"app", []string{"*"}},
	{"test/", []string{"*"}},
	{"config", []string{"model", "collect/", "logformat", "query/promql", "query/logql", "check", "check/", "store/series", "store/events", "store/spans", "store/medium/", "rule", "ingest/", "alert/", "notify", "internal/", "api"}},
	{"model", nil},
	{"store/series", []string{"store", "model", "internal/"}},
	{"store/upkeep", []string{"store", "store/medium", "store/medium/transfer", "model", "internal/"}},
	{"store/medium/", []string{"store/medium", "model", "internal/"}},
	{"store/eventstest", []string{"store", "model"}},
	{"store/spanstest", []string{"store", "model"}},
	{"store/block", []string{"store/medium", "model", "internal/"}},
	{"store/events/", []string{"store", "store/block", "store/medium", "store/events/", "model", "internal/"}},
	{"store/spans/", []string{"store", "store/block", "store/medium", "store/spans/", "model", "internal/"}},
	{"store", []string{"model"}},
	{"cluster", []string{"store/medium", "model", "internal/"}},
	{"check/", []string{"check/", "check", "model", "internal/"}},
	{"check", []string{"model", "internal/"}},
	{"collect/discovery", []string{"collect/process", "collect/container", "model", "internal/"}},
	{"collect/tail", []string{"logformat", "model", "internal/"}},
	{"collect/", []string{"model", "internal/"}},
	{"logformat", []string{"model", "internal/"}},
	{"ingest/logs", []string{"logformat", "model", "internal/"}},
	{"ingest/", []string{"ingest/intake", "model", "internal/"}},
	{"query/cli", []string{"model", "internal/"}},
	{"query/spanotlp", []string{"model", "internal/"}},
	{"query/spanjaeger", []string{"model", "internal/"}},
	{"query/spanzipkin", []string{"query/spanjaeger", "model", "internal/"}},
	{"query/", []string{"store", "model", "internal/"}},
	{"rule", []string{"store/medium", "model", "internal/"}},
	{"runbook", []string{"store/medium", "model", "internal/"}},
	{"alert/checks", []string{"alert", "alert/manager", "check", "model"}},
	{"alert/forward", nil},
	{"alert/heartbeat", nil},
	{"alert/", []string{"alert", "alert/", "notify", "store/medium", "model", "internal/"}},
	{"alert", []string{"model", "internal/"}},
	{"notify", []string{"alert", "store/medium", "model", "internal/"}},
	{"api", []string{"model", "store", "check", "rule", "runbook", "alert", "alert/explain", "alert/oncall", "query/patterns", "query/fields", "query/logql", "query/traceql", "query/spanotlp", "query/spanjaeger", "query/spanzipkin", "query/servicemap", "internal/"}},
	{"web", []string{"internal/"}},
	{"internal/", []string{"internal/"}},
	{"examples/", nil},
	{"tools/", []string{"tools/", "internal/"}},
}

// fenced names the outside packages that only one of ours may import.
var fenced = map[string]string{
	"github.com/prometheus/prometheus/tsdb":                 "store/series",
	"github.com/prometheus/prometheus/tsdb/agent":           "store/series",
	"github.com/prometheus/prometheus/tsdb/wlog":            "store/series",
	"github.com/prometheus/prometheus/scrape":               "collect/scrape",
	"github.com/prometheus/prometheus/rules":                "rule",
	"github.com/prometheus/node_exporter/collector":         "collect/host",
	"github.com/prometheus/prometheus/web/api/v1":           "nobody: it weighs 20 MB",
	"github.com/prometheus/prometheus/discovery/install":    "nobody: it pulls in every discovery",
	"github.com/prometheus/prometheus/cmd/prometheus":       "nobody",
	"github.com/prometheus/prometheus/util/teststorage":     "nobody outside tests",
	"github.com/prometheus/prometheus/promql/promqltest":    "nobody outside tests",
	"github.com/prometheus/prometheus/discovery/kubernetes": "collect/scrape",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	pkgs := listPackages(t)
	if len(pkgs) < 3 {
		t.Fatalf("only %d packages found: the listing is broken", len(pkgs))
	}
	for _, p := range pkgs {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, ok := allowedImports(name)
		if !ok {
			t.Errorf("package %s is not in the table of imports: add it there and in docs/architecture.md", name)
			continue
		}
		for _, imp := range p.Imports {
			checkImport(t, name, allowed, imp)
		}
	}
}

func checkImport(t *testing.T, name string, allowed []string, imp string) {
	t.Helper()
	if owner, ok := fenced[imp]; ok && owner != name {
		t.Errorf("%s imports %s, which is reserved for %s", name, imp, owner)
	}
	if own, ok := strings.CutPrefix(imp, module); ok && !matches(allowed, own) {
		t.Errorf("%s imports %s: its layer may import only %q", name, own, allowed)
	}
	if name == "model" && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		t.Errorf("model imports %s: it may import the standard library only", imp)
	}
}

func allowedImports(name string) ([]string, bool) {
	for _, l := range layers {
		if matches([]string{l.pkg}, name) {
			return l.imports, true
		}
	}
	return nil, false
}

// matches says whether name is one of the patterns: an exact package, a folder (with a slash at its end) or "*".
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if p == "*" || p == name || strings.HasSuffix(p, "/") && strings.HasPrefix(name+"/", p) {
			return true
		}
	}
	return false
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
