package runbook

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// The runbooks of the default alerts, each called like its alert.
//
//go:embed defaults/*.md
var defaultFiles embed.FS

// defaults are the runbooks that come with the program, by name.
func defaults() map[string]*Runbook {
	out := map[string]*Runbook{}
	names, err := fs.Glob(defaultFiles, "defaults/*.md")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	for _, name := range names {
		text, err := defaultFiles.ReadFile(name)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		id := strings.TrimSuffix(path.Base(name), ".md")
		r, err := Parse(id, string(text))
		if err != nil {
			panic("BUG: " + name + ": " + err.Error())
		}
		r.Source = FromDefaults
		out[id] = r
	}
	return out
}
