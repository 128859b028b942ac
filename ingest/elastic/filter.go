package elastic

import (
	"path"
	"strings"
)

// filter is what the parameter filter_path lets into an answer: paths with dots between names, of which * is any one and ** any number;
// with a minus before it one is left out (https://www.elastic.co/docs/reference/elasticsearch/rest-apis/common-options).
type filter struct{ with, without [][]string }

const maxPatterns = 32

func parseFilter(text string) filter {
	var f filter
	for i, p := range strings.SplitN(text, ",", maxPatterns+1) {
		p = strings.TrimSpace(p)
		switch {
		case p == "" || i == maxPatterns:
		case p[0] == '-':
			f.without = append(f.without, strings.SplitN(p[1:], ".", maxParts))
		default:
			f.with = append(f.with, strings.SplitN(p, ".", maxParts))
		}
	}
	return f
}

// wants says whether what stands at a path belongs into the answer.
func (f filter) wants(at ...string) bool {
	for _, p := range f.without {
		if covers(p, at) {
			return false
		}
	}
	if len(f.with) == 0 {
		return true
	}
	for _, p := range f.with {
		if covers(p, at) {
			return true
		}
	}
	return false
}

// covers says whether a pattern is about the path or what stands above it.
func covers(pattern, at []string) bool {
	switch {
	case len(pattern) == 0:
		return true
	case pattern[0] == "**":
		for i := range len(at) + 1 {
			if len(pattern) > 1 && covers(pattern[1:], at[i:]) {
				return true
			}
		}
		return len(pattern) == 1
	case len(at) == 0 || !fits(pattern[0], at[0]):
		return false
	}
	return covers(pattern[1:], at[1:])
}

// fits says whether a name is as in a pattern, in which * is any text.
func fits(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
