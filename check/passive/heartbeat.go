package passive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/model"
)

// Bounds of a heartbeat.
const (
	maxBody  = 10 << 10 // of the text that is kept; the rest is read and dropped, up to maxDrop
	maxDrop  = 1 << 20
	maxRuns  = 16 // that were started and did not end, for each check; the oldest goes
	minPause = 100 * time.Millisecond
)

// Heartbeats is the handler of /heartbeat/{token}[/fail|/start|/exit-code]:
//
//	GET, HEAD or POST /heartbeat/TOKEN        the job is done: OK
//	                  /heartbeat/TOKEN/fail   it failed: CRITICAL
//	                  /heartbeat/TOKEN/start  it begins: its run time is measured; the status stays
//	                  /heartbeat/TOKEN/7      it ended with this exit code: 0 is OK, others CRITICAL
//
// What is posted is the output, read as that of a plugin: text, performance data after |, more lines. ?rid=… tells runs apart that overlap.
type Heartbeats struct {
	submit Submit
	log    *slog.Logger
	now    func() time.Time
	beats  *prometheus.CounterVec

	mu     sync.Mutex // guards the following
	checks map[[sha256.Size]byte]*beat
}

// beat is one check. Its token is kept as a hash, by which it is found: comparing takes the same time whatever was guessed.
type beat struct {
	host, name string
	last       time.Time
	runs       []run
}

type run struct {
	id    string
	start time.Time
}

// NewHeartbeats makes the handler; Set tells it of checks.
func NewHeartbeats(submit Submit, log *slog.Logger, reg prometheus.Registerer) *Heartbeats {
	return &Heartbeats{submit: submit, log: log, now: time.Now, checks: map[[sha256.Size]byte]*beat{}, beats: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_heartbeats_total", Help: "Heartbeats over HTTP by what became of them: ok, fail, start, unknown (token), too_often or refused.",
	}, []string{"result"})}
}

// Set replaces the checks; of specs, those of the kind heartbeat count. An error names each bad one; the others are taken.
func (h *Heartbeats) Set(specs []check.Spec) error {
	checks := map[[sha256.Size]byte]*beat{}
	var bad []error
	for _, s := range specs {
		if s.Kind != "heartbeat" {
			continue
		}
		text, err := token(s.Options)
		if err != nil {
			bad = append(bad, fmt.Errorf("check %s: %w", s.ID(), err))
			continue
		}
		key := sha256.Sum256([]byte(text))
		if other, ok := checks[key]; ok {
			bad = append(bad, fmt.Errorf("check %s: token: the check %s/%s has the same", s.ID(), other.host, other.name))
			continue
		}
		checks[key] = &beat{host: s.Host, name: s.Name}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, b := range checks {
		if old, ok := h.checks[key]; ok && old.host == b.host && old.name == b.name {
			checks[key] = old
		}
	}
	h.checks = checks
	return errors.Join(bad...)
}

// ServeHTTP takes a signal.
func (h *Heartbeats) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "use GET, HEAD or POST", http.StatusMethodNotAllowed)
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	i := 0
	for i < len(parts) && parts[i] != "heartbeat" {
		i++
	}
	if i+1 >= len(parts) || len(parts) > i+3 {
		http.NotFound(w, r)
		return
	}
	action := ""
	if len(parts) == i+3 {
		action = parts[i+2]
	}
	code, err := strconv.Atoi(action)
	if action != "" && action != "start" && action != "fail" && (err != nil || code < 0 || code > 255) {
		http.Error(w, "after the token comes nothing, start, fail or an exit code from 0 to 255", http.StatusNotFound)
		return
	}
	h.take(w, r, sha256.Sum256([]byte(parts[i+1])), action, code)
}

func (h *Heartbeats) take(w http.ResponseWriter, r *http.Request, key [sha256.Size]byte, action string, code int) {
	body := ""
	if r.Method == http.MethodPost {
		data, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		if err != nil {
			http.Error(w, "the text cannot be read", http.StatusBadRequest)
			return
		}
		_, _ = io.CopyN(io.Discard, r.Body, maxDrop) // so that the connection can be used again
		body = string(data)
	}
	id := r.URL.Query().Get("rid")
	b, took, status := h.note(key, action, id[:min(len(id), 64)])
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	if action != "start" {
		if err := h.result(r.Context(), b, action, code, body, took); err != nil {
			h.beats.WithLabelValues("refused").Inc()
			h.log.Warn("a heartbeat is refused", "host", b.host, "check", b.name, "err", err)
			http.Error(w, "it is not taken now; try again", http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, "OK")
}

// note finds the check, and remembers starts; took is how long the run took, 0 when its start is not known.
func (h *Heartbeats) note(key [sha256.Size]byte, action, id string) (b beat, took time.Duration, status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, ok := h.checks[key]
	if !ok {
		h.beats.WithLabelValues("unknown").Inc()
		return beat{}, 0, http.StatusNotFound
	}
	now := h.now()
	if action == "start" {
		h.beats.WithLabelValues("start").Inc()
		found.end(id)
		if found.runs = append(found.runs, run{id, now}); len(found.runs) > maxRuns {
			found.runs = append(found.runs[:0], found.runs[1:]...)
		}
		return *found, 0, http.StatusOK
	}
	start, running := found.end(id)
	if running {
		took = now.Sub(start)
	}
	// A loop gone wild is slowed down, unless it has an end to tell of.
	if !running && action == "" && now.Sub(found.last) < minPause {
		h.beats.WithLabelValues("too_often").Inc()
		return beat{}, 0, http.StatusTooManyRequests
	}
	found.last = now
	return *found, took, http.StatusOK
}

// end forgets a run, and answers when it began.
func (b *beat) end(id string) (time.Time, bool) {
	for i, r := range b.runs {
		if r.id == id {
			b.runs = append(b.runs[:i], b.runs[i+1:]...)
			return r.start, true
		}
	}
	return time.Time{}, false
}

func (h *Heartbeats) result(ctx context.Context, b beat, action string, code int, body string, took time.Duration) error {
	r := plugin.Parse(0, []byte(body))
	if strings.TrimSpace(body) == "" {
		r.Output = "signal received"
	}
	switch {
	case action == "fail":
		r.Status = model.Critical
		if strings.TrimSpace(body) == "" {
			r.Output = "the job says that it failed"
		}
	case code != 0:
		r.Status = model.Critical
		r.Output = fmt.Sprintf("exit code %d: %s", code, r.Output)
	}
	if took > 0 {
		r.Perf = append(r.Perf, model.Perf{Label: "run_time", Value: took.Seconds(), Unit: "s"})
	}
	r.Start = h.now()
	r.Duration = took
	name := "ok"
	if r.Status != model.OK {
		name = "fail"
	}
	h.beats.WithLabelValues(name).Inc()
	return h.submit(ctx, b.host, b.name, r)
}
