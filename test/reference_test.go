package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// referenceModule is the version of Prometheus whose packages Hulotte uses: the reference of its API.
const referenceModule = "github.com/prometheus/prometheus"

// referenceBinary returns a program of the reference Prometheus ("prometheus" or "promtool"), built once from
// the module in go.mod and kept in the user's cache folder. TEST_REFERENCE names a folder that has them
// already.
func referenceBinary(t *testing.T, program string) string {
	t.Helper()
	if dir := os.Getenv("TEST_REFERENCE"); dir != "" {
		return filepath.Join(dir, program)
	}
	if testing.Short() {
		t.Skip("building the reference Prometheus takes a minute: run without -short")
	}
	version := moduleVersion(t, referenceModule)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder to keep the reference Prometheus in: %v", err)
	}
	dir := filepath.Join(cache, "hulotte-test", "prometheus-"+version)
	binary := filepath.Join(dir, program)
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	buildReference(t, version, program, binary)
	return binary
}

func moduleVersion(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module)
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// buildReference builds the program in a module of its own, without service discovery, and moves it into place
// when it is whole.
func buildReference(t *testing.T, version, program, binary string) {
	t.Helper()
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "go.mod"), fmt.Sprintf(`module reference

go 1.26

require %s %s

replace github.com/hashicorp/nomad/api => %s
`, referenceModule, version, filepath.Join(harness.Root(), "internal/thirdparty/nomad-api")))
	main := referenceModule + "/cmd/" + program
	harness.WriteFile(t, filepath.Join(dir, "tools.go"), "//go:build tools\n\npackage tools\n\nimport _ \""+main+"\"\n")
	run(t, dir, "go", "mod", "tidy")
	built := filepath.Join(dir, "built")
	run(t, dir, "go", "build", "-tags", "remove_all_sd", "-o", built, main)
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "cp", built, binary+".new")
	if err := os.Rename(binary+".new", binary); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// startReference starts the reference Prometheus on an empty folder and returns its URL.
func startReference(t *testing.T, config string) string {
	t.Helper()
	binary := referenceBinary(t, "prometheus")
	addr := harness.FreeAddr(t)
	dir := t.TempDir()
	var log bytes.Buffer
	cmd := exec.Command(binary,
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr,
		"--web.external-url=https://out.example:1234/", "--web.route-prefix=/", "--web.enable-remote-write-receiver", "--web.enable-lifecycle",
		"--enable-feature=exemplar-storage,promql-experimental-functions,promql-binop-fill-modifiers,promql-per-step-stats,promql-unquoted-utf8-names",
		"--log.level=warn")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the reference Prometheus said:\n%s", log.String())
		}
	})
	url := "http://" + addr
	harness.Eventually(t, 60*time.Second, func() error {
		res, err := http.Get(url + "/-/ready")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("/-/ready answers %s", res.Status)
		}
		return nil
	})
	return url
}
