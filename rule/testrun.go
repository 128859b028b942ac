package rule

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// testSamples bounds what one query of a test may read. It is promtool's number: a test that is too large there is too large here.
const testSamples = 10_000

// testRun is one test under way.
type testRun struct {
	*testGroup
	file   *TestFile
	opts   TestOptions
	store  *memory
	engine *promql.Engine
	inputs []*testInput
	groups []*rules.Group
	start  time.Time
	look   func(*testRun)
	failed []error
}

// testInput is a series of a test that is written as time goes on.
type testInput struct {
	labels labels.Labels
	values []parser.SequenceValue
	next   int
}

func (r *testRun) fail(format string, args ...any) {
	if r.Name != "" {
		format = "test " + strings.ReplaceAll(r.Name, "%", "%%") + ": " + format
	}
	r.failed = append(r.failed, fmt.Errorf(format, args...))
}

// run returns what failed.
func (g *testGroup) run(ctx context.Context, f *TestFile, order map[string]int, o TestOptions) []error {
	return g.runAnd(ctx, f, order, o, func(*testRun) {})
}

// runAnd lets look see the state at each time of a test.
func (g *testGroup) runAnd(ctx context.Context, f *TestFile, order map[string]int, o TestOptions, look func(*testRun)) []error {
	r := &testRun{testGroup: g, file: f, opts: o, store: newMemory(), look: look, start: time.Unix(0, 0).UTC()}
	if !g.StartTimestamp.IsZero() {
		r.start = g.StartTimestamp.Time
	}
	if err := r.parseInputs(); err != nil {
		r.fail("%w", err)
		return r.failed
	}
	interval := time.Duration(f.EvaluationInterval)
	r.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: testSamples, Timeout: 100 * time.Second, EnableAtModifier: true, EnableNegativeOffset: true, Parser: o.Parser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return interval.Milliseconds() },
	})
	defer func() { _ = r.engine.Close() }() // it only ends what is queued
	if !r.loadGroups(ctx, order) || !r.evaluate(ctx, interval) {
		return r.failed
	}
	for _, e := range g.PromqlExprTests {
		r.checkExpression(ctx, e)
	}
	return r.failed
}

// parseInputs reads the series; the last of two with the same labels counts.
func (r *testRun) parseInputs() error {
	for _, in := range r.InputSeries {
		ls, values, err := r.opts.Parser.ParseSeriesDesc(strings.TrimSpace(in.Series + " " + in.Values))
		if err != nil {
			return fmt.Errorf("input_series %q: %w", in.Series, err)
		}
		same := slices.IndexFunc(r.inputs, func(i *testInput) bool { return labels.Equal(i.labels, ls) })
		if same >= 0 {
			r.inputs[same].values = values
			continue
		}
		r.inputs = append(r.inputs, &testInput{labels: ls, values: values})
	}
	return nil
}

func (r *testRun) loadGroups(ctx context.Context, order map[string]int) bool {
	files, errs := loadForTests(r.file.RuleFiles, r.opts)
	if len(errs) > 0 {
		for _, err := range errs {
			r.fail("%w", err)
		}
		return false
	}
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(r.engine, r.store), AppendableV2: r.store, Context: ctx, Logger: slog.New(slog.DiscardHandler), Parser: r.opts.Parser,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, GroupLoader: &loader{files: files, parser: r.opts.Parser},
	})
	loaded, errs := m.LoadGroups(time.Duration(r.Interval), r.ExternalLabels, r.ExternalURL, nil, r.opts.IgnoreUnknownFields, files.names...)
	if len(errs) > 0 {
		r.failed = append(r.failed, errs...)
		return false
	}
	for _, g := range loaded {
		r.groups = append(r.groups, g)
		for _, rule := range g.Rules() {
			if a, ok := rule.(*rules.AlertingRule); ok {
				a.SetRestored(true) // else ALERTS is written after a restart's grace only
			}
		}
	}
	slices.SortFunc(r.groups, func(a, b *rules.Group) int {
		return cmp.Or(cmp.Compare(order[a.Name()], order[b.Name()]), cmp.Compare(a.File(), b.File()), cmp.Compare(a.Name(), b.Name()))
	})
	return true
}

// evaluate lets time pass, and looks at the alerts on the way. It returns false when a rule cannot be evaluated.
func (r *testRun) evaluate(ctx context.Context, interval time.Duration) bool {
	times, tests, err := r.alertTests()
	if err != nil {
		r.fail("%w", err)
		return false
	}
	for since := time.Duration(0); since >= 0 && since <= r.last(); since += interval { // the sum may pass the largest Duration
		if ctx.Err() != nil {
			r.fail("%w", ctx.Err())
			return false
		}
		at, before := r.start.Add(since), len(r.failed)
		if err := r.write(ctx, at); err != nil {
			r.fail("%w", err)
		} else {
			r.evaluateAt(ctx, at, since)
		}
		if len(r.failed) > before {
			return false
		}
		for len(times) > 0 && time.Duration(times[0])-since < interval {
			if since <= time.Duration(times[0]) {
				r.checkAlerts(tests[times[0]])
				r.look(r)
			}
			times = times[1:]
		}
	}
	return true
}

func (r *testRun) evaluateAt(ctx context.Context, at time.Time, since time.Duration) {
	for _, g := range r.groups {
		g.Eval(ctx, at)
		for _, rule := range g.Rules() {
			if err := rule.LastError(); err != nil {
				r.fail("rule: %s, time: %s, err: %w", rule.Name(), since, err)
			}
		}
	}
}

// write appends what the inputs have up to a time.
func (r *testRun) write(ctx context.Context, till time.Time) error {
	app := r.store.AppenderV2(ctx)
	for _, in := range r.inputs {
		for ; in.next < len(in.values); in.next++ {
			at := r.start.Add(time.Duration(in.next) * time.Duration(r.Interval))
			if at.Add(r.late).After(till) {
				break
			}
			v := in.values[in.next]
			if v.Omitted {
				continue
			}
			if _, err := app.Append(0, in.labels, 0, at.UnixMilli(), v.Value, nil, v.Histogram, storage.AppendV2Options{}); err != nil {
				return fmt.Errorf("input_series %s: %w", in.labels, err)
			}
		}
	}
	return app.Commit()
}

// told is an alert as a test sees it.
type told struct{ labels, annotations labels.Labels }

func (t told) String() string { return t.labels.String() + " with " + t.annotations.String() }

func compareTold(a, b told) int {
	return cmp.Or(labels.Compare(a.labels, b.labels), labels.Compare(a.annotations, b.annotations))
}

func (r *testRun) checkAlerts(tests []alertTest) {
	for _, test := range tests {
		var want []told
		for _, a := range test.ExpAlerts {
			b := labels.NewBuilder(labels.FromMap(a.ExpLabels))
			b.Set(labels.AlertName, test.Alertname)
			want = append(want, told{b.Labels(), labels.FromMap(a.ExpAnnotations)})
		}
		got := r.firing(test.Alertname)
		slices.SortFunc(want, compareTold)
		slices.SortFunc(got, compareTold)
		if slices.CompareFunc(want, got, compareTold) != 0 {
			r.fail("alertname: %s, time: %s,\n    exp: %s\n    got: %s", test.Alertname, test.EvalTime, listed(want), listed(got))
		}
	}
}

func (r *testRun) firing(name string) (all []told) {
	for _, g := range r.groups {
		for _, rule := range g.Rules() {
			a, ok := rule.(*rules.AlertingRule)
			if !ok || a.Name() != name {
				continue
			}
			for _, alert := range a.ActiveAlerts() {
				if alert.State == rules.StateFiring {
					all = append(all, told{alert.Labels.Copy(), alert.Annotations.Copy()})
				}
			}
		}
	}
	return all
}

func listed[T fmt.Stringer](all []T) string {
	if len(all) == 0 {
		return "nothing"
	}
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = v.String()
	}
	return strings.Join(texts, "\n         ")
}

// tested is a sample as a test sees it.
type tested struct {
	labels    labels.Labels
	value     float64
	histogram string
}

func (t tested) String() string {
	if t.histogram != "" {
		return t.labels.String() + " " + t.histogram
	}
	return fmt.Sprintf("%s %v", t.labels, t.value)
}

func (r *testRun) checkExpression(ctx context.Context, e expressionTest) {
	got, err := EngineQuery(r.engine, r.store)(ctx, e.Expr, r.start.Add(time.Duration(e.EvalTime)))
	if err != nil {
		r.fail("expr: %q, time: %s, err: %w", e.Expr, e.EvalTime, err)
		return
	}
	have := make([]tested, 0, len(got))
	for _, s := range got {
		have = append(have, tested{s.Metric.Copy(), s.F, histogramText(s.H)})
	}
	want := make([]tested, 0, len(e.ExpSamples))
	for _, s := range e.ExpSamples {
		t, err := r.expected(s)
		if err != nil {
			r.fail("expr: %q, time: %s, err: labels %q: %w", e.Expr, e.EvalTime, s.Labels, err)
			return
		}
		want = append(want, t)
	}
	byLabels := func(a, b tested) int { return labels.Compare(a.labels, b.labels) }
	slices.SortStableFunc(have, byLabels)
	slices.SortStableFunc(want, byLabels)
	if !slices.EqualFunc(want, have, func(a, b tested) bool {
		return labels.Equal(a.labels, b.labels) && a.histogram == b.histogram && (a.histogram != "" || r.equal(a.value, b.value))
	}) {
		r.fail("expr: %q, time: %s,\n    exp: %s\n    got: %s", e.Expr, e.EvalTime, listed(want), listed(have))
	}
}

func (r *testRun) expected(s expectedSample) (tested, error) {
	ls, err := r.opts.Parser.ParseMetric(s.Labels)
	if err != nil || s.Histogram == "" {
		return tested{labels: ls, value: s.Value}, err
	}
	_, values, err := r.opts.Parser.ParseSeriesDesc("{} " + s.Histogram)
	switch {
	case err != nil:
		return tested{}, err
	case len(values) != 1 || values[0].Histogram == nil:
		return tested{}, fmt.Errorf("%q is not one histogram", s.Histogram)
	}
	return tested{labels: ls, histogram: histogramText(values[0].Histogram)}, nil
}

func histogramText(h *histogram.FloatHistogram) string {
	if h == nil {
		return ""
	}
	return h.TestExpression()
}

// equal compares values; with fuzzy_compare, the next floating point number is the same.
func (r *testRun) equal(a, b float64) bool {
	return a == b || r.file.FuzzyCompare && (math.Nextafter(a, math.Inf(-1)) == b || math.Nextafter(a, math.Inf(1)) == b)
}
