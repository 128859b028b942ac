package thrift_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/internal/thrift"
	"github.com/hulotte-dev/hulotte/internal/thrift/thrifttest"
)

// read returns what was written.
func read(r *thrift.Reader, t thrift.Type) (any, error) {
	switch t {
	case thrift.Bool:
		return r.Bool()
	case thrift.I8, thrift.I16, thrift.I32, thrift.I64:
		n, err := r.Int(t)
		switch t {
		case thrift.I8:
			return int8(n), err
		case thrift.I16:
			return int16(n), err
		case thrift.I32:
			return int32(n), err
		}
		return n, err
	case thrift.Double:
		return r.Double()
	case thrift.Text:
		return r.Text()
	case thrift.Struct:
		var out thrifttest.Struct
		err := r.Struct(func(id int16, t thrift.Type) error {
			v, err := read(r, t)
			out = append(out, int(id), v)
			return err
		})
		return out, err
	case thrift.List, thrift.Set:
		var out thrifttest.List
		err := r.List(func(t thrift.Type) error {
			v, err := read(r, t)
			out = append(out, v)
			return err
		})
		return out, err
	}
	return nil, r.Skip(t)
}

func randomValue(r *rand.Rand, depth int) any {
	kinds := 7
	if depth > 0 {
		kinds = 9
	}
	return valueOf(r, r.IntN(kinds), depth)
}

func valueOf(r *rand.Rand, kind, depth int) any {
	switch kind {
	case 0:
		return r.IntN(2) == 0
	case 1:
		return int8(r.Uint32())
	case 2:
		return int16(r.Uint32())
	case 3:
		return int32(r.Uint32())
	case 4:
		return int64(r.Uint64()) >> r.IntN(64)
	case 5:
		return r.NormFloat64()
	case 6:
		return strings.Repeat("é", r.IntN(300))
	case 7:
		var s thrifttest.Struct
		for range r.IntN(20) {
			s = append(s, r.IntN(40)-10, randomValue(r, depth-1))
		}
		return s
	}
	var l thrifttest.List
	kind = r.IntN(8)
	for range r.IntN(30) {
		l = append(l, valueOf(r, kind, depth-1))
	}
	return l
}

// What is written in either encoding is read, and skipped to its end.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		v := valueOf(r, 7, 3)
		for name, in := range map[string]struct {
			data []byte
			new  func([]byte) *thrift.Reader
		}{
			"binary":  {thrifttest.Binary(v), thrift.Binary},
			"compact": {thrifttest.Compact(v), thrift.Compact},
		} {
			reader := in.new(in.data)
			got, err := read(reader, thrift.Struct)
			if err != nil || !reflect.DeepEqual(got, v) || len(reader.Rest()) > 0 {
				t.Fatalf("%s: %v, %d bytes are left\ngot  %v\nwant %v", name, err, len(reader.Rest()), got, v)
			}
			reader = in.new(in.data)
			if err := reader.Skip(thrift.Struct); err != nil || len(reader.Rest()) > 0 {
				t.Fatalf("%s: skipped: %v, %d bytes are left", name, err, len(reader.Rest()))
			}
			for _, n := range []int{0, len(in.data) / 2, len(in.data) - 1} {
				if err := in.new(in.data[:n]).Skip(thrift.Struct); err == nil {
					t.Fatalf("%s: %d of %d bytes are taken for the whole", name, n, len(in.data))
				}
			}
		}
	}
}

func TestMaps(t *testing.T) {
	v := thrifttest.Struct{1, thrifttest.Map{"a", true, "b", false}, 2, thrifttest.Map{}, 3, "x"}
	for _, r := range []*thrift.Reader{thrift.Binary(thrifttest.Binary(v)), thrift.Compact(thrifttest.Compact(v))} {
		last := ""
		err := r.Struct(func(id int16, t thrift.Type) (err error) {
			if id == 3 {
				last, err = r.Text()
				return err
			}
			return r.Skip(t)
		})
		if err != nil || last != "x" {
			t.Errorf("got %q %v", last, err)
		}
	}
}

func TestMessages(t *testing.T) {
	args := thrifttest.Struct{1, "x"}
	f := func(r *thrift.Reader) {
		t.Helper()
		name, kind, err := r.Message()
		if name != "emitBatch" || kind != thrift.Oneway || err != nil {
			t.Errorf("got %q %d %v", name, kind, err)
		}
		if got, err := read(r, thrift.Struct); err != nil || !reflect.DeepEqual(got, args) {
			t.Errorf("got %v %v", got, err)
		}
	}
	f(thrift.Binary(thrifttest.BinaryMessage(true, "emitBatch", thrift.Oneway, args)))
	f(thrift.Binary(thrifttest.BinaryMessage(false, "emitBatch", thrift.Oneway, args)))
	f(thrift.Compact(thrifttest.CompactMessage("emitBatch", thrift.Oneway, args)))
	for _, data := range []string{"", "\x80", "\x80\x02\x00\x01", "\x00\x00\x00\x09abc", "\x82\x02", "\x7f\xff\xff\xff", "\x82\x21\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if _, _, err := thrift.Binary([]byte(data)).Message(); err == nil {
			t.Errorf("%q is taken for a message", data)
		}
		if _, _, err := thrift.Compact([]byte(data)).Message(); err == nil {
			t.Errorf("%q is taken for a compact message", data)
		}
	}
}

// What lies about its length, or is nested without end, costs nothing.
func TestHostile(t *testing.T) {
	f := func(r *thrift.Reader, what thrift.Type, want error) {
		t.Helper()
		calls := 0
		err := r.Skip(what)
		if what == thrift.List && err == nil {
			err = r.List(func(thrift.Type) error { calls++; return nil })
		}
		if !errors.Is(err, want) || calls > 0 {
			t.Errorf("got %v after %d calls, want %v", err, calls, want)
		}
	}
	f(thrift.Binary([]byte("\x0c\x7f\xff\xff\xff")), thrift.List, thrift.ErrCount)
	f(thrift.Binary([]byte("\x0c\xff\xff\xff\xff")), thrift.List, thrift.ErrCount)
	f(thrift.Binary([]byte("\x0a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00")), thrift.List, thrift.ErrCount)
	f(thrift.Compact([]byte("\xfc\xff\xff\xff\xff\x0f")), thrift.List, thrift.ErrCount)
	f(thrift.Compact([]byte("\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), thrift.List, thrift.ErrVarint)
	f(thrift.Compact([]byte("\xff\xff\xff\xff\x0f\x88")), thrift.Map, thrift.ErrCount)
	f(thrift.Binary([]byte("\x0b\x0b\x7f\xff\xff\xff")), thrift.Map, thrift.ErrCount)
	f(thrift.Binary([]byte("\x7f\xff\xff\xff")), thrift.Text, thrift.ErrTruncated)
	f(thrift.Binary([]byte("\xff\xff\xff\xff")), thrift.Text, thrift.ErrTruncated)
	f(thrift.Compact([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")), thrift.Text, thrift.ErrTruncated)
	f(thrift.Binary([]byte("\x05\x00\x01")), thrift.Struct, thrift.ErrType)
	f(thrift.Compact([]byte("\x1d")), thrift.Struct, thrift.ErrType)
	f(thrift.Compact([]byte("\x1d\x0f")), thrift.Type(99), thrift.ErrType)
	f(thrift.Compact(bytes.Repeat([]byte{0x1c}, 1<<20)), thrift.Struct, thrift.ErrDepth)
	f(thrift.Binary(bytes.Repeat([]byte{12, 0, 1}, 1<<20)), thrift.Struct, thrift.ErrDepth)
	f(thrift.Compact(bytes.Repeat([]byte{0x19}, 1<<20)), thrift.List, thrift.ErrDepth)
}

func FuzzSkip(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		v := valueOf(r, 7, 3)
		f.Add(thrifttest.Binary(v))
		f.Add(thrifttest.Compact(v))
	}
	f.Add(thrifttest.Compact(math.Pi))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, new := range []func([]byte) *thrift.Reader{thrift.Binary, thrift.Compact} {
			a, b := new(data), new(data)
			_, err := read(a, thrift.Struct)
			if skipped := b.Skip(thrift.Struct); (err == nil) != (skipped == nil) || err == nil && len(a.Rest()) != len(b.Rest()) {
				t.Errorf("read: %v, skipped: %v", err, skipped)
			}
			_, _, _ = new(data).Message()
		}
	})
}
