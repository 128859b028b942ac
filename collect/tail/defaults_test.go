package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// bareMachine makes a root folder with these files.
func bareMachine(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range files {
		must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o700))
		write(t, filepath.Join(root, path), text)
	}
	return root
}

func TestWellKnown(t *testing.T) {
	files := map[string]string{
		"var/log/syslog": "in syslog\n", "var/log/auth.log": "in auth\n", "var/log/dpkg.log": "in dpkg\n", "var/log/wtmp": "binary\n",
		"var/log/nginx/access.log": "in nginx\n", "var/log/postgresql/postgresql-15-main.log": "in postgresql\n", "var/log/app/app.log.1": "old\n",
		"var/log/app/app.log": "in app\n", "var/log/app/data.log": "a\x00\x01\x02b\n", "var/log/journal/x/system.journal": "LPKSHHRH\n",
	}
	f := func(change func(*Options), want ...string) {
		t.Helper()
		m := &memory{}
		o := quick(t)
		o.Auto, o.RootFS, o.ProcFS = true, bareMachine(t, files), t.TempDir()
		change(&o)
		_, stop := start(t, o, m)
		wait(t, "the lines", func() bool { return len(m.lines()) >= len(want) })
		stop()
		got := m.lines()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, k := range m.all() {
			if k.Line == "in nginx" && (k.labels["service_name"] != "nginx" || k.labels["filename"] != "/var/log/nginx/access.log") {
				t.Errorf("labels are %v", k.labels)
			}
		}
	}
	f(func(*Options) {}, "in syslog", "in auth", "in dpkg", "in nginx", "in postgresql", "in app")
	f(func(o *Options) { o.Journal = &JournalOptions{Command: "/nowhere"} }, "in dpkg", "in nginx", "in postgresql", "in app")
	f(func(o *Options) { o.Exclude = []string{"dpkg.log", "/**/nginx/*"} }, "in syslog", "in auth", "in postgresql", "in app")
	// What a user's entry leaves out is left out.
	f(func(o *Options) {
		o.Files = []FileInput{{Paths: []string{o.RootFS + "/var/log/*.log"}, Exclude: []string{"dpkg.log"}}}
	}, "in syslog", "in auth", "in nginx", "in postgresql", "in app")
}

// Logs that this very process has open, as if it were another one.
func TestOpenLogs(t *testing.T) {
	if _, err := os.Stat("/proc/self/fdinfo"); err != nil {
		t.Skip("there is no /proc")
	}
	here, err := os.Getwd()
	must(t, err)
	if !isLogPlace(filepath.Join(here, "x.log")) {
		t.Skip("the checkout is in a place whose logs are left alone")
	}
	root, err := os.MkdirTemp(here, "open-logs") // not below /tmp, where logs are left alone
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	var open []*os.File
	for name, flags := range map[string]int{"server.log": os.O_WRONLY | os.O_APPEND, "read.log": os.O_RDONLY, "data.db": os.O_RDWR} {
		f, err := os.OpenFile(filepath.Join(root, name), flags|os.O_CREATE, 0o600)
		must(t, err)
		defer f.Close()
		open = append(open, f)
	}
	// A /proc with one process that has what this one has.
	proc := filepath.Join(t.TempDir(), "proc")
	dir := filepath.Join(proc, "4711")
	must(t, os.MkdirAll(filepath.Join(dir, "fd"), 0o700))
	must(t, os.MkdirAll(filepath.Join(dir, "fdinfo"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "comm"), []byte("shopd\n"), 0o600))
	for i, f := range open {
		info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(int(f.Fd())))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "fdinfo", strconv.Itoa(i)), info, 0o600))
		must(t, os.Symlink(f.Name(), filepath.Join(dir, "fd", strconv.Itoa(i))))
	}
	if got := openLogs(proc, "/"); len(got) != 1 || got[filepath.Join(root, "server.log")] != "shopd" {
		t.Errorf("got %v", got)
	}
	if got := openLogs(proc, t.TempDir()); len(got) > 0 { // the same paths of another machine
		t.Errorf("got %v", got)
	}
	place := func(path string, want bool) {
		t.Helper()
		if isLogPlace(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
	place("/srv/app/server.log", true)
	place("/opt/x/logs/out", true)
	place("/var/log/app/err", true)
	place("/srv/app/server.log (deleted)", false)
	place("/tmp/build.log", false)
	place("/home/me/x.log", false)
	place("/var/lib/docker/containers/a/a-json.log", false)
	place("/srv/app/data.db", false)
	place("/srv/app/server.log.1.gz", false)
	place("/var/log/journal/x/system.journal", false)
	place("pipe:[123]", false)
}
