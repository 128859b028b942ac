package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

func writeGzip(t *testing.T, path, text string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	must(t, err)
	must(t, z.Close())
	must(t, os.WriteFile(path, b.Bytes(), 0o600))
}

// linesOf follows one file and returns a check of its lines.
func linesOf(t *testing.T, in FileInput, change func(*Options)) func(text string, want ...string) []kept {
	t.Helper()
	return func(text string, want ...string) []kept {
		t.Helper()
		m := &memory{}
		path := filepath.Join(t.TempDir(), "app.log")
		write(t, path, text)
		o := quick(t)
		in.Paths = []string{path}
		o.Files = []FileInput{in}
		if change != nil {
			change(&o)
		}
		_, stop := start(t, o, m)
		defer stop()
		expect(t, m, want...)
		return m.all()
	}
}

const (
	javaTrace = "2026-01-02 10:00:00,123 ERROR [main] com.acme.Orders - cannot place order\n" +
		"java.lang.IllegalStateException: no stock\n\tat com.acme.Orders.place(Orders.java:42)\n\tat com.acme.Main.main(Main.java:7)\n" +
		"Caused by: java.io.IOException: gone\n\t... 2 more"
	pythonTrace = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    main()\nValueError: bad"
)

func TestTraces(t *testing.T) {
	f := linesOf(t, FileInput{}, nil)
	first, last := "2026-01-02 10:00:00,000 INFO [main] com.acme.Main - start", "2026-01-02 10:00:01,000 INFO [main] com.acme.Main - goes on"
	got := f(first+"\n"+javaTrace+"\n"+last+"\n", first, javaTrace, last)
	if got[1].field("detected_level") != "error" {
		t.Errorf("fields are %v", got[1].Fields)
	}
	if want := int64(1767348000123) * 1e6; got[1].Time != want {
		t.Errorf("time is %d, want %d", got[1].Time, want)
	}
	f("a line\n"+pythonTrace+"\nanother line\n", "a line", pythonTrace, "another line")
	f(strings.TrimSuffix(javaTrace, "")+"\n", javaTrace) // the last one of a file comes too
}

func TestOwnMultiline(t *testing.T) {
	f := linesOf(t, FileInput{Multiline: &Multiline{Begin: `^--`}}, nil)
	f("-- a\nb\n\nc\n-- d\n", "-- a\nb\n\nc", "-- d")
}

func TestLongRecords(t *testing.T) {
	limits := func(o *Options) { o.MaxLine, o.MaxRecord, o.Batch = 1000, 2000, 4000 }
	f := linesOf(t, FileInput{}, limits)
	long := strings.Repeat("a", 100_000)
	got := f("1\n"+long+"\n2\n", "1", long[:1000], "2")
	if got[1].field(fieldTruncated) != "100000" {
		t.Errorf("fields are %v", got[1].Fields)
	}
	got = f("1\n"+long[:1500]+"\n2\n", "1", long[:1000], "2")
	if got[1].field(fieldTruncated) != "1500" {
		t.Errorf("fields are %v", got[1].Fields)
	}
	// A record of many lines is cut into several; nothing of it is lost.
	var text strings.Builder
	text.WriteString("begin\n")
	for range 300 {
		text.WriteString("\tat com.acme.Deep.call(Deep.java:1)\n")
	}
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, text.String())
	o := quick(t)
	limits(&o)
	o.Files = follow(path)
	start(t, o, m)
	wait(t, "the whole trace", func() bool { return strings.Join(m.lines(), "\n")+"\n" == text.String() })
}

func TestHundredMegabyteLine(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	f, err := os.Create(path)
	must(t, err)
	piece := bytes.Repeat([]byte("0123456789"), 100_000)
	for range 100 {
		_, err = f.Write(piece)
		must(t, err)
	}
	_, err = f.WriteString("\nafter\n")
	must(t, err)
	must(t, f.Close())
	o := quick(t)
	o.Files = follow(path)
	start(t, o, m)
	wait(t, "two lines", func() bool { return len(m.lines()) >= 2 })
	got := m.all()
	if len(got) != 2 || len(got[0].Line) != defaultMaxLine || got[0].field(fieldTruncated) != "100000000" || got[1].Line != "after" {
		t.Errorf("%d records, the first of %d bytes, %v", len(got), len(got[0].Line), got[0].Fields)
	}
}

func TestBinaryBytes(t *testing.T) {
	f := linesOf(t, FileInput{}, nil)
	f("\x00\x01\xff\xfe text\nsecond \x00 line\n\xc3\x28\n", "\x00\x01\xff\xfe text", "second \x00 line", "\xc3\x28")
}

func encode16(text string, little bool, mark bool) string {
	if mark {
		text = "\ufeff" + text
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		if little {
			b = append(b, byte(u), byte(u>>8))
		} else {
			b = append(b, byte(u>>8), byte(u))
		}
	}
	return string(b)
}

func TestEncodings(t *testing.T) {
	text := "first line of the file\näöü € 😀\nĊ ਊ look like ends of lines\n" // U+010A and U+0A0A have bytes 0A
	want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	f := func(in, name string) {
		t.Helper()
		linesOf(t, FileInput{Encoding: name}, nil)(in, want...)
	}
	f(text, "")
	f("\ufeff"+text, "")
	for _, little := range []bool{true, false} {
		f(encode16(text, little, true), "")
		f(encode16(text, little, false), "")
		f(encode16(text, little, false), map[bool]string{true: "utf-16le", false: "utf-16be"}[little])
	}
	linesOf(t, FileInput{Encoding: "latin-1"}, nil)("\xe4\xf6\xfc\n", "äöü")
}

func TestPacked(t *testing.T) {
	dir := t.TempDir()
	writeGzip(t, filepath.Join(dir, "app.log.1.gz"), "1\n2\nlast")
	old := filepath.Join(dir, "app.log.1.gz")
	m := &memory{}
	o := quick(t)
	o.Files = []FileInput{{Paths: []string{filepath.Join(dir, "*")}, Compressed: true}}
	_, stop := start(t, o, m)
	expect(t, m, "1", "2", "last")
	stop()
	must(t, os.Rename(old, filepath.Join(dir, "app.log.2.gz")))
	write(t, filepath.Join(dir, "app.log"), "3\n")
	start(t, o, m)
	expect(t, m, "1", "2", "last", "3") // the compressed one was read already
}

func TestContainers(t *testing.T) {
	root := t.TempDir()
	id := strings.Repeat("0123456789abcdef", 4)
	docker := filepath.Join(root, "var/lib/docker/containers", id)
	pod := filepath.Join(root, "var/log/pods/shop_web-7d_uid/nginx")
	must(t, os.MkdirAll(docker, 0o700))
	must(t, os.MkdirAll(pod, 0o700))
	must(t, os.WriteFile(filepath.Join(docker, "config.v2.json"), []byte(`{"Name":"/shop-db-1","Config":{"Labels":{"com.docker.compose.service":"db","com.docker.compose.project":"shop"}}}`), 0o600))
	var text strings.Builder
	line := func(log, stream string, second int) {
		fmt.Fprintf(&text, `{"log":%q,"stream":%q,"time":"2026-01-02T10:00:%02d.5Z"}`+"\n", log, stream, second)
	}
	line("hello\n", "stdout", 1)
	line("in two ", "stdout", 2)
	line("an error\n", "stderr", 3)
	line("parts\n", "stdout", 4)
	line("Traceback (most recent call last):\n", "stderr", 5)
	line("meanwhile\n", "stdout", 5)
	line("  File \"a.py\"\n", "stderr", 5)
	line("ValueError: x\n", "stderr", 5)
	write(t, filepath.Join(docker, id+"-json.log"), text.String())
	write(t, filepath.Join(pod, "0.log"), "2026-01-02T11:00:00.1Z stdout P first \n2026-01-02T11:00:00.2Z stdout F second\n2026-01-02T11:00:00.3Z stderr F oops\n")
	m := &memory{}
	o := quick(t)
	o.RootFS, o.Containers = root, &ContainerOptions{}
	start(t, o, m)
	wait(t, "all records", func() bool { return len(m.lines()) >= 7 })
	got := map[string]kept{}
	for _, k := range m.all() {
		got[k.Line] = k
	}
	f := func(line, stream, container, service string, at string) {
		t.Helper()
		k, ok := got[line]
		if !ok {
			t.Errorf("%q is missing in %q", line, m.lines())
			return
		}
		if k.labels["stream"] != stream || k.labels["container"] != container || k.labels["service_name"] != service || k.labels["job"] != "containers" {
			t.Errorf("%q has the labels %v", line, k.labels)
		}
		if text := timeText(k.Time); text != at {
			t.Errorf("%q is of %s, want %s", line, text, at)
		}
	}
	f("hello", "stdout", "shop-db-1", "db", "10:00:01.5")
	f("in two parts", "stdout", "shop-db-1", "db", "10:00:02.5")
	f("an error", "stderr", "shop-db-1", "db", "10:00:03.5")
	f("meanwhile", "stdout", "shop-db-1", "db", "10:00:05.5")
	f("Traceback (most recent call last):\n  File \"a.py\"\nValueError: x", "stderr", "shop-db-1", "db", "10:00:05.5")
	f("first second", "stdout", "nginx", "nginx", "11:00:00.1")
	f("oops", "stderr", "nginx", "nginx", "11:00:00.3")
	if k := got["oops"]; k.labels["namespace"] != "shop" || k.labels["pod"] != "web-7d" {
		t.Errorf("labels are %v", k.labels)
	}
	if k := got["hello"]; k.labels["compose_project"] != "shop" || k.labels["filename"] != "" {
		t.Errorf("labels are %v", k.labels)
	}
}

// Parts of a line that together are longer than anything that is kept must not stop the reading.
func TestEndlessParts(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "var/log/pods/a_b_c/d")
	must(t, os.MkdirAll(dir, 0o700))
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "2026-01-02T11:00:00.%03dZ stdout P %s\n", i, strings.Repeat("x", 100))
	}
	text.WriteString("2026-01-02T11:00:01Z stdout F end\n2026-01-02T11:00:02Z stdout F next\n")
	write(t, filepath.Join(dir, "0.log"), text.String())
	m := &memory{}
	o := quick(t)
	o.MaxLine, o.MaxRecord, o.Batch = 500, 500, 2000
	o.RootFS, o.Containers = root, &ContainerOptions{}
	start(t, o, m)
	wait(t, "the line behind it", func() bool { return slices.Contains(m.lines(), "next") })
}

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format("15:04:05.999") }
