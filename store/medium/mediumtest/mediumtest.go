// Package mediumtest is the suite that every medium passes. It says in code what the contracts of package medium say
// in words; an implementation's own tests are about its files, its faults and its speed.
package mediumtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// A Place holds the data of one medium, empty at first. It opens it and returns how to close it; it is called again, after
// the close, to see that everything is still there. The suite keeps its tests apart by names, so that one place serves them all.
type Place[T any] func(t *testing.T) (opened T, closeIt func() error)

// Options bounds what the suite costs; its zero value suits local files.
type Options struct {
	LargeBlob int64 // bytes of the largest blob; 0 is 40 MiB
	Rounds    int   // repetitions of what is concurrent; 0 is 200
	// Timeout is for each test. 0 is a minute.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.LargeBlob == 0 {
		o.LargeBlob = 40 << 20
	}
	if o.Rounds == 0 {
		o.Rounds = 200
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return o
}

// Medium runs the whole suite: the three parts, and what concerns them together.
func Medium(t *testing.T, place Place[medium.Medium], o Options) {
	t.Run("journals", func(t *testing.T) {
		Journals(t, part(place, medium.Medium.Journals), o)
	})
	t.Run("blobs", func(t *testing.T) {
		Blobs(t, part(place, medium.Medium.Blobs), o)
	})
	t.Run("documents", func(t *testing.T) {
		Documents(t, part(place, medium.Medium.Documents), o)
	})
	t.Run("whole", func(t *testing.T) {
		whole(t, place, o)
	})
}

func part[T any](place Place[medium.Medium], get func(medium.Medium) T) Place[T] {
	return func(t *testing.T) (T, func() error) {
		m, closeIt := place(t)
		return get(m), closeIt
	}
}

// suite is one opened part, and how to open it again.
type suite[T any] struct {
	Options
	place   Place[T]
	opened  T
	closeIt func() error
}

func newSuite[T any](t *testing.T, place Place[T], o Options) *suite[T] {
	t.Helper()
	s := &suite[T]{Options: o.withDefaults(), place: place}
	s.opened, s.closeIt = place(t)
	t.Cleanup(func() {
		if err := s.closeIt(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// reopen closes and opens, as a restart does.
func (s *suite[T]) reopen(t *testing.T) {
	t.Helper()
	if err := s.closeIt(); err != nil {
		t.Fatalf("close: %v", err)
	}
	s.opened, s.closeIt = s.place(t)
}

// test is a name of its own for one test's data, and a context that ends it when it hangs.
func (s *suite[T]) run(t *testing.T, name string, f func(ctx context.Context, t *testing.T, name string)) {
	t.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), s.Timeout, errors.New("the test took too long"))
		defer cancel()
		f(ctx, t, strings.ReplaceAll(name, " ", "-"))
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError wants err to be, or wrap, target.
func wantError(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want one that is %q", err, target)
	}
}

func wantKind(t *testing.T, err error, kind model.Kind) {
	t.Helper()
	if model.KindOf(err) != kind {
		t.Errorf("error %v of kind %q, want kind %q", err, model.KindOf(err), kind)
	}
}

// noise returns n bytes that no compression shrinks, the same ones for the same seed.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// badNames is what no medium may take for the name of anything.
var badNames = []string{"", "/", "a/", "/a", "a//b", ".", "..", "../up", "a/../b", "a b", "a\x00", "ü", strings.Repeat("x", medium.MaxNamePart+1)}

// cancelled returns a context that has ended already, and why.
func cancelled(ctx context.Context) (context.Context, error) {
	cause := errors.New("the caller went away")
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(cause)
	return ctx, cause
}

// parallel runs f(0) to f(n-1) at once, waits for them all, and fails the test with the first error.
func parallel(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() {
			defer func() {
				if r := recover(); r != nil {
					errs <- fmt.Errorf("panic: %v", r)
				}
			}()
			errs <- f(i)
		}()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	check(t, errors.Join(all...))
}
