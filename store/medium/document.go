package medium

import (
	"context"
	"errors"
	"iter"
)

// A Version tells two states of a document apart. It grows with every change of the document, and is never used twice, even
// when the document is deleted and made anew.
type Version uint64

// Absent is the version of a document that does not exist.
const Absent Version = 0

// Document is a small JSON value under a kind and a key.
type Document struct {
	Kind    string
	Key     string
	Version Version
	Value   []byte // valid JSON, kept byte for byte; read-only for whoever gets it
}

// Documents keeps small facts that change: dashboards, silences, users, leases, a catalogue. Kinds are as ValidName says,
// keys as ValidKey. The documents of one kind lie together and are watched together: a kind is meant to hold up to some
// 10,000 of them, and whoever has more spreads them over kinds ("block/2026-11-22").
//
// Reads and writes of one document are linearizable: whoever reads after a Put has returned sees it or a later one.
type Documents interface {
	// Get returns the document, or ErrNotFound.
	Get(ctx context.Context, kind, key string) (Document, error)

	// Put writes value (valid JSON, at most MaxDocument bytes) if the document is at version expected, else it returns ErrConflict;
	// Absent means that it must not exist. It returns the new version. ErrUncertain: see there.
	Put(ctx context.Context, kind, key string, value []byte, expected Version) (Version, error)

	// Delete removes the document if it is at version expected, else it returns ErrConflict, also when it is not there.
	Delete(ctx context.Context, kind, key string, expected Version) error

	// List yields the documents of a kind whose key begins with prefix, in order of key; what changes meanwhile is
	// yielded as it was or as it is. It ends after the first error that it yields. A kind without documents yields nothing.
	List(ctx context.Context, kind, prefix string) iter.Seq2[Document, error]

	// Watch yields what is there (Put), then one Synced, then every change until ctx ends or the loop is left.
	// Whoever is slow sees only the last of several changes to one document, so that waiting costs no memory; the last
	// state of each document is always yielded in the end, within seconds. It ends after the first error that it yields, and may
	// then be called again. The end of ctx is such an error.
	Watch(ctx context.Context, kind string) iter.Seq2[Change, error]

	// Kinds returns the kinds that have documents, in order.
	Kinds(ctx context.Context) ([]string, error)
}

// ChangeType is what happened to a document.
type ChangeType string

// The changes that Watch yields.
const (
	Put     ChangeType = "put"
	Deleted ChangeType = "deleted" // Document has no Value
	Synced  ChangeType = "synced"  // no document: what was there at the beginning has been yielded
)

// Change is one step of a Watch.
type Change struct {
	Type     ChangeType
	Document Document
}

// Update changes a document by f, which gets its value (nil when it does not exist) and returns the new one (nil to delete it).
// When somebody else changes it meanwhile, f is called again with what they wrote; f's error ends Update. The
// number of attempts is bounded by ctx only.
func Update(ctx context.Context, docs Documents, kind, key string, f func(old []byte) ([]byte, error)) (Version, error) {
	for {
		v, err := updateOnce(ctx, docs, kind, key, f)
		if !errors.Is(err, ErrConflict) || ctx.Err() != nil {
			return v, err
		}
	}
}

func updateOnce(ctx context.Context, docs Documents, kind, key string, f func(old []byte) ([]byte, error)) (Version, error) {
	old, err := docs.Get(ctx, kind, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	value, err := f(old.Value)
	switch {
	case err != nil:
		return 0, err
	case value != nil:
		return docs.Put(ctx, kind, key, value, old.Version)
	case old.Version == Absent:
		return Absent, nil
	}
	return Absent, docs.Delete(ctx, kind, key, old.Version)
}
