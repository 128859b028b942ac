package series

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/store"
)

func describe(list []store.MetricMetadata) string {
	var out []string
	for _, m := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s", m.Metric, m.Type, m.Help, m.Unit))
	}
	return strings.Join(out, "; ")
}

func TestMetadataComesWithSamplesAndSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir})
	w := writer(t, db, "default")
	app := w.AppenderV2(t.Context())
	appendWith := func(series, family string, m metadata.Metadata) {
		t.Helper()
		opts := storage.AOptions{MetricFamilyName: family, Metadata: m}
		if _, err := app.Append(0, labels.FromStrings("__name__", series), 0, start, 1, nil, nil, opts); err != nil {
			t.Fatal(err)
		}
	}
	appendWith("b_total", "", metadata.Metadata{Type: "counter", Help: "B.", Unit: "bytes"})
	appendWith("a_count", "a", metadata.Metadata{Type: "summary", Help: "A."})
	appendWith("a_sum", "a", metadata.Metadata{Type: "summary", Help: "A."})
	appendWith("none", "none", metadata.Metadata{})
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	w.(store.MetadataAppender).AppendMetadata("b_total", metadata.Metadata{Type: "counter", Help: "B, newer."})

	f := func(metric string, limit, perMetric int, want string) {
		t.Helper()
		r := reader(t, db, "default").(store.MetadataReader)
		if got := describe(r.Metadata(metric, limit, perMetric)); got != want {
			t.Errorf("Metadata(%q, %d, %d) = %q, want %q", metric, limit, perMetric, got, want)
		}
	}
	for range 2 {
		f("", 0, 0, "a summary A. ; b_total counter B, newer. ; b_total counter B. bytes")
		f("", 0, 1, "a summary A. ; b_total counter B, newer. ")
		f("", 1, 0, "a summary A. ")
		f("b_total", 1, 0, "b_total counter B, newer. ; b_total counter B. bytes")
		f("unknown", 0, 0, "")
		mustClose(t, db)
		db = openTest(t, Options{Dir: dir})
	}
}

func TestMetadataIsBounded(t *testing.T) {
	m := openMetadataLog(filepath.Join(t.TempDir(), metadataFile), 2, time.Hour, slog.New(slog.DiscardHandler))
	for i := range 10 {
		m.note("a", metadata.Metadata{Help: fmt.Sprint(i)})
	}
	m.note("b", metadata.Metadata{Help: strings.Repeat("é", maxMetadataText)})
	m.note("c", metadata.Metadata{Help: "one too many"})
	if got := describe(m.list("a", 0, 0)); got != "a  9 ; a  8 ; a  7 ; a  6 " {
		t.Errorf("a = %q", got)
	}
	if got := m.list("b", 0, 0); len(got) != 1 || len(got[0].Help) > maxMetadataText || strings.ContainsRune(got[0].Help, '\uFFFD') {
		t.Errorf("a long help text is kept as %d bytes", len(got[0].Help))
	}
	if metrics, dropped := m.counts(); metrics != 2 || dropped != 1 {
		t.Errorf("%d metrics, %d dropped; want 2, 1", metrics, dropped)
	}
}

func TestMetadataNotSeenForLongIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), metadataFile)
	old := fmt.Sprintf(`{"version":1,"metrics":{"gone":[{"type":"gauge","seen":1}],"here":[{"type":"gauge","seen":%d}]}}`, time.Now().Unix())
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	m := openMetadataLog(path, 10, 24*time.Hour, slog.New(slog.DiscardHandler))
	m.note("new", metadata.Metadata{Help: "N."})
	if err := m.save(); err != nil {
		t.Fatal(err)
	}
	if got := describe(m.list("", 0, 0)); got != "here gauge  ; new  N. " {
		t.Errorf("kept %q", got)
	}
}

func TestMetadataFileThatCannotBeReadStartsEmpty(t *testing.T) {
	for _, text := range []string{"", "not JSON", `{"version":99}`, `{"version":1,"metrics":null}`} {
		path := filepath.Join(t.TempDir(), metadataFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m := openMetadataLog(path, 10, time.Hour, slog.New(slog.DiscardHandler))
		m.note("a", metadata.Metadata{Help: "A."})
		if got := describe(m.list("", 0, 0)); got != "a  A. " {
			t.Errorf("file %q: %q", text, got)
		}
	}
}
