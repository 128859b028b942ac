package rule

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// Limits of a backtest.
const (
	maxSteps      = 11_000 // as of a range query of Prometheus' API
	maxFirings    = 1000   // told one by one; the rest are counted
	maxPlotSeries = 50
	maxWarmup     = 24 * time.Hour
	maxRuleText   = 64 << 10 // bytes
)

// RangeFunc answers a range query. The warnings are sentences.
type RangeFunc func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (m promql.Matrix, warnings []string, err error)

// Backtest is a question: what would this rule have done?
type Backtest struct {
	Rule     string // YAML of one rule, as it stands in a group
	Language Language
	From, To time.Time
	Step     time.Duration // between two evaluations; 0 is a minute, or more for a long time

	Parser         parser.Parser
	ExternalLabels labels.Labels
	ExternalURL    string
}

// BacktestResult is what the rule would have done.
type BacktestResult struct {
	Fired    int           // how many alerts would have fired
	Firings  []Firing      // the first of them, in order of time
	Step     time.Duration // that was used
	Series   promql.Matrix // what the expression compares, or is, over time
	Operator string        // of the comparison, such as ">"; "" when there is none
	Limit    float64       // that Series is compared with
	Warnings []string
}

// Firing is an alert from its firing to its end.
type Firing struct {
	Labels, Annotations labels.Labels
	Active              time.Time // since when its condition had been true
	From                time.Time
	To                  time.Time // zero when it still fires at the end
	Value               float64   // when it began to fire
}

// RunBacktest evaluates a rule over the past with Prometheus' own state machine: `for`, `keep_firing_for`, labels and templates are
// those of the rule at work. Its expression is asked once, over the whole time; instant answers what templates query.
func RunBacktest(ctx context.Context, b Backtest, ask RangeFunc, instant QueryFunc) (*BacktestResult, error) {
	r, err := b.rule()
	if err != nil {
		return nil, err
	}
	if err := b.bound(); err != nil {
		return nil, err
	}
	expr, err := b.Parser.ParseExpr(r.Expr)
	if err != nil {
		return nil, invalid("expr: %w", err)
	}
	out := &BacktestResult{Step: b.Step, Firings: []Firing{}}
	warm := min(time.Duration(r.For)+time.Duration(r.KeepFiringFor), maxWarmup)
	warm = (warm + b.Step - 1).Truncate(b.Step)
	text := expressionText(expr.String())
	matrix, warnings, err := ask(ctx, text, b.From.Add(-warm), b.To, b.Step)
	if err != nil {
		return nil, err
	}
	out.Warnings = append(out.Warnings, warnings...)
	if err := out.plot(ctx, b, expr, matrix, ask); err != nil {
		return nil, err
	}
	if r.Alert == "" {
		return out, nil
	}
	if b.Step > time.Duration(r.For) && r.For > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("a step of %s is longer than the rule's for: what was true for a shorter time is missed or counts for longer", b.Step))
	}
	return out, out.fire(ctx, b, r, expr, matrix, b.From.Add(-warm), instant)
}

var rulePosition = regexp.MustCompile(`^(\d+:\d+: )?(group "backtest", rule \d+, ("[^"]*": )?)?`)

// rule reads the rule that is tested.
func (b Backtest) rule() (rulefmt.Rule, error) {
	var doc yaml.Node
	if len(b.Rule) > maxRuleText {
		return rulefmt.Rule{}, invalid(`"rule" has more than %d bytes`, maxRuleText)
	}
	if err := yaml.Unmarshal([]byte(b.Rule), &doc); err != nil {
		return rulefmt.Rule{}, invalid("%s", explain(err))
	}
	if len(doc.Content) == 0 {
		return rulefmt.Rule{}, invalid(`"rule" is empty: write alert: and expr:`)
	}
	node := doc.Content[0]
	if node.Kind == yaml.SequenceNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "backtest", "rules": []*yaml.Node{node}}}})
	if err != nil {
		return rulefmt.Rule{}, invalid("%w", err)
	}
	groups, errs := parse(text, b.Parser)
	if len(errs) > 0 {
		texts := make([]string, len(errs))
		for i, err := range errs {
			texts[i] = rulePosition.ReplaceAllString(explain(err), "")
		}
		return rulefmt.Rule{}, invalid("%s", strings.Join(texts, "\n"))
	}
	return groups.Groups[0].Rules[0], nil
}

// bound checks the times and chooses a step.
func (b *Backtest) bound() error {
	b.From, b.To = b.From.Truncate(time.Millisecond), b.To.Truncate(time.Millisecond)
	span := b.To.Sub(b.From)
	switch {
	case span <= 0:
		return invalid(`"to" must be later than "from"`)
	case b.Step < 0:
		return invalid(`"step" is negative`)
	case b.Step == 0:
		b.Step = max(time.Minute, (span/(maxSteps/2) + time.Second).Truncate(time.Second))
	case b.Step < time.Second:
		return invalid(`"step" is shorter than a second`)
	}
	if span/b.Step >= maxSteps {
		return invalid("that is more than %d evaluations: choose a longer step or a shorter time", maxSteps)
	}
	return nil
}

// plot finds what the expression compares with a number, so that a plot shows how near it came.
func (out *BacktestResult) plot(ctx context.Context, b Backtest, expr parser.Expr, result promql.Matrix, ask RangeFunc) error {
	left, op, limit := compared(expr)
	if left == "" {
		out.Series = within(result, b.From.UnixMilli())
	} else {
		m, _, err := ask(ctx, left, b.From, b.To, b.Step)
		if err != nil {
			return err
		}
		out.Series, out.Operator, out.Limit = m, op, limit
	}
	if n := len(out.Series); n > maxPlotSeries {
		fired := map[uint64]bool{}
		for _, s := range result {
			fired[s.Metric.Hash()] = true
		}
		slices.SortStableFunc(out.Series, func(a, b promql.Series) int { return rank(fired, a) - rank(fired, b) })
		out.Series = out.Series[:maxPlotSeries]
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d of %d series are shown, those that met the condition first", maxPlotSeries, n))
	}
	return nil
}

// rank sorts what has met the condition before what has not.
func rank(fired map[uint64]bool, s promql.Series) int {
	if fired[s.Metric.Hash()] {
		return 0
	}
	return 1
}

var flipped = map[parser.ItemType]string{
	parser.GTR: "<", parser.LSS: ">", parser.GTE: "<=", parser.LTE: ">=", parser.EQLC: "==", parser.NEQ: "!=",
}

// compared takes an expression of the form `x > number` apart; "" when it has another.
func compared(e parser.Expr) (left, op string, limit float64) {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			break
		}
		e = p.Expr
	}
	b, ok := e.(*parser.BinaryExpr)
	if !ok || !b.Op.IsComparisonOperator() || b.ReturnBool {
		return "", "", 0
	}
	if n, ok := number(b.RHS); ok {
		return b.LHS.String(), b.Op.String(), n
	}
	if n, ok := number(b.LHS); ok {
		return b.RHS.String(), flipped[b.Op], n
	}
	return "", "", 0
}

func number(e parser.Expr) (float64, bool) {
	switch e := e.(type) {
	case *parser.NumberLiteral:
		return e.Val, true
	case *parser.ParenExpr:
		return number(e.Expr)
	case *parser.UnaryExpr:
		n, ok := number(e.Expr)
		if e.Op == parser.SUB {
			n = -n
		}
		return n, ok
	}
	return 0, false
}

// within leaves out what is before a time, in milliseconds.
func within(m promql.Matrix, from int64) promql.Matrix {
	out := promql.Matrix{}
	for _, s := range m {
		i := sort.Search(len(s.Floats), func(i int) bool { return s.Floats[i].T >= from })
		j := sort.Search(len(s.Histograms), func(i int) bool { return s.Histograms[i].T >= from })
		s.Floats, s.Histograms = s.Floats[i:], s.Histograms[j:]
		if len(s.Floats)+len(s.Histograms) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// fire lets the time pass over the rule.
func (out *BacktestResult) fire(ctx context.Context, b Backtest, r rulefmt.Rule, expr parser.Expr, m promql.Matrix, start time.Time, instant QueryFunc) error {
	external, err := url.Parse(b.ExternalURL)
	if err != nil {
		return err
	}
	alerting := rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor), labels.FromMap(r.Labels),
		labels.FromMap(r.Annotations), b.ExternalLabels, b.ExternalURL, true, slog.New(slog.DiscardHandler))
	answers := &answers{expr: expr.String(), cursors: cursorsOf(m), instant: instant}
	open := map[uint64]*Firing{}
	for at := start; !at.After(b.To); at = at.Add(b.Step) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := alerting.Eval(ctx, 0, at, answers.query, external, 0); err != nil {
			return fmt.Errorf("cannot evaluate the rule at %s: %w", at.UTC().Format(time.RFC3339), err)
		}
		out.follow(open, alerting, at, b.From)
	}
	for _, f := range open {
		out.add(*f)
	}
	sort.SliceStable(out.Firings, func(i, j int) bool {
		a, b := out.Firings[i], out.Firings[j]
		if !a.From.Equal(b.From) {
			return a.From.Before(b.From)
		}
		return labels.Compare(a.Labels, b.Labels) < 0
	})
	if out.Fired > len(out.Firings) {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d of %d firings are told", len(out.Firings), out.Fired))
	}
	return nil
}

// follow opens and ends firings by the rule's state at a time.
func (out *BacktestResult) follow(open map[uint64]*Firing, r *rules.AlertingRule, at, from time.Time) {
	firing := map[uint64]bool{}
	r.ForEachActiveAlert(func(a *rules.Alert) {
		if a.State != rules.StateFiring {
			return
		}
		key := a.Labels.Hash()
		firing[key] = true
		if open[key] == nil {
			open[key] = &Firing{Labels: a.Labels, Annotations: a.Annotations, Active: a.ActiveAt, From: a.FiredAt, Value: a.Value}
		}
	})
	for key, f := range open {
		if firing[key] {
			continue
		}
		delete(open, key)
		if f.To = at; !at.Before(from) {
			out.add(*f)
		}
	}
}

func (out *BacktestResult) add(f Firing) {
	out.Fired++
	if len(out.Firings) < maxFirings {
		out.Firings = append(out.Firings, f)
	}
}

// answers gives the rule the answers of a range query one by one.
type answers struct {
	expr    string
	cursors []*cursor
	instant QueryFunc
}

type cursor struct {
	series promql.Series
	f, h   int
}

func cursorsOf(m promql.Matrix) []*cursor {
	all := make([]*cursor, len(m))
	for i, s := range m {
		all[i] = &cursor{series: s}
	}
	return all
}

func (a *answers) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	if expr != a.expr {
		return a.instant(ctx, expr, at) // of a template
	}
	var v promql.Vector
	t := at.UnixMilli()
	for _, c := range a.cursors {
		if f, h, ok := c.at(t); ok {
			v = append(v, promql.Sample{T: t, F: f, H: h, Metric: c.series.Metric})
		}
	}
	return v, nil
}

// at is the value at a time; times only grow.
func (c *cursor) at(t int64) (float64, *histogram.FloatHistogram, bool) {
	for c.f < len(c.series.Floats) && c.series.Floats[c.f].T < t {
		c.f++
	}
	for c.h < len(c.series.Histograms) && c.series.Histograms[c.h].T < t {
		c.h++
	}
	if c.f < len(c.series.Floats) && c.series.Floats[c.f].T == t {
		return c.series.Floats[c.f].F, nil, true
	}
	if c.h < len(c.series.Histograms) && c.series.Histograms[c.h].T == t {
		return 0, c.series.Histograms[c.h].H, true
	}
	return 0, nil, false
}

// CopyMatrix copies what belongs to a query that is about to be closed.
func CopyMatrix(m promql.Matrix) promql.Matrix {
	out := make(promql.Matrix, len(m))
	for i, s := range m {
		out[i] = promql.Series{Metric: s.Metric, Floats: slices.Clone(s.Floats), Histograms: slices.Clone(s.Histograms)}
	}
	return out
}
