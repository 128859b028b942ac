package cassandra

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// The areas of a kind's partition; see schema/0001_documents.cql.
const (
	areaHead     = 0
	areaDocument = 1
	areaChange   = 2
)

const documentsTable = "documents"

// documents is medium.Documents on lightweight transactions. Every change of a kind raises the version in its head row, and
// is conditional on it: so the changes of a kind have one order without holes, a version is never used twice, a repeated
// transaction cannot take place twice, and whoever watches can tell that it has missed nothing.
//
// Reads are at quorum, not serial: Put returns when a quorum has the change, and a quorum read that sees a change on one
// replica brings it to a quorum first (blocking read repair, the tables' default), so that reads do not go back either. A
// serial read would cost two to three times as much and outbid the writers of the kind.
type documents struct {
	session *session

	mu    sync.Mutex // guards kinds; no requests under it
	kinds map[string]*kind
}

// kind is what this process knows of one kind of documents.
type kind struct {
	name string

	mu      sync.Mutex // guards what follows; no requests under it
	head    head
	known   time.Time // when head was seen; zero is never
	shared  time.Time // when another process was last seen to write
	doubt   time.Time // when a write last ended without an answer, and was not cleared up since; zero is none
	queue   []*change
	writing bool // a goroutine is working on the queue
	watch   *kindWatch
	// abandoned are changes in a transaction whose callers have left, by key.
	abandoned map[string]*change

	room chan struct{} // bounds the queue
}

// head is a kind's first row.
type head struct {
	version medium.Version
	live    int64
	largest int
}

const (
	// maxKinds bounds what is remembered between calls. A kind that was forgotten costs one read at its next write.
	maxKinds = 10_000
	// maxQueue is how many writers of one kind wait in order; further ones wait for room.
	maxQueue = 1024
	// doubtFor is how long after a write without an answer the reads of its kind first make the cluster finish what is under way.
	doubtFor = 10 * time.Minute
)

func openDocuments(s *session) *documents {
	return &documents{session: s, kinds: map[string]*kind{}}
}

func (d *documents) kind(name string) *kind {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.kinds[name]
	if k == nil {
		d.forget()
		k = &kind{name: name, room: make(chan struct{}, maxQueue)}
		d.kinds[name] = k
	}
	return k
}

// forget makes room among the kinds. A kind that is in use elsewhere meanwhile is still right: the condition of its writes
// is checked by the cluster.
func (d *documents) forget() {
	if len(d.kinds) < maxKinds {
		return
	}
	for name, k := range d.kinds {
		k.mu.Lock()
		idle := !k.writing && k.watch == nil && len(k.room) == 0 && k.doubt.IsZero()
		k.mu.Unlock()
		if idle {
			delete(d.kinds, name)
		}
		if len(d.kinds) < maxKinds*9/10 {
			return
		}
	}
}

// saw notes a head that was read or written; an older one changes nothing.
func (k *kind) saw(h head, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.version >= k.head.version {
		k.head, k.known = h, now
	}
}

const (
	headCQL = `SELECT version, live, largest FROM documents WHERE kind = ? AND area = 0 AND slot = 0 AND key = ''`
	getCQL  = `SELECT area, version, live, largest, value FROM documents WHERE kind = ? AND (area, slot, key) IN ((0, 0, ''), (1, 0, ?))`
	listCQL = `SELECT key, version, value FROM documents WHERE kind = ? AND area = 1 AND slot = 0 AND key >= ?`
	kindCQL = `SELECT kind, area, live FROM documents PER PARTITION LIMIT 1`
)

// Get implements medium.Documents.
func (d *documents) Get(ctx context.Context, kindName, key string) (medium.Document, error) {
	doc, err := d.get(ctx, kindName, key)
	if err != nil {
		return medium.Document{}, fmt.Errorf("cannot read document %s %q: %w", kindName, key, err)
	}
	return doc, nil
}

func (d *documents) get(ctx context.Context, kindName, key string) (medium.Document, error) {
	doc := medium.Document{Kind: kindName, Key: key}
	if err := errors.Join(medium.ValidName(kindName), medium.ValidKey(key)); err != nil {
		return doc, err
	}
	if err := d.session.enter(); err != nil {
		return doc, err
	}
	defer d.session.leave()
	k := d.kind(kindName)
	if err := errors.Join(k.await(ctx, key), d.clearDoubt(ctx, k)); err != nil {
		return doc, err
	}
	var h head
	var value []byte
	begun := time.Now()
	err := d.session.read(ctx, request{table: documentsTable, op: "get", cql: getCQL, args: []any{kindName, key}}, func(scan func(...any) error) error {
		var area int8
		var r head
		var v []byte
		if err := scan(&area, &r.version, &r.live, &r.largest, &v); err != nil {
			return err
		}
		if area == areaHead {
			h = r
			return nil
		}
		doc.Version, value = r.version, v
		return nil
	})
	if err != nil {
		return doc, err
	}
	k.saw(h, begun)
	if doc.Version == medium.Absent && value == nil {
		return doc, medium.ErrNotFound
	}
	doc.Value, err = parseValue(kindName, key, doc.Version, value)
	return doc, err
}

// readHead reads a kind's head: at quorum, or serially, which makes the cluster finish first what is under way.
func (d *documents) readHead(ctx context.Context, k *kind, serially bool) (head, error) {
	r := request{table: documentsTable, op: "head", cql: headCQL, args: []any{k.name}}
	if serially {
		r.op, r.consistency = "serial head", d.session.serial
	}
	var h head
	begun := time.Now()
	if _, err := d.session.one(ctx, r, &h.version, &h.live, &h.largest); err != nil {
		return head{}, err
	}
	k.saw(h, begun)
	return h, nil
}

// clearDoubt comes before reading a kind of which a write of this process was left without an answer: its caller was told that
// reading tells what became of it.
func (d *documents) clearDoubt(ctx context.Context, k *kind) error {
	k.mu.Lock()
	in := !k.doubt.IsZero()
	if in && time.Since(k.doubt) > doubtFor {
		in, k.doubt = false, time.Time{}
	}
	k.mu.Unlock()
	if !in {
		return nil
	}
	_, err := d.readHead(ctx, k, true)
	return err
}

// List implements medium.Documents.
func (d *documents) List(ctx context.Context, kindName, prefix string) iter.Seq2[medium.Document, error] {
	return func(yield func(medium.Document, error) bool) {
		err := d.list(ctx, kindName, prefix, func(doc medium.Document) bool { return yield(doc, nil) })
		if err != nil {
			yield(medium.Document{}, fmt.Errorf("cannot list the documents %s: %w", kindName, err))
		}
	}
}

func (d *documents) list(ctx context.Context, kindName, prefix string, yield func(medium.Document) bool) error {
	if err := medium.ValidName(kindName); err != nil {
		return err
	}
	if prefix != "" {
		if err := medium.ValidKey(prefix); err != nil {
			return err
		}
	}
	if err := d.session.enter(); err != nil {
		return err
	}
	defer d.session.leave()
	k := d.kind(kindName)
	if err := d.clearDoubt(ctx, k); err != nil {
		return err
	}
	h, err := d.readHead(ctx, k, false)
	if err != nil || h.version == 0 {
		return err
	}
	r := request{table: documentsTable, op: "list", cql: listCQL, args: []any{kindName, prefix}, pageSize: d.pageSize(h)}
	err = d.session.read(ctx, r, func(scan func(...any) error) error {
		doc := medium.Document{Kind: kindName}
		var value []byte
		if err := scan(&doc.Key, &doc.Version, &value); err != nil {
			return err
		}
		if !strings.HasPrefix(doc.Key, prefix) {
			return errEnough
		}
		var err error
		if doc.Value, err = parseValue(kindName, doc.Key, doc.Version, value); err != nil {
			return err
		}
		if !yield(doc) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends a reading of rows that has all it wants.
var errEnough = errors.New("enough")

// pageSize is how many documents of a kind fit into a page.
func (d *documents) pageSize(h head) int {
	return min(defaultPageSize, max(1, d.session.opts.MaxPageBytes/max(1, h.largest)))
}

// Kinds implements medium.Documents. It looks at the first row of every kind's partition.
func (d *documents) Kinds(ctx context.Context) ([]string, error) {
	names, err := d.listKinds(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list the kinds of documents: %w", err)
	}
	return names, nil
}

func (d *documents) listKinds(ctx context.Context) ([]string, error) {
	if err := d.session.enter(); err != nil {
		return nil, err
	}
	defer d.session.leave()
	var names []string
	err := d.session.read(ctx, request{table: documentsTable, op: "kinds", cql: kindCQL}, func(scan func(...any) error) error {
		var name string
		var area int8
		var live int64
		if err := scan(&name, &area, &live); err != nil {
			return err
		}
		if area == areaHead && live > 0 {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
