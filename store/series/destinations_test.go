package series

import (
	"fmt"
	"testing"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
)

func applyRemoteWrite(t *testing.T, db *DB, text string) {
	t.Helper()
	conf, err := promconfig.Load(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.ApplyRemoteWrite(conf); err != nil {
		t.Fatal(err)
	}
}

// A destination that is away for a while gets everything in the end, and nothing twice.
func TestDestinationSurvivesAnOutage(t *testing.T) {
	p := newPlace(t)
	p.start()
	db := openTest(t, Options{})
	applyRemoteWrite(t, db, fmt.Sprintf(`
remote_write:
  - url: %s
    protobuf_message: io.prometheus.write.v2.Request
    queue_config: {batch_send_deadline: 20ms, min_backoff: 1ms, max_backoff: 20ms}
`, p.url()))
	// The client sends what is newer than its start.
	base := time.Now().Add(time.Minute).UnixMilli()
	up := labels.FromStrings("__name__", "up")
	want := 0
	writeSome := func() {
		t.Helper()
		for range 30 {
			mustWrite(t, writer(t, db, "default"), base+int64(want), float64(want), up)
			want++
		}
		mustWrite(t, writer(t, db, "other"), base, 1, labels.FromStrings("__name__", "not_sent"))
	}
	waitFor := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); len(p.taker.samples()) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d samples came, want %d", len(p.taker.samples()), n)
			}
			db.destinations.Notify() // as the next write would: one that comes while the log is read is not kept
		}
	}
	writeSome()
	waitFor(want)
	p.stop()
	writeSome()
	p.start()
	writeSome()
	waitFor(want)
	got := p.taker.samples()
	for i := range want {
		if key := fmt.Sprintf(`{__name__="up"}@%d=%d st=0`, base+int64(i), i); got[key] != 1 {
			t.Errorf("%s came %d times", key, got[key])
		}
	}
	if len(got) != want {
		t.Errorf("%d different samples came, want %d", len(got), want)
	}

	applyRemoteWrite(t, db, "")
	writeSome()
	time.Sleep(50 * time.Millisecond)
	if got := len(p.taker.samples()); got != want-30 {
		t.Errorf("%d samples came after the destination was taken away, want %d", got, want-30)
	}
}
