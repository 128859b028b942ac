package tail

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/suggest"
	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// input is a FileInput that is checked.
type input struct {
	FileInput
	format   *logformat.Format
	encoding encoding
	begin    *regexp.Regexp
	exclude  []string
	labels   []model.Field
	// customize returns the input for one of its files, nil to leave that alone; nil changes nothing.
	customize func(path string) *input
}

func newInput(in FileInput, o Options) (*input, error) {
	c := &input{FileInput: in, exclude: slices.Concat(in.Exclude, o.Exclude)}
	if len(in.Paths) == 0 {
		return nil, fmt.Errorf("paths is empty: write files or globs, such as /var/log/app/*.log")
	}
	for _, glob := range slices.Concat(in.Paths, in.Exclude) {
		if err := checkGlob(glob); err != nil {
			return nil, err
		}
	}
	var err error
	if c.encoding, err = parseEncoding(in.Encoding); err != nil {
		return nil, err
	}
	if in.Format != "" {
		if c.format = logformat.Lookup(in.Format); c.format == nil {
			hint := "known are " + strings.Join(logformat.Names(), ", ")
			if s := suggest.Closest(in.Format, logformat.Names()); s != "" {
				hint = fmt.Sprintf("did you mean %q?", s)
			}
			return nil, fmt.Errorf("format %q is unknown: %s", in.Format, hint)
		}
	}
	switch in.Start {
	case "", StartBeginning, StartRecent, StartEnd:
	default:
		return nil, fmt.Errorf("start %q is unknown: write beginning, recent or end", in.Start)
	}
	if in.Multiline != nil {
		if c.begin, err = regexp.Compile(in.Multiline.Begin); err != nil || in.Multiline.Begin == "" {
			return nil, fmt.Errorf("multiline.begin %q is not a regular expression that matches the first line of a record: see https://golang.org/s/re2syntax", in.Multiline.Begin)
		}
	}
	for name, value := range in.Labels {
		if !ValidLabel(name) {
			return nil, fmt.Errorf("label %q: a name has letters, digits and underscores, and does not begin with a digit", name)
		}
		c.labels = append(c.labels, model.Field{Name: name, Value: value})
	}
	c.labels = model.SortFields(c.labels)
	return c, nil
}

// Check says what is wrong with an input, and how to write it right.
func Check(in FileInput) error {
	_, err := newInput(in, Options{})
	return err
}

// CheckGlobs says which is wrong.
func CheckGlobs(globs []string) error {
	for _, glob := range globs {
		if err := checkGlob(glob); err != nil {
			return err
		}
	}
	return nil
}

// ValidLabel says whether a label may have this name.
func ValidLabel(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// excluded says whether a path is not to be followed.
func (in *input) excluded(path string) bool {
	for _, glob := range in.exclude {
		if matchGlob(glob, path) || !strings.Contains(glob, "/") && matchGlob(glob, filepath.Base(path)) {
			return true
		}
	}
	return false
}

// start is where a file is begun that is not known. first says that it may have been there before the first start.
func (in *input) start(size int64, first bool) (offset int64, alignToLine bool) {
	if !first || in.Start == "" || in.Start == StartBeginning {
		return 0, false
	}
	if in.Start == StartEnd {
		return size, false
	}
	return max(size-recentBytes, 0) &^ 1, size > recentBytes // even, for encodings with two bytes
}
