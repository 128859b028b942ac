package runbook

import (
	"cmp"
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

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// The kinds of documents on the medium.
const (
	documentKind = "runbook"
	stepKind     = "runbook-steps"
)

// maxDocuments bounds what is kept and held in memory.
const maxDocuments = 2000

// Library holds all runbooks. Its methods may be called by many goroutines.
type Library struct {
	opts     Options
	log      *slog.Logger
	defaults map[string]*Runbook

	mu      sync.Mutex
	folders []string
	files   map[string]*Runbook
	docs    map[string]*Runbook // as last seen
	told    string              // what was last logged about files
}

// Options are what a Library needs.
type Options struct {
	// Documents returns those of the medium, or an error of kind Unavailable while it is away.
	Documents func() (medium.Documents, error)
	// Wait returns them once they are there, nil when ctx ends before.
	Wait func(ctx context.Context) medium.Documents
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// NewLibrary allocates a Library; it has the default runbooks.
func NewLibrary(o Options, log *slog.Logger) *Library {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Library{opts: o, log: log, defaults: defaults(), docs: map[string]*Runbook{}}
}

// SetFolders reads the Markdown files of folders instead of those before. What cannot be read is left out and logged.
func (l *Library) SetFolders(folders []string) {
	l.mu.Lock()
	l.folders = slices.Clone(folders)
	l.mu.Unlock()
	l.readFiles()
}

func (l *Library) readFiles() {
	l.mu.Lock()
	folders := l.folders
	l.mu.Unlock()
	files, errs := readFolders(folders)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(folders, l.folders) {
		return // others were set meanwhile
	}
	l.files = files
	text := ""
	if err := errors.Join(errs...); err != nil {
		text = err.Error()
	}
	if text != l.told && text != "" {
		l.log.Warn("some runbooks cannot be read and are left out", "err", text[:min(len(text), 4000)])
	}
	l.told = text
}

// All returns the runbooks that count, in order of name. They must not be written to.
func (l *Library) All() []*Runbook {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(l.defaults)
	maps.Copy(all, l.files)
	maps.Copy(all, l.docs)
	return slices.SortedFunc(maps.Values(all), func(a, b *Runbook) int { return cmp.Compare(a.ID, b.ID) })
}

// Get returns a runbook by name.
func (l *Library) Get(id string) (*Runbook, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, from := range []map[string]*Runbook{l.docs, l.files, l.defaults} {
		if r := from[id]; r != nil {
			return r, true
		}
	}
	return nil, false
}

// Hides says whether a runbook of the program or of a file would be seen if the document of this name were deleted.
func (l *Library) Hides(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.docs[id] != nil && (l.files[id] != nil || l.defaults[id] != nil)
}

// document is a runbook on the medium.
type document struct {
	ID   string    `json:"id"`
	Text string    `json:"text"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// Put keeps a runbook if its document is at version (0: there is none yet), and returns the new version. What is wrong with it is an error of kind
// Invalid; a change by somebody else meanwhile one of kind Conflict.
func (l *Library) Put(ctx context.Context, id, text, by string, version uint64) (uint64, error) {
	r, err := Parse(id, text)
	if err != nil {
		return 0, err
	}
	docs, err := l.opts.Documents()
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	full := version == 0 && len(l.docs) >= maxDocuments
	l.mu.Unlock()
	if full {
		return 0, model.NewError(model.Limit, fmt.Sprintf("there are %d runbooks already: that many at most are edited here, keep the others in files", maxDocuments))
	}
	d := document{ID: id, Text: text, By: by, At: l.opts.Now().UTC()}
	value, err := json.Marshal(d)
	if err != nil {
		return 0, err
	}
	v, err := docs.Put(ctx, documentKind, id, value, medium.Version(version))
	if err != nil {
		return 0, fmt.Errorf("cannot keep the runbook %q: %w", id, err)
	}
	r.Source, r.By, r.At, r.Version = FromDocument, d.By, d.At, uint64(v)
	l.see(r)
	return r.Version, nil
}

// Delete removes the document of a runbook; version 0 means whichever is there. Runbooks of files and of the program cannot be deleted, they are seen
// again.
func (l *Library) Delete(ctx context.Context, id string, version uint64) error {
	docs, err := l.opts.Documents()
	if err != nil {
		return err
	}
	if version == 0 {
		there, err := docs.Get(ctx, documentKind, id)
		if errors.Is(err, medium.ErrNotFound) {
			return l.notADocument(id, err)
		} else if err != nil {
			return fmt.Errorf("cannot delete the runbook %q: %w", id, err)
		}
		version = uint64(there.Version)
	}
	if err := docs.Delete(ctx, documentKind, id, medium.Version(version)); err != nil {
		return fmt.Errorf("cannot delete the runbook %q: %w", id, err)
	}
	l.forget(id)
	return nil
}

func (l *Library) notADocument(id string, err error) error {
	if r, ok := l.Get(id); ok && r.Source != FromDocument {
		return model.NewError(model.Invalid, fmt.Sprintf("the runbook %q is not one that is edited here: it comes from a %s", id, map[Source]string{FromFile: "file", FromDefaults: "default of the program"}[r.Source]))
	}
	return fmt.Errorf("cannot delete the runbook %q: %w", id, err)
}

// see takes a document unless a newer one was seen.
func (l *Library) see(r *Runbook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.docs[r.ID]; old == nil || old.Version < r.Version {
		l.docs[r.ID] = r
	}
}

func (l *Library) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.docs, id)
}

const (
	watchPause = 5 * time.Second // between two tries to watch a medium that fails
	filePause  = time.Minute     // between two looks at the folders
	cleanPause = 24 * time.Hour  // between two times that old steps are forgotten
)

// Run follows documents and files until ctx ends.
func (l *Library) Run(ctx context.Context) error {
	var others sync.WaitGroup
	others.Go(func() { every(ctx, filePause, l.readFiles) })
	others.Go(func() { every(ctx, cleanPause, func() { l.cleanSteps(ctx) }) })
	defer others.Wait()
	docs := l.opts.Wait(ctx)
	for docs != nil && ctx.Err() == nil {
		if err := l.watch(ctx, docs); err != nil && ctx.Err() == nil {
			l.log.Warn("cannot follow the runbooks on the medium, trying again: those that are known stay", "err", err, "next_try_in", watchPause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func every(ctx context.Context, pause time.Duration, do func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			do()
		}
	}
}

func (l *Library) watch(ctx context.Context, docs medium.Documents) error {
	seen := map[string]bool{}
	for c, err := range docs.Watch(ctx, documentKind) {
		if err != nil {
			return err
		}
		switch c.Type {
		case medium.Put:
			if seen != nil {
				seen[c.Document.Key] = true
			}
			l.take(c.Document)
		case medium.Deleted:
			l.forget(c.Document.Key)
		case medium.Synced:
			l.forgetOthers(seen)
			seen = nil
		}
	}
	return errors.New("the watch ended")
}

// take reads a document of the medium. What cannot be read was written by another version of this program; the runbook as it was is better than none.
func (l *Library) take(doc medium.Document) {
	var d document
	err := json.Unmarshal(doc.Value, &d)
	if err == nil && d.ID != doc.Key {
		err = errors.New("it does not have the name that it is kept under")
	}
	var r *Runbook
	if err == nil {
		r, err = Parse(d.ID, d.Text)
	}
	if err != nil {
		l.log.Warn("a runbook on the medium cannot be read", "key", doc.Key, "err", err)
		return
	}
	r.Source, r.By, r.At, r.Version = FromDocument, d.By, d.At, uint64(doc.Version)
	l.see(r)
}

// forgetOthers drops what was deleted while nobody watched.
func (l *Library) forgetOthers(seen map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.docs, func(id string, _ *Runbook) bool { return !seen[id] })
}

// URL is where the pages show a runbook, below the URL of the server.
func URL(server, id string) string {
	return strings.TrimSuffix(server, "/") + "/runbooks?id=" + queryEscape(id)
}
