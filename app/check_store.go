package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/engine"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// checkDocuments is the medium's documents as the check engine wants them.
type checkDocuments struct{ link *mediumLink }

func (d checkDocuments) Put(ctx context.Context, kind, key string, value []byte, expected uint64) (uint64, error) {
	docs, err := d.link.documents()
	if err != nil {
		return 0, err
	}
	v, err := docs.Put(ctx, kind, key, value, medium.Version(expected))
	return uint64(v), err
}

func (d checkDocuments) Delete(ctx context.Context, kind, key string, expected uint64) error {
	docs, err := d.link.documents()
	if err != nil {
		return err
	}
	return docs.Delete(ctx, kind, key, medium.Version(expected))
}

func (d checkDocuments) List(ctx context.Context, kind, prefix string) iter.Seq2[engine.Document, error] {
	return func(yield func(engine.Document, error) bool) {
		docs, err := d.link.documents()
		if err != nil {
			yield(engine.Document{}, err)
			return
		}
		for doc, err := range docs.List(ctx, kind, prefix) {
			if !yield(engine.Document{Key: doc.Key, Version: uint64(doc.Version), Value: doc.Value}, err) {
				return
			}
		}
	}
}

// Watch follows the documents of a kind, whichever node changes them.
func (d checkDocuments) Watch(ctx context.Context, kind string) iter.Seq2[engine.DocumentChange, error] {
	return func(yield func(engine.DocumentChange, error) bool) {
		docs, err := d.link.documents()
		if err != nil {
			yield(engine.DocumentChange{}, err)
			return
		}
		for c, err := range docs.Watch(ctx, kind) {
			change := engine.DocumentChange{
				Document: engine.Document{Key: c.Document.Key, Version: uint64(c.Document.Version), Value: c.Document.Value},
				Deleted:  c.Type == medium.Deleted, Synced: c.Type == medium.Synced,
			}
			if !yield(change, err) {
				return
			}
		}
	}
}

// document keeps one text on the medium, for a part that replaces it as a whole.
type document struct {
	link      *mediumLink
	kind, key string
}

func (d document) Load(ctx context.Context) ([]byte, error) {
	m := d.link.wait(ctx)
	if m == nil {
		return nil, context.Cause(ctx)
	}
	doc, err := m.Documents().Get(ctx, d.kind, d.key)
	if model.KindOf(err) == model.NotFound {
		return nil, nil
	}
	return doc.Value, err
}

func (d document) Save(ctx context.Context, text []byte) error {
	docs, err := d.link.documents()
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, docs, d.kind, d.key, func([]byte) ([]byte, error) { return text, nil })
	return err
}

// checkHistory reads the changes of one check from the log records that the engine writes, the newest first.
func (a *App) checkHistory(ctx context.Context, id string, from, to time.Time, limit int) ([]check.Change, error) {
	host, name, ok := strings.Cut(id, "/")
	if !ok {
		return nil, fmt.Errorf("%q is no id of a check: write host/name", id)
	}
	reader, err := a.made.events.EventReader(model.DefaultTenant)
	if err != nil {
		return nil, err
	}
	equal := func(name, value string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, value) }
	q := store.EventQuery{
		Start: from.UnixNano(), End: to.UnixNano() + 1, Order: store.Backward,
		Matchers: []*labels.Matcher{equal("source", "hulotte"), equal("kind", "check"), equal("host", host), equal("check", name)},
	}
	var changes []check.Change
	q.Enough = func(next int64) bool {
		return len(changes) >= limit && changes[limit-1].At.UnixNano() > next
	}
	newest := func(a, b check.Change) int { return cmp.Compare(b.At.UnixNano(), a.At.UnixNano()) }
	_, err = reader.Select(ctx, q, func(_ int, b store.EventBatch) error {
		changes = appendChanges(changes, b)
		slices.SortStableFunc(changes, newest)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return changes[:min(limit, len(changes))], nil
}

// appendChanges adds the records of a batch.
func appendChanges(changes []check.Change, b store.EventBatch) []check.Change {
	lines, times, names := b.Lines(), b.Times(), b.FieldNames()
	columns := make([]store.Column, len(names))
	for i, n := range names {
		columns[i] = b.Column(n)
	}
	stream := []model.Field{{Name: "host", Value: b.Stream().Get("host")}, {Name: "check", Value: b.Stream().Get("check")}}
	for row := len(lines) - 1; row >= 0; row-- {
		r := model.Record{Time: times[row], Line: lines[row]}
		for i, n := range names {
			if v := columns[i].Value(row); v != "" {
				r.Fields = append(r.Fields, model.Field{Name: n, Value: v})
			}
		}
		if c, err := engine.DecodeChange(stream, r); err == nil { // what somebody else wrote into the stream is no change
			changes = append(changes, c)
		}
	}
	return changes
}

// asJSON is v as JSON, for options that are made and not read.
func asJSON(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}
