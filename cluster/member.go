package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options are what a Member is made of. Self is required, with its ID.
type Options struct {
	Self Node
	// Every is how often the node's document is renewed (default 30 s).
	Every time.Duration
	// Beaten is told how each renewal went: nothing else writes to the medium as regularly. May be nil.
	Beaten func(error)
}

// forgetAfter is how long a node that went away is still shown; then whoever notices deletes its document.
const forgetAfter = 7 * 24 * time.Hour

// maxNodes bounds what is held in memory of documents that anybody may have written.
const maxNodes = 10_000

// retryEvery is how soon a renewal or a watch that failed is tried again.
const retryEvery = 5 * time.Second

// Member is this process among the nodes.
type Member struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics

	mu    sync.Mutex
	nodes map[string]known // guarded by mu
}

type known struct {
	node    Node
	version medium.Version
	seen    time.Time // when it was last renewed before our eyes
}

// New returns the member of a process that is starting.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Member, error) {
	if !validID.MatchString(o.Self.ID) {
		return nil, fmt.Errorf("cannot join the nodes: %q is no id of a node", o.Self.ID)
	}
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	if o.Beaten == nil {
		o.Beaten = func(error) {}
	}
	o.Self.Every, o.Self.Run = o.Every, rand.Text()
	m := &Member{opts: o, log: log, nodes: map[string]known{}}
	m.metrics = newMetrics(m, reg)
	return m, nil
}

// Run renews the node's document and watches the others' until ctx ends; it returns nil then. What fails is tried again.
func (m *Member) Run(ctx context.Context, docs medium.Documents) error {
	var watching sync.WaitGroup
	watching.Go(func() { m.watch(ctx, docs) })
	m.renew(ctx, docs)
	watching.Wait()
	m.sayStopped(docs)
	return nil
}

// Nodes returns all nodes that are known, this one first, then by address and id.
func (m *Member) Nodes() []Status {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Status, 0, len(m.nodes))
	for _, k := range m.nodes {
		out = append(out, Status{Node: k.node, State: k.node.state(k.seen, now), Seen: k.seen, Self: k.node.ID == m.opts.Self.ID})
	}
	slices.SortFunc(out, func(a, b Status) int {
		if a.Self != b.Self {
			return map[bool]int{true: -1, false: 1}[a.Self]
		}
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (m *Member) renew(ctx context.Context, docs medium.Documents) {
	for {
		wait := m.opts.Every
		err := m.beat(ctx, docs)
		if ctx.Err() != nil {
			return
		}
		m.opts.Beaten(err)
		m.metrics.beat(err)
		if err != nil {
			wait = min(wait, retryEvery)
		} else {
			m.forget(ctx, docs)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// beat writes the document. It gives up after the time between two: a renewal that comes later is of no use.
func (m *Member) beat(ctx context.Context, docs medium.Documents) error {
	ctx, cancel := context.WithTimeout(ctx, m.opts.Every)
	defer cancel()
	self := m.opts.Self
	self.Beat = time.Now().UTC()
	return m.write(ctx, docs, self)
}

func (m *Member) write(ctx context.Context, docs medium.Documents, self Node) error {
	_, err := medium.Update(ctx, docs, Kind, self.ID, func(old []byte) ([]byte, error) {
		m.lookForTwin(old)
		return json.Marshal(self)
	})
	if err != nil {
		return fmt.Errorf("cannot renew the document of this node: %w", err)
	}
	return nil
}

// lookForTwin notices another process that goes by this node's id: a copied data folder.
func (m *Member) lookForTwin(old []byte) {
	other, err := parseNode(m.opts.Self.ID, old)
	if old == nil || err != nil || other.Run == m.opts.Self.Run || other.Stopped != nil {
		return
	}
	if other.Started.After(m.opts.Self.Started) { // an earlier process of this folder is older, and has ended
		m.metrics.twins.Inc()
		m.log.Error("another process goes by the id of this node: was its data folder copied? Stop one of them and delete its file "+identityFile,
			"id", other.ID, "other_host", other.Host, "other_address", other.Address)
	}
}

// stopTimeout bounds the last word; a medium that is away does not hold up the end.
const stopTimeout = 2 * time.Second

func (m *Member) sayStopped(docs medium.Documents) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	self := m.opts.Self
	self.Beat = time.Now().UTC()
	self.Stopped = &self.Beat
	if err := m.write(ctx, docs, self); err != nil {
		m.log.Warn("cannot tell the other nodes that this one stops", "err", err)
	}
}

// forget deletes the documents of nodes that went away long ago.
func (m *Member) forget(ctx context.Context, docs medium.Documents) {
	now := time.Now()
	for id, k := range m.gone(now) {
		err := docs.Delete(ctx, Kind, id, k.version)
		if err == nil {
			m.log.Info("a node that went away is forgotten", "id", id, "host", k.node.Host, "last_heard", k.node.Beat)
			continue
		}
		if !errors.Is(err, medium.ErrConflict) { // it is back, or another node was first
			m.log.Warn("cannot forget a node that went away", "id", id, "err", err)
		}
	}
}

func (m *Member) gone(now time.Time) map[string]known {
	out := map[string]known{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, k := range m.nodes {
		if id != m.opts.Self.ID && now.Sub(k.node.Beat) > forgetAfter && now.Sub(k.seen) > forgetAfter {
			out[id] = k
		}
	}
	return out
}

// watch keeps m.nodes as the medium has it.
func (m *Member) watch(ctx context.Context, docs medium.Documents) {
	for {
		err := m.follow(ctx, docs)
		if ctx.Err() != nil {
			return
		}
		m.log.Warn("cannot watch the other nodes, trying again", "err", err)
		if !sleep(ctx, retryEvery) {
			return
		}
	}
}

// follow takes in one Watch, to its end. What was known before and is not there any more goes with Synced.
func (m *Member) follow(ctx context.Context, docs medium.Documents) error {
	present := map[string]bool{}
	synced := false
	for change, err := range docs.Watch(ctx, Kind) {
		if err != nil {
			return err
		}
		switch d := change.Document; change.Type {
		case medium.Put:
			present[d.Key] = true
			m.put(d, synced)
		case medium.Deleted:
			m.drop(func(id string) bool { return id == d.Key })
		case medium.Synced:
			m.drop(func(id string) bool { return !present[id] })
			present, synced = map[string]bool{}, true
		}
	}
	return errors.New("the watch ended without a reason")
}

func (m *Member) put(d medium.Document, renewed bool) {
	n, err := parseNode(d.Key, d.Value)
	if err != nil {
		m.log.Warn("a document of a node is left out", "err", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k, old := m.nodes[d.Key]
	if !old && len(m.nodes) >= maxNodes {
		return
	}
	if renewed || old && k.version != d.Version {
		k.seen = time.Now()
	}
	k.node, k.version = n, d.Version
	m.nodes[d.Key] = k
}

func (m *Member) drop(gone func(id string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.nodes {
		if gone(id) {
			delete(m.nodes, id)
		}
	}
}

// sleep returns false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
