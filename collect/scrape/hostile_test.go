package scrape

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	promscrape "github.com/prometheus/prometheus/scrape"
)

// besides is a configuration with a good target beside a hostile one, both scraped several times a second.
func besides(good, hostile, jobKeys string) string {
	return fmt.Sprintf(`
global: {scrape_interval: 400ms, scrape_timeout: 400ms}
scrape_configs:
  - job_name: good
    static_configs: [{targets: [%q]}]
  - job_name: hostile
    fallback_scrape_protocol: PrometheusText0.0.4
    static_configs: [{targets: [%q]}]
    %s
`, good, hostile, jobKeys)
}

// goodTarget counts how often it is scraped.
func goodTarget(t *testing.T) (addr string, scrapes *atomic.Int64) {
	scrapes = &atomic.Int64{}
	return serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "good_total %d\n", scrapes.Add(1))
	}), scrapes
}

// suffers runs the hostile target beside a good one until it was refused twice, and checks that its error
// names what it must, that next to nothing of it was stored, and that the good target went on.
func suffers(t *testing.T, jobKeys string, hostile http.HandlerFunc, wantError ...string) *rig {
	t.Helper()
	return suffersFrom(t, 3, jobKeys, hostile, wantError...)
}

// suffersOnce is suffers for targets that take a machine's whole attention: with time for the answer, and until
// the first refusal.
func suffersOnce(t *testing.T, hostile http.HandlerFunc, wantError ...string) *rig {
	t.Helper()
	return suffersFrom(t, 2, "scrape_interval: 8s\n    scrape_timeout: 8s", hostile, wantError...)
}

func suffersFrom(t *testing.T, asks int64, jobKeys string, hostile http.HandlerFunc, wantError ...string) *rig {
	t.Helper()
	good, scrapes := goodTarget(t)
	var asked atomic.Int64
	bad := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		hostile(w, r)
	})
	r := start(t, besides(good, bad, jobKeys))
	await(t, func() string { return fmt.Sprintf("the hostile target was asked %d times", asked.Load()) },
		func() bool { return asked.Load() >= asks })

	got := r.Targets("hostile").Active[0]
	if got.Health != promscrape.HealthBad {
		t.Errorf("health = %s", got.Health)
	}
	for _, want := range wantError {
		if !strings.Contains(got.LastError, want) {
			t.Errorf("error %q does not have %q", got.LastError, want)
		}
	}
	if v, ok := r.series("up")[fmt.Sprintf(`{instance=%q, job="hostile"}`, bad)]; !ok || v != 0 {
		t.Errorf("up of the hostile target = %v (there: %v)", v, ok)
	}
	if n := r.store.Head().NumSeries(); n > freeNew+50 {
		t.Errorf("%d series are in the store", n)
	}
	other := r.Targets("good").Active[0]
	if other.Health != promscrape.HealthGood || scrapes.Load() < 2 || time.Since(other.LastScrape) > 10*time.Second {
		t.Errorf("the good target was disturbed: %d scrapes, %+v", scrapes.Load(), other)
	}
	return r
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	garbage := make([]byte, 10<<20)
	rand.New(rand.NewSource(1)).Read(garbage)
	suffers(t, "scrape_interval: 3s\n    scrape_timeout: 3s", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(garbage)
	}, "not in a format of metrics")
}

func TestGarbageAsProtobuf(t *testing.T) {
	t.Parallel()
	garbage := make([]byte, 10<<20)
	rand.New(rand.NewSource(2)).Read(garbage)
	suffers(t, "scrape_native_histograms: true", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
		_, _ = w.Write(garbage)
	}, "")
}

func TestGarbageAfterGoodLines(t *testing.T) {
	r := suffers(t, "scrape_interval: 3s\n    scrape_timeout: 3s", func(w http.ResponseWriter, _ *http.Request) {
		out := bufio.NewWriter(w)
		for i := range 100_000 {
			fmt.Fprintf(out, "half_total{i=\"%d\",salt=\"%d\"} 1\n", i, time.Now().UnixNano())
		}
		fmt.Fprintln(out, "}{ this is no metric")
		_ = out.Flush()
	}, "not in a format of metrics", "start token")
	if got := r.series("half_total"); len(got) != 0 {
		t.Errorf("%d series of a scrape that was refused are stored", len(got))
	}
	if n := testutil.ToFloat64(r.sink.metrics.refused); n < 2 {
		t.Errorf("hulotte_scrape_refused_total = %v", n)
	}
}

func TestErrorsStayShort(t *testing.T) {
	t.Parallel()
	r := suffers(t, "", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a{b=\""+strings.Repeat("x", 1<<20)+"\n")
	}, "")
	if n := len(r.Targets("hostile").Active[0].LastError); n == 0 || n > 2*maxErrorBytes {
		t.Errorf("the error has %d bytes", n)
	}
}

func TestTargetThatHangs(t *testing.T) {
	t.Parallel()
	suffers(t, "", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"deadline exceeded", "scrape_timeout")
}

func TestTargetThatDrips(t *testing.T) {
	t.Parallel()
	suffers(t, "", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "#")
			w.(http.Flusher).Flush()
			<-time.After(50 * time.Millisecond)
		}
	}, "deadline exceeded", "scrape_timeout")
}

func TestBodyThatNeverEnds(t *testing.T) {
	line := []byte(strings.Repeat("# all work and no play\n", 1000))
	before := heap()
	suffers(t, "body_size_limit: 1MB", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}, "body_size_limit: 1MiB", "set in the configuration")
	if grown := heap() - before; grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func TestCompressedBomb(t *testing.T) {
	before := heap()
	suffersOnce(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		zeros := []byte(strings.Repeat("#", 1<<20))
		for range 80 {
			_, _ = z.Write(zeros)
		}
		_ = z.Close()
	}, "body_size_limit: 64MiB", "Hulotte's default")
	if grown := heap() - before; grown > 300<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// A million series, others in every scrape, against the default limits. Without the sink's holding back each
// scrape would leave hundreds of thousands of series in the store.
func TestMillionSeries(t *testing.T) {
	var generation atomic.Int64
	before := heap()
	r := suffersOnce(t, func(w http.ResponseWriter, _ *http.Request) {
		g := generation.Add(1)
		out := bufio.NewWriterSize(w, 1<<16)
		for i := range 1_000_000 {
			fmt.Fprintf(out, "flood{g=\"%d\",i=\"%d\"} 1\n", g, i)
		}
		_ = out.Flush()
	}, "sample_limit: 300000", "Hulotte's default")
	if got := r.series("flood"); len(got) != 0 {
		t.Errorf("%d series of a refused scrape are stored", len(got))
	}
	if grown := heap() - before; grown > 400<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	t.Logf("heap grew by %d MiB, %d series in the store", (heap()-before)>>20, r.store.Head().NumSeries())
}

func TestTooManyLabels(t *testing.T) {
	t.Parallel()
	labels := make([]string, 300)
	for i := range labels {
		labels[i] = fmt.Sprintf("l%d=\"x\"", i)
	}
	suffers(t, "", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "wide{%s} 1\n", strings.Join(labels, ","))
	}, "label_limit", "limit: 256")
}

func TestLabelTooLong(t *testing.T) {
	t.Parallel()
	suffers(t, "", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "long{l=%q} 1\n", strings.Repeat("x", 100_000))
	}, "label_value_length_limit", "limit: 65536")
}

func TestTooManyTargets(t *testing.T) {
	t.Parallel()
	addr, _ := goodTarget(t)
	r := start(t, fmt.Sprintf(`
scrape_configs:
  - job_name: crowd
    scrape_interval: 1s
    scrape_timeout: 1s
    target_limit: 1
    static_configs: [{targets: [%q, %q]}]
`, addr, strings.Replace(addr, "127.0.0.1", "localhost", 1)))
	await(t, func() string { return fmt.Sprint(r.Targets("").Active) }, func() bool {
		active := r.Targets("crowd").Active
		return len(active) == 2 && strings.Contains(active[0].LastError, "target_limit")
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
