package series

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/store"
)

// promqlStorage gives promqltest the storage.Storage that it asks for. Everything goes through our own Series;
// the one method added is the old Appender, which the suite names in the interface and must not call.
type promqlStorage struct {
	store.Series
	storage.Appendable // nil: a call panics, so that no test goes around our appender
	db                 *DB
}

func (s promqlStorage) Close() error { return s.db.Close() }

// TestPromQLSuite runs Prometheus' own acceptance suite of PromQL on our store.
func TestPromQLSuite(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	promqltest.RunBuiltinTestsWithStorage(t, promql.QueryEngine(engine), func(tb testing.TB) storage.Storage {
		db, err := Open(Options{
			Dir: tb.TempDir(),
			// The suite loads one series after the other, over days: blocks must be long for that to be in order.
			BlockDuration:    24 * time.Hour,
			OutOfOrderWindow: -1,
		}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			tb.Fatal(err)
		}
		series, err := db.Writer("default")
		if err != nil {
			tb.Fatal(err)
		}
		return promqlStorage{Series: series, db: db}
	})
}
