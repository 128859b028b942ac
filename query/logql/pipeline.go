package logql

import (
	"fmt"
	"slices"

	"github.com/hulotte-dev/hulotte/store"
)

// step is a stage made ready: run changes the record, and says whether it passes. It is immutable; what it needs for its work
// lies in the record, which belongs to one goroutine.
type step interface{ run(r *record) bool }

// need is what the caller wants of the records that pass.
type need struct {
	Line   bool     // the final line
	All    bool     // all final labels
	Labels []string // else these only; the error labels are always there
}

// pipeline is the stages of a log query, made ready and planned. It is immutable.
type pipeline struct {
	log  *LogExpr
	need need
	want *names // labels that matter on the way; nil: all

	steps []step // all
	rest  []step // without those that the store's filters have decided
	quick bool   // rest can be done on columns

	filters []store.RecordFilter
	hints   []store.FieldHint
}

// compile makes the stages of a log query ready.
func compile(log *LogExpr, n need) (*pipeline, error) {
	p := &pipeline{log: log, need: n}
	for _, s := range log.Stages {
		x, err := compileStage(s)
		if err != nil {
			return nil, err
		}
		p.steps = append(p.steps, x)
	}
	p.numberTemplates()
	p.want = p.wanted()
	p.plan()
	p.quick = p.columnar()
	return p, nil
}

func compileStage(s Stage) (step, error) {
	switch s := s.(type) {
	case *LineFilter:
		return compileLineFilter(s)
	case *JSONParser:
		return compileJSON(s)
	case *LogfmtParser:
		return compileLogfmt(s)
	case *RegexpParser:
		return compileRegexpParser(s)
	case *PatternParser:
		return compilePattern(s)
	case *Unpack:
		return unpackStep{}, nil
	case *LabelFilterStage:
		return compileCondition(s.Filter)
	case *LineFormat:
		return compileLineFormat(s)
	case *LabelFormat:
		return compileLabelFormat(s)
	case *Decolorize:
		return decolorizeStep{}, nil
	case *Drop:
		return &dropStep{s.Labels}, nil
	case *Keep:
		return &keepStep{s.Labels}, nil
	}
	return nil, fmt.Errorf("BUG: stage %T", s)
}

// templates calls f with the templates of a step.
func templates(s step, f func(*textTemplate)) {
	switch s := s.(type) {
	case *lineFormatStep:
		f(s.t)
	case *labelFormatStep:
		for i := range s.formats {
			if s.formats[i].t != nil {
				f(s.formats[i].t)
			}
		}
	}
}

func (p *pipeline) numberTemplates() {
	n := 0
	for _, s := range p.steps {
		templates(s, func(t *textTemplate) { t.index, n = n, n+1 })
	}
}

// wanted returns the labels that the caller or a step looks at; nil is all.
func (p *pipeline) wanted() *names {
	if p.need.All {
		return nil
	}
	w := &names{list: slices.Clone(p.need.Labels)}
	all := false
	for _, s := range p.steps {
		templates(s, func(t *textTemplate) {
			all = all || t.all
			w.addAll(t.fields)
			if t.simple != "" {
				w.add(t.simple)
			}
		})
		switch s := s.(type) {
		case *condition:
			w.addAll(s.names(nil))
		case *labelFormatStep:
			for _, f := range s.formats {
				w.addAll([]string{f.name, f.from})
			}
		case *dropStep:
			w.addAll(choiceNames(s.labels))
		case *keepStep:
			w.addAll(choiceNames(s.labels))
		}
	}
	if all {
		return nil
	}
	return w
}

func (n *names) addAll(list []string) {
	for _, s := range list {
		n.add(s)
	}
}

// query returns what the store is asked for: records of the streams from start on and before end.
func (p *pipeline) query(start, end int64) store.EventQuery {
	return store.EventQuery{Start: start, End: end, Matchers: p.log.Matchers, Filters: p.filters, Hints: p.hints}
}
