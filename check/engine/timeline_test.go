package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSlots(t *testing.T) {
	start := time.Date(2026, 11, 23, 8, 0, 30, 0, time.UTC)
	f := func(hash uint64, after, want time.Duration) {
		t.Helper()
		if got := newSlots(start, hash, time.Minute).after(after); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(0, 0, 30*time.Second)
	f(0, 30*time.Second, 90*time.Second)
	f(0, 30*time.Second-1, 30*time.Second)
	f(uint64(30*time.Second), 0, time.Minute)
	f(uint64(29*time.Second), 0, 59*time.Second)
	f(uint64(90*time.Second), 59*time.Second, time.Minute)
	f(0, time.Hour, time.Hour+30*time.Second)

	s := newSlots(start, 0, time.Minute)
	if n := s.between(30*time.Second, 5*time.Minute); n != 4 {
		t.Errorf("%d slots between, want 4", n)
	}
	if n := s.between(time.Minute, time.Minute+20*time.Second); n != 0 {
		t.Errorf("%d slots between, want 0", n)
	}
}

// A restart changes no slot.
func TestSlotsStay(t *testing.T) {
	a := time.Unix(1_800_000_000, 123)
	b := a.Add(987654321 * time.Microsecond)
	for range 1000 {
		hash, interval := rand.Uint64(), time.Duration(1+rand.IntN(7200))*time.Second
		before := a.Add(newSlots(a, hash, interval).after(b.Sub(a)))
		after := b.Add(newSlots(b, hash, interval).after(0))
		if !before.Equal(after) && !before.Add(interval).Equal(after) && !after.Add(interval).Equal(before) {
			t.Fatalf("slot %s of %s before, %s after", before, interval, after)
		}
	}
}

func TestTimeline(t *testing.T) {
	var l timeline
	items := make([]item, 200)
	for i := range items {
		l.set(&items[i], time.Duration(rand.IntN(50)))
	}
	for i := range items {
		switch i % 3 {
		case 0:
			l.set(&items[i], time.Duration(rand.IntN(50)))
		case 1:
			l.drop(&items[i])
			l.drop(&items[i])
		}
	}
	var got []time.Duration
	for it := l.due(40); it != nil; it = l.due(40) {
		got = append(got, it.at)
	}
	if !slices.IsSorted(got) || len(got) == 0 || got[len(got)-1] > 40 {
		t.Errorf("got %v", got)
	}
	for _, it := range l {
		if it.at <= 40 {
			t.Errorf("%d was left", it.at)
		}
	}
}
