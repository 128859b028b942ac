package model

import (
	"slices"
	"testing"
)

func TestSortFields(t *testing.T) {
	f := func(in, want []Field) {
		t.Helper()
		if got := SortFields(slices.Clone(in)); !slices.Equal(got, want) {
			t.Errorf("SortFields(%v) = %v, want %v", in, got, want)
		}
	}
	f(nil, nil)
	f([]Field{{"b", "1"}, {"a", "2"}}, []Field{{"a", "2"}, {"b", "1"}})
	f([]Field{{"a", "1"}, {"b", "2"}, {"a", "3"}}, []Field{{"a", "3"}, {"b", "2"}})
	f([]Field{{"a", ""}, {"b", "2"}}, []Field{{"b", "2"}})
	f([]Field{{"a", "1"}, {"a", ""}}, []Field{})
}

func TestFormatLabels(t *testing.T) {
	if got, want := FormatLabels([]Field{{"a", `x"y`}, {"b", "z"}}), `{a="x\"y", b="z"}`; got != want {
		t.Errorf("FormatLabels = %s, want %s", got, want)
	}
}
