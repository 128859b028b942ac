package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// maxLinkSpans bounds the spans of which calls between services are counted, the newest first: each takes some 50 bytes.
const maxLinkSpans = 1_000_000

// serviceLink counts the calls of one service to another.
type serviceLink struct {
	Parent, Child string
	Calls, Errors uint64
}

// serviceLinks counts the calls between services among spans that start in the range: spans whose parent, or whose client half of the same id, is of another
// service.
func serviceLinks(ctx context.Context, spans store.SpanReader, start, end int64) ([]serviceLink, error) {
	l := linker{numbers: map[string]uint32{}, halves: map[spanKey]halves{}}
	status := store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicStatus}
	_, err := spans.SelectSpans(ctx, store.SpanQuery{
		Start: start, End: end, Fields: []store.SpanField{fieldService, fieldKind, status}, Order: store.Backward,
		Enough: func(int64) bool { return l.seen >= maxLinkSpans },
	}, func(_ int, b store.SpanBatch) error {
		l.add(b, b.Column(fieldService), b.Column(fieldKind), b.Column(status))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l.links(), nil
}

type spanKey struct {
	trace model.TraceID
	span  model.SpanID
}

// halves are the services of the spans that have an id, by number from 1; a client and a server may share it.
type halves struct{ client, other uint32 }

// call is a span that may be the answer to another service's call.
type call struct {
	key     spanKey
	parent  model.SpanID
	service uint32
	server  bool
	failed  bool
}

type linker struct {
	seen    int
	numbers map[string]uint32
	names   []string
	halves  map[spanKey]halves
	calls   []call
}

func (l *linker) number(name string) uint32 {
	n, ok := l.numbers[name]
	if !ok {
		name = strings.Clone(name)
		l.names = append(l.names, name)
		n = uint32(len(l.names)) //nolint:gosec // at most maxLinkSpans
		l.numbers[name] = n
	}
	return n
}

func (l *linker) add(b store.SpanBatch, services, kinds, statuses store.ValueColumn) {
	ids, parents := b.IDs(), b.Parents()
	l.seen += b.Len()
	for _, run := range b.Traces() {
		for i := run.First; i < run.End; i++ {
			service := l.number(services.Value(i).Text)
			kind := model.SpanKind(kinds.Value(i).Bits) //nolint:gosec // a kind
			key := spanKey{run.Trace, ids[i]}
			h := l.halves[key]
			if kind == model.SpanClient || kind == model.SpanProducer {
				h.client = service
			} else {
				h.other = service
			}
			l.halves[key] = h
			l.calls = append(l.calls, call{
				key: key, parent: parents[i], service: service, server: kind == model.SpanServer || kind == model.SpanConsumer,
				failed: statuses.Value(i).Bits == int64(model.StatusError),
			})
		}
	}
}

func (l *linker) links() []serviceLink {
	found := map[[2]uint32]*serviceLink{}
	for i := range l.calls {
		c := &l.calls[i]
		from := l.caller(c)
		if from == 0 || from == c.service {
			continue
		}
		key := [2]uint32{from, c.service}
		if found[key] == nil {
			found[key] = &serviceLink{Parent: l.names[from-1], Child: l.names[c.service-1]}
		}
		found[key].Calls++
		if c.failed {
			found[key].Errors++
		}
	}
	out := make([]serviceLink, 0, len(found))
	for _, link := range found {
		if link.Parent != "" && link.Child != "" {
			out = append(out, *link)
		}
	}
	slices.SortFunc(out, func(a, b serviceLink) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Child, b.Child))
	})
	return out
}

// caller is the service that the parent of a span is of, or 0.
func (l *linker) caller(c *call) uint32 {
	if c.server {
		if client := l.halves[c.key].client; client != 0 {
			return client // they share an id, as Zipkin's do
		}
	}
	if c.parent.IsZero() {
		return 0
	}
	h := l.halves[spanKey{c.key.trace, c.parent}]
	if h.other != 0 {
		return h.other // what a server does comes of its half
	}
	return h.client
}
