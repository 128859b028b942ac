package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// How the writer of a journal shows that it is alive, and how long it is believed.
//
// The writer acknowledges nothing later than trust after it began its last successful sign of life, by its own clock.
// Whoever wants the journal waits until it has seen the same sign of life for lease, by its own clock as well, and then takes the journal
// on condition that nothing has changed. So the clocks of two machines are never compared; their speeds may differ
// by a fifth.
const (
	defaultLease = 10 * time.Second
	// What becomes of it: the rest of lease is the margin.
	trustNumerator, trustDenominator = 4, 5
	// signs of life in the time of trust, so that one or two may fail.
	signsPerTrust = 4
)

// journals implements medium.Journals.
type journals struct {
	s       *session
	lease   time.Duration
	limits  journalLimits
	metrics *journalMetrics
	insert  func(context.Context, request) error // writes a row: session.write, but for tests

	mu     sync.Mutex // guards what follows; no request is made under it
	open   map[string]*journal
	closed bool
}

// journalLimits says where rows and segments end; tests make them small.
type journalLimits struct {
	segmentBytes uint64 // payload of a segment: partitions of 64 MiB are well below the 100 MB where Cassandra begins to suffer
	segmentRows  uint64 // with rows of a few entries each, their number is what a partition suffers from
	queueBytes   int64  // of all entries that wait: what an outage may cost in memory
	inFlight     int    // full rows that are sent and not answered
	partFilled   int    // rows in flight at which one that is not full waits for more entries
}

var defaultJournalLimits = journalLimits{
	segmentBytes: 64 << 20, segmentRows: 50_000,
	queueBytes: 48 << 20, // three times the largest entry
	inFlight:   16, partFilled: 2,
}

func openJournals(s *session) (*journals, error) {
	m, err := newJournalMetrics(s.reg)
	if err != nil {
		return nil, err
	}
	return &journals{s: s, lease: defaultLease, limits: defaultJournalLimits, metrics: m, insert: s.write, open: map[string]*journal{}}, nil
}

func (js *journals) trust() time.Duration { return js.lease * trustNumerator / trustDenominator }

// close closes the journals that are open.
func (js *journals) close() error {
	js.mu.Lock()
	js.closed = true
	var all []*journal
	for _, j := range js.open {
		all = append(all, j)
	}
	js.mu.Unlock()
	var errs []error
	for _, j := range all {
		if j != nil { // one that is just being opened closes itself
			errs = append(errs, j.Close())
		}
	}
	js.metrics.unregister()
	return errors.Join(errs...)
}

// Open implements medium.Journals. A journal that somebody else has open costs it a wait until that one's next sign of life (about two
// seconds), and the journal of a writer that died the rest of its lease.
func (js *journals) Open(ctx context.Context, name string, o medium.JournalOptions) (medium.Journal, error) {
	j, err := js.openJournal(ctx, name, o)
	if err != nil {
		return nil, fmt.Errorf("cannot open journal %q: %w", name, err)
	}
	return j, nil
}

func (js *journals) openJournal(ctx context.Context, name string, o medium.JournalOptions) (*journal, error) {
	if err := js.begin(ctx, name); err != nil {
		return nil, err
	}
	defer js.s.leave()
	if err := js.reserve(name); err != nil {
		return nil, err
	}
	head, since, err := js.claim(ctx, name, func(h *journalHead) {
		h.state.next = max(h.state.next, uint64(o.Next))
		h.state.begin()
	})
	if err != nil {
		js.forget(name)
		return nil, err
	}
	j := newJournal(js, head, since)
	js.mu.Lock()
	js.open[name] = j
	closed := js.closed
	js.mu.Unlock()
	go (&keeper{journal: j, head: head}).run()
	if closed {
		return nil, errors.Join(medium.ErrClosed, j.Close())
	}
	return j, nil
}

// begin checks what every call checks. The caller calls js.s.leave after it.
func (js *journals) begin(ctx context.Context, name string) error {
	if err := medium.ValidName(name); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return js.s.enter()
}

// reserve keeps a name for one opener of this process.
func (js *journals) reserve(name string) error {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.closed {
		return medium.ErrClosed
	}
	if _, taken := js.open[name]; taken {
		return fmt.Errorf("%w: this process has it open", medium.ErrInUse)
	}
	js.open[name] = nil
	return nil
}

func (js *journals) forget(name string) {
	js.mu.Lock()
	defer js.mu.Unlock()
	delete(js.open, name)
}

// claim makes this process the writer: what came before is decided, then prepare changes the state. It returns the row as it
// is then, and when the last sign of life, which this is, began.
func (js *journals) claim(ctx context.Context, name string, prepare func(*journalHead)) (journalHead, time.Time, error) {
	owner := js.s.opts.Node + "/" + gocql.MustRandomUUID().String()
	for {
		since := time.Now()
		old, found, err := js.readHead(ctx, name)
		if err != nil {
			return old, since, err
		}
		if !found {
			h := journalHead{name: name, id: gocql.MustRandomUUID(), epoch: 1, revision: 1, renewal: 1, owner: owner}
			h.state = journalState{next: 1}
			prepare(&h)
			if done, err := js.create(ctx, h); done || err != nil {
				return h, since, err
			}
			continue
		}
		if err := js.waitUntilFree(ctx, old); err != nil {
			return old, since, err
		}
		since = time.Now()
		h := old
		h.state = old.state.clone()
		h.epoch, h.revision, h.renewal, h.owner = old.epoch+1, old.revision+1, old.renewal+1, owner
		decided := h.closeOpen()
		if decided {
			prepare(&h)
		}
		done, err := js.change(ctx, old, h)
		if err != nil {
			return h, since, err
		}
		if !done {
			continue
		}
		if !decided {
			h, err = js.settle(ctx, h, prepare)
		}
		return h, since, err
	}
}

// closeOpen says that nothing more counts that arrives from now on, and whether everything is decided.
func (h *journalHead) closeOpen() (decided bool) {
	decided = true
	for i := range h.state.segments {
		switch s := &h.state.segments[i]; s.state {
		case segmentOpen:
			s.state = segmentClosing
			decided = false
		case segmentClosing:
			decided = false
		}
	}
	return decided
}

// settle decides the segments that a writer left behind, and prepares the state for the next one.
func (js *journals) settle(ctx context.Context, h journalHead, prepare func(*journalHead)) (journalHead, error) {
	for {
		sealed, err := js.sealClosing(ctx, h)
		if err != nil {
			return h, err
		}
		prepare(&sealed)
		done, err := js.change(ctx, h, sealed)
		if err != nil || done {
			return sealed, err
		}
		if h, err = js.stillMine(ctx, h); err != nil { // a reader was faster with the same decision
			return h, err
		}
	}
}

// stillMine reads the row again, and fails when it has another writer.
func (js *journals) stillMine(ctx context.Context, h journalHead) (journalHead, error) {
	now, found, err := js.readHead(ctx, h.name)
	if err == nil && (!found || now.id != h.id || now.epoch != h.epoch) {
		err = fmt.Errorf("%w: %s has it now", medium.ErrInUse, now.owner)
	}
	return now, err
}

// waitUntilFree returns nil when nobody writes to the journal: it was closed, or its writer has shown no sign of life for
// the length of a lease.
func (js *journals) waitUntilFree(ctx context.Context, seen journalHead) error {
	began := time.Now()
	for seen.owner != "" && time.Since(began) < js.lease {
		if err := pause(ctx, js.lease/20); err != nil {
			return errors.Join(fmt.Errorf("%w, %s, or was until a moment ago", medium.ErrInUse, seen.owner), err)
		}
		now, found, err := js.readHead(ctx, seen.name)
		if err != nil {
			return err
		}
		if !found || now.id != seen.id || now.owner == "" {
			return nil // the change that follows sees to the rest
		}
		if now.epoch != seen.epoch || now.renewal != seen.renewal {
			return fmt.Errorf("%w, %s", medium.ErrInUse, now.owner)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// List implements medium.Journals.
func (js *journals) List(ctx context.Context) ([]medium.JournalInfo, error) {
	list, err := js.list(ctx)
	if err != nil {
		return list, fmt.Errorf("cannot list journals: %w", err)
	}
	return list, nil
}

func (js *journals) list(ctx context.Context) ([]medium.JournalInfo, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := js.s.enter(); err != nil {
		return nil, err
	}
	defer js.s.leave()
	names, err := js.names(ctx)
	if err != nil {
		return nil, err
	}
	var all []medium.JournalInfo
	var damaged []error
	for _, name := range names {
		info, found, err := js.info(ctx, name)
		switch {
		case errors.Is(err, medium.ErrCorrupt):
			damaged = append(damaged, err)
		case err != nil:
			return all, err
		case found:
			all = append(all, info)
		}
	}
	return all, errors.Join(damaged...)
}

// names returns the names of all journals, in order: some for each process that writes, so that they fit into memory.
func (js *journals) names(ctx context.Context) ([]string, error) {
	var names []string
	err := js.s.read(ctx, request{table: "journals", op: "list", cql: "SELECT name FROM journals"},
		func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, strings.Clone(name))
			return err
		})
	slices.Sort(names)
	return names, err
}

func (js *journals) info(ctx context.Context, name string) (medium.JournalInfo, bool, error) {
	h, found, err := js.readHead(ctx, name)
	if err != nil || !found {
		return medium.JournalInfo{}, false, err
	}
	info := medium.JournalInfo{Name: name, Next: medium.Position(h.state.next)}
	for i := range h.state.segments {
		s := &h.state.segments[i]
		info.Bytes += int64(s.bytes)
		if s.state == segmentSealed {
			continue
		}
		last, found, err := js.lastRow(ctx, h.id, s.number)
		if err != nil {
			return info, false, err
		}
		if found {
			info.Next = max(info.Next, last.last+1)
		}
	}
	return info, true, nil
}

// Delete implements medium.Journals.
func (js *journals) Delete(ctx context.Context, name string) error {
	if err := js.delete(ctx, name); err != nil {
		return fmt.Errorf("cannot delete journal %q: %w", name, err)
	}
	return nil
}

func (js *journals) delete(ctx context.Context, name string) error {
	if err := js.begin(ctx, name); err != nil {
		return err
	}
	defer js.s.leave()
	if err := js.reserve(name); err != nil {
		return err
	}
	defer js.forget(name)
	if _, found, err := js.readHead(ctx, name); err != nil || !found {
		return err
	}
	// The segments are let go of before their rows are deleted, so that a deletion that is interrupted leaves no journal with holes.
	head, _, err := js.claim(ctx, name, func(h *journalHead) { h.state.truncate(medium.Position(h.state.next)) })
	if err != nil {
		return err
	}
	if err := js.deleteRows(ctx, head.id, head.state.leaving); err != nil {
		return err
	}
	return js.remove(ctx, head)
}

// deleteRows deletes the rows of segments: one tombstone for each.
func (js *journals) deleteRows(ctx context.Context, id gocql.UUID, segments []uint64) error {
	for _, n := range segments {
		err := js.s.write(ctx, request{
			table: "journal_rows", op: "delete", cql: "DELETE FROM journal_rows WHERE id = ? AND segment = ?",
			args: []any{id, int64(n)},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
