package logql

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzLiterals: a regular expression's literals exclude nothing that it matches, and decide only what it decides.
func FuzzLiterals(f *testing.F) {
	for _, p := range []string{
		"error", "(?i)error", "err(or|no)", "a+b", "a?b", "^a", "a$", "(a|b)c[de]", "x.*y", ".*x.*", "(?i)é|error", "a{2,3}", "a{0}b", "", "()", "[^a]b", `\bab\b`,
		"(?i)a(?-i)b", "(foo|ba?r)+baz", "a|", "(?s).*", "(?m)^a$", `\Qa.b\E`, "[a-c]x|[d-f]y", "(?i)[ab]c",
	} {
		f.Add(p, "an error, ERROR errno aab ab xy bar foobaz\na.b É")
		f.Add(p, "")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 200 || strings.Contains(pattern, "i") && strings.ContainsAny(pattern+text, "\u212a\u017fkKsS") {
			return // under (?i), k and s are the ASCII letters alone
		}
		m := regexpLineMatcher(pattern)
		if got, want := m.text(text), re.MatchString(text); got != want {
			t.Fatalf("%q in %q: %t, want %t; lists %q, fold %t", pattern, text, got, want, m.lists, m.fold)
		}
	})
}
