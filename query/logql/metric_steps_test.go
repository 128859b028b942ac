package logql

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWindowsHoldExactlyTheirRanges(t *testing.T) {
	f := func(count int, step, length, offset int64) {
		t.Helper()
		s := steps{start: 1_000_000, step: step, count: count}
		w := newWindows(s, length, offset)
		if most := w.stride*(count-1) + w.width; most != w.buckets {
			t.Fatalf("step %d length %d count %d: %d buckets, ranges need %d", step, length, count, w.buckets, most)
		}
		for at := w.from(); at < w.to(); at++ {
			b, end := w.bucket(at)
			if end < at || b >= w.buckets {
				t.Fatalf("step %d length %d count %d: at %d bucket %d until %d", step, length, count, at, b, end)
			}
			if b2, end2 := w.bucket(end); b2 != b || end2 != end {
				t.Fatalf("step %d length %d count %d: bucket %d of %d ends at %d, where %d is until %d", step, length, count, b, at, end, b2, end2)
			}
			for k := range count {
				inside := at > s.at(k)-offset-length && at <= s.at(k)-offset
				if held := b >= k*w.stride && b < k*w.stride+w.width; held != inside {
					t.Fatalf("step %d length %d count %d: at %d (bucket %d) in range %d: %v, want %v", step, length, count, at, b, k, held, inside)
				}
			}
		}
	}
	f(1, 0, 10, 0)
	f(1, 0, 10, 5)
	f(5, 10, 10, 0)
	f(5, 10, 3, 0)
	f(5, 10, 30, 0)
	f(5, 10, 40, 7)
	f(5, 10, 25, -3)
	f(5, 10, 41, 0)
	f(5, 10, 400, 0)
	for range 300 {
		f(1+rand.IntN(12), 1+rand.Int64N(20), 1+rand.Int64N(120), rand.Int64N(40)-20)
	}
}

func TestSteps(t *testing.T) {
	f := func(req Request, want int) {
		t.Helper()
		s, err := newSteps(&req)
		if err != nil || s.count != want {
			t.Errorf("%d steps, %v, want %d", s.count, err, want)
		}
	}
	at := time.Unix(100, 0)
	f(Request{Start: at, End: at}, 1)
	f(Request{Start: at, End: at.Add(60 * time.Second), Step: time.Minute}, 2)
	f(Request{Start: at, End: at.Add(59 * time.Second), Step: time.Minute}, 1)
	for _, req := range []Request{{Start: at, End: at.Add(1)}, {Start: at, End: at.Add(-1), Step: 1}} {
		if _, err := newSteps(&req); err == nil {
			t.Error("no error")
		}
	}
}

func TestWindowsOnly(t *testing.T) {
	f := func(w windows, oldest, newest int64, bucket int, ok bool) {
		t.Helper()
		got, is := w.only(oldest, newest)
		if is != ok || ok && got != bucket {
			t.Errorf("from %d to %d: %d, %v; not %d, %v", oldest, newest, got, is, bucket, ok)
		}
	}
	one := newWindows(steps{start: 1000, count: 1}, 100, 0)
	f(one, 901, 1000, 0, true)
	f(one, 900, 1000, 0, false)
	f(one, 901, 1001, 0, false)
	apart := newWindows(steps{start: 1000, step: 100, count: 3}, 50, 0)
	f(apart, 1051, 1100, 1, true)
	f(apart, 1050, 1100, 1, false) // in no range
	f(apart, 1001, 1050, 0, false)
	f(apart, 1051, 1151, 0, false)
	even := newWindows(steps{start: 1000, step: 100, count: 3}, 200, 0)
	f(even, 801, 900, 0, true)
	f(even, 801, 901, 0, false)
	f(even, 1101, 1200, 3, true)
}
