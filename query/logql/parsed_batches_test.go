package logql

import (
	"context"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// parsedBatches is a store that also serves the fields of lines as columns, as the one on the medium does.
type parsedBatches struct{ *eventstest.Memory }

func (p parsedBatches) Select(ctx context.Context, q store.EventQuery, f func(int, store.EventBatch) error) (store.EventStats, error) {
	return p.Memory.Select(ctx, q, func(worker int, b store.EventBatch) error { return f(worker, &parsedBatch{EventBatch: b}) })
}

// parsedBatch parses its lines by the naive steps.
type parsedBatch struct{ store.EventBatch }

func (b *parsedBatch) Parsed(s store.Source) (store.ParsedLines, bool) {
	out := &parsedLines{n: b.Len(), columns: map[string]*store.Column{}}
	r := (&pipeline{}).runner()
	for i, line := range b.Lines() {
		x := &r.record
		x.line, x.parsed, x.err = line, x.parsed[:0], ""
		switch s {
		case store.JSON:
			jsonAll{}.run(x)
		case store.Logfmt:
			(&logfmtStep{strict: true, keepEmpty: true}).run(x)
		}
		if x.err != "" {
			return nil, false
		}
		for _, f := range x.parsed {
			out.put(i, f)
		}
	}
	return out, true
}

type parsedLines struct {
	n       int
	names   []string
	columns map[string]*store.Column
}

func (p *parsedLines) put(i int, f model.Field) {
	c := p.columns[f.Name]
	if c == nil {
		var missing bitmap
		missing.fill(p.n)
		c = &store.Column{Codes: make([]uint32, p.n), Dict: []string{}, Missing: missing.words}
		p.columns[strings.Clone(f.Name)] = c
		p.names = append(p.names, strings.Clone(f.Name))
	}
	code := -1
	for k, v := range c.Dict {
		if v == f.Value {
			code = k
		}
	}
	if code < 0 {
		code = len(c.Dict)
		c.Dict = append(c.Dict, strings.Clone(f.Value))
	}
	c.Codes[i] = uint32(code)
	c.Missing[i/64] &^= 1 << (i % 64)
}

func (p *parsedLines) Names() []string { return p.names }

func (p *parsedLines) Column(name string) store.Column {
	if c := p.columns[name]; c != nil {
		return *c
	}
	return store.Column{}
}
