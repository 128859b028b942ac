package tail

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A file that grows as fast as it can be written.
func TestFastFile(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	m := &memory{discard: true}
	path := filepath.Join(t.TempDir(), "access.log")
	o := quick(t)
	o.Files = follow(path)
	start(t, o, m)
	f, err := os.Create(path)
	must(t, err)
	line := `203.0.113.9 - - [23/Nov/2026:04:40:01 +0000] "GET /a/path/of/some/length?with=a&query=string HTTP/1.1" 200 1234 "-" "Mozilla/5.0 (X11; Linux x86_64)"` + "\n"
	piece := strings.Repeat(line, 1000)
	begin, used := time.Now(), cpu()
	n := 0
	for range 100_000_000 / len(piece) {
		_, err = f.WriteString(piece)
		must(t, err)
		n += 1000
	}
	must(t, f.Close())
	wait(t, "every line", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.count >= n })
	if m.count != n || m.bytes != n*(len(line)-1) {
		t.Errorf("%d lines of %d bytes, want %d of %d", m.count, m.bytes, n, n*(len(line)-1))
	}
	t.Logf("100 MB in %s with %s of processor time, writing included", time.Since(begin).Round(time.Millisecond), (cpu() - used).Round(time.Millisecond))
}

func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 5,000 files")
	}
	const files = 5000
	m := &memory{discard: true}
	dir := t.TempDir()
	for i := range files {
		write(t, filepath.Join(dir, fmt.Sprintf("app-%d.log", i)), fmt.Sprintf("first line of %d\n", i))
	}
	o := quick(t)
	o.Files = follow(filepath.Join(dir, "*.log"))
	o.ScanEvery, o.PollEvery, o.MaxOpen = time.Second, 100*time.Millisecond, 100
	used := cpu()
	tailer, stop := start(t, o, m)
	count := func() int { m.mu.Lock(); defer m.mu.Unlock(); return m.count }
	wait(t, "a line of each", func() bool { return count() >= files })
	t.Logf("%d files were begun with %s of processor time", files, (cpu() - used).Round(time.Millisecond))
	wait(t, "files to be closed", func() bool { _, open, _ := tailer.totals(); return open <= 200 })
	for i := range files {
		write(t, filepath.Join(dir, fmt.Sprintf("app-%d.log", i)), fmt.Sprintf("second line of %d\n", i))
	}
	wait(t, "a second line of each", func() bool { return count() >= 2*files })
	stop()
	if n := count(); n != 2*files {
		t.Errorf("%d lines, want %d", n, 2*files)
	}
	_, stop = start(t, o, m)
	write(t, filepath.Join(dir, "app-7.log"), "third\n")
	wait(t, "the line after the restart", func() bool { return count() > 2*files })
	stop()
	if n := count(); n != 2*files+1 {
		t.Errorf("%d lines after a restart, want one more than %d", n, 2*files)
	}
}

func TestDamagedPositions(t *testing.T) {
	f := func(text string, wantFresh bool) {
		t.Helper()
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, positionsName), []byte(text), 0o600))
		p, err := openPositions(vfs.OS{}, dir, slog.New(slog.DiscardHandler))
		must(t, err)
		if p.fresh != wantFresh {
			t.Errorf("%q: fresh is %v", text, p.fresh)
		}
		if _, err := os.Stat(filepath.Join(dir, positionsName+".damaged")); (err == nil) != wantFresh {
			t.Errorf("%q: %v", text, err)
		}
		if wantFresh && len(p.files) > 0 {
			t.Errorf("%q: %v", text, p.files)
		}
	}
	f(`{"version":1,"files":[{"dev":1,"ino":2,"path":"/a","offset":3,"seen":5}]}`, false)
	f(`{"version":1,"files":[{"dev":1,"ino":2,"path":"/a","offset":3,"seen":5},{"dev":1,"ino":2,"path":"/a","offset":-1}]}`, true)
	f(`{"version":9}`, true)
	f(``, true)
	f(`{"version":1,"files":[`, true)
}

// Old positions go, and the number of them is bounded.
func TestForgetPositions(t *testing.T) {
	p := newPositions(vfs.OS{}, "", slog.New(slog.DiscardHandler))
	now := time.Now()
	for i := range uint64(maxPositions + 100) {
		p.putLocked(&position{fileID: fileID{1, i + 1}, Path: fmt.Sprintf("/%d", i), Seen: now.Unix() - int64(i)})
	}
	p.putLocked(&position{fileID: fileID{2, 1}, Path: "/old", Len: 3, Head: "x", Seen: now.Add(-2 * forgetAfter).Unix()})
	p.forgetLocked(now)
	if _, ok := p.get(fileID{2, 1}); ok || len(p.files) > maxPositions || len(p.files) < maxPositions/4 || len(p.byPath) != len(p.files) || p.heads[3] != 0 {
		t.Errorf("%d positions are left, %d by path", len(p.files), len(p.byPath))
	}
	if _, ok := p.get(fileID{1, 1}); !ok {
		t.Error("the newest was forgotten")
	}
}
