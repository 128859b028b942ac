package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// A line of 100 MB, whichever way it comes, does no harm, and whoever sent it is told.
func TestEnormousLine(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	line := strings.Repeat("0123456789abcdef", 100<<20/16)
	body := pushBytes(`{job="enormous"}`, time.Now(), line)
	status, text := postPush(t, p, body)
	if status != http.StatusRequestEntityTooLarge && status != http.StatusBadRequest {
		t.Errorf("100 MB in a line: %d %s", status, text)
	}
	if !strings.Contains(text, "max_") {
		t.Errorf("the answer does not name the setting that decides: %s", text)
	}
	if status, text := postPush(t, p, pushBytes(`{job="enormous"}`, time.Now(), "after")); status != http.StatusNoContent {
		t.Errorf("after it: %d %s", status, text)
	}
	if rss := peakMemory(t, p); rss > 1<<30 {
		t.Errorf("it took %d MB of memory", rss>>20)
	}
}

// Bytes that are no UTF-8 come back as they were.
func TestInvalidUTF8(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	line := "caf\xe9 \xff\xfe\x00 end"
	if status, text := postPush(t, p, pushBytes(`{job="bytes"}`, time.Now(), line)); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, text)
	}
	var got []string
	readLines(t, p, `{job="bytes"}`, func(l string) { got = append(got, l) })
	if len(got) != 1 || got[0] != line {
		t.Errorf("got %q, want %q", got, line)
	}
}

// More streams than the limit are refused with a clear answer; those that exist go on.
func TestStreamExplosion(t *testing.T) {
	p := harness.Start(t, harness.Options{Config: "storage:\n  logs:\n    max_streams: 5000\n"})
	refused := 0
	for push := range 20 {
		var body []byte
		for i := range 1000 {
			body = append(body, streamBytes(fmt.Sprintf(`{job="explosion", id="%d"}`, push*1000+i), time.Now(), "x")...)
		}
		status, text := postPush(t, p, snappy.Encode(nil, body))
		switch status {
		case http.StatusNoContent:
		case http.StatusBadRequest, http.StatusTooManyRequests:
			refused++
			if !strings.Contains(text, "max_streams") {
				t.Fatalf("the answer does not name the limit: %s", text)
			}
		default:
			t.Fatalf("%d %s", status, text)
		}
	}
	if refused < 14 {
		t.Errorf("%d of 20 pushes were refused, want 15", refused)
	}
	if status, text := postPush(t, p, pushBytes(`{job="explosion", id="1"}`, time.Now(), "still here")); status != http.StatusNoContent {
		t.Errorf("a stream that exists: %d %s", status, text)
	}
	var found atomic.Int64
	readLines(t, p, `{job="explosion"}`, func(string) { found.Add(1) })
	if found.Load() != 5001 {
		t.Errorf("%d lines, want 5001", found.Load())
	}
}

// A flood, much more than can be written: everybody gets a clear answer, what was acknowledged is there, memory holds.
func TestFlood(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	length := 5 * time.Second
	if text := os.Getenv("TEST_FLOOD"); text != "" { // "1m": for as long as that, by hand
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var acked, later atomic.Int64
	var senders sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for id := range 64 {
		body := floodPush(id)
		senders.Go(func() {
			for ctx.Err() == nil {
				switch status, text := sendPush(client, p, body); status {
				case http.StatusNoContent:
					acked.Add(floodLines)
				case http.StatusTooManyRequests, http.StatusServiceUnavailable:
					later.Add(1)
					time.Sleep(10 * time.Millisecond)
				default:
					t.Errorf("%d %s", status, text)
					return
				}
			}
		})
	}
	senders.Wait()
	if found := countLines(t, p, `{job="flood"}`); found != acked.Load() {
		t.Errorf("%d lines are there, %d were acknowledged", found, acked.Load())
	}
	t.Logf("%d lines acknowledged, %d pushes told to come later, peak memory %d MB", acked.Load(), later.Load(), peakMemory(t, p)>>20)
	if rss := peakMemory(t, p); rss > 1500<<20 {
		t.Errorf("it took %d MB of memory", rss>>20)
	}
}

// countLines returns how many lines of the last hour a query finds.
func countLines(t *testing.T, p *harness.Process, query string) int64 {
	t.Helper()
	res, err := http.Get(p.URL + "/loki/api/v1/query?" + url.Values{"query": {"sum(count_over_time(" + query + "[1h]))"}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK || len(answer.Data.Result) != 1 {
		t.Fatalf("%s: %s %v %v", query, res.Status, answer, err)
	}
	n, err := strconv.ParseInt(fmt.Sprint(answer.Data.Result[0].Value[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const floodLines = 5000

func floodPush(id int) []byte {
	stream := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), fmt.Sprintf(`{job="flood", sender="%d"}`, id))
	now := time.Now()
	for i := range floodLines {
		stream = protowire.AppendBytes(protowire.AppendTag(stream, 2, protowire.BytesType),
			entryBytes(now.Add(time.Duration(i)), fmt.Sprintf("sender %d line %d of a flood that is more than can be written: %032x", id, i, i*id)))
	}
	return snappy.Encode(nil, protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), stream))
}

func pushBytes(labels string, at time.Time, line string) []byte {
	return snappy.Encode(nil, streamBytes(labels, at, line))
}

// streamBytes is the field of a PushRequest that holds one stream of one line.
func streamBytes(labels string, at time.Time, line string) []byte {
	stream := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), labels)
	stream = protowire.AppendBytes(protowire.AppendTag(stream, 2, protowire.BytesType), entryBytes(at, line))
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), stream)
}

func entryBytes(at time.Time, line string) []byte {
	stamp := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(at.Unix()))
	stamp = protowire.AppendVarint(protowire.AppendTag(stamp, 2, protowire.VarintType), uint64(at.Nanosecond()))
	entry := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), stamp)
	return protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), line)
}

func postPush(t *testing.T, p *harness.Process, body []byte) (int, string) {
	t.Helper()
	return sendPush(http.DefaultClient, p, body)
}

// sendPush returns status 0 and the error's text when there is no answer.
func sendPush(client *http.Client, p *harness.Process, body []byte) (int, string) {
	res, err := client.Post(p.URL+"/loki/api/v1/push", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// peakMemory returns the most memory that the process has had, in bytes.
func peakMemory(t *testing.T, p *harness.Process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
