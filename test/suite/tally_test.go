package main

import (
	"strings"
	"testing"
)

func TestCountGo(t *testing.T) {
	f := func(in string, passed, failed, skipped int) {
		t.Helper()
		got, err := countGo(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if got.passed != passed || got.failed != failed || got.skipped != skipped {
			t.Errorf("got %d passed, %d failed, %d skipped; want %d, %d, %d", got.passed, got.failed, got.skipped, passed, failed, skipped)
		}
	}
	f(`{"Action":"pass","Package":"p","Test":"A"}{"Action":"pass","Package":"p"}`, 1, 0, 0)
	f(`{"Action":"skip","Package":"p","Test":"A"}{"Action":"pass","Package":"p"}`, 0, 0, 1)
	// A package that fails through one of its tests counts once.
	f(`{"Action":"output","Package":"p","Test":"A","Output":"--- FAIL: A\n"}{"Action":"fail","Package":"p","Test":"A"}{"Action":"fail","Package":"p"}`, 0, 1, 0)
	// One that fails with no test of its own counts too.
	f(`{"Action":"output","Package":"p","Output":"panic\n"}{"Action":"fail","Package":"p"}`, 0, 1, 0)
}

// A package that panics or runs out of time ends its running test without a verdict: what that test wrote must be seen.
func Example_countGoPanic() {
	_, _ = countGo(strings.NewReader(`{"Action":"output","Package":"p","Test":"A","Output":"panic: test timed out\n"}{"Action":"output","Package":"p","Test":"B","Output":"fine\n"}{"Action":"pass","Package":"p","Test":"B"}{"Action":"fail","Package":"p"}`))
	// Output:
	// FAIL  p
	// ended with its package: p A
	// panic: test timed out
}

func TestCountGoKeepsWhatWasLeftOut(t *testing.T) {
	got, err := countGo(strings.NewReader(`{"Action":"output","Package":"p","Test":"A","Output":"    x.go:1: y is not installed\n"}{"Action":"skip","Package":"p","Test":"A"}`))
	if err != nil {
		t.Fatal(err)
	}
	if r := got.leftOut(); len(r) != 1 || r[0] != "A was left out: y is not installed" {
		t.Errorf("got %q", r)
	}
}

func TestCountOtherRunners(t *testing.T) {
	v, err := countVitest(strings.NewReader(`{"numPassedTests":3,"numFailedTests":1,"numPendingTests":2}`))
	if err != nil || v.passed != 3 || v.failed != 1 || v.skipped != 2 {
		t.Errorf("vitest: got %+v, %v", v, err)
	}
	p, err := countPlaywright(strings.NewReader(`{"stats":{"expected":3,"unexpected":1,"flaky":1,"skipped":2}}`))
	if err != nil || p.passed != 4 || p.failed != 1 || p.skipped != 2 || len(p.leftOut()) != 1 {
		t.Errorf("playwright: got %+v, %v", p, err)
	}
}
