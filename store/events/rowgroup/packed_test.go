package rowgroup

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// rowsOf makes full groups of one stream.
func rowsOf(line func(i int) string, fields func(i int) []model.Field) Rows {
	rows := Rows{Streams: make([]uint32, MaxRows), Times: make([]int64, MaxRows)}
	for i := range MaxRows {
		rows.Lines = append(rows.Lines, line(i))
		rows.Fields = append(rows.Fields, fields(i))
	}
	return rows
}

// TestMadeUpNames encodes rows in which hardly a key comes twice: they are read again, and do not make columns without end.
func TestMadeUpNames(t *testing.T) {
	f := func(name string, rows Rows) {
		t.Helper()
		g := encode(t, rows)
		s := NewScratch()
		got, err := g.Rows(context.Background(), s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		wantSameRows(t, got, rows)
		if n := len(g.directory.Load().columns); n > 2*maxSlotColumns {
			t.Errorf("%s: %d columns", name, n)
		}
		q := Prepare(store.EventQuery{End: 1, Filters: []store.RecordFilter{{Needles: [][]string{{"value 0700"}}, AnyField: true}}})
		stats, err := g.Select(context.Background(), q, tableOf(rows), s, func(store.EventBatch) error { return nil })
		if err != nil || stats.RecordsYielded != 1 {
			t.Errorf("%s: %d records, %v", name, stats.RecordsYielded, err)
		}
	}
	keys := func(n int) func(i int) string {
		return func(i int) string {
			var b strings.Builder
			fmt.Fprintf(&b, `{"n":"value %04d"`, i*10+i%10)
			for k := range n {
				fmt.Fprintf(&b, `,"k%d_%d":%d`, i, k, k)
			}
			return b.String() + "}"
		}
	}
	fields := func(n int) func(i int) []model.Field {
		return func(i int) (out []model.Field) {
			for k := range n {
				out = append(out, model.Field{Name: fmt.Sprintf("f%d_%03d", i, k), Value: fmt.Sprintf("value %04d", i*10+k)})
			}
			return out
		}
	}
	none := func(int) []model.Field { return nil }
	f("JSON, many keys a line", rowsOf(keys(190), none))
	f("JSON, few keys a line", rowsOf(keys(3), none))
	f("fields, many a record", rowsOf(func(int) string { return "x" }, fields(9)))
	f("fields, one a record", rowsOf(func(int) string { return "x" }, fields(1)))
}

// TestPlainRows checks the form that rows have which fit no other.
func TestPlainRows(t *testing.T) {
	e, err := NewEncoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(60) {
		rows := hardRows(seed)
		out, ok := e.encode(&rows, true)
		if !ok {
			t.Fatalf("seed %d: cannot be opened", seed)
		}
		got, err := open(t, out).Rows(context.Background(), NewScratch())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		wantSameRows(t, got, rows)
	}
}

func TestPackedFields(t *testing.T) {
	rows := hardRows(14) // whose searches the oracle compares
	g := encode(t, rows)
	if _, err := g.Rows(context.Background(), NewScratch()); err != nil {
		t.Fatal(err)
	}
	if g.directory.Load().packed() == noColumn {
		t.Error("the fields of rows with made up names are not packed")
	}
}
