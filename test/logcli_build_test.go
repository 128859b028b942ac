package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// logcliModule is what Loki's command line client is part of, and logcliVersion the one that is built. It is another program,
// under AGPL: it is built from the module proxy and run, never imported or kept with ours.
const (
	logcliModule  = "github.com/grafana/loki/v3"
	logcliVersion = "v3.7.8"
)

// logcliBinary returns an unmodified logcli, built once and kept in the user's cache folder.
func logcliBinary(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv("TEST_LOGCLI"); binary != "" {
		return binary
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder to keep logcli in: %v", err)
	}
	binary := filepath.Join(cache, "hulotte-test", "logcli-"+logcliVersion, "logcli")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	if os.Getenv("TEST_CLIENTS") == "" {
		t.Skip("building logcli takes minutes: make test-clients does it, once")
	}
	buildLogcli(t, binary)
	return binary
}

// localReplacement is the module that Loki's own go.mod takes from a folder beside it, which a module from the proxy has not: the
// version that the same file requires takes its place.
var localReplacement = regexp.MustCompile(`(?m)^replace \S+ => \./.*$`)

// buildLogcli builds in a module of its own that has the requirements and replacements of Loki's: those of a module count only
// where it is the main one.
func buildLogcli(t *testing.T, binary string) {
	t.Helper()
	dir := t.TempDir()
	download := exec.Command("go", "mod", "download", "-json", logcliModule+"@"+logcliVersion)
	download.Dir = dir
	out, err := download.Output()
	var module struct{ GoMod, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || err != nil || module.Error != "" {
		t.Skipf("logcli cannot be had from the module proxy: %v %s", err, module.Error)
	}
	text, err := os.ReadFile(module.GoMod)
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(text), "module "+logcliModule, "module logcli", 1)
	own = localReplacement.ReplaceAllString(own, "")
	own = regexp.MustCompile(`(?m)^ignore .*$`).ReplaceAllString(own, "")
	harness.WriteFile(t, filepath.Join(dir, "go.mod"), own+"\nrequire "+logcliModule+" "+logcliVersion+"\n")
	built := filepath.Join(dir, "logcli")
	run(t, dir, "go", "build", "-mod=mod", "-ldflags=-s -w", "-o", built, logcliModule+"/cmd/logcli")
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "cp", built, binary+".new")
	if err := os.Rename(binary+".new", binary); err != nil {
		t.Fatal(err)
	}
}
