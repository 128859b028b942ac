package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// value reads any value as encoding/json does into an any, with numbers as text.
func value(s *Scanner) (any, error) {
	switch s.Kind() {
	case Object:
		out := map[string]any{}
		return out, s.Object(func(key string) error {
			v, err := value(s)
			out[key] = v
			return err
		})
	case Array:
		out := []any{}
		err := s.Array(func() error {
			v, err := value(s)
			out = append(out, v)
			return err
		})
		return out, err
	case Number:
		v, err := s.Scalar()
		return json.Number(v), err
	case Bool:
		v, err := s.Scalar()
		return v == "true", err
	case Null:
		_, err := s.Scalar()
		return nil, err
	}
	v, err := s.Text()
	return v, err
}

func scan(data []byte) (any, error) {
	s := New(data)
	v, err := value(s)
	if err == nil {
		err = s.End()
	}
	return v, err
}

func TestScan(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		v, err := scan([]byte(in))
		if err != nil || fmt.Sprint(v) != want {
			t.Errorf("%s: got %v, %v, want %s", in, v, err, want)
		}
	}
	f(` {"a" : [1, -2.5e3 ,true,false,null,"x"], "b":{}, "c":[]} `, "map[a:[1 -2.5e3 true false <nil> x] b:map[] c:[]]")
	f(`"a\"\\\/\b\f\n\r\tb"`, "a\"\\/\b\f\n\r\tb")
	f(`"\u00e9\ud83d\ude00\ud83d x \ude00"`, "é😀\uFFFD x \uFFFD")
	f("\"\xff\n\"", "\xff\n")
}

func TestScanRefuses(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		v, err := scan([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want %s", in, v, err, want)
		}
		s := New([]byte(in))
		if err := errors.Join(s.Skip(), s.End()); err == nil {
			t.Errorf("%s is skipped", in)
		}
	}
	f(``, "here is the end")
	f(`{`, "here is the end")
	f(`{"a"`, "colon")
	f(`{"a":`, "the end")
	f(`{"a":1`, "ends before '}'")
	f(`{"a":1,}`, "not a text")
	f(`[1 2]`, "not a comma")
	f(`"a`, "within a string")
	f(`"a\`, "within a string")
	f(`"a\"`, "within a string")
	f(`"\x"`, `the escape \x`)
	f(`"\u12"`, "four hexadecimal digits")
	f(`nul`, "no value")
	f(`1 2`, "more after the end")
	f(strings.Repeat("[", 1_000_000), "nested too deeply")
}

func TestRaw(t *testing.T) {
	s := New([]byte(`{"a": {"b" : "\n"} , "c":2}`))
	var got []string
	err := s.Object(func(key string) error {
		raw, err := s.Raw()
		got = append(got, key+"="+raw)
		return err
	})
	if err != nil || !reflect.DeepEqual(got, []string{`a={"b" : "\n"}`, "c=2"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// FuzzScan checks that what encoding/json reads is read here, and is the same.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x\u00e9\n",true,null],"b":{"c":-1.5}}`))
	f.Add([]byte(`"\ud83d\ude00"`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		got, err := scan(raw)
		if !bytes.Equal(before, raw) {
			t.Fatal("the data was changed")
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var want any
		if !json.Valid(raw) || dec.Decode(&want) != nil || !utf8.Valid(raw) {
			return
		}
		if err != nil && !errors.Is(err, errDepth) {
			t.Fatalf("%q: %v", raw, err)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v, want %v", raw, got, want)
		}
	})
}
