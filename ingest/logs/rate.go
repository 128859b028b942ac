package logs

import (
	"fmt"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// rates holds a bucket of bytes for each tenant: it fills with rate up to burst, and a push takes its bytes out.
type rates struct {
	rate, burst float64 // bytes a second, bytes; a rate of 0 is no limit

	mu      sync.Mutex
	buckets map[string]*bucket // guarded by mu
}

type bucket struct {
	bytes float64 // below 0 after a push that was larger than burst
	at    time.Time
}

// maxBuckets is when the full ones are dropped, which say no more than none.
const maxBuckets = 1000

// take takes a push's bytes, or says when to come back.
func (r *rates) take(tenant string, lines, bytes int, now time.Time) error {
	if r.rate <= 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucket(tenant, now)
	need := min(float64(bytes), r.burst)
	if b.bytes >= need {
		b.bytes -= float64(bytes)
		return nil
	}
	wait := time.Duration((need - b.bytes) / r.rate * float64(time.Second))
	return &rateError{tenant: tenant, rate: int64(r.rate), lines: lines, bytes: bytes, wait: wait}
}

// bucket returns the tenant's bucket as it is now.
func (r *rates) bucket(tenant string, now time.Time) *bucket {
	b := r.buckets[tenant]
	if b == nil {
		r.forget(now)
		b = &bucket{bytes: r.burst, at: now}
		r.buckets[tenant] = b
	}
	r.fill(b, now)
	return b
}

func (r *rates) fill(b *bucket, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.bytes = min(r.burst, b.bytes+passed.Seconds()*r.rate)
		b.at = now
	}
}

// forget drops full buckets, when there are many.
func (r *rates) forget(now time.Time) {
	if r.buckets == nil {
		r.buckets = make(map[string]*bucket)
	}
	if len(r.buckets) < maxBuckets {
		return
	}
	for tenant, b := range r.buckets {
		if r.fill(b, now); b.bytes >= r.burst {
			delete(r.buckets, tenant)
		}
	}
}

// rateError refuses a push for the rate of its tenant.
type rateError struct {
	tenant       string
	rate         int64
	lines, bytes int
	wait         time.Duration
}

var errRate = model.NewError(model.Limit, "rate limit")

func (e *rateError) Error() string {
	return fmt.Sprintf("ingestion rate limit exceeded for tenant %s (limit: %d bytes a second, ingest.logs.rate) while attempting to ingest %d lines totaling %d bytes: send again in %s, or raise the limit",
		e.tenant, e.rate, e.lines, e.bytes, e.wait.Round(time.Millisecond))
}

func (e *rateError) Unwrap() error { return errRate }

// RetryAfter says when the same push would be taken, if nothing else came.
func (e *rateError) RetryAfter() time.Duration { return e.wait }
