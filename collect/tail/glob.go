package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxGlobbed bounds what one glob finds, and maxFolders the folders that ** goes through.
	maxGlobbed = 100_000
	maxFolders = 20_000
)

func checkGlob(glob string) error {
	if _, err := filepath.Match(strings.ReplaceAll(glob, "**", "*"), "x"); err != nil {
		return fmt.Errorf("%q is not a glob: %w: write *, ?, [a-z], or ** for any number of folders", glob, err)
	}
	return nil
}

// matchGlob says whether a path fits. ** as a whole part of it fits any number of folders.
func matchGlob(glob, path string) bool {
	return matchParts(strings.Split(filepath.Clean(glob), "/"), strings.Split(filepath.Clean(path), "/"))
}

func matchParts(glob, path []string) bool {
	for i, g := range glob {
		if g == "**" {
			for n := 0; n <= len(path)-i; n++ {
				if matchParts(glob[i+1:], path[i+n:]) {
					return true
				}
			}
			return false
		}
		if i >= len(path) {
			return false
		}
		if ok, err := filepath.Match(g, path[i]); err != nil || !ok {
			return false
		}
	}
	return len(glob) == len(path)
}

// expandGlob calls f with the files that a glob names, links included.
func expandGlob(glob string, f func(path string)) {
	before, _, recursive := strings.Cut(glob, "**")
	if !recursive {
		paths, _ := filepath.Glob(glob) // only a bad glob is an error, and that was checked
		for _, p := range paths[:min(len(paths), maxGlobbed)] {
			f(p)
		}
		return
	}
	roots, _ := filepath.Glob(strings.TrimSuffix(before, "/"))
	if before == "/" {
		roots = []string{"/"}
	}
	if before == "" {
		roots = []string{"."}
	}
	found, folders := 0, 0
	var visit func(dir string, depth int)
	visit = func(dir string, depth int) {
		if folders++; folders > maxFolders || depth > 64 {
			return
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			switch {
			case e.IsDir():
				visit(path, depth+1)
			case found < maxGlobbed && matchGlob(glob, path):
				found++
				f(path)
			}
		}
	}
	for _, root := range roots {
		visit(root, 0)
	}
}
