package events

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// deletions is what was asked to be deleted, by tenant. Each is a document of kind "events/deletions/<tenant>", a store.EventDeletion as
// JSON, whose key is its ID. It hides its records from every Select until the blocks that have them are written anew.
type deletions struct {
	s *Store

	mu       sync.RWMutex // no I/O, and no other lock, under it
	byTenant map[string][]*deletion
	last     int64 // nanoseconds, of the ID that was given last
}

// deletion is one of them, ready for use.
type deletion struct {
	store.EventDeletion
	version  medium.Version
	matchers []*labels.Matcher
	query    *rowgroup.Query
}

const deletionKind = "events/deletions/"

// maxDeletions bounds those of a tenant that are remembered; rememberDone is for how long those that are done are.
const (
	maxDeletions = 1000
	rememberDone = 30 * 24 * time.Hour
)

func newDeletions(s *Store) *deletions { return &deletions{s: s, byTenant: map[string][]*deletion{}} }

// concerns says whether the deletion may concern what has those applied.
func (d *deletion) concerns(applied []string) bool { return !d.Done && !slices.Contains(applied, d.ID) }

// newID returns a name. Names sort by the time at which they were given; the end keeps those of several nodes apart.
func (d *deletions) newID() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = max(d.last+1, now().UnixNano())
	var end [4]byte
	_, _ = rand.Read(end[:]) // never fails
	return fmt.Sprintf("%016x-%x", d.last, end)
}

// compile makes a deletion ready.
func compile(d store.EventDeletion) (*deletion, error) {
	if d.Start >= d.End {
		return nil, badDeletion("its range of time is empty")
	}
	out := &deletion{EventDeletion: d}
	types := map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp}
	for _, x := range d.Selection.Matchers {
		t, ok := types[x.Type]
		if !ok {
			return nil, badDeletion("no matcher has the type " + strconv.Quote(x.Type))
		}
		m, err := labels.NewMatcher(t, x.Name, x.Value)
		if err != nil {
			return nil, badDeletion(err.Error())
		}
		out.matchers = append(out.matchers, m)
	}
	q := store.EventQuery{Start: d.Start, End: d.End}
	for _, x := range d.Selection.Filters {
		f, err := compileFilter(x)
		if err != nil {
			return nil, err
		}
		q.Filters = append(q.Filters, f)
	}
	out.query = rowgroup.Prepare(q)
	return out, nil
}

func compileFilter(x store.DeletionFilter) (store.RecordFilter, error) {
	f := store.RecordFilter{Not: strings.HasPrefix(x.Op, "!")}
	switch x.Op {
	case "|=", "!=":
		f.Needles = [][]string{{x.Text}}
	case "|~", "!~":
		re, err := regexp.Compile(x.Text)
		if err != nil {
			return f, badDeletion(err.Error())
		}
		f.Match = re.MatchString
	default:
		return f, badDeletion("no filter has the operator " + strconv.Quote(x.Op))
	}
	return f, nil
}

func badDeletion(why string) error {
	return fmt.Errorf("cannot delete records: %w", model.NewError(model.Invalid, why))
}

// load reads the deletions of all tenants. One that cannot be read is logged and left out.
func (d *deletions) load(ctx context.Context) error {
	kinds, err := d.s.medium.Documents().Kinds(ctx)
	if err != nil {
		return err
	}
	byTenant := map[string][]*deletion{}
	for _, kind := range kinds {
		tenant, ok := strings.CutPrefix(kind, deletionKind)
		if !ok {
			continue
		}
		for doc, err := range d.s.medium.Documents().List(ctx, kind, "") {
			if err != nil {
				return err
			}
			x, err := decodeDeletion(doc)
			if err != nil {
				d.s.log.Error("a deletion of records cannot be read and hides nothing", "tenant", tenant, "id", doc.Key, "err", err)
				continue
			}
			byTenant[tenant] = append(byTenant[tenant], x)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byTenant = byTenant
	return nil
}

func decodeDeletion(doc medium.Document) (*deletion, error) {
	var x store.EventDeletion
	if err := json.Unmarshal(doc.Value, &x); err != nil {
		return nil, corrupt("%v", err)
	}
	out, err := compile(x)
	if err != nil {
		return nil, err
	}
	out.ID, out.version = doc.Key, doc.Version
	return out, nil
}

// deletionRefresh is how often the deletions that other nodes were asked for are looked at.
const deletionRefresh = 10 * time.Second

func (d *deletions) watch(ctx context.Context) {
	tick := time.NewTicker(deletionRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.load(ctx); err != nil && ctx.Err() == nil {
				d.s.log.Warn("the deletions of records could not be read again", "err", err)
			}
		}
	}
}

// of returns a tenant's deletions that are not done, the oldest first. Nobody changes what is returned.
func (d *deletions) of(tenant string) []*deletion {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []*deletion
	for _, x := range d.byTenant[tenant] {
		if !x.Done {
			out = append(out, x)
		}
	}
	return out
}

// ids returns the IDs of those of all tenants that are not done.
func (d *deletions) ids() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []string
	for _, all := range d.byTenant {
		for _, x := range all {
			if !x.Done {
				out = append(out, x.ID)
			}
		}
	}
	return out
}

// active returns those of applied that still mean something for a tenant's blocks: deletions that are not done, and retentions.
func (d *deletions) active(tenant string, applied []string) (out []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, id := range applied {
		if strings.HasPrefix(id, retentionApplied) || slices.ContainsFunc(d.byTenant[tenant], func(x *deletion) bool { return x.ID == id && !x.Done }) {
			out = append(out, id)
		}
	}
	return out
}

// tenants returns those that have deletions.
func (d *deletions) tenants() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []string
	for name := range d.byTenant {
		out = append(out, name)
	}
	return out
}

// set replaces one of a tenant's deletions, adds it, or takes it away when x is nil.
func (d *deletions) set(tenant, id string, x *deletion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*deletion
	for _, y := range d.byTenant[tenant] {
		if y.ID != id {
			list = append(list, y)
		}
	}
	if x != nil {
		list = append(list, x)
	}
	d.byTenant[tenant] = list
}

// all returns all that are remembered of a tenant, the newest first.
func (d *deletions) all(tenant string) []*deletion {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := slices.Clone(d.byTenant[tenant])
	slices.SortFunc(out, func(a, b *deletion) int { return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID)) })
	return out
}

// DeleteRecords implements store.EventDeleter.
func (t *tenant) DeleteRecords(ctx context.Context, d store.EventDeletion) (store.EventDeletion, error) {
	d.ID, d.Done = t.s.deletions.newID(), false
	x, err := compile(d)
	if err != nil {
		return d, err
	}
	if n := len(t.s.deletions.all(t.name)); n >= maxDeletions {
		return d, model.NewError(model.Limit, fmt.Sprintf("cannot delete records: %d deletions are remembered, which is the limit: cancel or forget some", n))
	}
	value, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	if x.version, err = t.s.medium.Documents().Put(ctx, deletionKind+t.name, d.ID, value, medium.Absent); err != nil {
		return d, fmt.Errorf("cannot delete records: %w", err)
	}
	t.s.deletions.set(t.name, d.ID, x)
	return d, nil
}

// Deletions implements store.EventDeleter.
func (t *tenant) Deletions(context.Context) ([]store.EventDeletion, error) {
	all := t.s.deletions.all(t.name)
	out := make([]store.EventDeletion, 0, len(all))
	for _, x := range all {
		out = append(out, x.EventDeletion)
	}
	return out, nil
}

// CancelDeletion implements store.EventDeleter.
func (t *tenant) CancelDeletion(ctx context.Context, id string) error {
	for _, x := range t.s.deletions.all(t.name) {
		if x.ID != id {
			continue
		}
		if x.Done {
			return model.NewError(model.Conflict, "the deletion "+strconv.Quote(id)+" is done: the records are gone")
		}
		return t.s.forget(ctx, t.name, x)
	}
	return model.NewError(model.NotFound, "there is no deletion with the id "+strconv.Quote(id))
}

// forget removes the document of a deletion.
func (s *Store) forget(ctx context.Context, tenant string, x *deletion) error {
	err := s.medium.Documents().Delete(ctx, deletionKind+tenant, x.ID, x.version)
	if err != nil && !errors.Is(err, medium.ErrNotFound) {
		return fmt.Errorf("cannot forget the deletion %q: %w", x.ID, err)
	}
	s.deletions.set(tenant, x.ID, nil)
	return nil
}

// finish notes that a deletion is carried out.
func (s *Store) finish(ctx context.Context, tenant string, x *deletion) error {
	done := *x
	done.Done = true
	value, err := json.Marshal(done.EventDeletion)
	if err != nil {
		return err
	}
	if done.version, err = s.medium.Documents().Put(ctx, deletionKind+tenant, x.ID, value, x.version); err != nil {
		return fmt.Errorf("cannot note that the deletion %q is done: %w", x.ID, err)
	}
	s.deletions.set(tenant, x.ID, &done)
	return nil
}
