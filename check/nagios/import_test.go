package nagios

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/nrpe"
	"github.com/hulotte-dev/hulotte/check/passive"
	"github.com/hulotte-dev/hulotte/check/period"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

var update = flag.Bool("update", false, "write what is imported into testdata")

// show writes a result as text, one object a paragraph.
func show(t *testing.T, r Result) string {
	var b strings.Builder
	line := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, h := range r.Hosts {
		fmt.Fprintf(&b, "host %s\n", line(h))
	}
	for _, s := range r.Specs {
		options := s.Options
		s.Options = nil
		fmt.Fprintf(&b, "\ncheck %s %s\n  %s\n  %s\n", s.ID(), s.Kind, options, line(s))
	}
	b.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(r.Periods)) {
		fmt.Fprintf(&b, "period %s %s\n", name, line(r.Periods[name]))
	}
	fmt.Fprintf(&b, "host groups %s\nservice groups %s\n\n", line(r.HostGroups), line(r.ServiceGroups))
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it is imported otherwise than %s has it (-update writes it):\n%s", file, got)
	}
}

// fits checks that the engine will find nothing wrong with what is imported.
func fits(t *testing.T, r Result) {
	t.Helper()
	if _, err := state.NewGraph(r.Hosts, r.Specs); err != nil {
		t.Errorf("graph: %v", err)
	}
	if _, err := period.New(r.Periods); err != nil {
		t.Errorf("periods: %v", err)
	}
	for _, k := range slices.Concat(plugin.Kinds(plugin.Options{}), nrpe.Kinds(), passive.Kinds()) {
		for _, s := range r.Specs {
			if s.Kind != k.Name {
				continue
			}
			if _, err := k.New(check.Params{Host: s.Host, Address: "127.0.0.1", Name: s.Name, Options: s.Options, Timeout: 1e9}); err != nil {
				t.Errorf("%s: %v", s.ID(), err)
			}
		}
	}
}

func TestImport(t *testing.T) {
	r, err := Import("testdata/rich")
	if err != nil {
		t.Fatal(err)
	}
	fits(t, r)
	golden(t, "testdata/rich.golden", show(t, r))
}

func TestImportErrors(t *testing.T) {
	f := func(path string, want model.Kind) {
		t.Helper()
		if _, err := Import(path); model.KindOf(err) != want {
			t.Errorf("%s: %v, not %s", path, err, want)
		}
	}
	f("testdata/nowhere", model.NotFound)
	f("import_test.go", model.Invalid)
}

// precached reads the file into which Nagios writes its objects when it has resolved them: by kind, and what names them.
func precached(text []byte) map[string]map[string]string {
	out := map[string]map[string]string{}
	var kind string
	var o map[string]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "define "):
			kind, o = strings.TrimSuffix(strings.TrimPrefix(line, "define "), " {"), map[string]string{}
		case line == "}":
			id := map[string]string{"host": o["host_name"], "service": o["host_name"] + "/" + o["service_description"], "hostgroup": o["hostgroup_name"]}[kind]
			out[kind+" "+id] = o
		case o != nil:
			key, value, _ := strings.Cut(line, "\t")
			o[key] = value
		}
	}
	return out
}

// asNagios has Nagios resolve a configuration, with placeholders for a folder that it can write to.
func asNagios(t *testing.T, dir string) map[string]map[string]string {
	t.Helper()
	program, err := exec.LookPath("nagios4")
	if err != nil {
		t.Skip("nagios4 is not installed (package nagios4-core)")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "nagios.cfg")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "/opt/old-server/rich", dir) + fmt.Sprintf("precached_object_file=%s/objects.precache\nlock_file=%s/lock\n"+
		"log_file=%s/log\ncheck_result_path=%s\ntemp_path=%s\nnagios_user=%s\nnagios_group=%s\n", dir, dir, dir, dir, dir, me.Username, me.Gid)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "-p", "-v", config).CombinedOutput()
	cache, readErr := os.ReadFile(filepath.Join(dir, "objects.precache"))
	if err != nil || readErr != nil {
		t.Fatalf("nagios4: %v, %v\n%s", err, readErr, out)
	}
	return precached(cache)
}

// TestImportAsNagios compares what is imported with what Nagios itself makes of the same files.
func TestImportAsNagios(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/rich")); err != nil {
		t.Fatal(err)
	}
	compareWithNagios(t, dir, 30)
}

// The configuration that Debian's packages bring.
func TestImportDebian(t *testing.T) {
	if _, err := os.Stat("/etc/nagios4/nagios.cfg"); err != nil {
		t.Skip("there is no /etc/nagios4 (package nagios4-common)")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("/etc/nagios4")); err != nil {
		t.Fatal(err)
	}
	r := compareWithNagios(t, dir, 60)
	if len(r.Specs) < 9 {
		t.Errorf("%d checks", len(r.Specs))
	}
	for _, w := range r.Warnings {
		if !strings.Contains(w.Text, "belongs to alerting") {
			t.Errorf("warning: %s", w)
		}
	}
}

func compareWithNagios(t *testing.T, dir string, interval float64) Result {
	t.Helper()
	theirs := asNagios(t, dir)
	r, err := Import(dir)
	if err != nil {
		t.Fatal(err)
	}
	fits(t, r)
	f := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, Nagios has %q", what, got, want)
		}
	}
	seen := 0
	for _, h := range r.Hosts {
		o := theirs["host "+h.Name]
		if o == nil {
			t.Errorf("Nagios has no host %s", h.Name)
			continue
		}
		f(h.Name+" address", h.Address, o["address"])
		f(h.Name+" parents", strings.Join(h.Parents, ","), o["parents"])
		for _, g := range h.Groups {
			if !slices.Contains(split(theirs["hostgroup "+g]["members"]), h.Name) {
				t.Errorf("Nagios has no host %s in %s", h.Name, g)
			}
			seen++
		}
	}
	for name, o := range theirs {
		if strings.HasPrefix(name, "hostgroup ") {
			seen -= len(split(o["members"]))
		}
		if host, ok := strings.CutPrefix(name, "host "); ok && !slices.ContainsFunc(r.Hosts, func(h check.Host) bool { return h.Name == host }) {
			t.Errorf("host %s is missing", host)
		}
	}
	if seen != 0 {
		t.Errorf("Nagios has %d other memberships", -seen)
	}
	compareServices(t, r, theirs, interval)
	return r
}

func compareServices(t *testing.T, r Result, theirs map[string]map[string]string, interval float64) {
	t.Helper()
	specs := map[string]check.Spec{}
	for _, s := range r.Specs {
		specs[s.ID()] = s
	}
	number := func(text string) float64 { n, _ := strconv.ParseFloat(text, 64); return n }
	for name, o := range theirs {
		kind, id, _ := strings.Cut(name, " ")
		switch kind {
		case "host":
			id += "/" + check.HostCheck
		case "service":
			id = o["host_name"] + "/" + strings.ReplaceAll(o["service_description"], "/", "_")
		default:
			continue
		}
		s, ok := specs[id]
		if !ok {
			t.Errorf("%s is missing", id)
			continue
		}
		delete(specs, id)
		f := func(what string, got, want any) {
			t.Helper()
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %s %v, Nagios has %v", id, what, got, want)
			}
		}
		f("max_check_attempts", s.MaxAttempts, o["max_check_attempts"])
		f("check_interval", float64(s.Interval)/1e9, number(o["check_interval"])*interval)
		f("retry_interval", float64(s.RetryInterval)/1e9, min(number(o["retry_interval"]), number(o["check_interval"]))*interval)
		f("check_period", s.Period, o["check_period"])
		f("is_volatile", s.Volatile, number(o["is_volatile"]) > 0)
		f("passive", s.Passive, o["active_checks_enabled"] == "0")
		f("flap detection", !s.NoFlapDetection, o["flap_detection_enabled"] == "1")
		f("contact_groups", s.Labels["contact_groups"], o["contact_groups"])
		f("contacts", s.Labels["contacts"], o["contacts"])
		if o["notifications_enabled"] == "1" {
			f("notification_period", s.NotifyPeriod, o["notification_period"])
		}
	}
	for id := range specs {
		t.Errorf("Nagios has no %s", id)
	}
}

// FuzzObjects: no text can break the reading.
func FuzzObjects(f *testing.F) {
	files, _ := filepath.Glob("testdata/rich/objects/*.cfg")
	more, _ := filepath.Glob("testdata/rich/objects/more/*.cfg")
	for _, name := range append(files, more...) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("define host{\nuse a\nname a\nhost_name h\n}\ndefine service{\nhost_name *\nservice_description +\ncheck_command x!\\\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		read := newFiles(&warnings{})
		p := parser{files: read}
		for i, line := range strings.Split(text, "\n") {
			p.line(place{"x.cfg", i + 1}, line)
		}
		r, err := build(read)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Specs {
			if s.Host == "" || s.Name == "" || strings.Contains(s.Host+s.Name, "/") || s.Interval <= 0 || s.MaxAttempts < 1 {
				t.Fatalf("%+v", s)
			}
		}
		if _, err := period.New(r.Periods); err != nil {
			t.Fatal(err)
		}
	})
}
