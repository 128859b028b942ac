package cassandra

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/tools/cassandra"
	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

// What is not here: clocks that differ between nodes. They cannot be set apart on one machine. By design no version and no
// order comes from a clock.

// faultOptions give up a little sooner than the defaults, so that the tests do. Timeout stays above the server's own: when two processes
// compete for a kind while a replica hangs unnoticed, the server waits for that replica until its write timeout.
func faultOptions(t *testing.T, c *cassandra.Cluster) Options {
	o := testOptions(t)
	o.Addresses = c.Addresses()
	o.Timeout, o.GiveUpAfter = 6*time.Second, 18*time.Second
	o.OpenTimeout = 2 * time.Minute
	return o
}

// documentLoad writes and reads the documents of one kind without pause, and knows what was acknowledged.
type documentLoad struct {
	t      *testing.T
	medium *Medium
	docs   medium.Documents
	kind   string
	keys   []*loadKey

	stop context.CancelFunc
	work sync.WaitGroup

	writes, reads                     atomic.Int64 // that succeeded
	writeErrors, readErrors, openEnds atomic.Int64 // openEnds are errors that leave the outcome open
	slowest                           atomic.Int64 // ns of a write, failed or not
	lastError                         atomic.Pointer[error]
	failedBefore, openBefore          int64 // before forgetErrors
	counted, countOpen                atomic.Int64
}

// count increments a counter that several goroutines share. An increment that failed for certain is not in it, one with an open end may be.
func (l *documentLoad) count(ctx context.Context, docs medium.Documents) {
	for ctx.Err() == nil {
		err := increment(ctx, docs, l.kind, counterKey)
		switch {
		case err == nil:
			l.counted.Add(1)
		case errors.Is(err, medium.ErrUncertain):
			l.countOpen.Add(1)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

const counterKey = "counter"

// loadKey is one document, written by one goroutine: its value is a number that grows.
type loadKey struct {
	key              string
	acked, attempted atomic.Int64
}

// startDocumentLoad has documents with one writer each, and a counter that both media increment.
func startDocumentLoad(t *testing.T, m, other *Medium, kind string, writers int) *documentLoad {
	l := &documentLoad{t: t, medium: m, docs: m.Documents(), kind: kind}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(t.Context())
	t.Cleanup(l.end)
	for _, docs := range []medium.Documents{m.Documents(), m.Documents(), other.Documents()} {
		l.work.Go(func() { l.count(ctx, docs) })
	}
	for i := range writers {
		k := &loadKey{key: strconv.Itoa(i)}
		l.keys = append(l.keys, k)
		l.work.Go(func() { l.write(ctx, k) })
		l.work.Go(func() { l.read(ctx, k) })
	}
	return l
}

func (l *documentLoad) end() {
	l.stop()
	l.work.Wait()
}

func (l *documentLoad) write(ctx context.Context, k *loadKey) {
	var v medium.Version
	for ctx.Err() == nil {
		n := k.attempted.Add(1)
		begun := time.Now()
		next, err := l.docs.Put(ctx, l.kind, k.key, []byte(strconv.FormatInt(n, 10)), v)
		if took := int64(time.Since(begun)); took > l.slowest.Load() {
			l.slowest.Store(took)
		}
		switch {
		case err == nil:
			v = next
			k.acked.Store(n)
			l.writes.Add(1)
		case ctx.Err() == nil:
			l.failed(err)
			v = l.recover(ctx, k, v)
		}
	}
}

func (l *documentLoad) failed(err error) {
	l.lastError.Store(&err)
	l.writeErrors.Add(1)
	if errors.Is(err, medium.ErrUncertain) {
		l.openEnds.Add(1)
	}
	if model.KindOf(err) != model.Unavailable {
		l.t.Errorf("a write fails with %v of kind %s, want unavailable", err, model.KindOf(err))
	}
}

// recover reads, as a caller does after an error, until there is an answer.
func (l *documentLoad) recover(ctx context.Context, k *loadKey, v medium.Version) medium.Version {
	for ctx.Err() == nil {
		doc, err := l.docs.Get(ctx, l.kind, k.key)
		switch {
		case errors.Is(err, medium.ErrNotFound):
			return medium.Absent
		case err == nil:
			l.bounded(k, doc, k.acked.Load())
			return doc.Version
		}
		sleep(ctx, 100*time.Millisecond)
	}
	return v
}

// bounded checks that a document is not older than what was acknowledged, and not newer than what was written.
func (l *documentLoad) bounded(k *loadKey, doc medium.Document, acked int64) {
	n, err := strconv.ParseInt(string(doc.Value), 10, 64)
	if err != nil || n < acked || n > k.attempted.Load() {
		l.t.Errorf("document %s is at %q (%v): %d was acknowledged before the read, %d is the last that was written", k.key, doc.Value, err, acked, k.attempted.Load())
	}
}

func (l *documentLoad) read(ctx context.Context, k *loadKey) {
	var seen int64
	for sleep(ctx, 5*time.Millisecond) {
		acked := k.acked.Load()
		doc, err := l.docs.Get(ctx, l.kind, k.key)
		switch {
		case err == nil:
			l.bounded(k, doc, max(acked, seen))
			seen, _ = strconv.ParseInt(string(doc.Value), 10, 64)
			l.reads.Add(1)
		case errors.Is(err, medium.ErrNotFound):
			if acked > 0 {
				l.t.Errorf("document %s is gone after %d was acknowledged", k.key, acked)
			}
		case ctx.Err() == nil:
			l.readErrors.Add(1)
		}
	}
}

// goesOn waits until every document was written some more times and read.
func (l *documentLoad) goesOn(what string) {
	l.t.Helper()
	var from []int64
	for _, k := range l.keys {
		from = append(from, k.acked.Load())
	}
	reads := l.reads.Load()
	eventually(l.t, what, func() bool {
		for i, k := range l.keys {
			if k.acked.Load() < from[i]+3 {
				return false
			}
		}
		return l.reads.Load() >= reads+int64(len(l.keys))
	})
}

func (l *documentLoad) fails() {
	l.t.Helper()
	eventually(l.t, "writes and reads of documents fail", func() bool { return l.writeErrors.Load() > 0 && l.readErrors.Load() > 0 })
}

func (l *documentLoad) forgetErrors() {
	l.failedBefore += l.writeErrors.Swap(0)
	l.openBefore += l.openEnds.Swap(0)
	l.readErrors.Store(0)
	l.lastError.Store(nil)
}

// finish stops the load and checks that all that was acknowledged is there.
func (l *documentLoad) finish() {
	l.t.Helper()
	l.end()
	for _, k := range l.keys {
		doc, err := l.docs.Get(l.t.Context(), l.kind, k.key)
		check(l.t, err)
		l.bounded(k, doc, k.acked.Load())
	}
	acked, open := l.counted.Load(), l.countOpen.Load()
	if n := int64(counter(l.t, l.docs, l.kind, counterKey)); n < acked || n > acked+open {
		l.t.Errorf("the counter is at %d after %d increments and %d more with an open end", n, acked, open)
	}
	l.t.Logf("counter: %d increments, %d more with an open end", acked, open)
	sound(l.t, l.medium.documents, l.kind)
	l.forgetErrors()
	l.t.Logf("documents: %d writes and %d reads succeeded; %d writes failed, %d of them with an open end; the slowest write took %s",
		l.writes.Load(), l.reads.Load(), l.failedBefore, l.openBefore, time.Duration(l.slowest.Load()).Round(time.Millisecond))
}

func (l *documentLoad) noErrors(when string) {
	l.t.Helper()
	if l.writeErrors.Load()+l.readErrors.Load() > 0 {
		l.t.Errorf("%s: %d writes and %d reads of documents failed", when, l.writeErrors.Load(), l.readErrors.Load())
		if err := l.lastError.Load(); err != nil {
			l.t.Logf("the last error: %v", *err)
		}
	}
}

// coordinator is the node that the requests for a kind go to first.
func coordinator(t *testing.T, m *Medium, c *cassandra.Cluster, kind string) *cassandra.Node {
	t.Helper()
	iter := m.session.query(request{cql: headCQL, args: []any{kind}}, time.Minute).Iter()
	address := iter.Host().ConnectAddressAndPort()
	check(t, iter.Close())
	for _, n := range c.Nodes() {
		if n.Address() == address {
			return n
		}
	}
	t.Fatalf("no node has the address %s", address)
	return nil
}

// others are all nodes but one.
func others(c *cassandra.Cluster, but *cassandra.Node) []*cassandra.Node {
	var all []*cassandra.Node
	for _, n := range c.Nodes() {
		if n != but {
			all = append(all, n)
		}
	}
	return all
}

// watchAll watches a kind with a medium of its own and keeps the state that the watch tells.
type watchAll struct {
	mu    sync.Mutex
	state map[string]string
	ended error
}

func startWatchAll(ctx context.Context, work *sync.WaitGroup, docs medium.Documents, kind string) *watchAll {
	w := &watchAll{state: map[string]string{}}
	work.Go(func() {
		for c, err := range docs.Watch(ctx, kind) {
			w.mu.Lock()
			switch {
			case err != nil:
				w.ended = err
			case c.Type == medium.Put:
				w.state[c.Document.Key] = string(c.Document.Value)
			case c.Type == medium.Deleted:
				delete(w.state, c.Document.Key)
			}
			w.mu.Unlock()
		}
	})
	return w
}

// sees waits until the watch has told the last state, without having ended.
func (w *watchAll) sees(t *testing.T, docs medium.Documents, kind string) {
	t.Helper()
	eventually(t, "the watcher has seen the last state", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ended != nil {
			t.Fatalf("the watch ended: %v", w.ended)
		}
		n := 0
		for doc, err := range docs.List(t.Context(), kind, "") {
			check(t, err)
			if w.state[doc.Key] != string(doc.Value) {
				return false
			}
			n++
		}
		return n == len(w.state)
	})
}

// pauseFor is how long a node is paused. TEST_PAUSE=30s makes it longer.
func pauseFor(t *testing.T) time.Duration {
	text := os.Getenv("TEST_PAUSE")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	check(t, err)
	return d
}

// faultLoad is one part of the medium at work while the cluster has its faults.
type faultLoad interface {
	// goesOn waits until every writer and reader has succeeded a few times more.
	goesOn(what string)
	// fails waits until writes and reads have failed.
	fails()
	// noErrors fails the test if a write or read has failed since forgetErrors.
	noErrors(when string)
	forgetErrors()
	// finish ends the load, and checks that what was acknowledged is there and that everything is sound.
	finish()
}

// faults is the cluster under load.
type faults struct {
	cluster *cassandra.Cluster
	medium  *Medium
	loads   []faultLoad
	node    *cassandra.Node // that the documents' requests go to first: its loss is felt most
	kind    string
}

func (f *faults) goesOn(what string) {
	for _, l := range f.loads {
		l.goesOn(what)
	}
}

func (f *faults) noErrors(when string) {
	for _, l := range f.loads {
		l.noErrors(when)
	}
}

// TestFaults is the fault table. All loads go on from its first row to its last, and the nodes come back in between.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short: nodes are killed and started again")
	}
	c := cassandratest.FaultCluster(t, 3)
	o := faultOptions(t, c)
	m := open(t, func(p *Options) { *p = o })
	watching := open(t, func(p *Options) { *p = o })
	kind := kindName(t)
	var work sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer work.Wait()
	defer stop()
	w := startWatchAll(ctx, &work, watching.Documents(), kind)
	f := &faults{cluster: c, medium: m, kind: kind}
	f.loads = append(f.loads, startDocumentLoad(t, m, watching, kind, 4), startJournalLoad(t, m, kind, 4), startBlobLoad(t, m, kind))
	f.goesOn("the load runs")
	f.node = coordinator(t, m, c, kind)

	row := func(name string, do func(t *testing.T, f *faults)) {
		t.Run(name, func(t *testing.T) {
			for _, l := range f.loads {
				l.forgetErrors()
			}
			do(t, f)
			f.goesOn("the load goes on in the end")
		})
	}
	row("one of three paused", onePaused)
	row("one of three killed", oneKilled)
	row("opened while one is away", openedWithout)
	row("two of three killed", twoKilled) // and both back
	row("all killed at once", allKilled)
	for _, l := range f.loads {
		l.finish()
	}
	w.sees(t, m.Documents(), kind)
}

// onePaused: a node that keeps its connections and does not answer costs those that asked it a timeout, and no error.
func onePaused(t *testing.T, f *faults) {
	check(t, f.node.Pause())
	ctx, cancel := context.WithTimeout(t.Context(), pauseFor(t))
	defer cancel()
	rounds := 0
	for ; ctx.Err() == nil; rounds++ {
		f.goesOn("writes and reads go on while one of three nodes is paused")
	}
	t.Logf("every document was written %d times while a node was paused for %s", 3*rounds, pauseFor(t))
	check(t, f.node.Resume())
	f.goesOn("writes and reads go on after the pause")
	check(t, f.cluster.WaitUp(t.Context()))
	f.noErrors("while one of three nodes is paused")
}

// oneKilled: nobody notices. The node stays away for the next rows.
func oneKilled(t *testing.T, f *faults) {
	check(t, f.node.Kill())
	for range 5 {
		f.goesOn("writes and reads go on without one of three nodes")
	}
	f.noErrors("while one of three nodes is away")
}

// openedWithout: a process can start, also with one of three nodes away.
func openedWithout(t *testing.T, f *faults) {
	m := open(t, func(o *Options) { *o = faultOptions(t, f.cluster) })
	check(t, increment(t.Context(), m.Documents(), kindName(t), "a"))
	if hosts := m.Hosts(); len(hosts) != 3 {
		t.Errorf("a medium that was opened while a node is away knows the hosts %+v", hosts)
	}
	f.noErrors("while one of three nodes is away")
}

// twoKilled: writes and reads fail within the configured time, say why, and work again when the nodes are back.
func twoKilled(t *testing.T, f *faults) {
	check(t, others(f.cluster, f.node)[0].Kill())
	for _, l := range f.loads {
		l.fails()
	}
	// When the survivor has noticed, it refuses at once what it cannot do; until then a write fails when its time is over.
	o := f.medium.session.opts
	eventually(t, "a write is refused before it begins", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*(o.GiveUpAfter+o.Timeout))
		defer cancel()
		_, err := f.medium.Documents().Put(ctx, f.kind, "refused", []byte("1"), medium.Absent)
		switch {
		case err == nil:
			t.Fatal("a write succeeded with one of three nodes")
		case ctx.Err() != nil:
			t.Errorf("a write takes more than twice as long as give_up_after and timeout together to fail: %v", err)
		case model.KindOf(err) != model.Unavailable, !strings.Contains(err.Error(), "table documents: "):
			t.Errorf("error %v of kind %s, want unavailable, and what was tried", err, model.KindOf(err))
		}
		refused := strings.Contains(err.Error(), "2 replicas are needed, 1 alive (local_serial)") && !errors.Is(err, medium.ErrUncertain)
		if refused {
			t.Logf("a write with one of three nodes: %v", err)
		}
		return refused
	})
	check(t, f.cluster.StartAll(t.Context()))
}

// allKilled: what was acknowledged is on the disks. (With commitlog_sync periodic, which is Cassandra's default, a node
// that is killed may lose its last moments, and all three together what was acknowledged in them.)
func allKilled(t *testing.T, f *faults) {
	for _, n := range f.cluster.Nodes() {
		check(t, n.Kill())
	}
	for _, l := range f.loads {
		l.fails()
	}
	check(t, f.cluster.StartAll(t.Context()))
}
