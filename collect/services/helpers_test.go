package services

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

var update = flag.Bool("update", false, "write the golden files anew")

// exposition writes families as their page.
func exposition(t testing.TB, fams []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range fams {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// wantGolden compares with testdata/name.golden.
func wantGolden(t *testing.T, name string, fams []*dto.MetricFamily) {
	t.Helper()
	got := exposition(t, fams)
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference\n%s", file, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got  %s\n want %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

func recorded(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// read makes a source and reads it once.
func read(t *testing.T, kind string, target Target) ([]*dto.MetricFamily, error) {
	t.Helper()
	if target.Timeout == 0 {
		target.Timeout = 20 * time.Second // the machine may be busy
	}
	s, err := New(kind, target)
	if err != nil {
		t.Fatal(err)
	}
	return s.Gather()
}

func mustRead(t *testing.T, kind string, target Target) []*dto.MetricFamily {
	t.Helper()
	fams, err := read(t, kind, target)
	if err != nil {
		t.Errorf("%s: %v", kind, err)
	}
	return fams
}

// wantDown checks that a source says that it is down, and why.
func wantDown(t *testing.T, kind string, target Target, words ...string) {
	t.Helper()
	fams, err := read(t, kind, target)
	k, _ := Find(kind)
	if k.Up != "" {
		if v, ok := value(fams, k.Up); !ok || v != 0 {
			t.Errorf("%s: %s = %v (%v), want 0", kind, k.Up, v, ok)
		}
	}
	if err == nil {
		t.Fatalf("%s: no error", kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q lacks %q", kind, err, w)
		}
	}
}

// value returns the value of the only series of a family, or of the one with these labels.
func value(fams []*dto.MetricFamily, name string, pairs ...string) (float64, bool) {
	for _, f := range fams {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			if hasLabels(m, pairs) {
				switch f.GetType() {
				case dto.MetricType_COUNTER:
					return m.Counter.GetValue(), true
				case dto.MetricType_UNTYPED:
					return m.Untyped.GetValue(), true
				case dto.MetricType_GAUGE:
					return m.Gauge.GetValue(), true
				}
			}
		}
	}
	return 0, false
}

func hasLabels(m *dto.Metric, pairs []string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if !slices.ContainsFunc(m.Label, func(p *dto.LabelPair) bool { return p.GetName() == pairs[i] && p.GetValue() == pairs[i+1] }) {
			return false
		}
	}
	return true
}

// wantValue checks one sample.
func wantValue(t *testing.T, fams []*dto.MetricFamily, want float64, name string, pairs ...string) {
	t.Helper()
	if v, ok := value(fams, name, pairs...); !ok || v != want {
		t.Errorf("%s%v = %v (%v), want %v", name, pairs, v, ok, want)
	}
}

// wantAbove checks that one sample is there and greater than limit.
func wantAbove(t *testing.T, fams []*dto.MetricFamily, limit float64, name string, pairs ...string) {
	t.Helper()
	if v, ok := value(fams, name, pairs...); !ok || v <= limit {
		t.Errorf("%s%v = %v (%v), want more than %v", name, pairs, v, ok, limit)
	}
}

// serveTCP gives every connection to handle, and returns the address.
func serveTCP(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); handle(c) }()
		}
	}()
	return l.Addr().String()
}

// servePages answers pages by path and query, and returns the address.
func servePages(t testing.TB, pages map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, page)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// program finds an installed program, or leaves the test out.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path := filepath.Join(dir, name); executable(path) {
			return path
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// run starts a program until the test ends; what it says is shown when the test failed.
func run(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return runCmd(t, exec.Command(program(t, name), args...))
}

func runCmd(t testing.TB, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-exited
		}
		if t.Failed() {
			text, _ := os.ReadFile(out.Name())
			t.Logf("%s said:\n%.4000s", cmd.Path, text)
		}
	})
	return cmd
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if err = ok(); err == nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		<-ctx.Done()
		cancel()
	}
	t.Fatalf("%s: %v", what, err)
}

// untilRead reads until there is no error.
func untilRead(t testing.TB, kind string, target Target) []*dto.MetricFamily {
	t.Helper()
	if target.Timeout == 0 {
		target.Timeout = 20 * time.Second
	}
	s, err := New(kind, target)
	if err != nil {
		t.Fatal(err)
	}
	var fams []*dto.MetricFamily
	until(t, kind, func() error { fams, err = s.Gather(); return err })
	return fams
}

func untilOpen(t testing.TB, address string) {
	t.Helper()
	until(t, address, func() error {
		c, err := dialPlain(t.Context(), address)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// scrapeExporter runs a real exporter and returns what its page has.
func scrapeExporter(t *testing.T, port int, cmd *exec.Cmd) []*dto.MetricFamily {
	t.Helper()
	runCmd(t, cmd)
	return scrapePage(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
}

func scrapePage(t *testing.T, url string) []*dto.MetricFamily {
	t.Helper()
	var fams []*dto.MetricFamily
	until(t, url, func() error {
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return errors.Join(err, fmt.Errorf("status %d", resp.StatusCode))
		}
		fams, err = parsePage(text)
		return err
	})
	return fams
}

// shape is what dashboards rely on: the type of a family and the names of its labels.
func shape(fams []*dto.MetricFamily) map[string]string {
	out := map[string]string{}
	for _, f := range fams {
		names := map[string]bool{}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				names[l.GetName()] = true
			}
		}
		out[f.GetName()] = strings.ToLower(f.GetType().String()) + "{" + strings.Join(slices.Sorted(maps.Keys(names)), ",") + "}"
	}
	return out
}

func splitKeys(in map[string]string) map[string]string {
	out := map[string]string{}
	for names, why := range in {
		for name := range strings.FieldsSeq(names) {
			out[name] = why
		}
	}
	return out
}

// wantShape compares ours with the exporter's. explained maps names, separated by spaces and with * for anything, to the reason why they
// differ; one that explains nothing is an error too.
func wantShape(t *testing.T, ours, theirs []*dto.MetricFamily, explained map[string]string) {
	t.Helper()
	explained = splitKeys(explained)
	for _, own := range []string{"go_*", "process_*", "promhttp_*", "*_build_info", "*_scrape_duration_seconds", "*_scrape_collector_*", "scrape_*"} {
		if explained[own] == "" {
			explained[own] = "the exporter about itself"
		}
	}
	o, th := shape(ours), shape(theirs)
	t.Logf("%d families of ours, %d of the exporter", len(o), len(th))
	used := map[string]bool{}
	excused := func(name string) bool {
		for pattern := range explained {
			begin, end, star := strings.Cut(pattern, "*")
			if name == pattern || star && strings.HasPrefix(name, begin) && (strings.HasSuffix(name, end) || strings.HasSuffix(end, "*") && strings.Contains(name, strings.TrimSuffix(end, "*"))) {
				used[pattern] = true
				return true
			}
		}
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(th)) {
		switch got, ok := o[name]; {
		case ok && got == th[name]:
		case excused(name):
		case !ok:
			t.Errorf("missing: %s %s", name, th[name])
		default:
			t.Errorf("%s is %s, the exporter's %s", name, got, th[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if _, ok := th[name]; !ok && !excused(name) {
			t.Errorf("only ours: %s %s", name, o[name])
		}
	}
	for pattern, why := range explained {
		if !used[pattern] && why != "the exporter about itself" {
			t.Errorf("the explanation of %s (%s) explains nothing", pattern, why)
		}
	}
}
