package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong, with where and how to put it right.
type Error struct {
	File string // or "environment" or "command line"
	Line int    // 0 when there is none
	Key  string // the key's path, the variable's name or the flag
	Text string
}

func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	for _, s := range []string{e.Key, e.Text} {
		if s != "" && b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(s)
	}
	return b.String()
}

// Errors is everything that is wrong with a configuration.
type Errors []Error

// Error has one line an error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted puts the errors of one file in the order of its lines and keeps the order of the sources.
func (e Errors) sorted() Errors {
	rank := map[string]int{}
	for _, x := range e {
		if _, ok := rank[x.File]; !ok {
			rank[x.File] = len(rank)
		}
	}
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return e
}
