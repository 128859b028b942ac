package runbook

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFiles bounds the Markdown files of all folders, and what is looked at to find them.
const (
	maxFiles = 2000
	maxSeen  = 50_000
)

var errManyFiles = fmt.Errorf("there are more than %d Markdown files, or %d of any kind: the others are left out", maxFiles, maxSeen)

// readFolders reads the Markdown files below folders. A file's name without .md, and without the folders it is in, is the runbook's; of two with one
// name the first counts. What cannot be read is left out and told.
func readFolders(folders []string) (map[string]*Runbook, []error) {
	out, errs, seen := map[string]*Runbook{}, []error(nil), 0
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			seen++
			switch {
			case seen > maxSeen || len(out) >= maxFiles:
				return errManyFiles
			case err != nil:
				errs = append(errs, err)
				return nil
			case d.IsDir() && name != folder && strings.HasPrefix(d.Name(), "."): // such as .git
				return fs.SkipDir
			case d.IsDir() || !strings.EqualFold(filepath.Ext(name), ".md"):
				return nil
			}
			r, err := readFile(name)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			} else if out[r.ID] == nil {
				out[r.ID] = r
			} else {
				errs = append(errs, fmt.Errorf("%s: a runbook of this name is in %s already", name, out[r.ID].Path))
			}
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", folder, err))
		}
	}
	return out, errs
}

func readFile(name string) (*Runbook, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxText+1))
	if err != nil {
		return nil, err
	}
	r, err := Parse(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), string(text))
	if err != nil {
		return nil, err
	}
	r.Source, r.Path = FromFile, name
	return r, nil
}
