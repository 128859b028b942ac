package local

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk on a file system of the kernel.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system cannot be mounted, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	testFullDisk(t, Options{Dir: filepath.Join(dir, "m"), SegmentBytes: 16 << 10}, func(full bool) {
		if full {
			return // it is small as it is
		}
		if err := os.Remove(ballast); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	})
}
