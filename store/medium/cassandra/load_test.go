package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// tally counts how the calls of a load end.
type tally struct {
	t                     *testing.T
	what                  string
	done, failed, readsOK atomic.Int64
	readsFailed, doubtful atomic.Int64
	failedBefore          int64
	slowest               atomic.Int64 // ns
	lastError             atomic.Pointer[error]

	stop context.CancelFunc
	work sync.WaitGroup
}

func (l *tally) begin(t *testing.T, what string) context.Context {
	l.t, l.what = t, what
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	t.Cleanup(l.end)
	return ctx
}

func (l *tally) end() {
	l.stop()
	l.work.Wait()
}

// ended notes the end of a write.
func (l *tally) ended(ctx context.Context, begun time.Time, err error) {
	l.slowest.Store(max(l.slowest.Load(), int64(time.Since(begun))))
	switch {
	case err == nil:
		l.done.Add(1)
	case ctx.Err() == nil:
		l.lastError.Store(&err)
		l.failed.Add(1)
		if errors.Is(err, medium.ErrUncertain) {
			l.doubtful.Add(1)
		}
		if model.KindOf(err) != model.Unavailable {
			l.t.Errorf("a write of %s fails with %v of kind %s, want unavailable", l.what, err, model.KindOf(err))
		}
	}
}

func (l *tally) read(ctx context.Context, err error) {
	switch {
	case err == nil:
		l.readsOK.Add(1)
	case ctx.Err() == nil:
		l.lastError.Store(&err)
		l.readsFailed.Add(1)
		if model.KindOf(err) != model.Unavailable {
			l.t.Errorf("a read of %s fails with %v of kind %s, want unavailable", l.what, err, model.KindOf(err))
		}
	}
}

func (l *tally) goesOn(what string) {
	l.t.Helper()
	done, reads := l.done.Load(), l.readsOK.Load()
	eventually(l.t, what+": "+l.what, func() bool { return l.done.Load() >= done+10 && l.readsOK.Load() >= reads+2 })
}

func (l *tally) fails() {
	l.t.Helper()
	eventually(l.t, "writes and reads of "+l.what+" fail", func() bool { return l.failed.Load() > 0 && l.readsFailed.Load() > 0 })
}

func (l *tally) noErrors(when string) {
	l.t.Helper()
	if l.failed.Load()+l.readsFailed.Load() > 0 {
		l.t.Errorf("%s: %d writes and %d reads of %s failed, the last with %v", when, l.failed.Load(), l.readsFailed.Load(), l.what, *l.lastError.Load())
	}
}

func (l *tally) forgetErrors() {
	l.failedBefore += l.failed.Swap(0)
	l.readsFailed.Store(0)
	l.lastError.Store(nil)
}

func (l *tally) log() {
	l.forgetErrors()
	l.t.Logf("%s: %d writes and %d reads succeeded; %d writes failed, %d of them with an open end; the slowest write took %s",
		l.what, l.done.Load(), l.readsOK.Load(), l.failedBefore, l.doubtful.Load(), time.Duration(l.slowest.Load()).Round(time.Millisecond))
}

// journalLoad appends to one journal and replays it without pause, and knows what was acknowledged.
type journalLoad struct {
	tally
	medium  *Medium
	name    string
	journal medium.Journal

	mu    sync.Mutex
	acked map[medium.Position]string
	last  medium.Position // acknowledged
}

func startJournalLoad(t *testing.T, m *Medium, name string, writers int) *journalLoad {
	l := &journalLoad{medium: m, name: name, acked: map[medium.Position]string{}}
	ctx := l.begin(t, "entries")
	var err error
	l.journal, err = m.Journals().Open(t.Context(), name, medium.JournalOptions{})
	check(t, err)
	for w := range writers {
		l.work.Go(func() { l.write(ctx, w) })
	}
	l.work.Go(func() {
		for sleep(ctx, 200*time.Millisecond) {
			l.read(ctx, l.replay(ctx))
		}
	})
	return l
}

func (l *journalLoad) write(ctx context.Context, w int) {
	for i := 0; sleep(ctx, 10*time.Millisecond); i++ {
		entry := fmt.Sprintf("%d-%d-%0*d", w, i, i*31%2000, 0)
		begun := time.Now()
		at, err := l.journal.Append(ctx, []byte(entry))
		l.ended(ctx, begun, err)
		if err == nil {
			l.mu.Lock()
			l.acked[at] = entry
			l.last = max(l.last, at)
			l.mu.Unlock()
		}
	}
}

// replay checks that all is there that was acknowledged before it.
func (l *journalLoad) replay(ctx context.Context) error {
	l.mu.Lock()
	wanted, last := len(l.acked), l.last
	l.mu.Unlock()
	found := 0
	damage, err := l.medium.Journals().Replay(ctx, l.name, 0, func(at medium.Position, data []byte) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		want, ok := l.acked[at]
		if ok && want != string(data) {
			l.t.Errorf("position %d has %.20q, %.20q was acknowledged", at, data, want)
		}
		if ok && at <= last {
			found++
		}
		return nil
	})
	if err == nil && (found < wanted || len(damage) > 0) {
		l.t.Errorf("replay yields %d of the %d entries that were acknowledged before it, damage %+v", found, wanted, damage)
	}
	return err
}

func (l *journalLoad) finish() {
	l.t.Helper()
	l.end()
	check(l.t, l.replay(l.t.Context()))
	check(l.t, l.journal.Close())
	check(l.t, l.replay(l.t.Context()))
	l.log()
}

// blobLoad puts blobs and reads them without pause, and knows which were put.
type blobLoad struct {
	tally
	medium *Medium
	name   string

	mu     sync.Mutex
	there  []string
	absent []string // whose put failed, and not with an open end
}

const loadBlobBytes = blobPartSize + 100_000

func startBlobLoad(t *testing.T, m *Medium, name string) *blobLoad {
	m.blobs.cache = nil // reads are to reach the cluster
	l := &blobLoad{medium: m, name: name}
	ctx := l.begin(t, "blobs")
	l.work.Go(func() { l.write(ctx) })
	l.work.Go(func() {
		for sleep(ctx, 50*time.Millisecond) {
			l.mu.Lock()
			n := len(l.there)
			var name string
			if n > 0 {
				name = l.there[rand.IntN(n)]
			}
			l.mu.Unlock()
			if n > 0 {
				l.read(ctx, l.look(ctx, name))
			}
		}
	})
	return l
}

func (l *blobLoad) write(ctx context.Context) {
	for i := 0; sleep(ctx, 50*time.Millisecond); i++ {
		name := fmt.Sprintf("%s/%d", l.name, i)
		begun := time.Now()
		_, err := l.medium.Blobs().Put(ctx, name, bytes.NewReader(content(loadBlobBytes)), medium.PutOptions{})
		l.ended(ctx, begun, err)
		l.mu.Lock()
		if err == nil {
			l.there = append(l.there, name)
		} else if ctx.Err() == nil && !errors.Is(err, medium.ErrUncertain) {
			l.absent = append(l.absent, name)
		}
		l.mu.Unlock()
	}
}

// look reads a blob that was put.
func (l *blobLoad) look(ctx context.Context, name string) error {
	b, err := l.medium.Blobs().Open(ctx, name)
	if err != nil {
		return err
	}
	defer b.Close()
	data, err := b.Range(ctx, 0, b.Size())
	if err == nil && !bytes.Equal(data, content(loadBlobBytes)) {
		l.t.Errorf("blob %s reads as %d bytes that were not put", name, len(data))
	}
	return err
}

func (l *blobLoad) finish() {
	l.t.Helper()
	l.end()
	for _, name := range l.there {
		check(l.t, l.look(l.t.Context(), name))
	}
	for _, name := range l.absent {
		_, err := l.medium.Blobs().Open(l.t.Context(), name)
		wantIs(l.t, err, medium.ErrNotFound)
	}
	l.log()
}
