package gather

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// text is a Gatherer of an exposition that may change.
type text struct{ atomic.Pointer[string] }

func newText(s string) *text {
	t := &text{}
	t.set(s)
	return t
}

func (t *text) set(s string) { t.Store(&s) }

func (t *text) Gather() ([]*dto.MetricFamily, error) { return parse(*t.Load()) }

func parse(s string) ([]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := p.TextToMetricFamilies(strings.NewReader(s))
	if err != nil {
		return nil, err
	}
	var out []*dto.MetricFamily
	for _, f := range byName {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out, nil
}

// values returns the samples of one round without those of the report, sorted.
func values(samples []recorded) []string {
	var out []string
	for _, s := range samples {
		if !strings.Contains(s.series, `__name__="scrape_`) && !strings.Contains(s.series, `__name__="up"`) {
			out = append(out, s.String())
		}
	}
	slices.Sort(out)
	return out
}

func reportOf(samples []recorded) map[string]float64 {
	out := map[string]float64{}
	for _, s := range samples {
		name := strings.TrimPrefix(s.series[:strings.IndexByte(s.series, ',')], `{__name__="`)
		name = strings.TrimSuffix(name, `"`)
		if name == "up" || strings.HasPrefix(name, "scrape_") {
			out[name] = s.v
		}
	}
	return out
}

func wantStrings(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got  %s\n want %s", what, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}

// pass lets time go by, and what is due then be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// start runs a Loop over sources inside a synctest bubble; the returned function stops it.
func start(t *testing.T, to Appendable, opts Options, sources ...Source) (*Loop, func()) {
	t.Helper()
	l, err := New(opts, sources, to, quiet(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	}()
	synctest.Wait()
	return l, func() { cancel(); <-done }
}

func TestGathersAtStartAndEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		begin := time.Now()
		var told []time.Time
		opts := Options{OnGathered: func(source string, at time.Time) {
			if source != "node" {
				t.Errorf("OnGathered of %q, want node", source)
			}
			told = append(told, at)
		}}
		_, stop := start(t, to, opts, Source{Job: "node", Instance: "h", Gatherer: newText("a 1\n"), Interval: 10 * time.Second})
		if got := to.take(); len(got) != 6 || got[0].t != begin.UnixMilli() {
			t.Errorf("right after start: %v, want a and five report series at %d", got, begin.UnixMilli())
		}
		pass(25 * time.Second)
		for i, s := range to.take() {
			if want := begin.Add(time.Duration(1+i/6) * 10 * time.Second).UnixMilli(); s.t != want {
				t.Errorf("sample %d %s at %d, want %d", i, s, s.t, want)
			}
		}
		stop()
		if len(told) != 3 || !told[1].Equal(begin.Add(10*time.Second)) {
			t.Errorf("OnGathered was told %v, want three times 10 s apart from %v", told, begin)
		}
	})
}

func TestReportAndLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText("a{job=\"j\",exported_instance=\"e\",instance=\"i\",empty=\"\"} 1\nb 2\n")
		_, stop := start(t, to, Options{}, Source{Job: "node", Instance: "h", Labels: map[string]string{"zone": "z"}, Gatherer: g})
		got := to.take()
		wantStrings(t, "values", values(got), []string{
			`{__name__="a", exported_exported_instance="i", exported_instance="e", exported_job="j", instance="h", job="node", zone="z"} 1`,
			`{__name__="b", instance="h", job="node", zone="z"} 2`,
		})
		rep := reportOf(got)
		for name, want := range map[string]float64{"up": 1, "scrape_samples_scraped": 2, "scrape_samples_post_metric_relabeling": 2, "scrape_series_added": 2, "scrape_duration_seconds": 0} {
			if v, ok := rep[name]; !ok || v != want {
				t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
			}
		}
		pass(10 * time.Second)
		if rep := reportOf(to.take()); rep["scrape_series_added"] != 0 {
			t.Errorf("second round: scrape_series_added = %v, want 0", rep["scrape_series_added"])
		}
		if blind := to.blindAppends(); blind != 7 {
			t.Errorf("%d appends came without a reference, want only the 7 of the first round", blind)
		}
		stop()
	})
}

func TestStaleWhenSeriesVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText("a 1\nb 2\n")
		l, stop := start(t, to, Options{}, Source{Job: "j", Instance: "h", Gatherer: g})
		to.take()
		g.set("a 1\n")
		pass(10 * time.Second)
		wantStrings(t, "b vanished", values(to.take()), []string{
			`{__name__="a", instance="h", job="j"} 1`, `{__name__="b", instance="h", job="j"} stale`,
		})
		if n := l.Status()[0].Series; n != 1 {
			t.Errorf("the cache holds %d series, want 1", n)
		}
		pass(10 * time.Second)
		wantStrings(t, "one marker is enough", values(to.take()), []string{`{__name__="a", instance="h", job="j"} 1`})
		g.set("a 1\nb 3\n")
		pass(10 * time.Second)
		wantStrings(t, "b is back", values(to.take()), []string{
			`{__name__="a", instance="h", job="j"} 1`, `{__name__="b", instance="h", job="j"} 3`,
		})
		stop()
		wantStrings(t, "a stop leaves no gap for a restart", values(to.take()), nil)
	})
}

func TestStaleAndDownWhenSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText("a 1\n")
		l, stop := start(t, to, Options{}, Source{Job: "j", Instance: "h", Gatherer: g})
		to.take()
		g.set("broken{\n")
		pass(10 * time.Second)
		got := to.take()
		wantStrings(t, "failed", values(got), []string{`{__name__="a", instance="h", job="j"} stale`})
		if up := reportOf(got)["up"]; up != 0 {
			t.Errorf("up = %v, want 0", up)
		}
		if st := l.Status()[0]; st.Health != HealthDown || !strings.Contains(st.LastError, "text format parsing error") {
			t.Errorf("Status = %+v, want down with the parser's error", st)
		}
		g.set("a 1\n")
		pass(10 * time.Second)
		got = to.take()
		wantStrings(t, "back", values(got), []string{`{__name__="a", instance="h", job="j"} 1`})
		if added := reportOf(got)["scrape_series_added"]; added != 0 {
			t.Errorf("scrape_series_added = %v after a failure, want 0: the series is known", added)
		}
		if st := l.Status()[0]; st.Health != HealthUp || st.LastError != "" {
			t.Errorf("Status = %+v, want up", st)
		}
		stop()
	})
}

func TestPartialGatherIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			f, _ := parse("a 1\n")
			return f, errors.New("half of it is broken")
		})
		l, stop := start(t, to, Options{}, Source{Job: "j", Instance: "h", Gatherer: g})
		got := to.take()
		wantStrings(t, "values", values(got), []string{`{__name__="a", instance="h", job="j"} 1`})
		if st := l.Status()[0]; reportOf(got)["up"] != 1 || st.Health != HealthUp || st.LastWarning != "half of it is broken" {
			t.Errorf("up = %v, Status = %+v, want up with the warning", reportOf(got)["up"], st)
		}
		stop()
	})
}

func TestHungSourceDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		release := make(chan struct{})
		var calls atomic.Int32
		hang := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			if calls.Add(1) == 1 {
				<-release
			}
			return parse("b 1\n")
		})
		l, stop := start(t, to, Options{MaxConcurrent: 1},
			Source{Job: "hangs", Instance: "h", Gatherer: hang, Timeout: 2 * time.Second},
			Source{Job: "fine", Instance: "h", Gatherer: newText("a 1\n")})
		pass(35 * time.Second)
		fine, down := 0, 0
		for _, s := range to.take() {
			switch s.String() {
			case `{__name__="a", instance="h", job="fine"} 1`:
				fine++
			case `{__name__="up", instance="h", job="hangs"} 0`:
				down++
			}
		}
		if fine != 4 || down != 4 || calls.Load() != 1 {
			t.Errorf("in 4 rounds: fine %d times, up=0 %d times, %d calls of the hung source; want 4, 4, 1", fine, down, calls.Load())
		}
		if st := l.Status()[0]; !strings.Contains(st.LastError, "has not returned yet") {
			t.Errorf("LastError = %q, want that it has not returned", st.LastError)
		}
		if n := testutil.ToFloat64(l.metrics.hung.WithLabelValues("hangs")); n != 1 {
			t.Errorf("hulotte_gather_hung = %v, want 1", n)
		}
		close(release)
		pass(10 * time.Second)
		if st := l.Status()[0]; st.Health != HealthUp {
			t.Errorf("after it came back: %+v, want up", st)
		}
		if n := testutil.ToFloat64(l.metrics.hung.WithLabelValues("hangs")); n != 0 {
			t.Errorf("hulotte_gather_hung = %v, want 0", n)
		}
		stop()
	})
}

// TestRemoteSourcesTakeNoTurn: what waits for other machines keeps nobody here waiting.
func TestRemoteSourcesTakeNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		slow := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			time.Sleep(8 * time.Second)
			return parse("b 1\n")
		})
		_, stop := start(t, to, Options{MaxConcurrent: 1, MaxRemote: 2},
			Source{Job: "far", Instance: "1", Gatherer: slow, Remote: true},
			Source{Job: "far", Instance: "2", Gatherer: slow, Remote: true},
			Source{Job: "far", Instance: "3", Gatherer: slow, Remote: true},
			Source{Job: "near", Instance: "h", Gatherer: newText("a 1\n"), Timeout: time.Second})
		pass(9*time.Second + 500*time.Millisecond)
		far, near := 0, 0
		for _, s := range to.take() {
			switch text := s.String(); {
			case strings.HasPrefix(text, `{__name__="up", instance="h"`) && strings.HasSuffix(text, " 1"):
				near++
			case strings.HasPrefix(text, `{__name__="up"`) && strings.HasSuffix(text, " 1"):
				far++
			}
		}
		if near != 1 || far != 2 {
			t.Errorf("in the first round %d of the near source and %d of the far ones are up, want 1, and 2 as two have turns", near, far)
		}
		stop()
		pass(20 * time.Second) // what sleeps ends
	})
}

func TestRunEndsWhileASourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hang := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { <-release; return nil, nil })
		_, stop := start(t, newRecorder(), Options{}, Source{Job: "hangs", Instance: "h", Gatherer: hang})
		stop() // returns though the source does not
		close(release)
	})
}

func TestPanicOfASourceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { panic("index out of range") })
		l, stop := start(t, newRecorder(), Options{}, Source{Job: "j", Instance: "h", Gatherer: g})
		if st := l.Status()[0]; st.Health != HealthDown || !strings.Contains(st.LastError, "index out of range") {
			t.Errorf("Status = %+v, want down with the panic", st)
		}
		stop()
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText("a 1\nb{x=\"" + strings.Repeat("x", 100) + "\"} 1\nlate 1\n")
		l, stop := start(t, to, Options{MaxSamples: 3, MaxSeriesBytes: 50}, Source{Job: "j", Instance: "h", Gatherer: g})
		got := to.take()
		wantStrings(t, "too long and late ones are dropped", values(got), []string{`{__name__="a", instance="h", job="j"} 1`})
		if rep := reportOf(got); rep["up"] != 1 || rep["scrape_samples_scraped"] != 3 || rep["scrape_samples_post_metric_relabeling"] != 1 {
			t.Errorf("report = %v, want up with 3 scraped and 1 kept", rep)
		}
		for _, reason := range []string{"too_large", "out_of_order"} {
			if n := testutil.ToFloat64(l.metrics.dropped.WithLabelValues("j", reason)); n != 1 {
				t.Errorf("dropped for %s: %v, want 1", reason, n)
			}
		}
		if w := l.Status()[0].LastWarning; !strings.Contains(w, "too long") {
			t.Errorf("LastWarning = %q, want that labels are too long", w)
		}
		g.set("a 1\nb 1\nc 1\nd 1\n")
		pass(10 * time.Second)
		got = to.take()
		// late never had a sample, but it was in the source: its end is harmless.
		wantStrings(t, "too many", values(got), []string{`{__name__="a", instance="h", job="j"} stale`, `{__name__="late", instance="h", job="j"} stale`})
		if st := l.Status()[0]; st.Health != HealthDown || st.LastError != "too many samples: more than 3" {
			t.Errorf("Status = %+v, want down with too many samples", st)
		}
		stop()
	})
}

func TestStoreFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		l, stop := start(t, to, Options{}, Source{Job: "j", Instance: "h", Gatherer: newText("a 1\nb 1\n")})
		to.take()
		to.fail("b", nil)
		pass(10 * time.Second)
		if st := l.Status()[0]; st.Health != HealthDown || !strings.Contains(st.LastError, "the disk is full") {
			t.Errorf("append refused: %+v, want down with the cause", st)
		}
		to.take()
		to.fail("", errRefused)
		pass(10 * time.Second)
		if st := l.Status()[0]; st.Health != HealthDown || !strings.Contains(st.LastError, "cannot store the samples: the disk is full") {
			t.Errorf("commit refused: %+v, want down with the cause", st)
		}
		to.fail("", nil)
		pass(10 * time.Second)
		wantStrings(t, "back", values(to.take()), []string{`{__name__="a", instance="h", job="j"} 1`, `{__name__="b", instance="h", job="j"} 1`})
		if blind := to.blindAppends(); blind != 7 {
			t.Errorf("%d appends without a reference after a failed commit, want all 7", blind)
		}
		stop()
	})
}

func TestOwnTimestampsNeverGoStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText("a 1 5000\n")
		_, stop := start(t, to, Options{}, Source{Job: "j", Instance: "h", Gatherer: g})
		if got := to.take(); got[0].t != 5000 {
			t.Errorf("timestamp %d, want 5000", got[0].t)
		}
		g.set("")
		pass(10 * time.Second)
		wantStrings(t, "vanished", values(to.take()), nil)
		stop()
	})
}

func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText("# HELP a_total What a is.\n# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb 1\n")
		l, stop := start(t, to, Options{}, Source{Job: "j", Instance: "h", Gatherer: g})
		got := to.take()
		if m := got[0].meta; m.Type != "counter" || m.Help != "What a is." {
			t.Errorf("metadata of the sample = %+v", m)
		}
		want := []Metadata{{"j", "h", "a_total", "counter", "What a is.", ""}, {"j", "h", "b", "gauge", "", ""}}
		if got := l.Metadata(); !slices.Equal(got, want) {
			t.Errorf("Metadata = %v, want %v", got, want)
		}
		stop()
	})
}

func TestClassicHistogramAndSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newRecorder()
		g := newText(`# TYPE h histogram
h_bucket{x="y",le="0.5"} 1
h_bucket{x="y",le="1"} 3
h_sum{x="y"} 2.5
h_count{x="y"} 4
# TYPE s summary
s{quantile="0.5"} 7
s{quantile="1"} 9
s_sum 30
s_count 5
`)
		_, stop := start(t, to, Options{}, Source{Job: "j", Instance: "i", Gatherer: g})
		wantStrings(t, "expanded", values(to.take()), []string{
			`{__name__="h_bucket", instance="i", job="j", le="+Inf", x="y"} 4`,
			`{__name__="h_bucket", instance="i", job="j", le="0.5", x="y"} 1`,
			`{__name__="h_bucket", instance="i", job="j", le="1.0", x="y"} 3`,
			`{__name__="h_count", instance="i", job="j", x="y"} 4`,
			`{__name__="h_sum", instance="i", job="j", x="y"} 2.5`,
			`{__name__="s", instance="i", job="j", quantile="0.5"} 7`,
			`{__name__="s", instance="i", job="j", quantile="1.0"} 9`,
			`{__name__="s_count", instance="i", job="j"} 5`,
			`{__name__="s_sum", instance="i", job="j"} 30`,
		})
		stop()
	})
}

func TestNativeHistogram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", NativeHistogramBucketFactor: 1.1, Buckets: []float64{1}})
		empty := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "empty", NativeHistogramBucketFactor: 1.1})
		reg.MustRegister(h, empty)
		h.Observe(1)
		h.(prometheus.ExemplarObserver).ObserveWithExemplar(4, prometheus.Labels{"trace_id": "abc"})
		to := newRecorder()
		_, stop := start(t, to, Options{}, Source{Job: "j", Instance: "i", Gatherer: reg},
			Source{Job: "both", Instance: "i", Gatherer: reg, ClassicHistograms: true})
		got := to.take()
		wantStrings(t, "expanded", values(got), []string{
			`{__name__="empty", instance="i", job="both"} {count:0, sum:0}`,
			`{__name__="empty", instance="i", job="j"} {count:0, sum:0}`,
			`{__name__="h", instance="i", job="both"} {count:2, sum:5, (0.9170040432046711,1]:1, (3.6680161728186844,4]:1}`,
			`{__name__="h", instance="i", job="j"} {count:2, sum:5, (0.9170040432046711,1]:1, (3.6680161728186844,4]:1}`,
			`{__name__="h_bucket", instance="i", job="both", le="+Inf"} 2`,
			`{__name__="h_bucket", instance="i", job="both", le="1.0"} 1`,
			`{__name__="h_count", instance="i", job="both"} 2`,
			`{__name__="h_sum", instance="i", job="both"} 5`,
		})
		for _, s := range got {
			if s.h != nil && s.h.Count == 2 && (len(s.exemplars) != 1 || s.exemplars[0].Labels.Get("trace_id") != "abc" || s.start == 0) {
				t.Errorf("%s: exemplars %v, start %d; want one exemplar and a start", s.series, s.exemplars, s.start)
			}
		}
		stop()
	})
}

func TestFloatHistogramAndGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metric := func(h *dto.Histogram) []*dto.Metric { return []*dto.Metric{{Histogram: h}} }
		span := []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(2)}}
		families := []*dto.MetricFamily{
			{Name: proto.String("f"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: metric(&dto.Histogram{
				SampleCountFloat: proto.Float64(3), SampleSum: proto.Float64(1), PositiveSpan: span, PositiveCount: []float64{1, 2},
				CreatedTimestamp: timestamppb.New(time.UnixMilli(7))})},
			{Name: proto.String("bad"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: metric(&dto.Histogram{
				SampleCount: proto.Uint64(3), PositiveSpan: span, PositiveDelta: []int64{1}})},
			{Name: proto.String("nothing"), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{}, nil}},
			nil,
		}
		to := newRecorder()
		l, stop := start(t, to, Options{}, Source{Job: "j", Instance: "i",
			Gatherer: prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })})
		got := to.take()
		wantStrings(t, "values", values(got), []string{`{__name__="f", instance="i", job="j"} {count:3, sum:1, (0.5,1]:1, (1,2]:2}`})
		if got[0].start != 7 || got[0].meta.Type != "gaugehistogram" {
			t.Errorf("start = %d, type = %s, want 7 and gaugehistogram", got[0].start, got[0].meta.Type)
		}
		if n := testutil.ToFloat64(l.metrics.dropped.WithLabelValues("j", "invalid_histogram")); n != 1 {
			t.Errorf("dropped invalid histograms: %v, want 1", n)
		}
		stop()
	})
}

func TestNewRefuses(t *testing.T) {
	g := newText("")
	bad := func(want string, sources ...Source) {
		t.Helper()
		if _, err := New(Options{}, sources, newRecorder(), quiet(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) = %v, want an error with %q", sources, err, want)
		}
	}
	ok := Source{Job: "j", Instance: "i", Gatherer: g}
	bad("Job is empty", Source{Instance: "i", Gatherer: g})
	bad("Instance is empty", Source{Job: "j", Gatherer: g})
	bad("Gatherer is nil", Source{Job: "j", Instance: "i"})
	bad("at least 100ms", Source{Job: "j", Instance: "i", Gatherer: g, Interval: time.Millisecond})
	bad("cannot be negative", Source{Job: "j", Instance: "i", Gatherer: g, Timeout: -1})
	bad("through the field", Source{Job: "j", Instance: "i", Gatherer: g, Labels: map[string]string{"job": "x"}})
	bad("not a label name", Source{Job: "j", Instance: "i", Gatherer: g, Labels: map[string]string{"__x": "x"}})
	bad("not valid UTF-8", Source{Job: "j", Instance: "i", Gatherer: g, Labels: map[string]string{"x": "\xff"}})
	bad("taken by another source", ok, ok)
}

func TestStampFollowsTheClock(t *testing.T) {
	start := time.Now()
	due := start.Add(10 * time.Second)
	f := func(late, step time.Duration, wantLate time.Duration) {
		t.Helper()
		now := due.Add(late)
		if step != 0 {
			now = stepped(now, step)
		}
		d := followClock(due, now)
		if got := stamp(d, now, 10*time.Second).Round(0).Sub(due.Round(0)); got != step+wantLate {
			t.Errorf("late %s, clock stepped by %s: stamp is due%+v, want due%+v", late, step, got, step+wantLate)
		}
		if d.Sub(start) != 10*time.Second {
			t.Errorf("late %s, stepped %s: due moved on the monotonic clock to %s", late, step, d.Sub(start))
		}
	}
	f(0, 0, 0)
	f(9*time.Millisecond, 0, 0)
	f(20*time.Millisecond, 0, 20*time.Millisecond)
	f(3*time.Millisecond, time.Hour, 0)
	f(3*time.Millisecond, -time.Hour, 0)
	f(30*time.Millisecond, time.Hour, 30*time.Millisecond)
}
