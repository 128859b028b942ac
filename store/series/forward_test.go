package series

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

// taker is a server that counts how often each sample came.
type taker struct {
	mu     sync.Mutex
	got    map[string]int // "series@time=value"
	help   map[string]bool
	answer func() int // status; nil: 204
}

func (s *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != nil {
		if status := s.answer(); status != http.StatusNoContent {
			w.WriteHeader(status)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	raw, err := snappy.Decode(nil, body)
	var req writev2.Request
	if err == nil {
		err = req.Unmarshal(raw)
	}
	if err != nil || r.Header.Get("Content-Encoding") != "snappy" {
		http.Error(w, fmt.Sprint("malformed: ", err), 400)
		return
	}
	s.note(&req)
	w.WriteHeader(http.StatusNoContent)
}

func (s *taker) note(req *writev2.Request) {
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		ls, err := ts.ToLabels(&b, req.Symbols)
		if err != nil {
			panic(err)
		}
		for _, x := range ts.Samples {
			s.got[fmt.Sprintf("%s@%d=%v st=%d", ls, x.Timestamp, x.Value, x.StartTimestamp)]++
		}
		for _, h := range ts.Histograms {
			s.got[fmt.Sprintf("%s@%d histogram st=%d", ls, h.Timestamp, h.StartTimestamp)]++
		}
		for range ts.Exemplars {
			s.got[fmt.Sprintf("%s exemplar", ls)]++
		}
		if m, err := ts.ToMetadata(req.Symbols); err == nil && m.Help != "" {
			s.help[m.Help] = true
		}
	}
}

func (s *taker) samples() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.got)
}

// place is where a server can be started and stopped at one address.
type place struct {
	t     *testing.T
	addr  string
	taker *taker
	srv   *httptest.Server
}

func newPlace(t *testing.T) *place {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &place{t: t, addr: l.Addr().String(), taker: &taker{got: make(map[string]int), help: make(map[string]bool)}}
	t.Cleanup(p.stop)
	return p
}

func (p *place) start() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.srv = &httptest.Server{Listener: l, Config: &http.Server{Handler: p.taker}}
	p.srv.Start()
}

func (p *place) stop() {
	if p.srv != nil {
		p.srv.CloseClientConnections()
		p.srv.Close()
		p.srv = nil
	}
}

func (p *place) url() string { return "http://" + p.addr + "/api/v1/write" }

func openForward(t *testing.T, opts ForwardOptions) *Forwarder {
	t.Helper()
	opts.MinBackoff, opts.MaxBackoff = time.Millisecond, 20*time.Millisecond
	f, err := OpenForwarder(opts, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func closeForward(t *testing.T, f *Forwarder) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func waitSent(t *testing.T, f *Forwarder) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); f.Pending() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d samples are still not sent", f.Pending())
		}
	}
}

// wantOnce checks that the samples of the series "up" for the values from 0 to n-1 came exactly once.
func wantOnce(t *testing.T, p *place, n int) {
	t.Helper()
	got := p.taker.samples()
	if len(got) != n {
		t.Errorf("%d different samples came, want %d", len(got), n)
	}
	for i := range n {
		if key := fmt.Sprintf(`{__name__="up"}@%d=%d st=0`, start+int64(i), i); got[key] != 1 {
			t.Errorf("%s came %d times", key, got[key])
		}
	}
}

// The server is down at first, comes, goes and comes again, and this side restarts in between: nothing is lost and
// nothing comes twice.
func TestForwarderSurvivesOutagesAndRestarts(t *testing.T) {
	p := newPlace(t)
	opts := ForwardOptions{Dir: t.TempDir(), URL: p.url()}
	up := labels.FromStrings("__name__", "up")
	f := openForward(t, opts)
	n := 0
	writeSome := func(count int) {
		for range count {
			mustWrite(t, f, start+int64(n), float64(n), up)
			n++
		}
	}
	writeSome(20)
	closeForward(t, f) // with everything unsent

	f = openForward(t, opts)
	writeSome(20)
	if got := f.Pending(); got != 40 {
		t.Fatalf("%d samples wait, want 40", got)
	}
	p.start()
	waitSent(t, f)
	writeSome(20)
	waitSent(t, f)
	p.stop()
	writeSome(20)
	closeForward(t, f)
	f = openForward(t, opts)
	writeSome(20)
	p.start()
	waitSent(t, f)
	closeForward(t, f)
	wantOnce(t, p, n)

	f = openForward(t, opts) // there is nothing left to send again
	closeForward(t, f)
	wantOnce(t, p, n)
}

func TestForwarderTriesAgainUntilTakenUnlessRefused(t *testing.T) {
	f := func(status int, wantTries int, wantTaken bool) {
		t.Helper()
		p := newPlace(t)
		tries := 0
		p.taker.answer = func() int {
			if tries++; tries < 4 {
				return status
			}
			return http.StatusNoContent
		}
		p.start()
		fw := openForward(t, ForwardOptions{Dir: t.TempDir(), URL: p.url()})
		mustWrite(t, fw, start, 0, labels.FromStrings("__name__", "up"))
		waitSent(t, fw)
		closeForward(t, fw)
		if taken := len(p.taker.samples()) == 1; tries != wantTries || taken != wantTaken {
			t.Errorf("status %d: %d tries, taken %v; want %d, %v", status, tries, taken, wantTries, wantTaken)
		}
	}
	f(503, 4, true)
	f(500, 4, true)
	f(429, 4, true)
	f(401, 4, true) // a password can be put right
	f(404, 4, true)
	f(400, 1, false)
	f(413, 1, false)
}

func TestForwarderSendsEverythingThereIsToASample(t *testing.T) {
	p := newPlace(t)
	p.start()
	f := openForward(t, ForwardOptions{Dir: t.TempDir(), URL: p.url()})
	app := f.AppenderV2(t.Context())
	ls := labels.FromStrings("__name__", "a", "empty", "")
	opts := storage.AOptions{
		Metadata:  metadata.Metadata{Type: "counter", Help: "Counts."},
		Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "1"), Value: 1, Ts: start}},
	}
	ref, err := app.Append(0, ls, 5, start, 1, nil, nil, opts)
	if err != nil || ref == 0 {
		t.Fatal(ref, err)
	}
	if again, err := app.Append(ref, ls, 5, start+1, 2, nil, nil, opts); again != ref || err != nil {
		t.Error(again, err)
	}
	if _, err := app.Append(0, labels.FromStrings("__name__", "h"), 6, start, 0, tsdbutil.GenerateTestHistogram(1), nil, storage.AOptions{}); err != nil {
		t.Error(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	waitSent(t, f)
	closeForward(t, f)
	want := map[string]int{
		fmt.Sprintf(`{__name__="a"}@%d=1 st=5`, start):         1,
		fmt.Sprintf(`{__name__="a"}@%d=2 st=5`, start+1):       1,
		fmt.Sprintf(`{__name__="h"}@%d histogram st=6`, start): 1,
		`{__name__="a"} exemplar`:                              2,
	}
	if got := p.taker.samples(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !p.taker.help["Counts."] {
		t.Error("the metadata did not come")
	}
}

func TestForwarderCutsLargeTransactions(t *testing.T) {
	p := newPlace(t)
	p.start()
	f := openForward(t, ForwardOptions{Dir: t.TempDir(), URL: p.url()})
	app := f.AppenderV2(t.Context())
	const n = 2*forwardBatch + 10
	for i := range n {
		if _, err := app.Append(0, labels.FromStrings("__name__", "up"), 0, start+int64(i), float64(i), nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	waitSent(t, f)
	closeForward(t, f)
	wantOnce(t, p, n)
}

func TestForwarderDropsTheOldestWhenFull(t *testing.T) {
	p := newPlace(t)
	f := openForward(t, ForwardOptions{Dir: t.TempDir(), URL: p.url(), MaxBytes: 8000})
	const n = 500
	for i := range n {
		mustWrite(t, f, start+int64(i), float64(i), labels.FromStrings("__name__", "up"))
	}
	bytes, waiting, drops := f.queue.counts()
	if bytes > 8000+1000 || drops.size == 0 || waiting+int(drops.size) != n {
		t.Fatalf("%d bytes, %d samples wait, %d dropped of %d", bytes, waiting, drops.size, n)
	}
	p.start()
	waitSent(t, f)
	closeForward(t, f)
	got := p.taker.samples()
	if _, ok := got[fmt.Sprintf(`{__name__="up"}@%d=%d st=0`, start+n-1, n-1)]; !ok {
		t.Error("the newest sample did not come")
	}
	if len(got) < waiting-1 || len(got) > waiting {
		t.Errorf("%d samples came, %d were waiting", len(got), waiting)
	}
}

func TestForwarderDropsWhatIsTooOld(t *testing.T) {
	p := newPlace(t)
	dir := t.TempDir()
	f := openForward(t, ForwardOptions{Dir: dir, URL: p.url()})
	mustWrite(t, f, start, 0, labels.FromStrings("__name__", "up"))
	closeForward(t, f)
	f = openForward(t, ForwardOptions{Dir: dir, URL: p.url(), MaxAge: time.Nanosecond})
	waitSent(t, f)
	if _, _, drops := f.queue.counts(); drops.age != 1 {
		t.Errorf("%d samples dropped for their age, want 1", drops.age)
	}
	closeForward(t, f)
}

func TestQueueAfterACrash(t *testing.T) {
	dir := t.TempDir()
	open := func() *queue {
		t.Helper()
		q, err := openQueue(dir, 1<<20, 1<<30, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	put := func(q *queue, payload string) {
		t.Helper()
		if err := q.append(appendRecord(nil, 1, time.Now(), []byte(payload)), 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	rest := func(q *queue) (all []string) {
		for {
			r, err := q.next(time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				return all
			}
			all = append(all, string(r.payload))
			q.done(r)
		}
	}
	q := open()
	put(q, "one")
	put(q, "two")
	put(q, "three")
	name := q.path(q.segments[0].number)
	if err := q.close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, info.Size()-2); err != nil { // the third record is torn
		t.Fatal(err)
	}
	q = open()
	put(q, "four")
	if got := rest(q); !slices.Equal(got, []string{"one", "two", "four"}) {
		t.Errorf("after a torn record: %q", got)
	}
	if _, _, drops := q.counts(); drops.corrupt != 0 {
		t.Errorf("%d samples counted as damaged: a torn record was never acknowledged", drops.corrupt)
	}

	put(q, "five")
	put(q, "six")
	name = q.path(q.segments[0].number)
	if err := q.close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-8-recordHeader] ^= 1 // inside "five"
	if err := os.WriteFile(name, raw, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "not a segment"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	q = open()
	put(q, "seven")
	if got := rest(q); !slices.Equal(got, []string{"seven"}) {
		t.Errorf("after a damaged record: %q", got)
	}
	if _, _, drops := q.counts(); drops.corrupt != 2 {
		t.Errorf("%d samples counted as damaged, want 2", drops.corrupt)
	}
	if err := q.close(); err != nil {
		t.Fatal(err)
	}
}

// FuzzQueueSegment opens a folder with any bytes for a segment.
func FuzzQueueSegment(f *testing.F) {
	f.Add([]byte(segmentMagic))
	f.Add(appendRecord([]byte(segmentMagic), 3, time.UnixMilli(5), []byte("payload")))
	f.Add(append([]byte(segmentMagic), 255, 255, 255, 255))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000000000001"+segmentSuffix), raw, 0o640); err != nil {
			t.Fatal(err)
		}
		q, err := openQueue(dir, 1<<20, 1<<30, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer q.close()
		for {
			r, err := q.next(time.UnixMilli(math.MinInt64 / 2))
			if err != nil {
				t.Fatal(err)
			}
			if r == nil {
				return
			}
			q.done(r)
		}
	})
}
