package mediumtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// whole is about the three parts together: verifying and closing.
func whole(t *testing.T, place Place[medium.Medium], o Options) {
	s := &mediumSuite{newSuite(t, place, o)}
	s.run(t, "verify", s.verify)
	s.run(t, "verify while writing", s.verifyWhileWriting)
	s.run(t, "closed medium", s.closed)
}

type mediumSuite struct{ *suite[medium.Medium] }

// fill writes some of everything.
func (s *mediumSuite) fill(ctx context.Context, name string, n int) error {
	m := s.opened
	j, err := m.Journals().Open(ctx, name, medium.JournalOptions{})
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := j.Append(ctx, noise(uint64(i), 100*i)); err != nil {
			return err
		}
		if _, err := m.Blobs().Put(ctx, fmt.Sprintf("%s/%d", name, i), bytes.NewReader(noise(uint64(i), 200_000*i)), medium.PutOptions{}); err != nil {
			return err
		}
		if _, err := m.Documents().Put(ctx, name, fmt.Sprint(i), []byte("{}"), medium.Absent); err != nil {
			return err
		}
	}
	return j.Close()
}

// sound verifies, and fails the test when something is reported.
func (s *mediumSuite) sound(ctx context.Context, t *testing.T) medium.Summary {
	t.Helper()
	var last medium.Summary
	sum, err := s.opened.Verify(ctx, func(f medium.Finding) { t.Errorf("verify reports %+v", f) }, func(s medium.Summary) { last = s })
	check(t, err)
	if last.Blobs > sum.Blobs || last.Entries > sum.Entries || last.Documents > sum.Documents {
		t.Errorf("progress tells of %+v, the end of %+v", last, sum)
	}
	return sum
}

func (s *mediumSuite) verify(ctx context.Context, t *testing.T, name string) {
	before := s.sound(ctx, t)
	check(t, s.fill(ctx, name, 8))
	for range 2 {
		after := s.sound(ctx, t)
		added := medium.Summary{
			Journals: after.Journals - before.Journals, Entries: after.Entries - before.Entries, EntryBytes: after.EntryBytes - before.EntryBytes,
			Blobs: after.Blobs - before.Blobs, BlobBytes: after.BlobBytes - before.BlobBytes,
			Documents: after.Documents - before.Documents, DocumentBytes: after.DocumentBytes - before.DocumentBytes,
		}
		want := medium.Summary{Journals: 1, Entries: 8, EntryBytes: 2800, Blobs: 8, BlobBytes: 5_600_000, Documents: 8, DocumentBytes: 16}
		if added != want {
			t.Errorf("verify counts %+v more than before, want %+v", added, want)
		}
		s.reopen(t)
	}
	gone, cause := cancelled(ctx)
	_, err := s.opened.Verify(gone, func(medium.Finding) {}, nil)
	wantError(t, err, cause)
}

func (s *mediumSuite) verifyWhileWriting(ctx context.Context, t *testing.T, name string) {
	done := make(chan error, 1)
	var writing sync.WaitGroup
	writing.Go(func() { done <- s.fill(ctx, name, max(5, s.Rounds/20)) })
	finished := make(chan struct{})
	go func() { writing.Wait(); close(finished) }()
	for open := true; open; {
		select {
		case <-finished:
			open = false
		default:
		}
		s.sound(ctx, t)
	}
	check(t, <-done)
}

func (s *mediumSuite) closed(ctx context.Context, t *testing.T, name string) {
	j, err := s.opened.Journals().Open(ctx, name, medium.JournalOptions{})
	check(t, err)
	_, err = j.Append(ctx, []byte("x"))
	check(t, err)
	old := s.opened
	s.reopen(t)
	_, err = j.Append(ctx, []byte("late"))
	wantError(t, err, medium.ErrClosed)
	_, err = old.Journals().Open(ctx, name, medium.JournalOptions{})
	wantError(t, err, medium.ErrClosed)
	_, err = old.Blobs().Put(ctx, name, bytes.NewReader(nil), medium.PutOptions{})
	wantError(t, err, medium.ErrClosed)
	_, err = old.Documents().Put(ctx, name, "k", []byte("1"), medium.Absent)
	wantError(t, err, medium.ErrClosed)
	_, err = old.Documents().Get(ctx, name, "k")
	wantError(t, err, medium.ErrClosed)
	j, err = s.opened.Journals().Open(ctx, name, medium.JournalOptions{}) // the closed medium gave it back
	check(t, err)
	check(t, j.Close())
}
