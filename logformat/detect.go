package logformat

import (
	"path"
	"strings"
	"time"
)

const (
	// detectLines is how many lines are looked at: more change nothing.
	detectLines = 200
	// detectShare is the share of the lines that must fit, in percent. Formats with multi-line records may have fewer that do, but none
	// of another kind may begin the file.
	detectShare      = 80
	detectShareMulti = 10
)

// Detect returns the format that most of the lines fit, nil when none does. The first lines of a file are best, in their order.
func Detect(lines []string) *Format { return DetectFile("", lines) }

// DetectFile is Detect for the lines of a file whose path is known: where formats look alike, its place decides.
func DetectFile(name string, lines []string) *Format {
	var best *Format
	most := 0
	when := When{Now: time.Now(), Zone: time.UTC}
	for _, f := range All() {
		if score := f.score(name, lines, when); score > most {
			best, most = f, score
		}
	}
	return best
}

// score is 0 when the format does not fit. A higher share of lines that fit wins; the rank and the place tell equals apart.
func (f *Format) score(name string, lines []string, when When) int {
	if f.kind == kindNamePlain {
		return 0
	}
	fit, all := 0, 0
	for _, line := range lines[:min(len(lines), detectLines)] {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if f.matches(line, when) {
			fit++
			all++
			continue
		}
		if f.follow == followNever || !looksLikeContinuation(line) || all == 0 {
			all++
		}
	}
	if all == 0 {
		return 0
	}
	share := 100 * fit / all
	if share < detectShare && (f.follow != followAll || share < detectShareMulti) {
		return 0
	}
	score := 10*share + f.rank*10
	if f.isAt(name) {
		score += 505
	}
	return score + 1
}

// isAt says whether the file is where the format's files are.
func (f *Format) isAt(name string) bool {
	if name == "" {
		return false
	}
	for _, glob := range f.Files {
		if ok, _ := path.Match(glob, name); ok {
			return true
		}
	}
	return false
}

// ForFile returns the formats whose usual place a path is, as Files say.
func ForFile(name string) []*Format {
	var out []*Format
	for _, f := range All() {
		if f.isAt(name) {
			out = append(out, f)
		}
	}
	return out
}
