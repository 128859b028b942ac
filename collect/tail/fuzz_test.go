package tail

import (
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

func FuzzDockerLine(f *testing.F) {
	f.Add(`{"log":"text\n","stream":"stderr","time":"2026-01-02T10:00:00.5Z"}`)
	f.Add(`{"log":"a","stream":"stdout","attrs":{"a":"b"},"time":"0001-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, in string) {
		l := line{text: in, end: int64(len(in))}
		l.docker()
		if len(l.text) > 3*len(in) || l.output < 0 || l.output >= outputs || l.time < 0 {
			t.Fatalf("%+v", l)
		}
	})
}

func FuzzCRILine(f *testing.F) {
	f.Add("2026-01-02T15:04:05.123456789Z stdout F text")
	f.Add("2026-01-02T15:04:05+01:00 stderr P:x a")
	f.Add("2026-01-02T15:04:05Z stdout F")
	f.Add(`{"log":"text\n","stream":"stderr","time":"2026-01-02T10:00:00.5Z"}`)
	f.Fuzz(func(t *testing.T, in string) {
		l := line{text: in, end: int64(len(in))}
		l.cri()
		if l.output < 0 || l.output >= outputs || l.time < 0 {
			t.Fatalf("%+v", l)
		}
		if l.time == 0 && l.output == plainOutput && l.text != in {
			t.Fatalf("%q became %q", in, l.text)
		}
	})
}

func FuzzPositions(f *testing.F) {
	f.Add([]byte(`{"version":1,"files":[{"dev":1,"ino":2,"path":"/a","offset":3,"head":"00","length":4,"seen":5}],"cursors":{"journal":"x"}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"files":[null]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		p := newPositions(vfs.OS{}, "", slog.New(slog.DiscardHandler))
		if p.decode(in) != nil {
			return
		}
		for _, e := range p.files {
			if e.Offset < 0 || e.Len > headBytes {
				t.Fatalf("%+v", e)
			}
			e.is(make([]byte, headBytes))
		}
	})
}

func FuzzEncoding(f *testing.F) {
	f.Add([]byte("a\nb\n"), int8(utf8Text))
	f.Add([]byte("a\x00\n\x00"), int8(utf16LE))
	f.Add([]byte("\n\n\x00\n\n"), int8(utf16BE))
	f.Fuzz(func(t *testing.T, in []byte, which int8) {
		e := encoding(which)
		detectEncoding(in)
		last := e.lastLineEnd(in)
		if last < 0 || last > len(in) {
			t.Fatal(last)
		}
		sum := 0
		for rest := in[:last]; len(rest) > 0; {
			at, n := e.lineEnd(rest)
			if at < 0 || at+n > len(rest) {
				t.Fatalf("line end at %d+%d of %d", at, n, len(rest))
			}
			if s := e.text(rest[:at]); e != utf8Text && (e == utf16BE || e == utf16LE || e == latin1) && !utf8.ValidString(s) {
				t.Fatalf("%q", s)
			}
			sum += at + n
			rest = rest[at+n:]
		}
		if sum != last {
			t.Fatalf("%d bytes in lines of %d", sum, last)
		}
	})
}

func FuzzContainerConfig(f *testing.F) {
	f.Add([]byte(`{"Name":"/x","Config":{"Labels":{"com.docker.compose.service":"db"}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		about, ok := parseContainerConfig(in)
		if !ok {
			return
		}
		for _, l := range about.labels(strings.Repeat("a", 64), nil) {
			if !utf8.ValidString(l.Value) || len(l.Value) > 1000 {
				t.Fatalf("%+v", l)
			}
		}
	})
}
