package state

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func TestValidate(t *testing.T) {
	good := check.Downtime{ID: "d", Checks: []string{"web1/http"}, Start: noon, End: noon.Add(time.Hour)}
	if err := Validate(good); err != nil {
		t.Fatal(err)
	}
	f := func(want string, change func(*check.Downtime)) {
		t.Helper()
		d := good
		change(&d)
		err := Validate(d)
		if err == nil || !strings.Contains(err.Error(), want) || model.KindOf(err) != model.Invalid {
			t.Errorf("%v, not %q", err, want)
		}
	}
	f(`checks or matchers:`, func(d *check.Downtime) { d.Checks = nil })
	f(`checks: "web1" names no check`, func(d *check.Downtime) { d.Checks = []string{"web1"} })
	f(`checks: "*/http" names no check`, func(d *check.Downtime) { d.Checks = []string{"*/http"} })
	f(`matchers: the matcher "team=web" cannot be read`, func(d *check.Downtime) { d.Matchers = []string{"team=web"} })
	f(`start and end: both`, func(d *check.Downtime) { d.End = time.Time{} })
	f(`end: it must be after start`, func(d *check.Downtime) { d.End = noon })
	f(`end: more than ten years`, func(d *check.Downtime) { d.End = noon.AddDate(11, 0, 0) })
	f(`length: a flexible downtime needs`, func(d *check.Downtime) { d.Flexible = true })
	f(`length: only a flexible`, func(d *check.Downtime) { d.Length = 5 })
	f(`trigger: a downtime cannot start itself`, func(d *check.Downtime) { d.Trigger = "d" })
	every := func(e check.Recurrence) func(*check.Downtime) { return func(d *check.Downtime) { d.Every = &e } }
	f(`every.zone: "Mars" is no time zone`, every(check.Recurrence{Zone: "Mars"}))
	f(`every.weekdays: 7`, every(check.Recurrence{Weekdays: []time.Weekday{7}}))
	f(`every.days: 0`, every(check.Recurrence{Days: []int{0}}))
	f(`every.months: 13`, every(check.Recurrence{Months: []time.Month{13}}))
	f(`every.until: it is before start`, every(check.Recurrence{Until: noon.Add(-time.Hour)}))
	f(`every: no day is all of`, every(check.Recurrence{Months: []time.Month{2}, Days: []int{30}}))
	f(`31 days at most`, func(d *check.Downtime) { d.End, d.Every = noon.AddDate(0, 0, 40), &check.Recurrence{} })
}

func TestSelect(t *testing.T) {
	labels := map[string]string{"team": "web", "host": "web1", "check": "http"}
	f := func(want bool, d check.Downtime) {
		t.Helper()
		is, err := Select(d)
		if err != nil {
			t.Fatal(err)
		}
		if is("web1/http", labels) != want {
			t.Errorf("%v, not %v", !want, want)
		}
	}
	f(false, check.Downtime{})
	f(true, check.Downtime{Checks: []string{"*"}})
	f(true, check.Downtime{Checks: []string{"db1/*", "web1/*"}})
	f(true, check.Downtime{Checks: []string{"web1/http"}})
	f(true, check.Downtime{Checks: []string{"web1/host"}})
	f(false, check.Downtime{Checks: []string{"web1/https", "web/http", "db1/host"}})
	f(true, check.Downtime{Matchers: []string{`team="web"`}})
	f(true, check.Downtime{Matchers: []string{`{team=~"w.*", host!="db1"}`}})
	f(false, check.Downtime{Matchers: []string{`team="web"`, `host="db1"`}})
	f(true, check.Downtime{Checks: []string{"db1/*"}, Matchers: []string{`team="web"`}})
}

func TestNext(t *testing.T) {
	f := func(at, want string, e *check.Recurrence) {
		t.Helper()
		d := check.Downtime{Start: noon, End: noon.Add(2 * time.Hour), Every: e} // a Monday
		now, _ := time.Parse("2006-01-02 15:04", at)
		start, _, ok := Next(d, now)
		got := "never"
		if ok {
			got = start.Format("2006-01-02 15:04")
		}
		if got != want {
			t.Errorf("after %s: %s, not %s", at, got, want)
		}
	}
	f("2026-03-02 13:59", "2026-03-02 12:00", nil)
	f("2026-03-02 14:00", "never", nil)
	f("2026-03-02 14:00", "2026-03-03 12:00", &check.Recurrence{})
	f("2020-01-01 00:00", "2026-03-02 12:00", &check.Recurrence{})
	f("2026-03-02 14:00", "2028-02-29 12:00", &check.Recurrence{Months: []time.Month{2}, Days: []int{29}})
	f("2026-03-02 14:00", "2044-02-29 12:00", &check.Recurrence{Months: []time.Month{2}, Days: []int{29}, Weekdays: []time.Weekday{time.Monday}})
	f("2026-03-02 14:00", "never", &check.Recurrence{Until: noon})
}

func TestTriggersInARing(t *testing.T) {
	all := []check.Downtime{
		{ID: "a", Checks: []string{"*"}, Trigger: "b", Start: noon, End: noon.Add(time.Hour)},
		{ID: "b", Checks: []string{"*"}, Trigger: "a", Start: noon, End: noon.Add(time.Hour)},
	}
	if on := Active(all, "web1/http", nil, check.State{}, noon); len(on) != 0 {
		t.Errorf("on: %v", on)
	}
}

func TestDependents(t *testing.T) {
	hosts := []check.Host{{Name: "router"}, {Name: "web1", Parents: []string{"router", "gone"}}}
	specs := []check.Spec{{Host: "router", Name: "host"}, {Host: "web1", Name: "host"}, {Host: "web1", Name: "http"},
		{Host: "lone", Name: "sql", DependsOn: []check.Dependency{{Host: "web1", Name: "http"}, {Name: "missing"}}}}
	g, err := NewGraph(hosts, specs)
	want := "host web1: its parent \"gone\" is not declared\ncheck lone/sql: it depends on \"lone/missing\", which is not declared"
	if err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	f := func(id string, want ...string) {
		t.Helper()
		if got := g.Dependents(id); !slices.Equal(got, want) {
			t.Errorf("behind %s: %v, not %v", id, got, want)
		}
	}
	f("router/host", "lone/sql", "web1/host", "web1/http")
	f("web1/http", "lone/sql")
	f("lone/sql")
}

// A thousand layers of two, each on both of the next, have 2 to the power of 1000 ways through.
func TestGraphWithManyWays(t *testing.T) {
	var hosts []check.Host
	var specs []check.Spec
	name := func(layer, i int) string { return "h" + string(rune('a'+i)) + "-" + time.Duration(layer).String() }
	for layer := range 1000 {
		for i := range 2 {
			h := check.Host{Name: name(layer, i)}
			s := check.Spec{Host: h.Name, Name: "x"}
			if layer > 0 {
				h.Parents = []string{name(layer-1, 0), name(layer-1, 1)}
				s.DependsOn = []check.Dependency{{Host: h.Parents[0], Name: "x"}, {Host: h.Parents[1], Name: "x"}}
			}
			hosts, specs = append(hosts, h), append(specs, s)
		}
	}
	g, err := NewGraph(hosts, specs)
	if err != nil {
		t.Fatal(err)
	}
	bottom := name(0, 0)
	a := g.Around(name(999, 0)+"/x", func(id string) (check.State, bool) {
		return check.State{HardStatus: model.Critical}, id == bottom+"/x"
	})
	if !a.Dependency || a.Unreachable {
		t.Errorf("%+v", a)
	}
}

// A router with everything behind it: the time to make the graph must not grow with the square.
func TestGraphOfOneRouter(t *testing.T) {
	hosts := []check.Host{{Name: "router"}}
	specs := []check.Spec{{Host: "router", Name: check.HostCheck}}
	for i := range 50_000 {
		name := "h" + strconv.Itoa(i)
		hosts = append(hosts, check.Host{Name: name, Parents: []string{"router"}})
		specs = append(specs, check.Spec{Host: name, Name: check.HostCheck})
	}
	g, err := NewGraph(hosts, specs)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(g.Dependents("router/host")); n != 50_000 {
		t.Errorf("%d behind the router", n)
	}
}
