package tail

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// maxWatches bounds the folders that are watched: the kernel gives a user some thousand.
	maxWatches = 1000
	// watchPause lets changes gather: the kernel joins equal ones, and a file that is written all the time costs no more than one
	// that is written ten times a second.
	watchPause = 100 * time.Millisecond
	watchAgain = 5 * time.Second
)

// watcher lets the kernel tell of changes. It only makes things quicker: whatever it misses is found by looking.
type watcher struct {
	t       *Tailer
	w       *fsnotify.Watcher
	watched map[string]bool // folders
}

func newWatcher(t *Tailer) *watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.log.Info("the kernel does not tell of changed files: looking every now and then", "err", err)
		return nil
	}
	return &watcher{t: t, w: w, watched: map[string]bool{}}
}

func (w *watcher) run(ctx context.Context) {
	defer func() { _ = w.w.Close() }()
	again := time.NewTicker(watchAgain)
	defer again.Stop()
	w.follow()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			w.follow()
		case <-w.t.rewatch:
			w.follow()
		case e, ok := <-w.w.Events:
			if !ok {
				return
			}
			w.note(e)
			w.drain()
			select {
			case <-ctx.Done():
				return
			case <-time.After(watchPause):
			}
		case _, ok := <-w.w.Errors: // an overflow: looking finds what was missed
			if !ok {
				return
			}
		}
	}
}

// drain takes what is there without waiting.
func (w *watcher) drain() {
	for range 1000 {
		select {
		case e, ok := <-w.w.Events:
			if !ok {
				return
			}
			w.note(e)
		default:
			return
		}
	}
}

func (w *watcher) note(e fsnotify.Event) {
	if !e.Has(fsnotify.Write) && !e.Has(fsnotify.Create) {
		return
	}
	w.t.mu.Lock()
	f := w.t.byPath[e.Name]
	w.t.mu.Unlock()
	switch {
	case f != nil && e.Has(fsnotify.Write):
		w.t.enqueue(f)
	case e.Has(fsnotify.Create):
		w.t.askScan()
	}
}

// follow watches the folders of the followed files.
func (w *watcher) follow() {
	wanted := map[string]bool{}
	w.t.mu.Lock()
	for path := range w.t.byPath {
		wanted[filepath.Dir(path)] = true
	}
	w.t.mu.Unlock()
	for dir := range wanted {
		if !w.watched[dir] && len(w.watched) < maxWatches {
			w.watched[dir] = true
			_ = w.w.Add(dir) // without it, looking remains
		}
	}
	defer func() { w.t.watching.Store(int64(len(w.watched))) }()
	for dir := range w.watched {
		if !wanted[dir] {
			delete(w.watched, dir)
			_ = w.w.Remove(dir)
		}
	}
}
