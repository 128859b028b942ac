package jsontext

import (
	"encoding/json"
	"testing"
)

func TestAppend(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(Append([]byte("x"), in)); got != "x"+want {
			t.Errorf("%q: %s", in, got)
		}
	}
	f("", `""`)
	f("a<b>&é\u2028", "\"a<b>&é\u2028\"")
	f("\"\\\n\x00\x7f", `"\"\\\u000a\u0000`+"\x7f\"")
	f("\xff\xe2\x82.", `"\ufffd\ufffd\ufffd."`)
}

// Everything is read back as it was, but for what is not UTF-8.
func FuzzAppend(f *testing.F) {
	f.Add("a\xffb\"\n")
	f.Fuzz(func(t *testing.T, in string) {
		var back string
		text := Append(nil, in)
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%q: %v: %s", in, err, text)
		}
		if want := string([]rune(in)); back != want {
			t.Fatalf("%q: %q", in, back)
		}
	})
}
