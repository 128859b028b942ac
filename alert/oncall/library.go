package oncall

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// documentKind is the kind of the documents; their keys are "contact/ann".
const documentKind = "oncall"

// Entry is a document as people see it.
type Entry struct {
	Sort    Sort
	Name    string
	Value   any // Contact, Team, Schedule, Escalation or Override
	Version uint64
	By      string
	At      time.Time
}

// kept is a document's text.
type kept struct {
	Value json.RawMessage `json:"value"`
	By    string          `json:"by,omitempty"`
	At    time.Time       `json:"at"`
}

// Library keeps people, schedules and escalations on the medium, and follows what other nodes keep.
type Library struct {
	documents func() (medium.Documents, error)
	wait      func(context.Context) medium.Documents
	changed   func()
	log       *slog.Logger

	mu      sync.Mutex
	entries map[string]Entry // by key; guarded by mu
}

// NewLibrary allocates a Library. documents gives an error of kind Unavailable while the medium is away; wait returns them once they are
// there, nil when its context ends before; changed is called, and must not block, when something is different.
func NewLibrary(documents func() (medium.Documents, error), wait func(context.Context) medium.Documents, changed func(), log *slog.Logger) *Library {
	return &Library{documents: documents, wait: wait, changed: changed, log: log, entries: map[string]Entry{}}
}

func keyOf(s Sort, name string) string { return string(s) + "/" + name }

// All are the documents of a sort, in order of name.
func (l *Library) All(s Sort) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	for _, e := range l.entries {
		if e.Sort == s {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (l *Library) has(s Sort, name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.entries[keyOf(s, name)]
	return ok
}

// find returns a document's value; false when there is none.
func find[T any](l *Library, s Sort, name string) (T, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.entries[keyOf(s, name)].Value.(T)
	return v, ok
}

func (l *Library) overrides() []Override {
	var out []Override
	for _, e := range l.All(Overrides) {
		out = append(out, e.Value.(Override))
	}
	return out
}

// On is who is on call by a schedule; an error when there is no such schedule.
func (l *Library) On(schedule string, at time.Time) (Shift, bool, error) {
	s, ok := find[Schedule](l, Schedules, schedule)
	if !ok {
		return Shift{}, false, model.NewError(model.NotFound, fmt.Sprintf("there is no schedule %q", schedule))
	}
	on, ok := s.On(l.overrides(), at)
	return on, ok, nil
}

// MaxRange bounds a calendar.
const MaxRange = 400 * 24 * time.Hour

// Shifts are a schedule's between two moments.
func (l *Library) Shifts(schedule string, from, to time.Time) ([]Shift, error) {
	s, ok := find[Schedule](l, Schedules, schedule)
	if !ok {
		return nil, model.NewError(model.NotFound, fmt.Sprintf("there is no schedule %q", schedule))
	}
	if d := to.Sub(from); d <= 0 || d > MaxRange {
		return nil, invalid("to: it must be behind from, and at most 400 days")
	}
	return s.Shifts(l.overrides(), from, to), nil
}

// Put keeps a document if it is at version (0: there is none yet), and returns the new version.
func (l *Library) Put(ctx context.Context, s Sort, name string, value json.RawMessage, by string, version uint64) (uint64, error) {
	if err := checkName("name", name); err != nil {
		return 0, err
	}
	was, _ := find[Contact](l, Contacts, name)
	v, err := check(s, name, value, was, l.has)
	if err != nil {
		return 0, err
	}
	return l.keep(ctx, Entry{Sort: s, Name: name, Value: v, By: by, At: time.Now().UTC(), Version: version})
}

// PutOverride puts somebody else on call.
func (l *Library) PutOverride(ctx context.Context, o Override) (Override, error) {
	if err := checkOverride(&o, l.has); err != nil {
		return o, err
	}
	o.ID, o.At, o.From, o.To = strings.ToLower(rand.Text()), time.Now().UTC(), o.From.UTC(), o.To.UTC()
	_, err := l.keep(ctx, Entry{Sort: Overrides, Name: o.ID, Value: o, By: o.By, At: o.At})
	return o, err
}

func (l *Library) keep(ctx context.Context, e Entry) (uint64, error) {
	docs, err := l.documents()
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	n := len(l.entries)
	l.mu.Unlock()
	if e.Version == 0 && n >= MaxDocuments {
		return 0, model.NewError(model.Limit, fmt.Sprintf("there are %d contacts, teams, schedules, escalations and overrides already: at most that many are kept", MaxDocuments))
	}
	value, err := json.Marshal(e.Value)
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(kept{Value: value, By: e.By, At: e.At})
	if err != nil {
		return 0, err
	}
	v, err := docs.Put(ctx, documentKind, keyOf(e.Sort, e.Name), text, medium.Version(e.Version))
	if err != nil {
		return 0, fmt.Errorf("cannot keep the %s %q: %w", e.Sort, e.Name, err)
	}
	e.Version = uint64(v)
	l.see(e)
	return e.Version, nil
}

// Delete removes a document that nothing else names; version 0 means whichever is there.
func (l *Library) Delete(ctx context.Context, s Sort, name string, version uint64) error {
	if by := l.userOf(s, name); by != "" {
		return model.NewError(model.Conflict, fmt.Sprintf("the %s %q is used by the %s: change that first", s, name, by))
	}
	docs, err := l.documents()
	if err != nil {
		return err
	}
	key := keyOf(s, name)
	if version == 0 {
		there, err := docs.Get(ctx, documentKind, key)
		if err != nil {
			return fmt.Errorf("cannot delete the %s %q: %w", s, name, err)
		}
		version = uint64(there.Version)
	}
	if err := docs.Delete(ctx, documentKind, key, medium.Version(version)); err != nil {
		return fmt.Errorf("cannot delete the %s %q: %w", s, name, err)
	}
	l.forget(key)
	return nil
}

// userOf is what names a document, such as `team "web"`; "" when nothing does.
func (l *Library) userOf(s Sort, name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		uses := false
		switch v := e.Value.(type) {
		case Team:
			uses = s == Contacts && slices.Contains(v.Members, name) || s == Escalations && v.Escalation == name || s == Schedules && v.Schedule == name
		case Schedule:
			uses = s == Contacts && slices.ContainsFunc(v.Layers, func(y Layer) bool { return slices.Contains(y.Participants, name) })
		case Escalation:
			uses = slices.ContainsFunc(v.Steps, func(x Step) bool {
				return slices.ContainsFunc(x.Tell, func(t Target) bool {
					return s == Contacts && t.Contact == name || s == Schedules && t.Schedule == name || s == Teams && t.Team == name
				})
			})
		case Override:
			uses = v.To.After(time.Now()) && (s == Contacts && v.Contact == name || s == Schedules && v.Schedule == name)
		}
		if uses {
			return fmt.Sprintf("%s %q", e.Sort, e.Name)
		}
	}
	return ""
}

func (l *Library) see(e Entry) {
	l.mu.Lock()
	if key := keyOf(e.Sort, e.Name); l.entries[key].Version < e.Version {
		l.entries[key] = e
	}
	l.mu.Unlock()
	l.changed()
}

func (l *Library) forget(key string) {
	l.mu.Lock()
	delete(l.entries, key)
	l.mu.Unlock()
	l.changed()
}

// forgetOthers forgets what was deleted while nobody watched.
func (l *Library) forgetOthers(seen map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.entries {
		if !seen[key] {
			delete(l.entries, key)
		}
	}
}

const watchPause = 5 * time.Second

// Run follows the documents until ctx ends.
func (l *Library) Run(ctx context.Context) error {
	docs := l.wait(ctx)
	for docs != nil && ctx.Err() == nil {
		if err := l.watch(ctx, docs); err != nil && ctx.Err() == nil {
			l.log.Warn("cannot follow who is on call on the medium, trying again: what is known goes on", "err", err, "next_try_in", watchPause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
	return ctx.Err()
}

func (l *Library) watch(ctx context.Context, docs medium.Documents) error {
	seen, synced := map[string]bool{}, false
	for c, err := range docs.Watch(ctx, documentKind) {
		if err != nil {
			return err
		}
		switch c.Type {
		case medium.Put:
			if !synced {
				seen[c.Document.Key] = true
			}
			l.take(c.Document)
		case medium.Synced:
			synced = true
			l.forgetOthers(seen)
		case medium.Deleted:
			l.forget(c.Document.Key)
		}
	}
	return errors.New("it ended")
}

func (l *Library) take(d medium.Document) {
	e, err := read(d)
	if err != nil {
		l.log.Error("a document cannot be read, and is left alone", "kind", documentKind, "key", d.Key, "err", err)
		return
	}
	l.see(e)
}

// read is a document's entry. That what it names exists was seen when it was kept.
func read(d medium.Document) (Entry, error) {
	s, name, _ := strings.Cut(d.Key, "/")
	e := Entry{Sort: Sort(s), Name: name, Version: uint64(d.Version)}
	var k kept
	if err := json.Unmarshal(d.Value, &k); err != nil {
		return e, err
	}
	e.By, e.At = k.By, k.At
	if e.Sort == Overrides {
		var o Override
		err := json.Unmarshal(k.Value, &o)
		e.Value = o
		return e, err
	}
	var err error
	e.Value, err = check(e.Sort, name, k.Value, Contact{}, func(Sort, string) bool { return true })
	return e, err
}
