// Package medium says where bytes rest, as three small contracts: Journals (what was acknowledged a moment ago),
// Blobs (large and immutable) and Documents (small and mutable). The engines above know nothing else of storage,
// so that the same engine serves a laptop and a cluster.
//
// Implementations are folders beside this file (local files; an Apache Cassandra cluster), and all of them pass the
// suite in mediumtest. Only the application knows which one is in use.
//
// What always holds, on every medium:
//   - What was acknowledged (a call returned without an error) is there after a crash, except where an
//     implementation's sync setting says for how long it may not be.
//   - What was not acknowledged is there whole or not at all; a caller may not rely on either.
//   - Damaged bytes are found by their checksum, named, and never returned as if they were sound; what is sound
//     around them stays readable.
//   - Every error has a kind (model.KindOf): Invalid and Limit are the caller's, Conflict and NotFound are answers,
//     Unavailable may pass (no space, too few replicas, closed), Corrupt will not.
//   - Every method may be called by many goroutines at once, takes bytes only for the length of the call unless it
//     says otherwise, and returns soon after its context has ended, with an error that wraps context.Cause.
package medium

import (
	"context"

	"github.com/hulotte-dev/hulotte/model"
)

// Limits that hold on every medium. They are what the smallest of them (a Cassandra node with default settings)
// carries without harm; larger things are for the caller to cut.
const (
	MaxEntry    = 16 << 20 // bytes of a journal's entry
	MaxBlob     = 16 << 30 // bytes of a blob
	MaxDocument = 1 << 20  // bytes of a document
	MaxName     = 512      // bytes of a name or key
	MaxNamePart = 200      // bytes between two slashes of a name: file systems allow 255, and need some for themselves
)

// The errors that callers tell apart. Each stands in a chain that says what could not be done to what.
var (
	// ErrNotFound: there is no journal, blob or document of this name.
	ErrNotFound = model.NewError(model.NotFound, "not found")
	// ErrExists: a blob of this name is there already. Blobs are written once.
	ErrExists = model.NewError(model.Conflict, "exists already")
	// ErrConflict: the document is not at the version that the caller expected.
	ErrConflict = model.NewError(model.Conflict, "changed by somebody else")
	// ErrInUse: another process, or another part of this one, has the journal open for appending.
	ErrInUse = model.NewError(model.Conflict, "in use by another writer")
	// ErrNoSpace: the medium has no room left. Reading goes on, and writing works again once there is room.
	ErrNoSpace = model.NewError(model.Unavailable, "no space left")
	// ErrTooLarge: one of the limits above is exceeded.
	ErrTooLarge = model.NewError(model.Limit, "too large")
	// ErrClosed: the journal or medium was closed.
	ErrClosed = model.NewError(model.Unavailable, "closed")
	// ErrReadOnly: a write to a medium that was opened for reading.
	ErrReadOnly = model.NewError(model.Invalid, "opened for reading only")
	// ErrCorrupt: stored bytes do not match their checksum or cannot be read.
	ErrCorrupt = model.NewError(model.Corrupt, "damaged")
	// ErrUncertain: the medium cannot say whether the write took place; reading it tells. It is joined with the cause.
	ErrUncertain = model.NewError(model.Unavailable, "not known whether it took place")
)

// A Medium is one place where bytes rest.
type Medium interface {
	Journals() Journals
	Blobs() Blobs
	Documents() Documents

	// Verify reads everything, checks every checksum and every reference, and calls found for each thing that is
	// wrong, from one goroutine. It changes nothing and may run while others write: what is written meanwhile may be
	// left out, but is never reported as wrong. progress may be nil. The error is about the walk itself; damage is not an error.
	Verify(ctx context.Context, found func(Finding), progress func(Summary)) (Summary, error)

	// Close waits for the calls that are under way, then gives everything back. Open journals are closed too.
	Close() error
}

// Summary counts what a walk has seen so far.
type Summary struct {
	Journals, Entries, EntryBytes int64
	Blobs, BlobBytes              int64
	Documents, DocumentBytes      int64
	Findings                      int64
}

// Finding is one thing that Verify found wrong.
type Finding struct {
	// Area says what kind of thing it is: "journal", "blob", "document", or a part of the medium itself.
	Area string `json:"area"`
	// Name is the journal's, blob's or document's name as the caller knows it; Where is the place in the medium: a
	// file and offset, or a table and key.
	Name  string `json:"name"`
	Where string `json:"where"`
	// Problem says in one sentence what is wrong, and Effect what cannot be read because of it; an empty Effect
	// means that nothing is lost, such as space that an interrupted write left behind.
	Problem string `json:"problem"`
	Effect  string `json:"effect,omitempty"`
}
