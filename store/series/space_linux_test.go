package series

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// smallDisk returns a folder on a file system of its own. It skips the test where that is not allowed.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, step := range []int{1 << 20, 4 << 10, 1} {
		for buf := make([]byte, step); ; {
			if _, err := f.Write(buf); err != nil {
				break
			}
		}
	}
}

// On a full disk writes fail with a clear error, reads and maintenance go on, and everything works again once there
// is space. Whatever was committed is there after a restart.
func TestFullDisk(t *testing.T) {
	for _, reserve := range []int64{-1, 4 << 20} {
		t.Run(fmt.Sprintf("reserve=%d", reserve), func(t *testing.T) { testFullDisk(t, reserve) })
	}
}

func testFullDisk(t *testing.T, reserve int64) {
	disk := smallDisk(t, 32<<20)
	// Chunks are full after 120 samples: maintenance, once a second, has some to map while the disk is full.
	opts := Options{Dir: filepath.Join(disk, "series"), MinFreeBytes: reserve, MaintenanceInterval: time.Second}
	db := openTest(t, opts)
	w := writer(t, db, "default")
	up := labels.FromStrings("__name__", "up")
	n := 0
	writeUntil := func(stop func(error) bool) error {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
			err := write(w, start+int64(n), float64(n), up)
			if err == nil {
				n++
			}
			if stop(err) {
				return err
			}
		}
		t.Fatal("what was waited for did not come")
		return nil
	}
	writeUntil(func(error) bool { return n == 500 })

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	err := writeUntil(func(err error) bool { return err != nil })
	if !errors.Is(err, store.ErrNoSpace) || model.KindOf(err) != model.Unavailable {
		t.Errorf("a write on the full disk: %v, want ErrNoSpace", err)
	}
	if reserve > 0 {
		// Without the reserve tsdb panics here, once a full chunk is mapped.
		time.Sleep(2500 * time.Millisecond)
	}
	if got := len(samples(t, reader(t, db, "default"), "up")[up.String()]); got != n {
		t.Errorf("%d samples are read on the full disk, want %d", got, n)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	writeUntil(func(err error) bool { return err == nil })
	before := n
	writeUntil(func(error) bool { return n == before+200 })
	mustClose(t, db)
	db = openTest(t, opts)
	if got := len(samples(t, reader(t, db, "default"), "up")[up.String()]); got != n {
		t.Errorf("%d samples are there after a restart, want the %d committed", got, n)
	}
	mustClose(t, db)
}
