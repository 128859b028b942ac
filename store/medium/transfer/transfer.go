// Package transfer moves what is on a medium: to another medium (Copy), into an archive (ArchiveWriter) and back
// (ReadArchive). It knows the contracts of package medium and no implementation of them.
//
// What always holds:
//   - Positions of journals, keys of documents, names and expiry of blobs are kept. Versions of documents are the
//     destination's own.
//   - What is there already and equal is left as it is, so that whatever was interrupted is simply done again. What is
//     there and differs is a conflict, and is changed only when the caller says so.
//   - Damage in the source costs what is damaged. The rest is moved, the report lists what is not, and the error is
//     ErrDamaged.
//   - While it runs, and after it was interrupted, a document on the destination says that it is unfinished, for
//     Unfinished to find.
package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// The errors that callers tell apart. The Report has all that they are about.
var (
	// ErrDamaged: something of the source could not be read. Everything else was moved.
	ErrDamaged = model.NewError(model.Corrupt, "the source is damaged")
	// ErrConflicts: the destination has something of the same name with other content. Everything else was moved.
	ErrConflicts = model.NewError(model.Conflict, "the destination has something else under the same name")
	// ErrDifferent: comparing both sides afterwards has found differences.
	ErrDifferent = model.NewError(model.Corrupt, "source and destination differ")
	// ErrNotEmpty: a restore without Into, and the destination holds something.
	ErrNotEmpty = model.NewError(model.Conflict, "the destination is not empty")
	// ErrUnfinished: the medium is the destination of a copy or restore that has not come to its end.
	ErrUnfinished = model.NewError(model.Conflict, "it is the destination of a transfer that has not finished")
	// ErrIncomplete: the archive ends before its end mark.
	ErrIncomplete = model.NewError(model.Corrupt, "the archive is incomplete")
	// ErrArchive: the archive is damaged, or is none.
	ErrArchive = model.NewError(model.Corrupt, "the archive is damaged")
	// ErrNewer: the archive has a format that this program does not know yet.
	ErrNewer = model.NewError(model.Invalid, "the archive was written by a newer version of Hulotte")
)

// Counts counts things and the bytes of their contents.
type Counts struct {
	Journals  int64 `json:"journals"`
	Entries   int64 `json:"entries"`
	Documents int64 `json:"documents"`
	Blobs     int64 `json:"blobs"`
	Files     int64 `json:"files"`
	Bytes     int64 `json:"bytes"`
}

func (c *Counts) add(d Counts) {
	c.Journals += d.Journals
	c.Entries += d.Entries
	c.Documents += d.Documents
	c.Blobs += d.Blobs
	c.Files += d.Files
	c.Bytes += d.Bytes
}

// Report is what was done.
type Report struct {
	Copied  Counts `json:"copied"`
	Skipped Counts `json:"skipped"` // was there already, with the same content
	// Expired counts the blobs that nobody needs any more, which were left out.
	Expired int64 `json:"expired"`
	// Each list has at most maxListed; the totals count all.
	Damaged          []medium.Finding `json:"damaged,omitempty"`
	DamagedTotal     int64            `json:"damaged_total"`
	Conflicts        []Conflict       `json:"conflicts,omitempty"`
	ConflictsTotal   int64            `json:"conflicts_total"`
	Differences      []Conflict       `json:"differences,omitempty"`
	DifferencesTotal int64            `json:"differences_total"`
}

// maxListed bounds the memory of a report, and its length for whoever reads it.
const maxListed = 1000

// Conflict is something that differs on both sides.
type Conflict struct {
	Area    string `json:"area"` // "journal", "document" or "blob"
	Name    string `json:"name"`
	Problem string `json:"problem"`
}

func (c Conflict) String() string { return fmt.Sprintf("%s %q: %s", c.Area, c.Name, c.Problem) }

// err is the error that the lists amount to.
func (r *Report) err() error {
	var errs []error
	add := func(err error, total int64, first string) {
		if total == 0 {
			return
		}
		more := ""
		if total > 1 {
			more = fmt.Sprintf(", and %d more", total-1)
		}
		errs = append(errs, fmt.Errorf("%w: %s%s", err, first, more))
	}
	add(ErrDifferent, r.DifferencesTotal, firstOf(r.Differences))
	add(ErrDamaged, r.DamagedTotal, firstFinding(r.Damaged))
	add(ErrConflicts, r.ConflictsTotal, firstOf(r.Conflicts))
	return errors.Join(errs...)
}

func firstOf(c []Conflict) string {
	if len(c) == 0 {
		return ""
	}
	return c[0].String()
}

func firstFinding(f []medium.Finding) string {
	if len(f) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %q: %s", f[0].Area, f[0].Name, f[0].Problem)
}

// The documents that this package keeps for itself are of these kinds.
const (
	ownKind       = "transfer"
	ownPrefix     = ownKind + "/"
	unfinishedKey = "unfinished"
)

// ownDocuments says whether a kind is this package's.
func ownDocuments(kind string) bool { return kind == ownKind || strings.HasPrefix(kind, ownPrefix) }

// unfinished is the document on a destination while something is moved to it.
type unfinished struct {
	What  string    `json:"what"`         // "copy" or "restore"
	ID    string    `json:"id,omitempty"` // of the archive
	Since time.Time `json:"since"`
}

// Unfinished returns an error that is ErrUnfinished, and says what to do, when m is the destination of a Copy or a restore that
// has not come to its end. Whoever is about to work on a medium asks it first.
func Unfinished(ctx context.Context, m medium.Medium) error {
	u, _, err := readUnfinished(ctx, m)
	if err != nil || u.What == "" {
		return err
	}
	return u.err()
}

func (u unfinished) err() error {
	from := "the same source"
	if u.What == "restore" {
		from = "the same archive (" + u.ID + ")"
	}
	return fmt.Errorf("%w: the %s was begun at %s and interrupted: repeat it with %s, it goes on where it stopped; or begin with an empty medium",
		ErrUnfinished, u.What, u.Since.Format(time.RFC3339), from)
}

func readUnfinished(ctx context.Context, m medium.Medium) (unfinished, medium.Version, error) {
	var u unfinished
	d, err := m.Documents().Get(ctx, ownKind, unfinishedKey)
	if errors.Is(err, medium.ErrNotFound) {
		return u, medium.Absent, nil
	}
	if err != nil {
		return u, medium.Absent, fmt.Errorf("cannot see whether the medium is the destination of an unfinished transfer: %w", err)
	}
	if err := json.Unmarshal(d.Value, &u); err != nil || u.What == "" {
		u.What = "transfer"
	}
	return u, d.Version, nil
}

// begin marks the destination as unfinished, or finds the mark of the same transfer, which was interrupted (resumed).
func begin(ctx context.Context, to medium.Medium, what, id string) (resumed bool, err error) {
	u, version, err := readUnfinished(ctx, to)
	if err != nil {
		return false, err
	}
	if version != medium.Absent {
		if u.What != what || u.ID != id {
			return false, u.err()
		}
		return true, nil
	}
	value, err := json.Marshal(unfinished{What: what, ID: id, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return false, err
	}
	_, err = to.Documents().Put(ctx, ownKind, unfinishedKey, value, medium.Absent)
	return false, err
}

// finish removes the mark.
func finish(ctx context.Context, to medium.Medium) error {
	_, err := medium.Update(ctx, to.Documents(), ownKind, unfinishedKey, func([]byte) ([]byte, error) { return nil, nil })
	return err
}
