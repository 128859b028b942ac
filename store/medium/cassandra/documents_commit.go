package cassandra

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// ringSize is how many of a kind's latest changes are kept: 4096 rows of some 100 bytes. Whoever watches and falls behind
// further lists the kind anew; a writer that finds its change overwritten cannot tell whether it took place.
const ringSize = 4096

const (
	headUpdateCQL   = `UPDATE documents SET version = ?, live = ?, largest = ? WHERE kind = ? AND area = 0 AND slot = 0 AND key = '' IF version = ? AND live = ? AND largest = ?`
	putCQL          = `UPDATE documents SET version = ?, value = ? WHERE kind = ? AND area = 1 AND slot = 0 AND key = ? IF version = ?`
	deleteCQL       = `DELETE FROM documents WHERE kind = ? AND area = 1 AND slot = 0 AND key = ? IF version = ?`
	changeInsertCQL = `INSERT INTO documents (kind, area, slot, key, version, name, gone, writer) VALUES (?, 2, ?, '', ?, ?, ?, ?)`
	writerCQL       = `SELECT version, writer FROM documents WHERE kind = ? AND area = 2 AND slot = ? AND key = ''`
)

// commit is a group of changes on its way through one or more transactions.
//
// A transaction is conditional on the kind's version, so that it takes place once at most, however often it is sent, and whenever it arrives: a
// node that was paused may carry it out much later. When an attempt ends without an answer, the same one is sent
// again: if it takes place now, all is well; if it is refused, the cluster has decided what came after that version, and the
// change that is there tells by its writer whether it was ours. Only when the cluster stays silent is the outcome uncertain.
type commit struct {
	documents *documents
	session   *session
	kind      *kind
	left      []*change

	base   head // the transaction's condition
	known  bool // base was read or learned
	writer gocql.UUID
	sent   bool // an attempt with this base and writer ended without an answer
}

func (d *documents) commit(ctx context.Context, k *kind, group []*change) {
	c := &commit{documents: d, session: d.session, kind: k, left: group}
	m := mode{writes: true, lwt: true, maybe: func() bool { return c.sent }}
	// Those who waited long already get at least one attempt.
	m.patience = max(d.session.opts.GiveUpAfter-time.Since(group[0].queued), d.session.opts.Timeout)
	err := d.session.attempts(ctx, request{table: documentsTable, op: "change"}, m, c.attempt)
	if err == nil {
		return
	}
	if c.sent {
		k.mu.Lock()
		k.doubt = time.Now()
		k.mu.Unlock()
	}
	for _, change := range c.left {
		k.answer(change, answer{err: err})
	}
}

// attempt goes on until all changes are answered or the cluster fails.
func (c *commit) attempt(ctx context.Context) (*gocql.HostInfo, error) {
	for refusals := 0; len(c.left) > 0; refusals++ {
		if refusals > 1 && !sleep(ctx, rand.N(time.Duration(refusals)*2*time.Millisecond)) {
			return nil, &ownError{fmt.Errorf("%w: table documents, kind %q: %d times other processes were first to change it", errUnavailable, c.kind.name, refusals)}
		}
		if host, err := c.prepare(ctx); err != nil {
			return host, err
		}
		reply, host, err := c.send(ctx)
		if err != nil {
			c.sent = c.sent || c.session.verdict(ctx, err, mode{lwt: true}).maybe
			return host, err
		}
		if err := c.settle(ctx, reply); err != nil {
			return host, err
		}
	}
	return nil, nil
}

// prepare has the base known: from the last look at the kind, unless others write it too and have had time to.
func (c *commit) prepare(ctx context.Context) (*gocql.HostInfo, error) {
	if c.known {
		return nil, nil
	}
	k := c.kind
	k.mu.Lock()
	c.base = k.head
	stale := k.known.IsZero() || time.Since(k.known) > freshFor && time.Since(k.shared) < time.Minute
	k.mu.Unlock()
	if stale {
		iter := c.session.query(request{cql: headCQL, args: []any{k.name}}, c.session.opts.Timeout/10).IterContext(ctx)
		var h head
		iter.Scan(&h.version, &h.live, &h.largest)
		host := iter.Host()
		if err := iter.Close(); err != nil {
			return host, err
		}
		k.saw(h, time.Now())
		c.base = h
	}
	c.known = true
	return nil, nil
}

// freshFor is how long a head is taken for current in a kind that other processes write too. A refused transaction costs as much as three reads.
const freshFor = 100 * time.Millisecond

// after is the head that the transaction leaves.
func (c *commit) after() head {
	h := c.base
	h.version += medium.Version(len(c.left))
	for _, change := range c.left {
		switch {
		case change.value == nil:
			h.live--
		case change.expected == medium.Absent:
			h.live++
		}
		h.largest = max(h.largest, len(change.value))
	}
	return h
}

// reply is what the cluster says of a transaction.
type reply struct {
	applied bool
	head    head                      // when it was refused: what is there
	docs    map[string]medium.Version // likewise, of the documents in question; those that do not exist are missing
}

// send makes one attempt at the transaction.
func (c *commit) send(ctx context.Context) (reply, *gocql.HostInfo, error) {
	if !c.sent {
		writer, err := gocql.RandomUUID()
		if err != nil {
			return reply{}, nil, &ownError{err}
		}
		c.writer = writer
	}
	name, h := c.kind.name, c.after()
	b := c.session.db.Batch(gocql.UnloggedBatch).Consistency(c.session.plain).SerialConsistency(c.session.serial)
	if c.base.version == 0 {
		b.Query(headUpdateCQL, h.version, h.live, h.largest, name, nil, nil, nil)
	} else {
		b.Query(headUpdateCQL, h.version, h.live, h.largest, name, c.base.version, c.base.live, c.base.largest)
	}
	for i, change := range c.left {
		v := c.version(i)
		if change.value == nil {
			b.Query(deleteCQL, name, change.key, change.expected)
		} else {
			b.Query(putCQL, v, appendValue(nil, name, change.key, v, change.value), name, change.key, orNull(change.expected))
		}
		b.Query(changeInsertCQL, name, slot(v), v, change.key, change.value == nil, c.writer)
	}
	return scanReply(b.IterContext(ctx))
}

// version of the i-th change.
func (c *commit) version(i int) medium.Version { return c.base.version + medium.Version(i) + 1 }

func slot(v medium.Version) int { return int(v % ringSize) }

// orNull is the condition's value: a document that does not exist has no version.
func orNull(v medium.Version) any {
	if v == medium.Absent {
		return nil
	}
	return v
}

// scanReply reads the rows that a conditional batch answers with: only "[applied]", or the rows that the conditions looked at.
func scanReply(iter *gocql.Iter) (reply, *gocql.HostInfo, error) {
	r := reply{docs: map[string]medium.Version{}}
	for {
		row := map[string]any{}
		if !iter.MapScan(row) {
			return r, iter.Host(), iter.Close()
		}
		r.applied, _ = row["[applied]"].(bool)
		area, _ := row["area"].(int8)
		version, _ := row["version"].(int64)
		switch area {
		case areaHead:
			r.head.version = medium.Version(version)
			r.head.live, _ = row["live"].(int64)
			r.head.largest, _ = row["largest"].(int)
		case areaDocument:
			key, _ := row["key"].(string)
			r.docs[key] = medium.Version(version)
		}
	}
}

// settle answers the changes that a reply decides.
func (c *commit) settle(ctx context.Context, r reply) error {
	if r.applied {
		c.succeed(c.after())
		return nil
	}
	if c.sent {
		ours, err := c.recognize(ctx, r)
		if err != nil {
			return err
		}
		c.sent = false
		if ours {
			c.succeed(r.head)
			return nil
		}
	}
	moved := r.head.version != c.base.version
	if moved {
		c.kind.mu.Lock()
		c.kind.shared = time.Now()
		c.kind.mu.Unlock()
	}
	if !c.refuse(r) && !moved && r.head == c.base {
		return &ownError{fmt.Errorf("%w: table documents, kind %q: the cluster refuses a change whose conditions hold", errUnavailable, c.kind.name)}
	}
	c.base = r.head
	c.kind.mu.Lock()
	c.kind.head, c.kind.known = r.head, time.Now() // also when it is older than what was known: the table may have been restored
	c.kind.mu.Unlock()
	return nil
}

// recognize says whether the transaction that had no answer took place: its first change is then where the ring has its version.
func (c *commit) recognize(ctx context.Context, r reply) (ours bool, err error) {
	v := c.version(0)
	if r.head.version < v {
		return false, nil // nothing came after the base: it was refused for a document's version, then as now
	}
	iter := c.session.query(request{cql: writerCQL, args: []any{c.kind.name, slot(v)}}, c.session.opts.Timeout/10).IterContext(ctx)
	var there medium.Version
	var writer gocql.UUID
	iter.Scan(&there, &writer)
	if err := iter.Close(); err != nil {
		return false, err
	}
	switch {
	case there == v:
		return writer == c.writer, nil
	case there > v:
		return false, &ownError{fmt.Errorf("%w: table documents, kind %q: more than %d changes followed: %w", errUnavailable, c.kind.name, ringSize, medium.ErrUncertain)}
	}
	return false, gocql.ErrTimeoutNoResponse // the replicas that answered do not have yet what was decided
}

// succeed answers all changes of the transaction. now is the kind's head, which may be newer than the transaction.
func (c *commit) succeed(now head) {
	for i, change := range c.left {
		c.kind.answer(change, answer{version: c.version(i)})
	}
	c.left = nil
	c.sent = false
	c.kind.mu.Lock()
	c.kind.doubt = time.Time{}
	w := c.kind.watch
	c.kind.mu.Unlock()
	c.kind.saw(now, time.Now())
	if w != nil {
		w.wake()
	}
}

// refuse answers the changes whose document is not at the expected version, and says whether there are any.
func (c *commit) refuse(r reply) bool {
	var left []*change
	for _, change := range c.left {
		if r.docs[change.key] != change.expected {
			c.kind.answer(change, answer{err: medium.ErrConflict})
			continue
		}
		left = append(left, change)
	}
	refused := len(left) < len(c.left)
	c.left = left
	return refused
}
