package api

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// sharedAnswers computes an answer once for all who ask for the same at the same time, and keeps it while
// nothing new has been collected: a hundred open tabs cost as much as one.
type sharedAnswers struct {
	now     func() time.Time
	version func() uint64 // changes when there is new data

	mu      sync.Mutex // guards answers; nothing is computed under it
	answers map[string]*sharedAnswer
}

// maxAnswers bounds the memory of kept answers: some kilobytes each, some hundred for a large fleet's overview.
const maxAnswers = 64

// maxAnswerAge is for how long an answer is kept even if nobody says that there is new data: scrapes and
// remote writes come without a word.
const maxAnswerAge = 3 * time.Second

// sharedTimeout bounds a computation, which outlives the client that asked first.
const sharedTimeout = 30 * time.Second

// sharedAnswer is computed once; done is closed by who computes it, after which it never changes.
type sharedAnswer struct {
	done    chan struct{}
	at      time.Time
	version uint64

	body []byte
	err  error

	zip    sync.Once
	zipped []byte
}

func newSharedAnswers(now func() time.Time, version func() uint64) *sharedAnswers {
	return &sharedAnswers{now: now, version: version, answers: map[string]*sharedAnswer{}}
}

// get returns the answer of a key, computed by f unless somebody else did or does.
func (s *sharedAnswers) get(ctx context.Context, key string, f func(context.Context) (any, error)) (*sharedAnswer, error) {
	s.mu.Lock()
	a := s.answers[key]
	if a == nil || !s.fresh(a) {
		s.makeRoom()
		a = &sharedAnswer{done: make(chan struct{}), at: s.now(), version: s.version()}
		s.answers[key] = a
		// Others wait for this answer: it must not end because the first who asked has left.
		go s.compute(context.WithoutCancel(ctx), key, a, f)
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fresh is called with mu held.
func (s *sharedAnswers) fresh(a *sharedAnswer) bool {
	select {
	case <-a.done:
		return a.version == s.version() && s.now().Sub(a.at) < maxAnswerAge
	default:
		return true // somebody computes it right now
	}
}

// makeRoom drops the oldest answers; it is called with mu held. Those who wait for a dropped one still get it.
func (s *sharedAnswers) makeRoom() {
	for len(s.answers) >= maxAnswers {
		oldest := ""
		for key, a := range s.answers {
			if oldest == "" || a.at.Before(s.answers[oldest].at) {
				oldest = key
			}
		}
		delete(s.answers, oldest)
	}
}

func (s *sharedAnswers) compute(ctx context.Context, key string, a *sharedAnswer, f func(context.Context) (any, error)) {
	ctx, cancel := context.WithTimeout(ctx, sharedTimeout)
	defer cancel()
	defer close(a.done)
	data, err := f(ctx)
	if err == nil {
		a.body, err = marshal(map[string]any{"status": "success", "data": data})
	}
	if err != nil {
		a.err = err
		s.mu.Lock()
		if s.answers[key] == a {
			delete(s.answers, key) // an error is not kept
		}
		s.mu.Unlock()
	}
}

// gzipped is the body compressed, once for all.
func (a *sharedAnswer) gzipped() []byte {
	a.zip.Do(func() {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.DefaultCompression) // the level is valid
		if _, err := z.Write(a.body); err != nil {
			return
		}
		if z.Close() == nil {
			a.zipped = b.Bytes()
		}
	})
	return a.zipped
}

// shared answers with f's result, the same for all requests with the same tenant, path and parameters.
func (a *api) shared(f func(r *http.Request) func(context.Context) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := a.prepare(w, r)
		if err != nil {
			a.writeError(w, err)
			return
		}
		key := strings.Join([]string{tenantOf(r), r.URL.Path, r.Form.Encode()}, "\x00")
		answer, err := a.answers.get(r.Context(), key, f(r))
		if err != nil {
			a.writeError(w, hostsError(err))
			return
		}
		writeShared(w, r, answer)
	})
}

func writeShared(w http.ResponseWriter, r *http.Request, answer *sharedAnswer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Encoding")
	body := answer.body
	if len(body) >= minCompressed && negotiateEncoding(r.Header.Get("Accept-Encoding")) != "" && acceptsGzip(r) {
		if z := answer.gzipped(); z != nil {
			h.Set("Content-Encoding", "gzip")
			body = z
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		// An error means that the client has gone: nobody is left to tell.
		_, _ = w.Write(body)
	}
}

// acceptsGzip says whether gzip may be used when it is the only encoding on offer.
func acceptsGzip(r *http.Request) bool {
	for clause := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(clause, ";")
		name = strings.TrimSpace(name)
		if (strings.EqualFold(name, "gzip") || name == "*") && quality(params) > 0 {
			return true
		}
	}
	return false
}
