package events

import (
	"context"
	"log/slog"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// openQuiet is open where errors in the log are expected.
func (s *testStore) openQuiet(t *testing.T) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	m, err := local.Open(local.Options{FS: s.fs, Dir: s.dir}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.medium = m
	s.openOver(t, m, log)
}

func (s *testStore) openOver(t *testing.T, m medium.Medium, log *slog.Logger) {
	t.Helper()
	var err error
	if s.Store, err = Open(context.Background(), s.o, m, log, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
}

func counted(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	return testutil.ToFloat64(c)
}

// findBlob returns the file in which a blob is.
func findBlob(t *testing.T, s *testStore, id string) string {
	t.Helper()
	var found string
	var walk func(dir string)
	walk = func(dir string) {
		list, err := s.fs.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			switch name := path.Join(dir, e.Name()); {
			case e.IsDir():
				walk(name)
			case strings.Contains(name, id):
				found = name
			}
		}
	}
	walk(s.dir)
	if found == "" {
		t.Fatalf("no file has the blob %s", id)
	}
	return found
}

func fileSize(t *testing.T, s *testStore, name string) int64 {
	t.Helper()
	info, err := s.fs.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// flip turns a bit of a file around.
func flip(t *testing.T, s *testStore, name string, at int64) {
	t.Helper()
	f, err := s.fs.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << (at % 8)
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
