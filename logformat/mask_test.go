package logformat

import (
	"strings"
	"testing"
)

func masker(t testing.TB, o MaskOptions) *Masker {
	t.Helper()
	m, err := NewMasker(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestExamplesOfTheMasks(t *testing.T) {
	for _, r := range MaskRules() {
		m := masker(t, MaskOptions{Off: []string{"all"}, On: []string{r.Name}})
		if len(r.Examples) == 0 || r.Title == "" {
			t.Errorf("%s has no examples or no title", r.Name)
		}
		for _, e := range r.Examples {
			for _, before := range []string{"", " "} { // at even and odd places
				if got := m.Mask(before + e[0]); got != before+e[1] {
					t.Errorf("%s: %q becomes\n%q, want\n%q", r.Name, before+e[0], got, before+e[1])
				}
			}
		}
	}
}

func TestMaskLeavesCleanLinesAsTheyAre(t *testing.T) {
	m := masker(t, MaskOptions{})
	for _, f := range All() {
		for _, e := range examplesOf(t, f.Name) {
			if got := m.Mask(e.Line); got != e.Line {
				t.Errorf("%s: %q becomes %q", f.Name, e.Line, got)
			}
		}
	}
}

func TestMaskOptions(t *testing.T) {
	f := func(o MaskOptions, line, want string) {
		t.Helper()
		if got := masker(t, o).Mask(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
	line := "password=a mail alice@example.org card 4111111111111111 badge 12345"
	f(MaskOptions{}, line, "password=*** mail alice@example.org card 4111111111111111 badge 12345")
	f(MaskOptions{Off: []string{"password"}}, line, line)
	f(MaskOptions{Off: []string{"all"}}, line, line)
	f(MaskOptions{On: []string{"email", "credit_card"}}, line, "password=*** mail ***@*** card **** badge 12345")
	f(MaskOptions{Off: []string{"all"}, Rules: []MaskRule{{Name: "badge", Pattern: `badge \d+`}}}, line, "password=a mail alice@example.org card 4111111111111111 ***")
	f(MaskOptions{Off: []string{"all"}, Rules: []MaskRule{{Name: "badge", Literals: []string{"BADGE"}, Pattern: `(badge) \d+`, Replacement: "$1 #"}}}, line, "password=a mail alice@example.org card 4111111111111111 badge #")
}

func TestMaskOptionsThatAreWrong(t *testing.T) {
	f := func(o MaskOptions, want string) {
		t.Helper()
		if _, err := NewMasker(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	f(MaskOptions{Off: []string{"pasword"}}, `did you mean "password"`)
	f(MaskOptions{On: []string{"nothing at all"}}, "known are")
	f(MaskOptions{Rules: []MaskRule{{Name: "x", Pattern: "("}}}, "no regular expression")
	f(MaskOptions{Rules: []MaskRule{{Name: "x", Pattern: "a*"}}}, "empty text")
	f(MaskOptions{Rules: []MaskRule{{Name: "x"}}}, "missing")
	f(MaskOptions{Rules: []MaskRule{{Name: "jwt", Pattern: "x"}}}, "that name")
	f(MaskOptions{Rules: []MaskRule{{Name: "x", Pattern: "x", Literals: []string{"x"}}}}, "three bytes")
}

// The cheap search by pairs finds what looking for every literal finds.
func FuzzMask(f *testing.F) {
	for _, r := range MaskRules() {
		for _, e := range r.Examples {
			f.Add(e[0])
		}
	}
	m := masker(f, MaskOptions{On: []string{"email", "credit_card"}})
	f.Fuzz(func(t *testing.T, line string) {
		got := m.Mask(line)
		want := line
		for i, r := range MaskRules() {
			has := len(r.Literals) == 0
			for _, l := range r.Literals {
				for at := 0; at+len(l) <= len(line) && !has; at++ {
					check := m.rules[i].check
					has = equalFold(line[at:at+len(l)], strings.ToLower(l)) && (check == nil || check(line, at, len(l)))
				}
			}
			if has {
				want = m.rules[i].mask(want)
			}
		}
		if got != want {
			t.Fatalf("%q becomes %q, want %q", line, got, want)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	m := masker(b, MaskOptions{})
	run := func(name, line string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				m.Mask(line)
			}
		})
	}
	run("clean_json", `{"ts":"2026-11-23T03:01:06.123Z","level":"info","logger":"shop.orders","msg":"order placed","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"8448eb211c80319c","method":"GET","path":"/api/orders/1234","status":200,"latency_ms":12.5}`)
	run("clean_nginx", `203.0.113.7 - - [23/Nov/2026:03:01:06 +0000] "GET /index.html?x=1 HTTP/1.1" 200 612 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64)" 0.123`)
	run("secret", `user=app password=hunter2 host=db`)
}
