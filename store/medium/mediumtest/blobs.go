package mediumtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Blobs is the suite of medium.Blobs.
func Blobs(t *testing.T, place Place[medium.Blobs], o Options) {
	s := &blobs{newSuite(t, place, o)}
	s.run(t, "sizes and ranges", s.sizes)
	s.run(t, "large", s.large)
	s.run(t, "bad ranges", s.badRanges)
	s.run(t, "written once", s.writtenOnce)
	s.run(t, "one of many puts wins", s.race)
	s.run(t, "content that fails", s.failingContent)
	s.run(t, "cancelled", s.cancelled)
	s.run(t, "list", s.list)
	s.run(t, "list while writing", s.listWhileWriting)
	s.run(t, "delete", s.delete)
	s.run(t, "expiry", s.expiry)
	s.run(t, "many readers", s.manyReaders)
	s.run(t, "coming and going", s.comingAndGoing)
	s.run(t, "names", s.names)
}

type blobs struct{ *suite[medium.Blobs] }

func (s *blobs) put(ctx context.Context, t *testing.T, name string, content []byte) {
	t.Helper()
	info, err := s.opened.Put(ctx, name, bytes.NewReader(content), medium.PutOptions{})
	check(t, err)
	if want := (medium.BlobInfo{Name: name, Size: int64(len(content))}); info != want {
		t.Errorf("put tells %+v, want %+v", info, want)
	}
}

// read opens a blob and returns a copy of all of it.
func (s *blobs) read(ctx context.Context, name string) (content []byte, err error) {
	b, err := s.opened.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	all, err := b.Range(ctx, 0, b.Size())
	return bytes.Clone(all), err
}

func (s *blobs) want(ctx context.Context, t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := s.read(ctx, name)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("blob %q reads as %d bytes that differ from the %d that were put", name, len(got), len(want))
	}
}

func (s *blobs) gone(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	_, err := s.opened.Open(ctx, name)
	wantError(t, err, medium.ErrNotFound)
	if got := s.listed(ctx, t, name); slices.Contains(got, name) {
		t.Errorf("the list has %q, which is not there", name)
	}
}

func (s *blobs) listed(ctx context.Context, t *testing.T, prefix string) []string {
	t.Helper()
	var names []string
	for info, err := range s.opened.List(ctx, prefix) {
		check(t, err)
		if !strings.HasPrefix(info.Name, prefix) {
			t.Errorf("the list of %q has %q", prefix, info.Name)
		}
		names = append(names, info.Name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("the list of %q is not in order: %q", prefix, names)
	}
	return names
}

// sizes covers both sides of every power of two at which an implementation may cut.
func (s *blobs) sizes(ctx context.Context, t *testing.T, name string) {
	var sizes []int
	for _, n := range []int{0, 1, 4096, 64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20} {
		sizes = append(sizes, max(0, n-1), n, n+1)
	}
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	blob := func(n int) string { return fmt.Sprintf("%s/%d", name, n) }
	for _, n := range sizes {
		s.put(ctx, t, blob(n), noise(uint64(n), n))
	}
	look := func() {
		t.Helper()
		for _, n := range sizes {
			s.want(ctx, t, blob(n), noise(uint64(n), n))
		}
	}
	look()
	s.reopen(t)
	look()
	s.ranges(ctx, t, blob(2<<20+1), noise(2<<20+1, 2<<20+1))
}

// ranges reads at random, also backwards and across cuts.
func (s *blobs) ranges(ctx context.Context, t *testing.T, name string, want []byte) {
	t.Helper()
	b, err := s.opened.Open(ctx, name)
	check(t, err)
	if b.Size() != int64(len(want)) {
		t.Fatalf("size %d, want %d", b.Size(), len(want))
	}
	random := rand.New(rand.NewPCG(1, uint64(len(want))))
	for range 50 {
		off := random.Int64N(b.Size() + 1)
		n := random.Int64N(min(b.Size()-off, 300_000) + 1)
		got, err := b.Range(ctx, off, n)
		check(t, err)
		if !bytes.Equal(got, want[off:off+n]) {
			t.Fatalf("the range of %d bytes at %d differs from what was put", n, off)
		}
	}
	check(t, b.Close())
}

// trickle yields its content in small and odd pieces, as a network does.
type trickle struct {
	r io.Reader
	n int
}

func (r *trickle) Read(p []byte) (int, error) {
	r.n = r.n*7%65_521 + 1
	return r.r.Read(p[:min(len(p), r.n)])
}

func (s *blobs) large(ctx context.Context, t *testing.T, name string) {
	want := noise(7, int(s.LargeBlob))
	info, err := s.opened.Put(ctx, name, &trickle{bytes.NewReader(want), 1}, medium.PutOptions{})
	check(t, err)
	if info.Size != s.LargeBlob {
		t.Errorf("put tells of %d bytes, want %d", info.Size, s.LargeBlob)
	}
	s.reopen(t)
	s.ranges(ctx, t, name, want)
	s.want(ctx, t, name, want)
	check(t, s.opened.Delete(ctx, name))
}

func (s *blobs) badRanges(ctx context.Context, t *testing.T, name string) {
	for _, size := range []int{0, 1000} {
		n := fmt.Sprintf("%s/%d", name, size)
		s.put(ctx, t, n, noise(1, size))
		b, err := s.opened.Open(ctx, n)
		check(t, err)
		end := int64(size)
		for _, r := range [][2]int64{{-1, 1}, {0, -1}, {0, end + 1}, {end, 1}, {end + 1, 0}, {1, 1<<63 - 1}, {1<<63 - 1, 1}} {
			_, err := b.Range(ctx, r[0], r[1])
			wantKind(t, err, model.Invalid)
		}
		got, err := b.Range(ctx, end, 0)
		check(t, err)
		if len(got) != 0 {
			t.Errorf("an empty range has %d bytes", len(got))
		}
		check(t, b.Close())
	}
}

func (s *blobs) writtenOnce(ctx context.Context, t *testing.T, name string) {
	s.put(ctx, t, name, []byte("first"))
	for _, again := range []string{"second", "first"} {
		_, err := s.opened.Put(ctx, name, strings.NewReader(again), medium.PutOptions{})
		wantError(t, err, medium.ErrExists)
	}
	s.want(ctx, t, name, []byte("first"))
	check(t, s.opened.Delete(ctx, name))
	s.put(ctx, t, name, []byte("third"))
	s.want(ctx, t, name, []byte("third"))
}

func (s *blobs) race(ctx context.Context, t *testing.T, name string) {
	for round := range max(3, s.Rounds/40) {
		n := fmt.Sprintf("%s/%d", name, round)
		var winner atomic.Int64
		var wins atomic.Int64
		parallel(t, 6, func(i int) error {
			_, err := s.opened.Put(ctx, n, bytes.NewReader(noise(uint64(i), 10_000)), medium.PutOptions{})
			if errors.Is(err, medium.ErrExists) {
				return nil
			}
			if err == nil {
				winner.Store(int64(i))
				wins.Add(1)
			}
			return err
		})
		if wins.Load() != 1 {
			t.Fatalf("%d of 6 puts of one name succeeded", wins.Load())
		}
		s.want(ctx, t, n, noise(uint64(winner.Load()), 10_000))
	}
}

// failing yields n bytes, then calls then and returns its error.
type failing struct {
	n    int
	then func() error
}

func (r *failing) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, r.then()
	}
	n := min(len(p), r.n)
	r.n -= n
	return n, nil
}

func (s *blobs) failingContent(ctx context.Context, t *testing.T, name string) {
	broken := errors.New("the source broke")
	for _, n := range []int{0, 10, 3 << 20} {
		_, err := s.opened.Put(ctx, name, &failing{n, func() error { return broken }}, medium.PutOptions{})
		wantError(t, err, broken)
		s.gone(ctx, t, name)
	}
	s.put(ctx, t, name, []byte("whole"))
	s.reopen(t)
	s.want(ctx, t, name, []byte("whole"))
}

func (s *blobs) cancelled(ctx context.Context, t *testing.T, name string) {
	s.put(ctx, t, name+"/there", []byte("x"))
	cause := errors.New("the caller went away")
	leaving, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	_, err := s.opened.Put(leaving, name+"/half", &failing{2 << 20, func() error { leave(cause); return io.EOF }}, medium.PutOptions{})
	wantError(t, err, cause)
	s.gone(ctx, t, name+"/half")

	gone, cause := cancelled(ctx)
	_, err = s.opened.Put(gone, name+"/never", strings.NewReader("x"), medium.PutOptions{})
	wantError(t, err, cause)
	_, err = s.opened.Open(gone, name+"/there")
	wantError(t, err, cause)
	wantError(t, s.opened.Delete(gone, name+"/there"), cause)
	for _, err := range s.opened.List(gone, name) {
		wantError(t, err, cause)
	}
	b, err := s.opened.Open(ctx, name+"/there")
	check(t, err)
	_, err = b.Range(gone, 0, 1)
	wantError(t, err, cause)
	check(t, b.Close())
}

func (s *blobs) list(ctx context.Context, t *testing.T, name string) {
	// A slash sorts between the dot and the zero, so that neither folder by folder nor file by file is the order of names.
	var names []string
	for _, n := range []string{"a", "a!", "a-b", "a.b", "a/b", "a/b/c", "a/b-c", "a0", "ab", "b", "b/1/2/3", "B", "z/z"} {
		names = append(names, name+"/"+n)
	}
	for _, i := range rand.Perm(len(names)) {
		s.put(ctx, t, names[i], []byte(names[i]))
	}
	slices.Sort(names)
	want := func(prefix string) {
		t.Helper()
		var want []string
		for _, n := range names {
			if strings.HasPrefix(n, prefix) {
				want = append(want, n)
			}
		}
		if got := s.listed(ctx, t, prefix); !slices.Equal(got, want) {
			t.Errorf("the list of %q is %q, want %q", prefix, got, want)
		}
	}
	for _, p := range []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/a-", "/b/1/2/3", "/nothing", "/z", "/z/z/"} {
		want(name + p)
	}
	s.reopen(t)
	want(name + "/")
	for info, err := range s.opened.List(ctx, name+"/") {
		check(t, err)
		if info.Size != int64(len(info.Name)) || !info.Expires.IsZero() {
			t.Errorf("the list tells %+v", info)
		}
		break // a reader may leave
	}
	all := s.listed(ctx, t, "")
	for _, n := range names {
		if !slices.Contains(all, n) {
			t.Errorf("the list of everything lacks %q", n)
		}
	}
}

func (s *blobs) listWhileWriting(ctx context.Context, t *testing.T, name string) {
	s.put(ctx, t, name+"/stays", []byte("x"))
	n := max(10, s.Rounds/4)
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		defer close(stop)
		for i := range n {
			blob := fmt.Sprintf("%s/%d", name, i)
			_, err := s.opened.Put(ctx, blob, strings.NewReader("y"), medium.PutOptions{})
			if err == nil && i%2 == 0 {
				err = s.opened.Delete(ctx, blob)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for open := true; open; {
		select {
		case <-stop:
			open = false
		default:
		}
		if got := s.listed(ctx, t, name+"/"); !slices.Contains(got, name+"/stays") {
			t.Fatalf("the list %q lacks what was there all the time", got)
		}
	}
	check(t, <-done)
	if got := s.listed(ctx, t, name+"/"); len(got) != 1+n/2 {
		t.Errorf("the list has %d names, want %d", len(got), 1+n/2)
	}
}

func (s *blobs) delete(ctx context.Context, t *testing.T, name string) {
	content := noise(3, 1<<20)
	s.put(ctx, t, name, content)
	s.put(ctx, t, name+"/below", content)
	b, err := s.opened.Open(ctx, name)
	check(t, err)
	check(t, s.opened.Delete(ctx, name))
	check(t, s.opened.Delete(ctx, name))
	s.gone(ctx, t, name)
	for off := int64(0); off < b.Size(); off += 100_000 {
		n := min(1000, b.Size()-off)
		got, err := b.Range(ctx, off, n)
		if err != nil {
			wantError(t, err, medium.ErrNotFound)
		} else if !bytes.Equal(got, content[off:off+n]) {
			t.Fatal("a deleted blob that is open is read wrong")
		}
	}
	check(t, b.Close())
	s.want(ctx, t, name+"/below", content)
	s.reopen(t)
	s.gone(ctx, t, name)
	s.want(ctx, t, name+"/below", content)
}

func (s *blobs) expiry(ctx context.Context, t *testing.T, name string) {
	want := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)
	info, err := s.opened.Put(ctx, name, strings.NewReader("x"), medium.PutOptions{Expires: want})
	check(t, err)
	look := func(info medium.BlobInfo) {
		t.Helper()
		if !info.Expires.Equal(want) {
			t.Errorf("it expires at %v, want %v", info.Expires, want)
		}
	}
	look(info)
	s.reopen(t)
	for info, err := range s.opened.List(ctx, name) {
		check(t, err)
		look(info)
	}
	s.want(ctx, t, name, []byte("x"))
}

func (s *blobs) manyReaders(ctx context.Context, t *testing.T, name string) {
	want := noise(11, 1_500_000)
	s.put(ctx, t, name, want)
	shared, err := s.opened.Open(ctx, name)
	check(t, err)
	parallel(t, 12, func(i int) (err error) {
		b := shared
		if i%2 == 0 { // half of them with an opening of their own
			if b, err = s.opened.Open(ctx, name); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.Close()) }()
		}
		random := rand.New(rand.NewPCG(5, uint64(i)))
		for range s.Rounds / 4 {
			off := random.Int64N(b.Size())
			n := random.Int64N(min(b.Size()-off, 50_000) + 1)
			got, err := b.Range(ctx, off, n)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want[off:off+n]) {
				return fmt.Errorf("the range of %d bytes at %d differs from what was put", n, off)
			}
		}
		return nil
	})
	check(t, shared.Close())
}

// comingAndGoing puts, reads and deletes the same few names from many goroutines: whoever reads gets one whole content.
func (s *blobs) comingAndGoing(ctx context.Context, t *testing.T, name string) {
	parallel(t, 6, func(i int) error {
		random := rand.New(rand.NewPCG(6, uint64(i)))
		for range s.Rounds / 4 {
			if err := s.oneStep(ctx, fmt.Sprintf("%s/%d", name, random.IntN(3)), byte('a'+i), random.IntN(3)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *blobs) oneStep(ctx context.Context, name string, letter byte, step int) error {
	switch step {
	case 0:
		_, err := s.opened.Put(ctx, name, bytes.NewReader(bytes.Repeat([]byte{letter}, 100_000)), medium.PutOptions{})
		if errors.Is(err, medium.ErrExists) {
			return nil
		}
		return err
	case 1:
		return s.opened.Delete(ctx, name)
	}
	got, err := s.read(ctx, name)
	if errors.Is(err, medium.ErrNotFound) {
		return nil
	}
	if err == nil && (len(got) != 100_000 || !bytes.Equal(got, bytes.Repeat(got[:1], 100_000))) {
		return fmt.Errorf("blob %q reads as %d bytes of several puts", name, len(got))
	}
	return err
}

func (s *blobs) names(ctx context.Context, t *testing.T, name string) {
	for _, bad := range badNames {
		_, err := s.opened.Put(ctx, bad, strings.NewReader("x"), medium.PutOptions{})
		wantKind(t, err, model.Invalid)
		_, err = s.opened.Open(ctx, bad)
		wantKind(t, err, model.Invalid)
		wantKind(t, s.opened.Delete(ctx, bad), model.Invalid)
	}
	part := strings.Repeat("x", medium.MaxNamePart)
	long := name + "/" + part + "/" + part
	for _, n := range []string{long, name + "/.hidden", name + "/x.tmp", name + "/x.tmp/y", name + "/..x", name + "/(it's)!*"} {
		s.put(ctx, t, n, []byte(n))
		s.want(ctx, t, n, []byte(n))
	}
	s.reopen(t)
	s.want(ctx, t, name+"/x.tmp", []byte(name+"/x.tmp"))
	s.want(ctx, t, long, []byte(long))
}
