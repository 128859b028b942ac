package test

import (
	"bufio"
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

	"github.com/hulotte-dev/hulotte/test/harness"
)

const (
	logKills   = 10
	logSenders = 4
	logBatch   = 25 // lines of a push
)

// Whatever line was acknowledged is there after the process was killed, once: SIGKILL under load, again and again on one
// data folder. One of the senders writes backwards in time.
func TestAcknowledgedLinesSurviveKill(t *testing.T) {
	data := t.TempDir()
	acked := &ackedLines{seen: map[string]bool{}}
	for round := range logKills {
		p := harness.Start(t, harness.Options{DataDir: data})
		acked.check(t, p)
		before := acked.count()
		var senders sync.WaitGroup
		for id := range logSenders {
			senders.Go(func() { sendLines(p.URL, round, id, acked) })
		}
		harness.Eventually(t, 30*time.Second, func() error {
			if acked.count() == before {
				return errors.New("nothing is acknowledged yet")
			}
			return nil
		})
		time.Sleep(rand.N(150 * time.Millisecond))
		p.Kill()
		senders.Wait()
	}
	acked.check(t, harness.Start(t, harness.Options{DataDir: data}))
	t.Logf("%d lines were acknowledged before %d kills, and all are there once", acked.count(), logKills)
}

// sendLines pushes until a push fails.
func sendLines(base string, round, id int, acked *ackedLines) {
	at := time.Now().UnixNano()
	for n := 0; ; n++ {
		var lines []string
		var values [][2]string
		for k := range logBatch {
			line := fmt.Sprintf(`{"level":"info","round":%d,"sender":%d,"push":%d,"line":%d}`, round, id, n, k)
			when := at + int64(n*logBatch+k)*1000
			if id == 0 {
				when = at - int64(n*logBatch+k)*int64(time.Second)
			}
			lines = append(lines, line)
			values = append(values, [2]string{strconv.FormatInt(when, 10), line})
		}
		if pushLines(base, map[string]string{"job": "crash", "sender": strconv.Itoa(id)}, values) != nil {
			return
		}
		acked.add(lines)
	}
}

// pushLines sends one stream as Loki's JSON; nil means that it was acknowledged.
func pushLines(base string, labels map[string]string, values [][2]string) error {
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": labels, "values": values}}})
	if err != nil {
		return err
	}
	res, err := http.Post(base+"/loki/api/v1/push", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the push was answered with %s: %s", res.Status, text)
	}
	return nil
}

// ackedLines is the lines that were acknowledged.
type ackedLines struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (a *ackedLines) add(lines []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range lines {
		a.seen[l] = true
	}
}

func (a *ackedLines) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seen)
}

// check reads everything and looks for each line that was acknowledged.
func (a *ackedLines) check(t *testing.T, p *harness.Process) {
	t.Helper()
	times := map[string]int{}
	readLines(t, p, `{job="crash"}`, func(line string) { times[line]++ })
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := 0
	for l := range a.seen {
		if times[l] == 0 {
			if missing++; missing <= 5 {
				t.Errorf("acknowledged and lost: %s", l)
			}
		}
	}
	if missing > 5 {
		t.Errorf("%d of %d acknowledged lines are lost", missing, len(a.seen))
	}
	for l, n := range times {
		if n > 1 {
			t.Errorf("%s is there %d times", l, n)
			break
		}
	}
}

// readLines calls f for every line that a query finds, of all times that a test uses.
func readLines(t *testing.T, p *harness.Process, query string, f func(string)) {
	t.Helper()
	v := url.Values{
		"query": {query}, "format": {"text"}, "limit": {"10000000"},
		"start": {strconv.FormatInt(time.Now().Add(-300*24*time.Hour).UnixNano(), 10)}, "end": {strconv.FormatInt(time.Now().Add(time.Hour).UnixNano(), 10)},
	}
	res, err := http.Get(p.URL + "/api/hulotte/v1/logs/download?" + v.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("the download was answered with %s: %s", res.Status, text)
	}
	lines := bufio.NewReaderSize(res.Body, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		f(line[:len(line)-1])
	}
}
