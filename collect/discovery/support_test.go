package discovery

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func newForTest(t testing.TB, o Options) *Discovery {
	t.Helper()
	if o.Sockets == nil {
		o.Sockets = []string{}
	}
	d, err := New(o, slog.New(slog.DiscardHandler), prometheus.NewPedanticRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return d
}
