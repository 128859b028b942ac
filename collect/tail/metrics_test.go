package tail

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricNames(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	o := quick(t)
	o.Own = NewOwnLog()
	if _, err := New(o, &memory{}, slog.New(slog.DiscardHandler), reg); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
