package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
)

// restoring is the folder in a data folder that a restore fills before anything of it counts. While it is there the
// data folder is not to be used.
const restoring = ".restoring"

// ConfigFile is where a restore puts the configuration that a backup holds, in the data folder.
const ConfigFile = "hulotte.yml.from-backup"

// ErrUnfinishedRestore says that a restore into a data folder has not come to its end.
var ErrUnfinishedRestore = model.NewError(model.Conflict, "a restore into it has not come to its end")

// ErrNotEmpty says that there is something where a backup is to be restored.
var ErrNotEmpty = model.NewError(model.Conflict, "it is not empty")

// CheckDataDir returns ErrUnfinishedRestore for a data folder that holds half of a backup.
func CheckDataDir(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, restoring))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look into the data folder: %w", err)
	}
	return fmt.Errorf("cannot use the data folder %s: %w: run `hulotte restore --force` again, or delete the folder %s to go on with what is there",
		dir, ErrUnfinishedRestore, filepath.Join(dir, restoring))
}

// Restore is a backup that is to be brought back.
type Restore struct {
	// DataDir is the folder to bring it back to. It exists, and the caller holds its lock.
	DataDir string
	// Open opens the medium that gets what was on the medium. dir is the folder of a local one; it is not DataDir.
	Open func(ctx context.Context, dir string) (medium.Medium, error)
	// Force moves what is in DataDir aside.
	Force    bool
	Progress func(phase, name string, c Counts)
}

// Restored says what a restore has done.
type Restored struct {
	Manifest transfer.Manifest
	Report   transfer.Report
	// Aside is the folder that holds what was there before, "" when nothing was.
	Aside string
	// Config is the file with the configuration of the backup, "" when it has none.
	Config string
}

// Run brings a backup back. Until all of it is there and its checksums were right, nothing in the data folder changes
// but for a folder of its own; a medium outside of it says of itself that it is unfinished.
func (r Restore) Run(ctx context.Context, from transfer.Source) (Restored, error) {
	if err := r.admit(); err != nil {
		return Restored{}, err
	}
	staging := filepath.Join(r.DataDir, restoring)
	if err := os.RemoveAll(staging); err != nil {
		return Restored{}, fmt.Errorf("cannot remove what an earlier restore has left: %w", err)
	}
	out, err := r.read(ctx, from, staging)
	if err != nil {
		return out, errors.Join(err, os.RemoveAll(staging))
	}
	out.Aside, err = r.swap(staging)
	if err != nil {
		return out, fmt.Errorf("cannot put the restored files in their place: %w: run the restore again", err)
	}
	if _, err := os.Lstat(filepath.Join(r.DataDir, ConfigFile)); err == nil {
		out.Config = filepath.Join(r.DataDir, ConfigFile)
	}
	return out, nil
}

// admit looks whether there is anything in the way.
func (r Restore) admit() error {
	here, err := r.present()
	if err != nil {
		return err
	}
	if len(here) > 0 && !r.Force {
		return fmt.Errorf("cannot restore into %s: %w: it holds %s: choose another --data-dir, or give --force to move what is there aside",
			r.DataDir, ErrNotEmpty, strings.Join(here[:min(3, len(here))], ", "))
	}
	return nil
}

// present lists what is in the data folder and is no furniture.
func (r Restore) present() ([]string, error) {
	entries, err := os.ReadDir(r.DataDir)
	if err != nil {
		return nil, fmt.Errorf("cannot look into the data folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if n := e.Name(); n != "LOCK" && n != "lost+found" && n != restoring && !strings.HasPrefix(n, asidePrefix) {
			names = append(names, n)
		}
	}
	return names, nil
}

func (r Restore) read(ctx context.Context, from transfer.Source, staging string) (out Restored, err error) {
	if err := os.Mkdir(staging, 0o750); err != nil {
		return out, fmt.Errorf("cannot restore: %w", err)
	}
	m, err := r.Open(ctx, staging)
	if err != nil {
		return out, err
	}
	counts := Counts{}
	out.Report, err = transfer.ReadArchive(ctx, from, m, transfer.RestoreOptions{
		Manifest: func(m transfer.Manifest) error { out.Manifest = m; return nil },
		Progress: func(p transfer.Progress) {
			if c := counted(p.Done); c.Bytes >= counts.Bytes {
				counts = c
			}
			r.tell(p.Phase, p.Name, counts)
		},
		File: func(name string, size int64, content io.Reader) error {
			return restoreFile(staging, name, size, content)
		},
	})
	if errors.Is(err, transfer.ErrDamaged) { // noted when the backup was made: what is there is sound
		err = nil
	}
	return out, errors.Join(err, m.Close())
}

func (r Restore) tell(phase, name string, c Counts) {
	if r.Progress != nil {
		r.Progress(phase, name, c)
	}
}

// restoreFile takes a file of a backup that is not the medium's. Files that this program does not know are left out.
func restoreFile(staging, name string, size int64, content io.Reader) error {
	var target string
	switch {
	case medium.ValidName(name) != nil:
		return fmt.Errorf("the backup holds a file with the bad name %q", name)
	case strings.HasPrefix(name, seriesPrefix):
		target = filepath.Join(staging, filepath.FromSlash(name))
	case name == configName:
		target = filepath.Join(staging, ConfigFile)
	default:
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, content)
	if err == nil && n != size {
		err = fmt.Errorf("the file %s has %d bytes, not %d", name, n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// asidePrefix begins the names of folders that hold what a restore has replaced.
const asidePrefix = "replaced-"

// swap puts what was restored in its place, after what is there was moved aside. The order matters: as long as the
// folder restoring is there, nobody takes a half for the whole.
func (r Restore) swap(staging string) (aside string, err error) {
	if err := syncTree(staging); err != nil {
		return "", err
	}
	old, err := r.present()
	if err != nil {
		return "", err
	}
	if len(old) > 0 {
		aside = filepath.Join(r.DataDir, asidePrefix+time.Now().UTC().Format("20060102T150405.000Z"))
		if err := os.Mkdir(aside, 0o750); err != nil {
			return "", err
		}
		if err := moveAll(old, r.DataDir, aside); err != nil {
			return aside, err
		}
	}
	entries, err := os.ReadDir(staging)
	if err != nil {
		return aside, err
	}
	var fresh []string
	for _, e := range entries {
		fresh = append(fresh, e.Name())
	}
	if err := moveAll(fresh, staging, r.DataDir); err != nil {
		return aside, err
	}
	return aside, errors.Join(os.Remove(staging), vfs.OS{}.SyncDir(r.DataDir))
}

func moveAll(names []string, from, to string) error {
	for _, n := range names {
		if err := os.Rename(filepath.Join(from, n), filepath.Join(to, n)); err != nil {
			return err
		}
	}
	return errors.Join(vfs.OS{}.SyncDir(to), vfs.OS{}.SyncDir(from))
}

// syncTree brings the names in all folders below dir to the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return vfs.OS{}.SyncDir(p)
	})
}
