package block

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Partition is the unit of the catalogue: the blocks of one tenant that hold what happened on one day.
type Partition struct {
	Tenant string
	Day    string // UTC, as DayOf writes it
}

const (
	dayLayout = "2006-01-02"
	dayLength = int64(24 * time.Hour)
)

// DayOf returns the day of a time in nanoseconds.
func DayOf(nanos int64) string { return time.Unix(0, nanos).UTC().Format(dayLayout) }

// DayStart returns the first nanosecond of the day that nanos lies in, and the first of the next one.
func DayStart(nanos int64) (start, end int64) {
	day := nanos / dayLength
	if nanos%dayLength < 0 {
		day--
	}
	start = day * dayLength
	return start, start + dayLength
}

// Entry is what the catalogue tells of a block.
type Entry struct {
	ID       string `json:"id"`
	Min      int64  `json:"min"` // nanoseconds, of the first and the last record, both included
	Max      int64  `json:"max"`
	Records  int64  `json:"records"`
	RawBytes int64  `json:"raw"`   // as they came
	Bytes    int64  `json:"bytes"` // of the blob
	Level    int    `json:"level"` // how many merges it has behind it
	Node     string `json:"node"`  // that made it
	Created  int64  `json:"created"`
	// Covers says which part of which journal is in the block, as long as that journal has not let go of it.
	Covers []Cover `json:"covers,omitempty"`
	// Applied names the deletions that do not concern the block: they were carried out on it, or are older than what is in it.
	Applied []string `json:"applied,omitempty"`
	// Broken says why the block cannot be merged, when that was tried; it is read as far as it goes.
	Broken string `json:"broken,omitempty"`
}

// Cover is the entries of a journal whose generation is above From and at most To.
type Cover struct {
	Journal string `json:"journal"`
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
}

// Has says whether an entry of that journal and generation is covered.
func (c Cover) Has(journal string, generation uint64) bool {
	return c.Journal == journal && generation > c.From && generation <= c.To
}

// Overlaps says whether the block may hold something at start <= time < end.
func (e *Entry) Overlaps(start, end int64) bool { return e.Min < end && e.Max >= start }

// NewID returns a name for a block that is made now. Names sort by the time at which they were made.
func NewID(now time.Time) string {
	var b [6]byte
	rand.Read(b[:])
	return fmt.Sprintf("%012x-%s", now.UnixMilli(), hex.EncodeToString(b[:]))
}

// madeAt is the time in a block's name.
func madeAt(id string) (time.Time, bool) {
	if len(id) != 12+1+12 || id[12] != '-' {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(id[:12], 16, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(ms), true
}

// A partition's catalogue is one document, so that every change of it, a merge above all, is one compare-and-set: whoever
// reads sees the blocks before it or those after it. Its value is
//
//	{"v": 1, "blocks": [Entry, ...]}   sorted by ID
type manifest struct {
	Version int     `json:"v"`
	Blocks  []Entry `json:"blocks"`
}

const manifestVersion = 1

// maxBlocks bounds the blocks of one partition: some 300 bytes each in a document of at most 1 MiB. Merging begins at a small
// fraction of it.
const maxBlocks = 2500

var errTooManyBlocks = model.NewError(model.Limit, "too many blocks in one day: merging does not keep up")

func encodeManifest(entries []Entry) ([]byte, error) {
	if len(entries) > maxBlocks {
		return nil, fmt.Errorf("%w: %d, at most %d", errTooManyBlocks, len(entries), maxBlocks)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return compareText(a.ID, b.ID) })
	value, err := json.Marshal(manifest{manifestVersion, entries})
	if err != nil {
		return nil, err
	}
	if len(value) > medium.MaxDocument {
		return nil, fmt.Errorf("%w: %d bytes", errTooManyBlocks, len(value))
	}
	return value, nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func decodeManifest(value []byte) ([]Entry, error) {
	if value == nil {
		return nil, nil
	}
	var m manifest
	if err := json.Unmarshal(value, &m); err != nil {
		return nil, fmt.Errorf("%w: the catalogue of a day is not readable: %w", medium.ErrCorrupt, err)
	}
	if m.Version != manifestVersion {
		return nil, model.NewError(model.Corrupt, fmt.Sprintf("the catalogue of a day is of format %d: this version of Hulotte reads format %d", m.Version, manifestVersion))
	}
	seen := make(map[string]bool, len(m.Blocks))
	for i := range m.Blocks {
		if err := m.Blocks[i].check(); err != nil {
			return nil, err
		}
		if seen[m.Blocks[i].ID] {
			return nil, fmt.Errorf("%w: the catalogue of a day names the block %q twice", medium.ErrCorrupt, m.Blocks[i].ID)
		}
		seen[m.Blocks[i].ID] = true
	}
	return m.Blocks, nil
}

var errBadEntry = errors.New("an entry of the catalogue makes no sense")

func (e *Entry) check() error {
	_, ok := madeAt(e.ID)
	if !ok || e.Min > e.Max || e.Records < 0 || e.RawBytes < 0 || e.Bytes < 0 || e.Level < 0 {
		return fmt.Errorf("%w: %w: %+v", medium.ErrCorrupt, errBadEntry, *e)
	}
	return nil
}
