package series

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// Late samples rest in a log of their own, the WBL. When a chunk of them is full, tsdb hands it to the file of mapped
// chunks and writes a marker into the WBL: what is before the marker need not be replayed. But the file is written
// through a buffer. When the process is killed, the markers of the chunks in the buffer point at nothing; the next
// start sees that they lie behind the end of the file and ignores them, the start after that does not, because by
// then the file has grown, and acknowledged samples are gone.
//
// So after an unclean end the markers are taken out of the WBL before tsdb reads it. It still holds every late
// sample since the last compaction; those that were in mapped chunks are then held twice, until the next compaction
// makes them one. Queries see them once.

// cleanFile is in a tenant's folder while its tsdb is closed in good order.
const cleanFile = "clean"

// wasClosedCleanly says whether the folder was left in good order, and takes that mark away.
func wasClosedCleanly(dir string) (bool, error) {
	err := os.Remove(filepath.Join(dir, cleanFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, vfs.OS{}.SyncDir(dir)
}

// markClean says that the folder is left in good order.
func markClean(dir string) error {
	return vfs.WriteFile(vfs.OS{}, filepath.Join(dir, cleanFile), nil, 0o640)
}

// mendWBL rewrites the tenant's WBL without its markers. It returns true when the log was corrupt, and cut there.
func mendWBL(dir string, log *slog.Logger) (corrupt bool, err error) {
	wbl := filepath.Join(dir, wlog.WblDirName)
	old, fresh := wbl+".old", wbl+".new"
	if err := finishSwap(wbl, old, fresh); err != nil {
		return false, err
	}
	if _, err := os.Stat(wbl); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	corrupt, err = copyWithoutMarkers(wbl, fresh, log)
	if err != nil {
		return corrupt, errors.Join(err, os.RemoveAll(fresh))
	}
	if err := errors.Join(os.Rename(wbl, old), os.Rename(fresh, wbl), (vfs.OS{}).SyncDir(dir)); err != nil {
		return corrupt, err
	}
	return corrupt, os.RemoveAll(old)
}

// finishSwap puts right what an end of the process in the middle of mendWBL has left.
func finishSwap(wbl, old, fresh string) error {
	if _, err := os.Stat(wbl); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(old); err == nil {
			if err := os.Rename(old, wbl); err != nil {
				return err
			}
		}
	}
	return errors.Join(os.RemoveAll(old), os.RemoveAll(fresh))
}

// wblCopyBatch is how many records are written at once.
const wblCopyBatch = 256

func copyWithoutMarkers(from, to string, log *slog.Logger) (corrupt bool, err error) {
	segments, err := wlog.NewSegmentsReader(from)
	if err != nil {
		return false, err
	}
	defer segments.Close()
	out, err := wlog.NewSize(log, nil, to, wlog.DefaultSegmentSize, compression.Snappy)
	if err != nil {
		return false, err
	}
	dec := record.NewDecoder(labels.NewSymbolTable(), log)
	var batch [][]byte
	r := wlog.NewReader(segments)
	for r.Next() {
		if dec.Type(r.Record()) == record.MmapMarkers {
			continue
		}
		if batch = append(batch, slices.Clone(r.Record())); len(batch) == wblCopyBatch {
			if err := out.Log(batch...); err != nil {
				return false, errors.Join(err, out.Close())
			}
			batch = batch[:0]
		}
	}
	if r.Err() != nil {
		log.Error("the log of late samples is corrupt: what comes after the fault is lost", "dir", from, "err", r.Err())
	}
	if err := errors.Join(out.Log(batch...), out.Close()); err != nil {
		return false, fmt.Errorf("cannot rewrite the log of late samples: %w", err)
	}
	return r.Err() != nil, nil
}
