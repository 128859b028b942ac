package logql

import (
	"context"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// Follow calls f once without streams as soon as it follows, and then with what a log query finds in the records that come in from
// that moment on, until ctx ends or f returns an error. dropped counts the records that were lost since the last call because f
// was slow. The streams are those of a request with Categorize, and f's to keep.
func (e *Engine) Follow(ctx context.Context, query string, f func(streams []Stream, dropped int) error) error {
	log, err := e.parseLog(query)
	if err != nil {
		return e.refuse(err)
	}
	p, err := compile(log, need{Line: true, All: true})
	if err != nil {
		return e.refuse(err)
	}
	reader, err := e.opts.Tenants(model.Tenant(ctx))
	if err != nil {
		return err
	}
	r := p.runner()
	begun := false
	return reader.Follow(ctx, log.Matchers, func(stream labels.Labels, records []model.Record, dropped int) error {
		e.metrics.dropped.Add(float64(dropped))
		g := grouping{at: map[uint64][]int{}}
		err := r.eachRecord(stream, records, func(x *record) error {
			l, entry := r.entry(x, true)
			entry.Line = strings.Clone(entry.Line)
			return g.add(l, entry)
		})
		if err != nil || begun && len(g.out) == 0 && dropped == 0 {
			return err
		}
		begun = true
		return f(g.out, dropped)
	})
}
