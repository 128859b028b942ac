package cassandra

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func testCache(t *testing.T, maxBytes int64) *partCache {
	t.Helper()
	m, err := newBlobMetrics(nil)
	check(t, err)
	return newPartCache(maxBytes, m)
}

// load gets part i, of n bytes, and says whether it had to be fetched.
func (c *partCache) load(t *testing.T, i, n int) (fetched bool) {
	t.Helper()
	data, err := c.get(t.Context(), partKey{part: i}, func(context.Context) ([]byte, error) {
		fetched = true
		b := make([]byte, n)
		for k := range b {
			b[k] = byte(i)
		}
		return b, nil
	})
	check(t, err)
	if len(data) != n || n > 0 && data[n-1] != byte(i) {
		t.Fatalf("part %d comes as %d bytes", i, len(data))
	}
	return fetched
}

func TestCacheIsBounded(t *testing.T) {
	const limit = 100_000
	c := testCache(t, limit)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		i := int(random.ExpFloat64() * 200)
		c.load(t, i, 100+i*7%5000)
		var bytes int64
		for _, p := range c.parts {
			bytes += p.weight()
		}
		if bytes > limit || bytes != c.small.bytes+c.large.bytes || len(c.ghosts.order) > limit/(100+partOverhead) {
			t.Fatalf("%d bytes in %d parts, %d in the queues, %d ghosts", bytes, len(c.parts), c.small.bytes+c.large.bytes, len(c.ghosts.order))
		}
	}
	if c.load(t, 1<<20, limit+1); c.parts[partKey{part: 1 << 20}] != nil {
		t.Error("a part that is larger than the cache is kept")
	}
	hits, misses := testutil.ToFloat64(c.metrics.hits), testutil.ToFloat64(c.metrics.misses)
	if hits+misses != 20_001 || testutil.ToFloat64(c.metrics.cached) != float64(c.small.bytes+c.large.bytes) {
		t.Errorf("%v hits and %v misses", hits, misses)
	}
}

func TestCacheKeepsWhatIsUsedThroughAScan(t *testing.T) {
	c := testCache(t, 100*(1000+partOverhead))
	for range 3 {
		for i := range 20 {
			c.load(t, i, 1000)
		}
	}
	for i := 1000; i < 3000; i++ {
		c.load(t, i, 1000)
	}
	for i := range 20 {
		if c.load(t, i, 1000) {
			t.Errorf("part %d, which was used three times, gave way to parts that were used once", i)
		}
	}
}

func TestCacheFetchesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testCache(t, 1<<20)
		var fetches atomic.Int32
		arrive := make(chan struct{})
		fetch := func(ctx context.Context) ([]byte, error) {
			fetches.Add(1)
			select {
			case <-arrive:
				return []byte("x"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		first, leave := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		for i := range 10 {
			ctx := t.Context()
			if i == 0 {
				ctx = first
			}
			readers.Go(func() {
				data, err := c.get(ctx, partKey{}, fetch)
				if i > 0 && (err != nil || string(data) != "x") || i == 0 && !errors.Is(err, context.Canceled) {
					t.Errorf("reader %d gets %q, %v", i, data, err)
				}
			})
			synctest.Wait()
		}
		leave() // whoever began the fetch leaves; the others still get the part
		synctest.Wait()
		close(arrive)
		readers.Wait()
		if fetches.Load() != 1 {
			t.Errorf("10 readers at once cost %d fetches", fetches.Load())
		}
	})
}

func TestCacheEndsFetchesThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testCache(t, 1<<20)
		ended := make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_, _ = c.get(ctx, partKey{}, func(ctx context.Context) ([]byte, error) {
				<-ctx.Done()
				close(ended)
				return nil, ctx.Err()
			})
		}()
		synctest.Wait()
		leave()
		<-ended
		if !c.load(t, 0, 5) {
			t.Error("a fetch that was given up left something behind")
		}
	})
}

func TestCacheDoesNotKeepErrors(t *testing.T) {
	c := testCache(t, 1<<20)
	broken := errors.New("broken")
	if _, err := c.get(t.Context(), partKey{}, func(context.Context) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if !c.load(t, 0, 5) {
		t.Error("an error was kept")
	}
}
