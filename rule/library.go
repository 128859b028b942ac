package rule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// documentKind is the kind of the documents in the medium.
const documentKind = "rule-group"

// maxDocuments bounds what is kept: a kind of documents is meant to hold some 10,000.
const maxDocuments = 5000

// Library keeps the documents on the medium, and tells of every change there, whichever node made it.
type Library struct {
	opts LibraryOptions
	log  *slog.Logger

	apply sync.Mutex // held while Changed is called: one at a time

	mu   sync.Mutex
	docs map[string]Document // as last seen; guarded by mu
}

// LibraryOptions are what a Library needs.
type LibraryOptions struct {
	// Documents returns those of the medium, or an error of kind Unavailable while it is away.
	Documents func() (medium.Documents, error)
	// Wait returns them once they are there, nil when ctx ends before.
	Wait func(ctx context.Context) medium.Documents
	// Parsers are those of the languages.
	Parsers map[Language]parser.Parser
	// Changed is called with all documents, in order of name, when some have changed.
	Changed func([]Document) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// NewLibrary allocates a Library.
func NewLibrary(o LibraryOptions, log *slog.Logger) *Library {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Library{opts: o, log: log, docs: map[string]Document{}}
}

// All returns the documents as they were last seen, in order of name.
func (l *Library) All() []Document {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.docs), func(a, b Document) int { return strings.Compare(a.Name, b.Name) })
}

// Put keeps a document if it is at d.Version, and returns its new version. What is wrong with it is an error of kind Invalid; a
// change by somebody else meanwhile one of kind Conflict.
func (l *Library) Put(ctx context.Context, d Document) (uint64, error) {
	d, err := l.checked(d)
	if err != nil {
		return 0, err
	}
	docs, err := l.opts.Documents()
	if err != nil {
		return 0, err
	}
	if d.Version == 0 && len(l.All()) >= maxDocuments {
		return 0, model.NewError(model.Limit, fmt.Sprintf("there are %d rule groups already: that many at most are edited here, keep the others in files", maxDocuments))
	}
	d.At = l.opts.Now().UTC()
	text, err := json.Marshal(d)
	if err != nil {
		return 0, err
	}
	v, err := docs.Put(ctx, documentKind, d.Name, text, medium.Version(d.Version))
	if err != nil {
		return 0, fmt.Errorf("cannot keep the rule group %q: %w", d.Name, err)
	}
	d.Version = uint64(v)
	l.see(d)
	return d.Version, l.tell()
}

// checked is a document that may be kept.
func (l *Library) checked(d Document) (Document, error) {
	if d.Language == "" {
		d.Language = PromQL
	}
	if err := d.check(); err != nil {
		return d, err
	}
	p := l.opts.Parsers[d.Language]
	if p == nil {
		return d, invalid("rules in %s are not evaluated by this process", d.Language)
	}
	_, err := d.Groups(p)
	return d, err
}

// Check says what is wrong with a document, without keeping it.
func (l *Library) Check(d Document) error {
	_, err := l.checked(d)
	return err
}

// Delete removes a document; version 0 means whichever is there.
func (l *Library) Delete(ctx context.Context, name string, version uint64) error {
	docs, err := l.opts.Documents()
	if err != nil {
		return err
	}
	if version == 0 {
		there, err := docs.Get(ctx, documentKind, name)
		if err != nil {
			return fmt.Errorf("cannot delete the rule group %q: %w", name, err)
		}
		version = uint64(there.Version)
	}
	if err := docs.Delete(ctx, documentKind, name, medium.Version(version)); err != nil {
		return fmt.Errorf("cannot delete the rule group %q: %w", name, err)
	}
	l.forget(name)
	return l.tell()
}

// see takes a document unless a newer one was seen.
func (l *Library) see(d Document) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.docs[d.Name].Version < d.Version {
		l.docs[d.Name] = d
	}
}

func (l *Library) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.docs, key)
}

func (l *Library) tell() error {
	l.apply.Lock()
	defer l.apply.Unlock()
	return l.opts.Changed(l.All())
}

// watchPause is between two tries to watch a medium that fails, and how long changes that come together are gathered.
const (
	watchPause  = 5 * time.Second
	gatherPause = 200 * time.Millisecond
)

// Run follows the documents until ctx ends.
func (l *Library) Run(ctx context.Context) error {
	docs := l.opts.Wait(ctx)
	for docs != nil && ctx.Err() == nil {
		if err := l.watch(ctx, docs); err != nil && ctx.Err() == nil {
			l.log.Warn("cannot follow the rule groups on the medium, trying again: those that are known go on", "err", err, "next_try_in", watchPause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
	return ctx.Err()
}

// watch sees every change, and tells of those that come together at once.
func (l *Library) watch(ctx context.Context, docs medium.Documents) error {
	ctx, cancel := context.WithCancel(ctx)
	changed := make(chan struct{}, 1) // never closed
	var telling sync.WaitGroup
	telling.Go(func() { l.tellOf(ctx, changed) })
	defer telling.Wait()
	defer cancel()
	seen, synced := map[string]bool{}, false
	for c, err := range docs.Watch(ctx, documentKind) {
		if err != nil {
			return err
		}
		switch c.Type {
		case medium.Put:
			seen[c.Document.Key] = true
			l.take(c.Document)
		case medium.Deleted:
			l.forget(c.Document.Key)
		case medium.Synced:
			synced = true
			l.forgetOthers(seen)
		}
		if synced {
			select {
			case changed <- struct{}{}:
			default: // it is known already
			}
		}
	}
	return errors.New("the watch ended")
}

func (l *Library) tellOf(ctx context.Context, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		if err := l.tell(); err != nil {
			l.log.Error("cannot evaluate the rule groups as they are on the medium", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(gatherPause):
		}
	}
}

// take reads a document of the medium. What cannot be read was written by another version of this program; the group as it was is
// better than none.
func (l *Library) take(doc medium.Document) {
	var d Document
	err := json.Unmarshal(doc.Value, &d)
	if err == nil && d.Name != doc.Key {
		err = errors.New("it does not have the name that it is kept under")
	}
	if err == nil {
		err = d.check()
	}
	if err != nil {
		l.log.Warn("a rule group on the medium cannot be read", "key", doc.Key, "err", err)
		return
	}
	d.Version = uint64(doc.Version)
	l.see(d)
}

// forgetOthers drops what was deleted while nobody watched.
func (l *Library) forgetOthers(seen map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.docs, func(key string, _ Document) bool { return !seen[key] })
}
