package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// FileOptions are those of a check of the kind file.
type FileOptions struct {
	Path          string      `json:"path" doc:"A file, a pattern (/var/spool/*.job), or a folder whose files are meant."`
	Recursive     bool        `json:"recursive" doc:"The files in the folder's folders too."`
	Absent        bool        `json:"absent" doc:"Nothing may be there (a lock, a core dump)."`
	AgeWarning    check.Range `json:"age_warning" doc:"Range of good ages of the newest file: 1h, 10m:2d."`
	AgeCritical   check.Range `json:"age_critical" doc:"As age_warning, for CRITICAL."`
	Oldest        bool        `json:"oldest" doc:"The ages are those of the oldest file instead (a queue that does not move)."`
	SizeWarning   check.Range `json:"size_warning" doc:"Range of good bytes of each file."`
	SizeCritical  check.Range `json:"size_critical" doc:"As size_warning, for CRITICAL."`
	TotalWarning  check.Range `json:"total_warning" doc:"Range of good bytes of all files together."`
	TotalCritical check.Range `json:"total_critical" doc:"As total_warning, for CRITICAL."`
	CountWarning  check.Range `json:"count_warning" doc:"Range of good numbers of files."`
	CountCritical check.Range `json:"count_critical" doc:"As count_warning, for CRITICAL; without it nothing there is CRITICAL."`
}

// maxFiles bounds the files that are looked at.
const maxFiles = 200_000

var errTooMany = fmt.Errorf("there are more than %d files", maxFiles)

func (o Options) newFile(p check.Params) (check.Prober, error) {
	var f FileOptions
	if err := check.Decode(p.Options, &f); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(f.Path) {
		return nil, fmt.Errorf("path: %q is no whole path; write it from / on", f.Path)
	}
	if _, err := filepath.Match(f.Path, ""); err != nil {
		return nil, fmt.Errorf("path: %q is no pattern: %w", f.Path, err)
	}
	return probe(func(ctx context.Context) model.CheckResult {
		found, err := o.Waiter.Do(ctx, fmt.Sprintf("files %v %s", f.Recursive, f.Path), func() (any, error) { return findFiles(ctx, f.Path, f.Recursive) })
		if err != nil {
			return unknown("FILE", fmt.Errorf("%s: %w", f.Path, err))
		}
		return f.judge(found.(files), time.Now())
	}), nil
}

// files is what was found.
type files struct {
	list   []fileInfo // at most 1000, for names
	count  int
	total  int64
	newest fileInfo
	oldest fileInfo
	least  fileInfo
	most   fileInfo
}

type fileInfo struct {
	path string
	size int64
	at   time.Time
}

func (f *files) add(path string, fi fs.FileInfo) error {
	one := fileInfo{path, fi.Size(), fi.ModTime()}
	if f.count++; f.count > maxFiles {
		return errTooMany
	}
	f.total += one.size
	if f.count == 1 || one.at.After(f.newest.at) {
		f.newest = one
	}
	if f.count == 1 || one.at.Before(f.oldest.at) {
		f.oldest = one
	}
	if f.count == 1 || one.size < f.least.size {
		f.least = one
	}
	if f.count == 1 || one.size > f.most.size {
		f.most = one
	}
	if len(f.list) < 1000 {
		f.list = append(f.list, one)
	}
	return nil
}

// findFiles looks at a file, what matches a pattern, or what is in a folder. What is gone meanwhile is left out.
func findFiles(ctx context.Context, path string, recursive bool) (files, error) {
	paths := []string{path}
	pattern := strings.ContainsAny(path, `*?[`)
	if pattern {
		if _, err := os.Lstat(path); err != nil { // a file may have such a name
			if paths, err = filepath.Glob(path); err != nil {
				return files{}, err
			}
		}
	}
	var f files
	for _, p := range paths {
		fi, err := os.Stat(p)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return f, err
		case !fi.IsDir():
			err = f.add(p, fi)
		case !pattern || recursive:
			err = f.folder(ctx, p, recursive)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *files) folder(ctx context.Context, dir string, recursive bool) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && path != dir && !recursive:
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		fi, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile
		}
		return f.add(path, fi)
	})
}

func (o *FileOptions) judge(f files, now time.Time) model.CheckResult {
	var r report
	r.perf = append(r.perf, model.Perf{Label: "files", Value: float64(f.count), Warn: o.CountWarning.String(), Crit: o.CountCritical.String()})
	switch {
	case o.Absent && f.count > 0:
		r.fail(model.Critical, "%s is there", f.newest.path)
		return r.result("FILE", "")
	case o.Absent:
		return r.result("FILE", o.Path+" is not there")
	case f.count == 0 && !o.CountWarning.Set() && !o.CountCritical.Set():
		r.fail(model.Critical, "%s is not there", o.Path)
		return r.result("FILE", "")
	}
	if s := check.Rate(float64(f.count), o.CountWarning, o.CountCritical); s != model.OK {
		r.fail(s, "%d files", f.count)
	}
	good := fmt.Sprintf("%s: %d files", o.Path, f.count)
	if f.count > 0 {
		o.judgeFiles(&r, f, now)
		good = fmt.Sprintf("%s: %d files, %s, the newest is %s old", o.Path, f.count, humanSize(float64(f.total)), age(now.Sub(f.newest.at)))
		if f.count == 1 {
			good = fmt.Sprintf("%s has %s and is %s old", f.newest.path, humanSize(float64(f.total)), age(now.Sub(f.newest.at)))
		}
	}
	for _, one := range f.list[:min(len(f.list), 20)] {
		r.lines = append(r.lines, fmt.Sprintf("%s %d B, %s old", one.path, one.size, age(now.Sub(one.at))))
	}
	return r.result("FILE", good)
}

func (o *FileOptions) judgeFiles(r *report, f files, now time.Time) {
	which := f.newest
	if o.Oldest {
		which = f.oldest
	}
	if s := r.rate("age", now.Sub(which.at).Round(time.Millisecond).Seconds(), "s", o.AgeWarning, o.AgeCritical); s != model.OK {
		r.fail(s, "%s is %s old", which.path, age(now.Sub(which.at)))
	}
	if s := r.rate("size", float64(f.total), "B", o.TotalWarning, o.TotalCritical); s != model.OK {
		r.fail(s, "%d files have %s", f.count, humanSize(float64(f.total)))
	}
	for _, one := range []fileInfo{f.least, f.most} {
		if s := check.Rate(float64(one.size), o.SizeWarning, o.SizeCritical); s != model.OK {
			r.fail(s, "%s has %s", one.path, humanSize(float64(one.size)))
		}
		if f.count == 1 {
			break
		}
	}
}
