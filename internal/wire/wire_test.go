package wire

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestNext(t *testing.T) {
	m := AppendVarint(nil, 1, 300)
	m = AppendBytes(m, 2, []byte("ab"))
	m = AppendFixed64(m, 3, 7)
	m = append(m, 4<<3|Fixed32, 1, 0, 0, 0)
	f := Fields{Rest: m}
	var got []uint64
	for f.Next() {
		if f.Is(2, Bytes) {
			got = append(got, uint64(len(f.Text())))
			continue
		}
		got = append(got, f.Value)
	}
	if f.Err != nil || len(got) != 4 || got[0] != 300 || got[1] != 2 || got[2] != 7 || got[3] != 1 {
		t.Errorf("got %v, %v", got, f.Err)
	}
}

func TestNextRefuses(t *testing.T) {
	f := func(in string, want error) {
		t.Helper()
		w := Fields{Rest: []byte(in)}
		for w.Next() {
		}
		if !errors.Is(w.Err, want) {
			t.Errorf("%q: got %v, want %v", in, w.Err, want)
		}
	}
	f("\x08", ErrTruncated)
	f("\x0a\x05ab", ErrTruncated)
	f("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ErrVarint)
	f("\x09abc", ErrTruncated)
	f("\x0dabc", ErrTruncated)
	f("\x0b", ErrWireType)
	f("\x02\x00", ErrFieldNumber)
	f("\x80", ErrTruncated)
}

func TestIsEndsTheWalkAtAnotherWireType(t *testing.T) {
	f := Fields{Rest: AppendVarint(nil, 1, 1)}
	if !f.Next() || f.Is(2, Bytes) || f.Err != nil || f.Is(1, Bytes) || !errors.Is(f.Err, ErrWireType) || f.Next() {
		t.Error("the walk goes on")
	}
}

// FuzzNext compares the walk with that of Google's package.
func FuzzNext(f *testing.F) {
	f.Add(AppendBytes(AppendVarint(nil, 1, 300), 2, []byte("ab")))
	f.Add([]byte("\x0a\x05ab"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, rest := Fields{Rest: raw}, raw
		for w.Next() {
			n := protowire.ConsumeField
			num, typ, size := n(rest)
			if size < 0 || num != protowire.Number(w.Num) || uint8(typ) != w.Wire {
				t.Fatalf("field %d of type %d: google has %d, %d, %d", w.Num, w.Wire, num, typ, size)
			}
			rest = rest[size:]
			if len(rest) != len(w.Rest) {
				t.Fatalf("%d bytes left, google has %d", len(w.Rest), len(rest))
			}
		}
		if w.Err == nil && len(w.Rest) > 0 {
			t.Fatal("ended early")
		}
	})
}

// A message within another has its length, however long it is.
func TestBegin(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 16383, 16384, 1 << 21} {
		dst, m := Begin([]byte("\x08\x07"), 3)
		dst = AppendVarint(End(append(dst, make([]byte, n)...), m), 4, 9)
		f := Fields{Rest: dst}
		for f.Next() {
			if f.Num == 3 && len(f.Bytes) != n || f.Num == 4 && f.Value != 9 {
				t.Errorf("%d bytes: field %d has %d bytes, value %d", n, f.Num, len(f.Bytes), f.Value)
			}
		}
		if f.Err != nil || f.Num != 4 {
			t.Errorf("%d bytes: ends at field %d: %v", n, f.Num, f.Err)
		}
	}
}
