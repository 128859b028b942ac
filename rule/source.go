package rule

import "strings"

// Source says where a group of rules comes from.
type Source string

// The sources.
const (
	FromFile     Source = "file"     // `rule_files`
	FromDocument Source = "document" // edited through the API
	FromDefaults Source = "default"  // comes with the program
)

// What is no file has a path that no file of rules has in practice: it identifies the group for Prometheus' engine and its metrics.
const (
	documentPath = "document:"
	defaultPath  = "default:"
)

func sourceOf(path string) Source {
	switch {
	case strings.HasPrefix(path, documentPath):
		return FromDocument
	case strings.HasPrefix(path, defaultPath):
		return FromDefaults
	}
	return FromFile
}

// NameOf is the name of the document or of the topic of default rules that a path stands for, else the path.
func NameOf(path string) string {
	switch sourceOf(path) {
	case FromDocument:
		return strings.TrimPrefix(path, documentPath)
	case FromDefaults:
		return strings.TrimPrefix(path, defaultPath)
	}
	return path
}
