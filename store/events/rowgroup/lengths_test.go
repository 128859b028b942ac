package rowgroup

import (
	"math"
	"testing"
)

func TestNumberLength(t *testing.T) {
	f := func(form numberForm, x int64) {
		t.Helper()
		if want, got := len(form.appendNumber(nil, x)), form.length(x); int(got) != want {
			t.Errorf("%+v writes %d in %d bytes, not %d", form, x, want, got)
		}
	}
	for _, form := range []numberForm{
		{}, {prefix: "id-", suffix: "ms"}, {scale: 3}, {scale: 3, flags: numberTrim}, {pad: 12}, {pad: 1, prefix: "#"}, {scale: 18},
	} {
		for _, x := range []int64{0, 1, 9, 10, 99, 100, 101, 999, 1000, 1010, 1200, 123456, 999_999_999_999, 1_000_000_000_000, math.MaxInt64} {
			f(form, x)
			if form.pad == 0 {
				f(form, -x)
			}
		}
	}
}

func TestFixedNumberLength(t *testing.T) {
	f := func(form numberForm, want uint32, fixed bool) {
		t.Helper()
		if got, ok := form.fixedLength(); got != want || ok != fixed {
			t.Errorf("%+v: %d, %v; not %d, %v", form, got, ok, want, fixed)
		}
	}
	f(numberForm{base: 10, max: 99}, 2, true)
	f(numberForm{base: 9, max: 99}, 0, false)
	f(numberForm{base: 100, max: 999, scale: 2, flags: numberTrim}, 0, false)
	f(numberForm{base: 100, max: 999, scale: 2}, 4, true)
	f(numberForm{base: -9, max: 9}, 0, false)
	f(numberForm{base: 0, max: 999, pad: 3}, 3, true)
	f(numberForm{base: 7, max: 7, prefix: "a"}, 2, true)
}
