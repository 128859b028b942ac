package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/hulotte-dev/hulotte/test/harness"
)

const (
	crashKills   = 20
	crashSenders = 4
	crashSeries  = 10 // of one sender
	crashBatch   = 5  // samples of one series in a request
)

// Whatever remote write has acknowledged is there after the process was killed: 20 times SIGKILL under load on one
// data folder. One of the senders writes backwards in time, so that its samples go the way of late ones.
func TestAcknowledgedSamplesSurviveKill(t *testing.T) {
	data := t.TempDir()
	acked := newAckedSamples()
	for round := range crashKills {
		p := harness.Start(t, harness.Options{DataDir: data})
		acked.check(t, p, round-1)
		var senders sync.WaitGroup
		for id := range crashSenders {
			s := &crashSender{url: p.URL, round: round, id: id, acked: acked}
			senders.Go(func() { s.run() })
		}
		harness.Eventually(t, 30*time.Second, func() error { // a busy machine needs longer for the first one
			if acked.of(round) == 0 {
				return errors.New("nothing is acknowledged yet")
			}
			return nil
		})
		time.Sleep(rand.N(90 * time.Millisecond))
		p.Kill()
		senders.Wait()
		if acked.of(round) == 0 {
			t.Errorf("round %d: nothing was acknowledged before the kill: the round shows nothing", round)
		}
	}
	p := harness.Start(t, harness.Options{DataDir: data})
	for round := range crashKills {
		acked.check(t, p, round)
	}
	t.Logf("%d samples were acknowledged before %d kills, and all are there", acked.total(), crashKills)
}

// crashSender sends requests until one fails or stop is closed.
type crashSender struct {
	url       string
	round, id int
	acked     *ackedSamples
	stop      <-chan struct{} // nil: never
}

func (s *crashSender) run() {
	base := time.Now().UnixMilli()
	for n := int64(0); ; n++ {
		select {
		case <-s.stop:
			return
		default:
		}
		req := &prompb.WriteRequest{}
		var sent []ackedSample
		for i := range crashSeries {
			ts := prompb.TimeSeries{Labels: []prompb.Label{
				{Name: "__name__", Value: "crash"}, {Name: "n", Value: strconv.Itoa(i)},
				{Name: "round", Value: strconv.Itoa(s.round)}, {Name: "sender", Value: strconv.Itoa(s.id)},
			}}
			for k := range int64(crashBatch) {
				at := base + n*crashBatch + k
				if s.id == 0 {
					at = base - n*crashBatch - k // late, always
				}
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at, Value: float64(n*crashBatch + k)})
				sent = append(sent, ackedSample{s.round, s.id, i, at, n*crashBatch + k})
			}
			req.Timeseries = append(req.Timeseries, ts)
		}
		if err := postSamples(s.url, req); err != nil {
			return
		}
		s.acked.add(sent)
	}
}

// postSamples sends a remote write request; nil means that it was acknowledged.
func postSamples(base string, m *prompb.WriteRequest) error {
	raw, err := m.Marshal()
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, base+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusNoContent {
		return errors.New(res.Status + ": " + string(text))
	}
	return nil
}

// ackedSample is one sample; at is in milliseconds.
type ackedSample struct {
	round, sender, series int
	at, value             int64
}

type ackedSamples struct {
	mu      sync.Mutex
	byRound map[int][]ackedSample
}

func newAckedSamples() *ackedSamples { return &ackedSamples{byRound: make(map[int][]ackedSample)} }

func (a *ackedSamples) add(s []ackedSample) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byRound[s[0].round] = append(a.byRound[s[0].round], s...)
}

func (a *ackedSamples) of(round int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.byRound[round])
}

func (a *ackedSamples) total() (n int) {
	for round := range crashKills {
		n += a.of(round)
	}
	return n
}

// check compares the samples of a round that are stored with those that were acknowledged.
func (a *ackedSamples) check(t *testing.T, p *harness.Process, round int) {
	t.Helper()
	if round < 0 {
		return
	}
	stored := storedSamples(t, p, round)
	missing := make(map[int]int) // by sender
	for _, s := range a.byRound[round] {
		if !stored[s] {
			missing[s.sender]++
		}
	}
	if len(missing) > 0 {
		t.Errorf("round %d: of %d acknowledged samples are not there after the kill, by sender: %v", round, len(a.byRound[round]), missing)
	}
}

func storedSamples(t *testing.T, p *harness.Process, round int) map[ackedSample]bool {
	t.Helper()
	query := fmt.Sprintf(`crash{round="%d"}[2h]`, round)
	// The senders' samples are a millisecond apart and come faster than that: the last ones are in the future.
	at := time.Now().Add(time.Hour).Unix()
	status, body := p.Get(t, fmt.Sprintf("/api/v1/query?time=%d&query=%s", at, url.QueryEscape(query)))
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("query %s: status %d, %v", query, status, err)
	}
	stored := make(map[ackedSample]bool)
	for _, r := range answer.Data.Result {
		s := ackedSample{round: round, sender: atoi(t, r.Metric["sender"]), series: atoi(t, r.Metric["n"])}
		for _, v := range r.Values {
			var at float64
			var value string
			if err := errors.Join(json.Unmarshal(v[0], &at), json.Unmarshal(v[1], &value)); err != nil {
				t.Fatal(err)
			}
			s.at, s.value = int64(at*1000+0.5), int64(atoi(t, value))
			stored[s] = true
		}
	}
	return stored
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
