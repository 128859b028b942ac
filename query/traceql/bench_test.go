package traceql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium/local"
	"github.com/hulotte-dev/hulotte/store/spans"
)

// benchSpans fills a store with spans of an hour: traces of 20 spans, of 12 services.
func benchSpans(b *testing.B, n int) store.SpanReader {
	m, err := local.Open(local.Options{Dir: b.TempDir()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	s, err := spans.Open(b.Context(), spans.Options{}, m, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(s.Close(), m.Close()); err != nil {
			b.Error(err)
		}
	})
	w, err := s.SpanWriter("a")
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	resources := make([]*model.Resource, 12)
	for i := range resources {
		resources[i] = &model.Resource{Attributes: []model.Attribute{{Key: "service.name", Value: model.TextValue(fmt.Sprintf("service-%d", i))}}}
	}
	const push, inTrace = 5000, 20
	for done := 0; done < n; done += push {
		groups := make([]model.SpanGroup, len(resources))
		for i := range groups {
			groups[i] = model.SpanGroup{Resource: resources[i], Scope: &model.Scope{Name: "lib"}}
		}
		for t := range push / inTrace {
			var id model.TraceID
			for i := range id {
				id[i] = byte(r.Uint32())
			}
			start := corpusBase + int64(float64(done+t*inTrace)/float64(n)*3600e9)
			for i := range inTrace {
				g := &groups[r.IntN(len(groups))]
				span := model.Span{TraceID: id, ID: model.SpanID{0: 1, 7: byte(i + 1)}, Name: fmt.Sprintf("op-%d", r.IntN(40)), Kind: model.SpanKind(1 + r.IntN(4)), Start: start + int64(i)*1e6,
					Duration: int64(math.Exp(r.NormFloat64()+16) + 1), Attributes: []model.Attribute{{Key: "http.status_code", Value: model.Int64([]int64{200, 200, 200, 404, 500}[r.IntN(5)])}, {Key: "user", Value: model.TextValue(fmt.Sprint("u", r.IntN(5000)))}}}
				if i > 0 {
					span.Parent = model.SpanID{0: 1, 7: byte(1 + r.IntN(i))}
				}
				if r.IntN(50) == 0 {
					span.Status = model.StatusError
				}
				g.Spans = append(g.Spans, span)
			}
		}
		for {
			_, err := w.AppendSpans(context.Background(), groups)
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrBusy) {
				b.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	reader, err := s.SpanReader("a")
	if err != nil {
		b.Fatal(err)
	}
	return reader
}

// BenchmarkQueries asks a million spans: go test -run xxx -bench Queries -benchtime 5x ./query/traceql
func BenchmarkQueries(b *testing.B) {
	const spans = 1_000_000
	r := benchSpans(b, spans)
	for _, text := range []string{
		"{ } | quantile_over_time(duration, 0.95) by(resource.service.name)",
		"{ } | rate()",
		"{ status = error } | rate() by(resource.service.name, name)",
		"{ span.http.status_code >= 500 } | count_over_time() by(span.user) | topk(5)",
		"{ nestedSetParent < 0 } | rate() by(resource.service.name)",
		"{ status = error && resource.service.name = `service-3` }",
		"{ }",
		"{ resource.service.name = `service-1` } >> { status = error && span.user = `u77` }",
		"{ } | compare({ status = error })",
		"{ status = error } | count() > 5",
		"{ } | count() > 100",
	} {
		q := mustParse(b, text)
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				var err error
				if q.Metrics != nil {
					_, err = (&Engine{MaxSeries: 10_000}).QueryRange(b.Context(), r, q, RangeRequest{Start: corpusBase, End: corpusBase + 3600e9, Step: 60e9})
				} else {
					_, err = (&Engine{}).Search(b.Context(), r, q, SearchRequest{Start: corpusBase, End: corpusBase + 3600e9})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
