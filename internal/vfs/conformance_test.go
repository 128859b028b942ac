package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want %v", err, target)
	}
}

// everywhere runs the test on each file system, in an empty folder of it.
func everywhere(t *testing.T, f func(t *testing.T, fsys FS, dir string)) {
	t.Run("OS", func(t *testing.T) { f(t, OS{}, t.TempDir()) })
	t.Run("Mem", func(t *testing.T) {
		m := NewMem()
		check(t, m.Mkdir("/data", 0o750))
		f(t, m, "/data")
	})
	t.Run("Faults", func(t *testing.T) { f(t, NewFaults(OS{}, Rule{}), t.TempDir()) })
}

func put(t *testing.T, fsys FS, name, content string) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	check(t, err)
	_, err = f.Write([]byte(content))
	check(t, errors.Join(err, f.Close()))
}

func wantContent(t *testing.T, fsys FS, name, want string) {
	t.Helper()
	b, err := ReadFile(fsys, name, 1<<20)
	if err != nil || string(b) != want {
		t.Errorf("%s has %.60q, %v, want %.60q", name, b, err, want)
	}
}

func wantNames(t *testing.T, fsys FS, dir string, want ...string) {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	check(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func TestFileReadsAndWrites(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		f, err := Create(fsys, filepath.Join(dir, "a"), 0o640)
		check(t, err)
		for _, s := range []string{"hello ", "world"} {
			n, err := f.Write([]byte(s))
			check(t, err)
			if n != len(s) {
				t.Errorf("wrote %d of %d", n, len(s))
			}
		}
		_, err = f.WriteAt([]byte("W"), 6)
		check(t, err)
		_, err = f.WriteAt([]byte("!"), 12) // a hole before it
		check(t, err)
		wantContent(t, fsys, f.Name(), "hello World\x00!")
		b := make([]byte, 5)
		n, err := f.ReadAt(b, 6)
		check(t, err)
		if string(b[:n]) != "World" {
			t.Errorf("ReadAt gives %q", b[:n])
		}
		if n, err := f.ReadAt(b, 11); n != 2 || !errors.Is(err, io.EOF) {
			t.Errorf("ReadAt over the end gives %d, %v", n, err)
		}
		if n, err := f.ReadAt(b, 100); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("ReadAt behind the end gives %d, %v", n, err)
		}
		check(t, f.Truncate(5))
		check(t, f.Truncate(7))
		wantContent(t, fsys, f.Name(), "hello\x00\x00")
		check(t, errors.Join(f.Sync(), f.SyncData(), fsys.SyncDir(dir), f.Close()))
		_, err = f.Write([]byte("x"))
		wantError(t, err, fs.ErrClosed)
		wantError(t, f.Sync(), fs.ErrClosed)
		wantError(t, f.Close(), fs.ErrClosed)
	})
}

func TestPreallocate(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		put(t, fsys, name, "abc")
		f, err := fsys.OpenFile(name, os.O_RDWR, 0)
		check(t, err)
		defer f.Close()
		for _, size := range []int64{0, 2, 10_000, 5000} {
			check(t, f.Preallocate(size))
		}
		wantContent(t, fsys, name, "abc"+strings.Repeat("\x00", 9997))
		_, err = f.WriteAt([]byte("def"), 3)
		check(t, err)
		if info, err := f.Stat(); err != nil || info.Size() != 10_000 || info.Name() != "a" || info.IsDir() {
			t.Errorf("stat: %v, %v", info, err)
		}
	})
}

func TestOpenFlags(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		refused := func(want error, name string, flag int) {
			t.Helper()
			_, err := fsys.OpenFile(name, flag, 0o640)
			wantError(t, err, want)
			var in *fs.PathError
			if !errors.As(err, &in) || in.Path != name {
				t.Errorf("the error %v does not name %s", err, name)
			}
		}
		refused(fs.ErrNotExist, name, os.O_RDONLY)
		refused(fs.ErrNotExist, filepath.Join(dir, "no", "a"), os.O_RDWR|os.O_CREATE)
		put(t, fsys, name, "one")
		refused(fs.ErrExist, name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
		refused(syscall.ENOTDIR, filepath.Join(name, "b"), os.O_RDWR|os.O_CREATE)
		refused(syscall.EISDIR, dir, os.O_RDWR)

		f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
		check(t, err)
		_, err = f.Write([]byte(" two"))
		check(t, err)
		if _, err = f.WriteAt([]byte("x"), 0); err == nil {
			t.Error("WriteAt works on a file opened for appending")
		}
		check(t, f.Close())
		wantContent(t, fsys, name, "one two")
		f, err = Open(fsys, name)
		check(t, err)
		_, err = f.Write([]byte("x"))
		wantError(t, err, syscall.EBADF)
		check(t, f.Close())
		put(t, fsys, name, "")
		wantContent(t, fsys, name, "")
	})
}

func TestFolders(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
		check(t, MkdirAll(fsys, in("a", "b", "c"), 0o750))
		check(t, MkdirAll(fsys, in("a", "b", "c"), 0o750))
		put(t, fsys, in("a", "z"), "z")
		put(t, fsys, in("a", "B"), "B")
		wantNames(t, fsys, in("a"), "B", "b", "z")
		wantError(t, MkdirAll(fsys, in("a", "z"), 0o750), syscall.ENOTDIR)
		wantError(t, MkdirAll(fsys, in("a", "z", "y"), 0o750), syscall.ENOTDIR)
		wantError(t, fsys.Mkdir(in("a"), 0o750), fs.ErrExist)
		wantError(t, fsys.Mkdir(in("x", "y"), 0o750), fs.ErrNotExist)
		wantError(t, fsys.Remove(in("a")), syscall.ENOTEMPTY)
		wantError(t, fsys.Remove(in("x")), fs.ErrNotExist)
		wantError(t, fsys.SyncDir(in("x")), fs.ErrNotExist)
		_, err := fsys.ReadDir(in("x"))
		wantError(t, err, fs.ErrNotExist)
		_, err = fsys.ReadDir(in("a", "z"))
		wantError(t, err, syscall.ENOTDIR)
		_, err = fsys.Stat(in("x"))
		wantError(t, err, fs.ErrNotExist)
		if info, err := fsys.Stat(in("a")); err != nil || !info.IsDir() || info.Name() != "a" {
			t.Errorf("stat of a folder: %v, %v", info, err)
		}
		check(t, RemoveAll(fsys, in("a")))
		check(t, RemoveAll(fsys, in("a")))
		wantNames(t, fsys, dir)
		if free, err := fsys.Free(dir); err != nil || free <= 0 {
			t.Errorf("free: %d, %v", free, err)
		}
	})
}

func TestRename(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		a, b, d, e := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "d"), filepath.Join(dir, "e")
		put(t, fsys, a, "A")
		put(t, fsys, b, "B")
		open, err := Open(fsys, b)
		check(t, err)
		defer open.Close()
		check(t, fsys.Rename(a, b))
		wantContent(t, fsys, b, "A")
		if got, err := io.ReadAll(open); err != nil || string(got) != "B" {
			t.Errorf("a replaced file that is open has %q, %v", got, err)
		}
		wantError(t, fsys.Rename(a, b), fs.ErrNotExist)
		check(t, fsys.Rename(b, b))
		check(t, MkdirAll(fsys, d, 0o750))
		check(t, fsys.Rename(b, filepath.Join(d, "b")))
		check(t, fsys.Rename(d, e))
		wantContent(t, fsys, filepath.Join(e, "b"), "A")
		wantNames(t, fsys, dir, "e")
		wantError(t, fsys.Rename(e, filepath.Join(e, "x")), syscall.EINVAL)
		put(t, fsys, a, "A")
		wantError(t, fsys.Rename(a, e), fs.ErrExist)
		wantError(t, fsys.Rename(e, a), syscall.ENOTDIR)
		check(t, MkdirAll(fsys, d, 0o750))
		wantError(t, fsys.Rename(e, d), fs.ErrExist)
	})
}

func TestRemovedFileStaysReadableWhileOpen(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		put(t, fsys, name, "still here")
		f, err := Open(fsys, name)
		check(t, err)
		check(t, fsys.Remove(name))
		if got, err := io.ReadAll(f); err != nil || string(got) != "still here" {
			t.Errorf("read %q, %v", got, err)
		}
		check(t, f.Close())
	})
}

func TestLock(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "lock")
		l, err := fsys.Lock(name)
		check(t, err)
		_, err = fsys.Lock(name)
		wantError(t, err, ErrLocked)
		other, err := fsys.Lock(name + "2")
		check(t, err)
		check(t, l.Close())
		l, err = fsys.Lock(name)
		check(t, err)
		check(t, errors.Join(l.Close(), other.Close()))
	})
}

func TestWriteFile(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		put(t, fsys, name+".tmp-0", "left by a crash")
		for _, content := range []string{"first", "second", ""} {
			check(t, WriteFile(fsys, name, []byte(content), 0o640))
			wantContent(t, fsys, name, content)
		}
		info, err := fsys.Stat(name)
		check(t, err)
		if info.Mode().Perm() != 0o640 {
			t.Errorf("mode %v", info.Mode())
		}
		wantNames(t, fsys, dir, "a", "a.tmp-0")
		check(t, RemoveTemps(fsys, dir))
		wantNames(t, fsys, dir, "a")

		no := errors.New("no")
		wantError(t, Replace(fsys, name, 0o640, func(w io.Writer) error { return no }), no)
		taken := filepath.Join(dir, "taken")
		check(t, MkdirAll(fsys, filepath.Join(taken, "x"), 0o750))
		if err := WriteFile(fsys, taken, []byte("x"), 0o640); err == nil {
			t.Error("replacing a folder by a file succeeded")
		}
		wantNames(t, fsys, dir, "a", "taken")
		check(t, SyncFile(fsys, name))
		wantError(t, SyncFile(fsys, name+"2"), fs.ErrNotExist)
	})
}

func TestReadFileLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		put(t, fsys, name, "12345")
		b, err := ReadFile(fsys, name, 5)
		check(t, err)
		if string(b) != "12345" {
			t.Errorf("read %q", b)
		}
		_, err = ReadFile(fsys, name, 4)
		wantError(t, err, ErrTooLarge)
	})
}

func TestFlip(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		put(t, fsys, name, "AA")
		check(t, Flip(fsys, name, 9))
		wantContent(t, fsys, name, "AC")
		if err := Flip(fsys, name, 16); err == nil {
			t.Error("a bit behind the end is flipped")
		}
	})
}

func TestMap(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys FS, dir string) {
		name := filepath.Join(dir, "a")
		for _, content := range []string{"", "x", strings.Repeat("0123456789", 10_000)} {
			put(t, fsys, name, content)
			f, err := Open(fsys, name)
			check(t, err)
			m, err := Map(f)
			check(t, err)
			check(t, f.Close()) // the mapping stays
			check(t, Guard(func() error {
				if string(m.Bytes()) != content {
					return errors.New("the mapping has another content")
				}
				return nil
			}))
			check(t, m.Close())
		}
	})
}

func TestIsTemp(t *testing.T) {
	f := func(name string, want bool) {
		t.Helper()
		if IsTemp(name) != want {
			t.Errorf("IsTemp(%q) is %v", name, !want)
		}
	}
	f("/a/b.tmp-0", true)
	f("b.tmp-12", true)
	f("b.tmp-", false)
	f("b.tmp-x", false)
	f("b", false)
	f("a.tmp-0/b", false)
}

// TestMemIsLikeOS does the same random operations on both, and wants the same results.
func TestMemIsLikeOS(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		mem, root := NewMem(), t.TempDir()
		for step := range 200 {
			op := randomOp(r)
			want, got := op.do(OS{}, root), op.do(mem, "/")
			if want != got {
				t.Fatalf("seed %d, step %d: %+v gives %.200s on Mem, %.200s on the operating system", seed, step, op, got, want)
			}
		}
		if want, got := listing(OS{}, root), listing(mem, "/"); want != got {
			t.Fatalf("seed %d: Mem holds\n%s\nthe operating system\n%s", seed, got, want)
		}
	}
}

type fsOp struct {
	kind       int
	name, to   string
	flag       int
	letter     rune
	length     int
	at, resize int64
}

func randomOp(r *rand.Rand) fsOp {
	names := []string{"a", "b", "d", "d/a", "d/e", "d/e/a", "d/e/f", "a/x"}
	flags := []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_RDWR | os.O_CREATE | os.O_TRUNC, os.O_WRONLY | os.O_APPEND}
	return fsOp{
		kind: r.IntN(8), name: names[r.IntN(len(names))], to: names[r.IntN(len(names))], flag: flags[r.IntN(len(flags))],
		letter: 'a' + r.Int32N(26), length: r.IntN(2000), at: r.Int64N(3000), resize: r.Int64N(4000),
	}
}

// do returns what came of it, without the root.
func (o fsOp) do(fsys FS, root string) string {
	name := filepath.Join(root, o.name)
	var err error
	switch o.kind {
	case 0:
		err = fsys.Mkdir(name, 0o750)
	case 1:
		err = fsys.Remove(name)
	case 2:
		if err = fsys.Rename(name, filepath.Join(root, o.to)); err != nil {
			return "refused" // of several reasons each names another
		}
	case 3:
		err = fsys.SyncDir(filepath.Dir(name))
	case 4:
		b, readErr := ReadFile(fsys, name, 1<<20)
		return fmt.Sprintf("%x %s", b, errno(readErr))
	default:
		return o.writing(fsys, name)
	}
	return errno(err)
}

func (o fsOp) writing(fsys FS, name string) string {
	if info, err := fsys.Stat(name); err == nil && info.IsDir() {
		return "a folder" // Mem does not open those
	}
	f, err := fsys.OpenFile(name, o.flag, 0o640)
	if err != nil {
		return errno(err)
	}
	data := []byte(strings.Repeat(string(o.letter), o.length))
	n, err := f.Write(data)
	results := fmt.Sprintf("%d %s", n, errno(err))
	if o.flag&os.O_APPEND == 0 {
		n, err = f.WriteAt(data, o.at)
		results += fmt.Sprintf(" %d %s", n, errno(err))
	}
	if o.flag&(os.O_RDWR|os.O_WRONLY) != 0 && o.kind == 6 {
		results += errno(f.Truncate(o.resize))
	}
	if o.flag&os.O_RDWR != 0 && o.kind == 7 {
		results += errno(f.Preallocate(o.resize))
	}
	return results + errno(f.Close())
}

// errno is what is inside an error, since the paths differ.
func errno(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	return fmt.Sprint(err)
}

func listing(fsys FS, dir string) string {
	entries, err := fsys.ReadDir(dir)
	s := errno(err) + "\n"
	for _, e := range entries {
		s += e.Name() + " "
		if e.IsDir() {
			s += listing(fsys, filepath.Join(dir, e.Name()))
			continue
		}
		b, err := ReadFile(fsys, filepath.Join(dir, e.Name()), 1<<20)
		s += fmt.Sprintf("%x %v\n", b, err)
	}
	return s
}
