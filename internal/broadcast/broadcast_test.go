package broadcast

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestSlowListenerHoldsOneNewsATopicAndItsCount(t *testing.T) {
	h := New("x")
	s := h.Subscribe([]string{"a", "b"}, h.Seq())
	defer s.Close()
	for range 1000 {
		h.Publish("a", time.Unix(1, 0))
	}
	h.Publish("b", time.Unix(2, 0))
	h.Publish("c", time.Unix(3, 0))
	<-s.Ready()
	got := fmt.Sprint(s.Take())
	want := fmt.Sprint([]News{{"a", 1000, time.Unix(1, 0), 1000}, {"b", 1001, time.Unix(2, 0), 1}})
	if got != want {
		t.Errorf("took %s, want %s", got, want)
	}
	if rest := s.Take(); len(rest) != 0 {
		t.Errorf("took the same news twice: %v", rest)
	}
}

func TestSubscribeSinceCatchesUp(t *testing.T) {
	h := New("x")
	h.Publish("a", time.Unix(1, 0))
	h.Publish("a", time.Unix(2, 0))
	f := func(since uint64, want int) {
		t.Helper()
		s := h.Subscribe([]string{"a"}, since)
		defer s.Close()
		if got := len(s.Take()); got != want {
			t.Errorf("since %d: %d news, want %d", since, got, want)
		}
	}
	f(0, 1)
	f(1, 1)
	f(2, 0)
	f(99, 0)
}

func TestCloseEndsListeners(t *testing.T) {
	h := New("x")
	s := h.Subscribe([]string{"a"}, 0)
	h.Close()
	h.Close()
	h.Publish("a", time.Now())
	<-h.Done()
	if n := len(s.Take()); n != 0 || h.Listeners() != 0 {
		t.Errorf("%d news and %d listeners after the end", n, h.Listeners())
	}
	h.Subscribe([]string{"a"}, 0).Close()
	s.Close()
}

func TestConcurrentUse(t *testing.T) {
	h := New("x")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := h.Subscribe([]string{"a"}, 0)
			defer s.Close()
			for range 100 {
				h.Publish("a", time.Now())
				s.Take()
			}
		})
	}
	wg.Wait()
	if n := h.Listeners(); n != 0 {
		t.Errorf("%d listeners are left", n)
	}
}
