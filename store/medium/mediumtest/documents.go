package mediumtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Documents is the suite of medium.Documents.
func Documents(t *testing.T, place Place[medium.Documents], o Options) {
	s := &documents{newSuite(t, place, o)}
	s.run(t, "life of a document", s.life)
	s.run(t, "expected versions", s.expected)
	s.run(t, "versions are not used twice", s.versionsNotReused)
	s.run(t, "values", s.values)
	s.run(t, "list", s.list)
	s.run(t, "kinds", s.kinds)
	s.run(t, "many counters", s.counters)
	s.run(t, "one of many creations wins", s.creations)
	s.run(t, "update", s.update)
	s.run(t, "watch", s.watch)
	s.run(t, "watchers see the last state", s.watchLastState)
	s.run(t, "watch ends", s.watchEnds)
	s.run(t, "cancelled", s.cancelled)
	s.run(t, "names", s.names)
}

type documents struct{ *suite[medium.Documents] }

func (s *documents) put(ctx context.Context, t *testing.T, kind, key, value string, expected medium.Version) medium.Version {
	t.Helper()
	v, err := s.opened.Put(ctx, kind, key, []byte(value), expected)
	check(t, err)
	if v <= expected {
		t.Fatalf("version %d follows %d", v, expected)
	}
	return v
}

func (s *documents) want(ctx context.Context, t *testing.T, kind, key, value string, v medium.Version) {
	t.Helper()
	d, err := s.opened.Get(ctx, kind, key)
	check(t, err)
	if d.Kind != kind || d.Key != key || string(d.Value) != value || d.Version != v {
		t.Fatalf("document %s %q is %.100q at %d, want %.100q at %d", d.Kind, d.Key, d.Value, d.Version, value, v)
	}
}

func (s *documents) gone(ctx context.Context, t *testing.T, kind, key string) {
	t.Helper()
	_, err := s.opened.Get(ctx, kind, key)
	wantError(t, err, medium.ErrNotFound)
}

func (s *documents) keys(ctx context.Context, t *testing.T, kind, prefix string) []string {
	t.Helper()
	var keys []string
	for d, err := range s.opened.List(ctx, kind, prefix) {
		check(t, err)
		if d.Kind != kind || d.Version == medium.Absent || len(d.Value) == 0 {
			t.Errorf("the list of %s has %+v", kind, d)
		}
		keys = append(keys, d.Key)
	}
	return keys
}

func (s *documents) life(ctx context.Context, t *testing.T, kind string) {
	s.gone(ctx, t, kind, "a")
	v1 := s.put(ctx, t, kind, "a", `{"n":1}`, medium.Absent)
	s.want(ctx, t, kind, "a", `{"n":1}`, v1)
	s.gone(ctx, t, kind, "b")
	s.gone(ctx, t, kind+"/other", "a")
	v2 := s.put(ctx, t, kind, "a", `{"n":2}`, v1)
	s.want(ctx, t, kind, "a", `{"n":2}`, v2)
	s.reopen(t)
	s.want(ctx, t, kind, "a", `{"n":2}`, v2)
	check(t, s.opened.Delete(ctx, kind, "a", v2))
	s.gone(ctx, t, kind, "a")
	s.reopen(t)
	s.gone(ctx, t, kind, "a")
}

func (s *documents) expected(ctx context.Context, t *testing.T, kind string) {
	refused := func(key string, v medium.Version) {
		t.Helper()
		_, err := s.opened.Put(ctx, kind, key, []byte(`"refused"`), v)
		wantError(t, err, medium.ErrConflict)
	}
	refused("a", 1)
	wantError(t, s.opened.Delete(ctx, kind, "a", 1), medium.ErrConflict)
	wantError(t, s.opened.Delete(ctx, kind, "a", medium.Absent), medium.ErrConflict)
	v1 := s.put(ctx, t, kind, "a", "1", medium.Absent)
	refused("a", medium.Absent)
	refused("a", v1+1)
	v2 := s.put(ctx, t, kind, "a", "2", v1)
	refused("a", v1)
	wantError(t, s.opened.Delete(ctx, kind, "a", v1), medium.ErrConflict)
	wantError(t, s.opened.Delete(ctx, kind, "a", medium.Absent), medium.ErrConflict)
	s.want(ctx, t, kind, "a", "2", v2)
	check(t, s.opened.Delete(ctx, kind, "a", v2))
	wantError(t, s.opened.Delete(ctx, kind, "a", v2), medium.ErrConflict)
	refused("a", v2)
}

func (s *documents) versionsNotReused(ctx context.Context, t *testing.T, kind string) {
	seen := map[medium.Version]bool{}
	for i := range 6 {
		v := s.put(ctx, t, kind, "a", strconv.Itoa(i), medium.Absent)
		if seen[v] {
			t.Fatalf("version %d is used again", v)
		}
		seen[v] = true
		check(t, s.opened.Delete(ctx, kind, "a", v))
		if i%2 == 1 {
			s.reopen(t)
		}
	}
}

func (s *documents) values(ctx context.Context, t *testing.T, kind string) {
	large := `"` + strings.Repeat("x", medium.MaxDocument-2) + `"`
	versions := map[string]medium.Version{}
	all := map[string]string{
		"null": "null", "number": " 1.50 ", "spaces": "{ \"b\" : 1,\n\t\"a\" : [ ] }", "twice": `{"a":1,"a":2}`,
		"text": `"ü\u0000😀"`, "large": large, "schlüssel mit leerzeichen/und ../ allem": "{}",
	}
	for key, value := range all {
		versions[key] = s.put(ctx, t, kind, key, value, medium.Absent)
	}
	for range 2 {
		for key, value := range all {
			s.want(ctx, t, kind, key, value, versions[key])
		}
		s.reopen(t)
	}
	_, err := s.opened.Put(ctx, kind, "larger", []byte(`"`+large[1:]+` `), medium.Absent)
	wantError(t, err, medium.ErrTooLarge)
	for _, bad := range []string{"", "{", "nul", "1 2", "\xff"} {
		_, err := s.opened.Put(ctx, kind, "bad", []byte(bad), medium.Absent)
		wantKind(t, err, model.Invalid)
	}
	s.gone(ctx, t, kind, "bad")

	value := []byte(`"mine"`) // callers may reuse their bytes
	v, err := s.opened.Put(ctx, kind, "mine", value, medium.Absent)
	check(t, err)
	copy(value, `"your"`)
	s.want(ctx, t, kind, "mine", `"mine"`, v)
}

func (s *documents) list(ctx context.Context, t *testing.T, kind string) {
	if got := s.keys(ctx, t, kind, ""); len(got) != 0 {
		t.Fatalf("an empty kind lists %q", got)
	}
	keys := []string{" ", "A", "a", "a b", "a-b", "a/b", "a/c", "ab", "b", "ü", "ü/é", "日本"}
	slices.Sort(keys)
	for i, k := range keys {
		s.put(ctx, t, kind, k, strconv.Itoa(i), medium.Absent)
	}
	s.put(ctx, t, kind+"/other", "a", "1", medium.Absent)
	for _, prefix := range []string{"", "a", "a/", "ü", "z", " ", "日"} {
		var want []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		if got := s.keys(ctx, t, kind, prefix); !slices.Equal(got, want) {
			t.Errorf("the list of %q is %q, want %q", prefix, got, want)
		}
	}
	for _, err := range s.opened.List(ctx, kind, "") {
		check(t, err)
		break // a reader may leave
	}
	for i := range 300 {
		s.put(ctx, t, kind+"/many", fmt.Sprintf("%04d", i), `{"some":"value"}`, medium.Absent)
	}
	if got := s.keys(ctx, t, kind+"/many", ""); len(got) != 300 || !slices.IsSorted(got) {
		t.Errorf("the list of 300 has %d, sorted: %v", len(got), slices.IsSorted(got))
	}
}

func (s *documents) kinds(ctx context.Context, t *testing.T, kind string) {
	has := func(want ...string) {
		t.Helper()
		all, err := s.opened.Kinds(ctx)
		check(t, err)
		if !slices.IsSorted(all) {
			t.Errorf("the kinds are not in order: %q", all)
		}
		mine := slices.DeleteFunc(all, func(k string) bool { return !strings.HasPrefix(k, kind) })
		if !slices.Equal(mine, want) {
			t.Errorf("the kinds are %q, want %q", mine, want)
		}
	}
	has()
	v := s.put(ctx, t, kind+"/b", "k", "1", medium.Absent)
	s.put(ctx, t, kind+"/a", "k", "1", medium.Absent)
	has(kind+"/a", kind+"/b")
	check(t, s.opened.Delete(ctx, kind+"/b", "k", v))
	has(kind + "/a")
	s.reopen(t)
	has(kind + "/a")
}

// counters increments a few counters from many goroutines: no increment may be lost, none counted twice.
func (s *documents) counters(ctx context.Context, t *testing.T, kind string) {
	const writers, counters = 8, 2
	rounds := max(4, s.Rounds/20)
	parallel(t, writers, func(w int) error {
		for range rounds {
			if err := s.increment(ctx, kind, strconv.Itoa(w%counters)); err != nil {
				return err
			}
		}
		return nil
	})
	for c := range counters {
		d, err := s.opened.Get(ctx, kind, strconv.Itoa(c))
		check(t, err)
		if want := strconv.Itoa(rounds * writers / counters); string(d.Value) != want {
			t.Errorf("counter %d is at %s after %s increments", c, d.Value, want)
		}
	}
}

func (s *documents) increment(ctx context.Context, kind, key string) error {
	_, err := medium.Update(ctx, s.opened, kind, key, func(old []byte) ([]byte, error) {
		if old == nil {
			old = []byte("0")
		}
		n, err := strconv.Atoi(string(old))
		return []byte(strconv.Itoa(n + 1)), err
	})
	return err
}

func (s *documents) creations(ctx context.Context, t *testing.T, kind string) {
	for round := range max(3, s.Rounds/40) {
		key := strconv.Itoa(round)
		won := make(chan string, 8)
		parallel(t, 8, func(i int) error {
			value := strconv.Itoa(i)
			_, err := s.opened.Put(ctx, kind, key, []byte(value), medium.Absent)
			if errors.Is(err, medium.ErrConflict) {
				return nil
			}
			won <- value
			return err
		})
		if len(won) != 1 {
			t.Fatalf("%d of 8 creations of one document succeeded", len(won))
		}
		if d, err := s.opened.Get(ctx, kind, key); err != nil || string(d.Value) != <-won {
			t.Fatalf("the document is %+v, %v: not what the winner wrote", d, err)
		}
	}
}

func (s *documents) update(ctx context.Context, t *testing.T, kind string) {
	change := func(want, value string) {
		t.Helper()
		_, err := medium.Update(ctx, s.opened, kind, "a", func(old []byte) ([]byte, error) {
			if string(old) != want {
				t.Errorf("update is given %q, want %q", old, want)
			}
			if value == "" {
				return nil, nil
			}
			return []byte(value), nil
		})
		check(t, err)
	}
	change("", "")
	change("", "1")
	change("1", "2")
	change("2", "")
	s.gone(ctx, t, kind, "a")
	no := errors.New("no")
	_, err := medium.Update(ctx, s.opened, kind, "a", func([]byte) ([]byte, error) { return nil, no })
	wantError(t, err, no)
}

// watching runs a Watch in a goroutine, and offers its changes one by one.
type watching struct {
	changes chan medium.Change
	ended   chan error
}

func (s *documents) startWatch(ctx context.Context, kind string) *watching {
	w := &watching{make(chan medium.Change), make(chan error, 1)}
	go func() {
		for c, err := range s.opened.Watch(ctx, kind) {
			if err != nil {
				w.ended <- err
				return
			}
			select {
			case w.changes <- c:
			case <-ctx.Done():
			}
		}
		w.ended <- nil
	}()
	return w
}

func (w *watching) next(ctx context.Context, t *testing.T) medium.Change {
	t.Helper()
	select {
	case c := <-w.changes:
		return c
	case err := <-w.ended:
		t.Fatalf("the watch ended: %v", err)
	case <-ctx.Done():
		t.Fatal("no change came")
	}
	return medium.Change{}
}

// wants wants one change: a put of value, or a deletion when value is empty, or Synced when key is empty.
func (w *watching) wants(ctx context.Context, t *testing.T, kind, key, value string, v medium.Version) {
	t.Helper()
	c := w.next(ctx, t)
	want := medium.Put
	switch {
	case key == "":
		want, kind = medium.Synced, c.Document.Kind
	case value == "":
		want, v = medium.Deleted, c.Document.Version
	}
	d := c.Document
	if c.Type != want || d.Kind != kind || d.Key != key || string(d.Value) != value || d.Version != v {
		t.Fatalf("the watch yields %s of %s %q = %q at %d, want %s of %q = %q at %d", c.Type, d.Kind, d.Key, d.Value, d.Version, want, key, value, v)
	}
}

func (s *documents) watch(ctx context.Context, t *testing.T, kind string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	va := s.put(ctx, t, kind, "a", `"old"`, medium.Absent)
	s.put(ctx, t, kind+"/other", "x", "1", medium.Absent)
	w := s.startWatch(ctx, kind)
	w.wants(ctx, t, kind, "a", `"old"`, va)
	w.wants(ctx, t, kind, "", "", 0)
	vb := s.put(ctx, t, kind, "b", "1", medium.Absent)
	w.wants(ctx, t, kind, "b", "1", vb)
	va2 := s.put(ctx, t, kind, "a", `"new"`, va)
	w.wants(ctx, t, kind, "a", `"new"`, va2)
	check(t, s.opened.Delete(ctx, kind, "b", vb))
	w.wants(ctx, t, kind, "b", "", 0)
	vb = s.put(ctx, t, kind, "b", "2", medium.Absent)
	w.wants(ctx, t, kind, "b", "2", vb)

	second := s.startWatch(ctx, kind)
	second.wants(ctx, t, kind, "a", `"new"`, va2)
	second.wants(ctx, t, kind, "b", "2", vb)
	second.wants(ctx, t, kind, "", "", 0)
	empty := s.startWatch(ctx, kind+"/empty")
	empty.wants(ctx, t, kind, "", "", 0)
	ve := s.put(ctx, t, kind+"/empty", "e", "1", medium.Absent)
	empty.wants(ctx, t, kind+"/empty", "e", "1", ve)
	va3 := s.put(ctx, t, kind, "a", "3", va2)
	w.wants(ctx, t, kind, "a", "3", va3)
	second.wants(ctx, t, kind, "a", "3", va3)
}

// watchLastState watches from the middle of a storm of changes, reading slowly, and compares what was seen last with what is there.
func (s *documents) watchLastState(ctx context.Context, t *testing.T, kind string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rounds := max(5, s.Rounds/10)
	stormed := make(chan error, 1)
	go func() { stormed <- s.storm(ctx, kind, rounds) }()
	w := s.startWatch(ctx, kind)
	seen := map[string]medium.Document{}
	var synced bool
	note := func(c medium.Change) {
		t.Helper()
		if old, ok := seen[c.Document.Key]; ok && c.Type == medium.Put && c.Document.Version < old.Version {
			t.Errorf("the watch goes back from version %d of %q to %d", old.Version, old.Key, c.Document.Version)
		}
		switch c.Type {
		case medium.Put:
			seen[c.Document.Key] = c.Document
		case medium.Deleted:
			delete(seen, c.Document.Key)
		case medium.Synced:
			synced = true
		}
	}
	for stormed != nil {
		select {
		case err := <-stormed:
			check(t, err)
			stormed = nil
		case c := <-w.changes:
			note(c)
		}
	}
	v := s.put(ctx, t, kind, "the end", "1", medium.Absent)
	for !synced || seen["the end"].Version != v || !s.same(ctx, t, kind, seen) {
		note(w.next(ctx, t))
	}
}

// storm changes a handful of documents again and again, and deletes some.
func (s *documents) storm(ctx context.Context, kind string, rounds int) error {
	errs := make(chan error, 4)
	for w := range 4 {
		go func() {
			for i := range rounds {
				_, err := medium.Update(ctx, s.opened, kind, strconv.Itoa((w*rounds+i)%7), func(old []byte) ([]byte, error) {
					if old != nil && i%5 == 0 {
						return nil, nil
					}
					return []byte(strconv.Itoa(w*rounds + i)), nil
				})
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var all []error
	for range 4 {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func (s *documents) same(ctx context.Context, t *testing.T, kind string, seen map[string]medium.Document) bool {
	t.Helper()
	n := 0
	for d, err := range s.opened.List(ctx, kind, "") {
		check(t, err)
		if seen[d.Key].Version != d.Version || string(seen[d.Key].Value) != string(d.Value) {
			return false
		}
		n++
	}
	return n == len(seen)
}

func (s *documents) watchEnds(ctx context.Context, t *testing.T, kind string) {
	s.put(ctx, t, kind, "a", "1", medium.Absent)
	for c, err := range s.opened.Watch(ctx, kind) {
		check(t, err)
		if c.Document.Key != "a" {
			t.Errorf("the watch begins with %+v", c)
		}
		break // a watcher may leave
	}
	cause := errors.New("the caller went away")
	leaving, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	var last error
	for c, err := range s.opened.Watch(leaving, kind) {
		if last = err; c.Type == medium.Synced {
			leave(cause)
		}
	}
	wantError(t, last, cause)
}

func (s *documents) cancelled(ctx context.Context, t *testing.T, kind string) {
	v := s.put(ctx, t, kind, "a", "1", medium.Absent)
	gone, cause := cancelled(ctx)
	_, err := s.opened.Get(gone, kind, "a")
	wantError(t, err, cause)
	_, err = s.opened.Put(gone, kind, "a", []byte("2"), v)
	wantError(t, err, cause)
	wantError(t, s.opened.Delete(gone, kind, "a", v), cause)
	_, err = s.opened.Kinds(gone)
	wantError(t, err, cause)
	last := error(nil)
	for _, err := range s.opened.List(gone, kind, "") {
		last = err
	}
	wantError(t, last, cause)
	last = nil
	for _, err := range s.opened.Watch(gone, kind) {
		last = err
	}
	wantError(t, last, cause)
	s.want(ctx, t, kind, "a", "1", v)
}

func (s *documents) names(ctx context.Context, t *testing.T, kind string) {
	for _, bad := range badNames {
		_, err := s.opened.Put(ctx, bad, "k", []byte("1"), medium.Absent)
		wantKind(t, err, model.Invalid)
		_, err = s.opened.Get(ctx, bad, "k")
		wantKind(t, err, model.Invalid)
		wantKind(t, s.opened.Delete(ctx, bad, "k", 1), model.Invalid)
		for _, err := range s.opened.List(ctx, bad, "") {
			wantKind(t, err, model.Invalid)
		}
		for _, err := range s.opened.Watch(ctx, bad) {
			wantKind(t, err, model.Invalid)
		}
	}
	for _, bad := range []string{"", "\x00", "a\nb", "\xff", strings.Repeat("k", medium.MaxName+1)} {
		_, err := s.opened.Put(ctx, kind, bad, []byte("1"), medium.Absent)
		wantKind(t, err, model.Invalid)
		_, err = s.opened.Get(ctx, kind, bad)
		wantKind(t, err, model.Invalid)
		wantKind(t, s.opened.Delete(ctx, kind, bad, 1), model.Invalid)
	}
	long := strings.Repeat("k", medium.MaxName)
	v := s.put(ctx, t, kind, long, "1", medium.Absent)
	s.want(ctx, t, kind, long, "1", v)
}
