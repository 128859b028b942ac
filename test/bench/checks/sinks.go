package main

import (
	"context"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/check/engine"
	"github.com/hulotte-dev/hulotte/model"
)

// sinks count what the engine writes.
type sinks struct{ samples, records, puts atomic.Int64 }

func (s *sinks) events(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	for i := range streams {
		s.records.Add(int64(len(streams[i].Records)))
	}
	return nil, nil
}

func (s *sinks) AppenderV2(context.Context) storage.AppenderV2 { return counting{s} }

type counting struct{ s *sinks }

func (c counting) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AOptions) (storage.SeriesRef, error) {
	c.s.samples.Add(1)
	return 1, nil
}

func (c counting) Commit() error   { return nil }
func (c counting) Rollback() error { return nil }

// documents are in memory.
type documents struct {
	s    *sinks
	mu   sync.Mutex
	docs map[string]engine.Document
	next uint64
}

func newDocuments(s *sinks) *documents { return &documents{s: s, docs: map[string]engine.Document{}} }

func (d *documents) Put(_ context.Context, kind, key string, value []byte, expected uint64) (uint64, error) {
	d.s.puts.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.docs[kind+"/"+key].Version != expected {
		return 0, model.NewError(model.Conflict, "changed")
	}
	d.next++
	d.docs[kind+"/"+key] = engine.Document{Key: key, Version: d.next, Value: value}
	return d.next, nil
}

func (d *documents) Delete(_ context.Context, kind, key string, _ uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.docs, kind+"/"+key)
	return nil
}

func (d *documents) List(_ context.Context, kind, prefix string) iter.Seq2[engine.Document, error] {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []engine.Document
	for name, doc := range d.docs {
		if strings.HasPrefix(name, kind+"/"+prefix) {
			found = append(found, doc)
		}
	}
	return func(yield func(engine.Document, error) bool) {
		for _, doc := range found {
			if !yield(doc, nil) {
				return
			}
		}
	}
}
