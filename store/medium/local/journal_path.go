package local

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// A journal's folder is its name below the folder of journals, and its segments are called 20 digits and segmentSuffix. A part of a
// name that ends with that suffix gets an escape behind it, which no name can have, so that the journal "a/00000000000000000001.log" and the
// first segment of "a" do not meet.
const (
	segmentSuffix = ".log"
	segmentDigits = 20
	pathEscape    = "~"
)

func escapePart(part string) string {
	if strings.HasSuffix(part, segmentSuffix) || strings.Contains(part, ".tmp-") {
		return part + pathEscape
	}
	return part
}

// journalPath is where the journal's folder lies below the one of journals.
func journalPath(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = escapePart(p)
	}
	return filepath.Join(parts...)
}

// journalName is the name that a folder's path stands for.
func journalName(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for i, p := range parts {
		parts[i] = strings.TrimSuffix(p, pathEscape)
	}
	return strings.Join(parts, "/")
}

func (s *journals) path(name string) string { return filepath.Join(s.dir, journalPath(name)) }

func segmentName(first uint64) string {
	return fmt.Sprintf("%0*d%s", segmentDigits, first, segmentSuffix)
}

func segmentPath(dir string, first uint64) string { return filepath.Join(dir, segmentName(first)) }

// parseSegmentName is the inverse of segmentName; ok is false for the name of anything else.
func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != segmentDigits {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil && first > 0 && first <= maxSequence && segmentName(first) == name
}
