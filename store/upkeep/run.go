// Package upkeep looks after what is kept: it verifies that every byte can still be read, makes backups of
// everything, brings them back, and remembers when that was done and how it went.
//
// The running server does it through a Keeper, one run at a time, and tells of the progress in Events, which go to
// whoever asked as lines of JSON. Commands do the same on a data folder that nobody uses.
package upkeep

import (
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// RunKind is what a run does.
type RunKind string

// The kinds of runs.
const (
	Verify RunKind = "verify"
	Backup RunKind = "backup"
)

// State is how a run is going, or went.
type State string

// The states of a run.
const (
	Running State = "running"
	Sound   State = "sound"   // it came to its end and found nothing wrong
	Damaged State = "damaged" // it came to its end and found something wrong
	Failed  State = "failed"  // it could not come to its end
	Stopped State = "stopped" // it was broken off, by whoever asked for it or by the end of the process
)

// Run is one verify or backup.
type Run struct {
	ID      string     `json:"id"`
	Kind    RunKind    `json:"kind"`
	Node    string     `json:"node,omitempty"` // that did it
	By      string     `json:"by,omitempty"`   // who asked for it
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	State   State      `json:"state"`
	Error   string     `json:"error,omitempty"` // of Failed
	// Phase and Name say what is being done to what.
	Phase  string `json:"phase,omitempty"`
	Name   string `json:"name,omitempty"`
	Counts Counts `json:"counts"`
	// Findings are the first of what was found wrong, and FindingsTotal is how many there are.
	Findings      []medium.Finding `json:"findings,omitempty"`
	FindingsTotal int64            `json:"findings_total"`
}

// Counts is how much was gone through.
type Counts struct {
	Journals  int64 `json:"journals"`
	Entries   int64 `json:"entries"`
	Documents int64 `json:"documents"`
	Blobs     int64 `json:"blobs"`
	Files     int64 `json:"files"` // of the metrics engine
	Bytes     int64 `json:"bytes"` // of all
}

// Event is one line of what a run tells while it goes on.
type Event struct {
	Type    EventType       `json:"type"`
	Run     *Run            `json:"run,omitempty"`     // of Began, Progress and Done; without findings but in Done
	Finding *medium.Finding `json:"finding,omitempty"` // of Found
}

// EventType says what an Event tells.
type EventType string

// The types of events: one Began, then any of Progress and Found, then one Done. A stream that ends without Done
// was cut.
const (
	Began    EventType = "began"
	Progress EventType = "progress"
	Found    EventType = "found"
	Done     EventType = "done"
)

// Sum returns what was gone through in a medium.
func sum(s medium.Summary) Counts {
	return Counts{
		Journals: s.Journals, Entries: s.Entries, Documents: s.Documents, Blobs: s.Blobs,
		Bytes: s.EntryBytes + s.BlobBytes + s.DocumentBytes,
	}
}
