package notify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"

	"github.com/hulotte-dev/hulotte/alert"
)

const (
	maxAnswer = 1 << 10 // bytes of an answer that are remembered
	maxError  = 2 << 10 // bytes of an error that are remembered
	maxTold   = 1000    // alerts of one notification that are remembered
)

type noteKey struct{}

// note is what a receiver of our own adds to the log's entry of a try.
type note struct {
	mu      sync.Mutex
	own     bool // it is one of ours: its errors have no secrets
	answer  string
	people  []string
	release func()
}

func noteOf(ctx context.Context) *note {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

// answered adds what the other side said.
func (n *note) answered(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if text = strings.TrimSpace(text); n.answer != "" && text != "" {
		n.answer += "\n"
	}
	n.answer = cutBytes(n.answer+text, maxAnswer)
}

// reached adds who was told.
func (n *note) reached(person string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.people, person) {
		n.people = append(n.people, person)
	}
}

func (n *note) finish() {
	if n.release != nil {
		n.release()
	}
}

// redacted takes addresses out of the errors of Alertmanager's own receivers: they may hold tokens (Telegram's and many webhooks' do).
func (n *note) redacted(err error) error {
	if err == nil || n.own {
		return err
	}
	text := err.Error()
	clean := text
	if e, ok := errors.AsType[*url.Error](err); ok {
		clean = strings.ReplaceAll(clean, e.URL, "<redacted>")
	}
	clean = redactURLs(clean)
	if clean == text {
		return err
	}
	return &cleanError{text: clean, err: err}
}

// cleanError is an error with another text.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }

var address = regexp.MustCompile(`(https?://)([^\s"'<>/?#]+@)?([^\s"'<>/?#]+)([/?#][^\s"'<>]*)?`)

// redactURLs leaves only the host of every address in a text.
func redactURLs(text string) string {
	return address.ReplaceAllStringFunc(text, func(u string) string {
		m := address.FindStringSubmatch(u)
		if m[2] == "" && len(m[4]) <= 1 {
			return u
		}
		return m[1] + m[3] + "/<redacted>"
	})
}

// deliveryOf begins an entry of the log.
func deliveryOf(ctx context.Context, t target, alerts []*amalert.Alert, n *note) *alert.Delivery {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &alert.Delivery{
		ID: newID(), Receiver: t.receiver, Integration: t.integration, Index: t.index, Alerts: []alert.Told{}, Answer: n.answer, People: n.people,
	}
	d.GroupKey, _ = amnotify.GroupKey(ctx)
	if labels, ok := amnotify.GroupLabels(ctx); ok && len(labels) > 0 {
		d.GroupLabels = make(map[string]string, len(labels))
		for k, v := range labels {
			d.GroupLabels[string(k)] = string(v)
		}
	}
	for _, a := range alerts[:min(len(alerts), maxTold)] {
		d.Alerts = append(d.Alerts, alert.Told{Fingerprint: a.Fingerprint().String(), Name: a.Name(), Status: string(a.Status())})
	}
	d.MoreAlerts = len(alerts) - len(d.Alerts)
	return d
}

// newID makes IDs that sort by time.
func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%011x", time.Now().UnixMilli()) + hex.EncodeToString(b[:])
}

// flushes knows, of each group that is being told of, how often that was tried, and what of it is done.
type flushes struct {
	mu sync.Mutex
	of map[string]*flush
}

// flush is what a group has to tell an integration, until it is told.
type flush struct {
	at      time.Time // of the notification: its tries have the same
	tries   int
	content string
	begun   time.Time

	mu   sync.Mutex
	done map[string]bool // parts that need not be tried again, such as one of several people
}

const (
	maxFlushes  = 4096 // those that failed stay until their group's next one
	remindAfter = 4 * time.Hour
)

// begin begins a try. What was done of the same content in tries before, which failed as a whole, stays done: those who were told are not
// told every few minutes because somebody else cannot be. In the end they are reminded, as they would be otherwise.
func (f *flushes) begin(ctx context.Context, content string) *flush {
	key, _ := amnotify.GroupKey(ctx)
	at, _ := amnotify.Now(ctx)
	repeat, ok := amnotify.RepeatInterval(ctx)
	if !ok {
		repeat = remindAfter
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil || len(f.of) >= maxFlushes {
		f.of = map[string]*flush{}
	}
	now := f.of[key]
	switch {
	case now == nil || now.content != content || time.Since(now.begun) >= repeat && !now.at.Equal(at):
		now = &flush{content: content, at: at, begun: time.Now(), done: map[string]bool{}}
		f.of[key] = now
	case !now.at.Equal(at):
		now.at, now.tries = at, 0
	}
	now.tries++
	return now
}

// end forgets what is done.
func (f *flushes) end(ctx context.Context) {
	key, _ := amnotify.GroupKey(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, key)
}

// contentOf is the same for two notifications that say the same.
func contentOf(alerts []*amalert.Alert) string {
	all := make([]string, len(alerts))
	for i, a := range alerts {
		all[i] = a.Fingerprint().String() + string(a.Status())
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(all, " ")))
	return hex.EncodeToString(sum[:])
}
