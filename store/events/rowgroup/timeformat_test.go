package rowgroup

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	near := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	f := func(text string, want time.Time) {
		t.Helper()
		format, at, n := parseTime(text, near.UnixNano())
		if n != len(text) || at != want.UnixNano() {
			t.Errorf("%q: length %d, %v, want %v", text, n, time.Unix(0, at).UTC(), want)
			return
		}
		if got := string(format.appendTime(nil, at)); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
		if got := timeAt(text + " x"); got != n {
			t.Errorf("timeAt(%q) = %d", text, got)
		}
	}
	day := func(ns int) time.Time { return time.Date(2026, 2, 3, 4, 5, 6, ns, time.UTC) }
	f("2026-02-03T04:05:06Z", day(0))
	f("2026-02-03T04:05:06.123Z", day(123e6))
	f("2026-02-03 04:05:06,123", day(123e6))
	f("2026-02-03T06:05:06.000000001+02:00", day(1))
	f("2026-02-02T20:05:06.5-0800", day(5e8))
	f("2026/02/03 04:05:06", day(0))
	f("03/Feb/2026:04:05:06 +0000", day(0))
	f("03/Feb/2026:09:35:06 +0530", day(0))
	f("Nov 23 04:05:06", time.Date(2026, 11, 23, 4, 5, 6, 0, time.UTC))
	f("Jan  2 04:05:06", time.Date(2027, 1, 2, 4, 5, 6, 0, time.UTC))
	f("Jun 12 04:05:06", time.Date(2026, 6, 12, 4, 5, 6, 0, time.UTC))
}

func TestParseTimeRefuses(t *testing.T) {
	f := func(text string) {
		t.Helper()
		if _, _, n := parseTime(text, 0); n == len(text) {
			t.Errorf("%q is taken for a time", text)
		}
	}
	f("2026-02-30T04:05:06Z")
	f("2026-13-03T04:05:06Z")
	f("2026-02-03T24:05:06Z")
	f("2026-02-03T04:05:60Z")
	f("2026-02-03T04:05:06-00:00")
	f("9026-02-03T04:05:06Z")
	f("2026-02/03T04:05:06Z")
	f("31/Apr/2026:04:05:06 +0000")
	f("03/feb/2026:04:05:06 +0000")
	f("Nov 03 04:05:06")
	f("Nov  0 04:05:06")
	f("Nov 31 04:05:06")
	f("+026-02-03T04:05:06Z")
}

func TestDates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		want := time.Unix(r.Int64N(9e9)-4e9, 0).UTC()
		y, m, d := dateOf(floorDiv(want.Unix(), 86400))
		if wy, wm, wd := want.Date(); y != wy || m != int(wm) || d != wd {
			t.Fatalf("%v: %d-%d-%d", want, y, m, d)
		}
		if y < 1700 || y > 2250 {
			continue
		}
		if s, ok := civil(y, m, d); !ok || s != floorDiv(want.Unix(), 86400)*86400 {
			t.Fatalf("%v: %d", want, s)
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add("2026-02-03T04:05:06.123Z", int64(1e18))
	f.Add("03/Feb/2026:04:05:06 +0000", int64(1e18))
	f.Add("Feb 29 04:05:06", int64(951782400e9))
	f.Fuzz(func(t *testing.T, text string, near int64) {
		format, at, n := parseTime(text, near)
		if n == 0 {
			return
		}
		if got := string(format.appendTime(nil, at)); got != text[:n] {
			t.Fatalf("%q becomes %q", text[:n], got)
		}
	})
}
