package spans

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/model"
)

func TestSink(t *testing.T) {
	groups := []model.SpanGroup{{Resource: &model.Resource{}, Scope: &model.Scope{}, Spans: make([]model.Span, 3)}}
	refused := model.Refusals{{Reason: model.BadIDs, Count: 1}}
	var failure error
	reg := prometheus.NewRegistry()
	sink := New(func(context.Context, []model.SpanGroup) (model.Refusals, error) { return refused, failure }, reg)
	var seen []string
	sink.Observe(func(tenant string, got []model.SpanGroup) { seen = append(seen, tenant) })
	from := sink.From("test")
	if got, err := from.AppendSpans(model.WithTenant(t.Context(), "acme"), groups); err != nil || len(got) != 1 {
		t.Errorf("got %v %v", got, err)
	}
	for _, failure = range []error{context.Canceled, model.NewError(model.Unavailable, "x"), model.NewError(model.Limit, "x"), errors.New("x")} {
		if _, err := from.AppendSpans(t.Context(), groups); !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
	}
	if strings.Join(seen, ",") != "acme" {
		t.Errorf("observed %q: what was not kept is not shown", seen)
	}
	want := `
# HELP hulotte_spans_discarded_total Spans that were not kept, by protocol and reason. A sender may have sent them again.
# TYPE hulotte_spans_discarded_total counter
hulotte_spans_discarded_total{protocol="test",reason="invalid_ids"} 1
hulotte_spans_discarded_total{protocol="test",reason="canceled"} 3
hulotte_spans_discarded_total{protocol="test",reason="failed"} 3
hulotte_spans_discarded_total{protocol="test",reason="rate_limited"} 3
hulotte_spans_discarded_total{protocol="test",reason="unavailable"} 3
# HELP hulotte_spans_received_total Spans that came in, kept or not, by protocol.
# TYPE hulotte_spans_received_total counter
hulotte_spans_received_total{protocol="test"} 15
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "hulotte_spans_received_total", "hulotte_spans_discarded_total"); err != nil {
		t.Error(err)
	}
}
