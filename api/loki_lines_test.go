package api

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// newLogQL is the engine over some records.
func newLogQL(tenants store.EventTenants) LogQL {
	return logql.New(logql.Options{Tenants: tenants.EventReader}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// line is a record of the tests: labels as "a=b,c=d", seconds before clock, text, fields as "a=b".
type line struct {
	labels string
	ago    time.Duration
	text   string
	fields string
}

func fieldsOf(text string) []model.Field {
	var out []model.Field
	for pair := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out = append(out, model.Field{Name: name, Value: value})
		}
	}
	return model.SortFields(out)
}

func fill(t testing.TB, m *eventstest.Memory, lines ...line) {
	t.Helper()
	for _, l := range lines {
		refused, err := m.AppendRecords(t.Context(), []model.Stream{{
			Labels:  fieldsOf(l.labels),
			Records: []model.Record{{Time: clock.Add(-l.ago).UnixNano(), Line: l.text, Fields: fieldsOf(l.fields)}},
		}})
		if err != nil || len(refused) > 0 {
			t.Fatal(err, refused)
		}
	}
}

// failing answers every query with one error.
type failing struct {
	LogQL
	err error
}

func (f failing) Query(context.Context, logql.Request) (logql.Result, error) {
	return logql.Result{}, f.err
}

type busyError struct{ error }

func (busyError) Busy() bool { return true }

var errTest = errors.New("too many queries wait")

func labelsOf(pairs string) labels.Labels {
	b := labels.NewScratchBuilder(4)
	for _, f := range fieldsOf(pairs) {
		b.Add(f.Name, f.Value)
	}
	return b.Labels()
}
