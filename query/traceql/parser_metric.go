package traceql

import (
	"slices"

	"github.com/hulotte-dev/hulotte/model"
)

// The functions of metrics.
const (
	funcRate      = "rate"
	funcCount     = "count_over_time"
	funcMin       = "min_over_time"
	funcMax       = "max_over_time"
	funcAvg       = "avg_over_time"
	funcSum       = "sum_over_time"
	funcQuantile  = "quantile_over_time"
	funcHistogram = "histogram_over_time"
	funcCompare   = "compare"
)

var metricFunctions = []string{funcRate, funcCount, funcMin, funcMax, funcAvg, funcSum, funcQuantile, funcHistogram, funcCompare}

// maxQuantiles is how many quantiles one function may ask for: each is a series of its own.
const maxQuantiles = 16

// defaultTopN and maxTopN are how many values of each attribute compare() shows.
const (
	defaultTopN = 10
	maxTopN     = 1000
)

func (p *parser) isMetrics() bool { return p.isWord(metricFunctions...) }

func (p *parser) parseMetrics() *Metrics {
	m := &Metrics{Func: p.next().text}
	p.expect("(")
	switch m.Func {
	case funcRate, funcCount:
	case funcCompare:
		m.Compare = p.parseCompare()
	default:
		start := p.peek().pos
		m.Field = p.parseFieldAlone(m.Func)
		if t := m.Field.Type(); t != AnyType && t != NumberType && t != DurationType {
			p.fail(start, "%s needs a field with numbers; %s is %s", m.Func, m.Field, t)
		}
		if m.Func == funcQuantile {
			p.parseQuantiles(m)
		}
	}
	p.expect(")")
	if p.isWord("by") {
		at := p.next().pos
		if m.Func == funcCompare {
			p.fail(at, "compare() groups by all attributes: leave by() out")
		}
		m.By = p.parseFields("by")
	}
	p.parseSecondStages(m)
	return m
}

func (p *parser) parseQuantiles(m *Metrics) {
	for p.accept(",") {
		t := p.expect(kindNumber)
		q, _ := t.value.Float()
		if q < 0 || q > 1 {
			p.fail(t.pos, "a quantile is from 0 to 1, not %s", t.text)
		}
		m.Quantiles = append(m.Quantiles, q)
		if len(m.Quantiles) > maxQuantiles {
			p.fail(t.pos, "%d quantiles are the most", maxQuantiles)
		}
	}
	if len(m.Quantiles) == 0 {
		p.unexpected("a quantile, as in quantile_over_time(duration, 0.95),")
	}
}

// parseCompare reads {selection}, topN, start, end.
func (p *parser) parseCompare() *CompareArguments {
	c := &CompareArguments{TopN: defaultTopN, Selection: p.parseFilter()}
	if !p.accept(",") {
		return c
	}
	c.TopN = int(p.parseInt(1, maxTopN, "the number of values of each attribute"))
	if !p.accept(",") {
		return c
	}
	c.Start = p.parseInt(1, 1<<62, "the start of the selection in nanoseconds since the epoch")
	if !p.accept(",") {
		p.unexpected(", and the end of the selection in nanoseconds")
	}
	c.End = p.parseInt(c.Start, 1<<62, "the end of the selection in nanoseconds since the epoch, not before its start,")
	return c
}

// parseInt reads an integer of a range.
func (p *parser) parseInt(least, most int64, what string) int64 {
	t := p.peek()
	if t.kind != kindNumber || t.value.Kind != model.IntValue || t.value.Bits < least || t.value.Bits > most {
		p.fail(t.pos, "%s is an integer from %d to %d", what, least, most)
	}
	return p.next().value.Bits
}

// maxSecondStages bounds chains of topk() and comparisons.
const maxSecondStages = 16

func (p *parser) parseSecondStages(m *Metrics) {
	comparisons := []kind{"=", "!=", "<", "<=", ">", ">="}
	for len(m.Then) < maxSecondStages {
		switch {
		case p.peek().kind == "|":
			p.next()
			if !p.isWord("topk", "bottomk") {
				p.unexpected("topk(n), bottomk(n) or a comparison behind a metrics function")
			}
			s := SecondStage{Func: p.next().text}
			p.expect("(")
			s.K = int(p.parseInt(1, 1<<31, "how many series to keep"))
			p.expect(")")
			m.Then = append(m.Then, s)
		case slices.Contains(comparisons, p.peek().kind):
			op := p.next()
			start := p.peek().pos
			value, ok := p.parsePrimary().(*Literal)
			if !ok || value.Type != NumberType && value.Type != DurationType {
				p.fail(start, "series are compared with a number or a duration")
			}
			m.Then = append(m.Then, SecondStage{Func: string(op.kind), Value: value})
		default:
			return
		}
	}
	p.fail(p.peek().pos, "%d stages behind a metrics function are the most", maxSecondStages)
}
