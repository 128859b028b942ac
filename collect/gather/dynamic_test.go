package gather

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

func set(t *testing.T, l *Loop, group string, sources ...Source) {
	t.Helper()
	if err := l.SetSources(group, sources); err != nil {
		t.Errorf("SetSources(%s) = %v", group, err)
	}
	synctest.Wait()
}

func redis(g prometheus.Gatherer) Source {
	return Source{Job: "redis", Instance: "h:6379", Gatherer: g}
}

func TestSourceIsAddedAndRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		l, stop := start(t, to, Options{}, Source{Job: "node", Instance: "h", Gatherer: newText("a 1\n")})
		pass(3 * time.Second)
		to.take()
		set(t, l, "services", redis(newText("r 1\n")))
		wantStrings(t, "gathered at once", values(to.take()), []string{`{__name__="r", instance="h:6379", job="redis"} 1`})
		if st := l.Status(); len(st) != 2 || st[1].Job != "redis" || st[1].Health != HealthUp {
			t.Errorf("Status = %+v, want node and redis, up", st)
		}
		pass(time.Second)
		set(t, l, "services")
		var ended []string
		for _, s := range to.take() {
			ended = append(ended, s.String())
		}
		slices.Sort(ended)
		wantStrings(t, "removed", ended, []string{
			`{__name__="r", instance="h:6379", job="redis"} stale`,
			`{__name__="scrape_duration_seconds", instance="h:6379", job="redis"} stale`,
			`{__name__="scrape_samples_post_metric_relabeling", instance="h:6379", job="redis"} stale`,
			`{__name__="scrape_samples_scraped", instance="h:6379", job="redis"} stale`,
			`{__name__="scrape_series_added", instance="h:6379", job="redis"} stale`,
			`{__name__="up", instance="h:6379", job="redis"} stale`,
		})
		if st, md := l.Status(), l.Metadata(); len(st) != 1 || len(md) != 1 {
			t.Errorf("after removal: Status = %+v, Metadata = %+v, want those of node only", st, md)
		}
		if n := testutil.ToFloat64(l.metrics.series.WithLabelValues("redis")); n != 0 {
			t.Errorf("hulotte_gather_series = %v, want 0", n)
		}
		pass(20 * time.Second)
		for _, s := range to.take() {
			if strings.Contains(s.series, "redis") {
				t.Errorf("%s came after the source was removed", s)
			}
		}
		stop()
	})
}

func TestUnchangedSourceKeepsClockAndSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		begin := time.Now()
		l, stop := start(t, to, Options{})
		set(t, l, "services", redis(newText("r 1\n")))
		pass(7 * time.Second)
		to.take()
		set(t, l, "services", redis(newText("r 2\n")), Source{Job: "nginx", Instance: "h:80", Gatherer: newText("n 1\n")})
		wantStrings(t, "at the change", values(to.take()), []string{`{__name__="n", instance="h:80", job="nginx"} 1`})
		pass(3 * time.Second)
		got := to.take()
		wantStrings(t, "on its clock, by the new gatherer", values(got), []string{`{__name__="r", instance="h:6379", job="redis"} 2`})
		if want := begin.Add(10 * time.Second).UnixMilli(); got[0].t != want {
			t.Errorf("gathered at %d, want %d", got[0].t, want)
		}
		if added := reportOf(got)["scrape_series_added"]; added != 0 {
			t.Errorf("scrape_series_added = %v, want 0", added)
		}
		stop()
	})
}

func TestChangedLabelsEndTheOldSeriesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		l, stop := start(t, to, Options{})
		s := redis(newText("r 1\n"))
		set(t, l, "services", s)
		to.take()
		pass(time.Second)
		s.Labels = map[string]string{"container": "cache"}
		set(t, l, "services", s)
		wantStrings(t, "changed", values(to.take()), []string{
			`{__name__="r", container="cache", instance="h:6379", job="redis"} 1`,
			`{__name__="r", instance="h:6379", job="redis"} stale`,
		})
		set(t, l, "services")
		pass(time.Second)
		to.take()
		set(t, l, "services", s)
		wantStrings(t, "back", values(to.take()), []string{`{__name__="r", container="cache", instance="h:6379", job="redis"} 1`})
		stop()
	})
}

func TestSourceRemovedWhileItHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		release := make(chan struct{})
		var hang atomic.Bool
		g := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			if hang.Load() {
				<-release
			}
			return parse("r 1\n")
		})
		l, stop := start(t, to, Options{})
		set(t, l, "services", redis(g))
		to.take()
		hang.Store(true)
		pass(11 * time.Second)
		set(t, l, "services")
		wantStrings(t, "ended without waiting", values(to.take()), []string{`{__name__="r", instance="h:6379", job="redis"} stale`})
		set(t, l, "services", redis(newText("r 2\n")))
		wantStrings(t, "another takes its place", values(to.take()), []string{`{__name__="r", instance="h:6379", job="redis"} 2`})
		close(release)
		stop()
	})
}

func TestBadSourcesAreNamedAndOthersTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newText("a 1\n")
		l, stop := start(t, newRecorder(), Options{}, Source{Job: "node", Instance: "h", Gatherer: g})
		err := l.SetSources("services", []Source{
			{Job: "node", Instance: "h", Gatherer: g}, {Instance: "h", Gatherer: g}, redis(g), redis(g),
		})
		if err == nil {
			t.Fatal("no error")
		}
		for _, want := range []string{`source 0 of services (job "node"): instance "h" is taken`, "field Job is empty", `source 3 of services (job "redis"): instance "h:6379" is taken`} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q lacks %q", err, want)
			}
		}
		synctest.Wait()
		if st := l.Status(); len(st) != 2 || st[1].Job != "redis" {
			t.Errorf("Status = %+v, want node and redis", st)
		}
		if err := l.SetSources("other", []Source{redis(g)}); err == nil {
			t.Error("another group took the same job and instance")
		}
		stop()
	})
}

func TestSourcesSetBeforeAndAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		l, err := New(Options{}, nil, to, quiet(), nil)
		if err != nil {
			t.Fatal(err)
		}
		set(t, l, "services", redis(newText("r 1\n")))
		set(t, l, "services") // never ran: nothing to end
		set(t, l, "services", redis(newText("r 2\n")))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = l.Run(ctx) }()
		synctest.Wait()
		wantStrings(t, "with Run", values(to.take()), []string{`{__name__="r", instance="h:6379", job="redis"} 2`})
		cancel()
		<-done
		set(t, l, "services")
		wantStrings(t, "after Run", values(to.take()), nil)
	})
}
