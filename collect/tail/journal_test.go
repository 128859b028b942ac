package tail

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
)

// exported writes entries in the export format. A value with an end of line in it is written with its length.
func exported(entries ...[]string) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		for _, kv := range e {
			name, value, _ := strings.Cut(kv, "=")
			if strings.Contains(value, "\n") {
				b.WriteString(name + "\n")
				_ = binary.Write(&b, binary.LittleEndian, uint64(len(value)))
				b.WriteString(value + "\n")
				continue
			}
			b.WriteString(kv + "\n")
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

// entryAt is an entry of a second.
func entryAt(second int, fields ...string) []string {
	return append([]string{
		fmt.Sprintf("__CURSOR=c%d", second), fmt.Sprintf("__REALTIME_TIMESTAMP=%d", 1_767_348_000_000_000+int64(second)*1_000_000),
		fmt.Sprintf("__MONOTONIC_TIMESTAMP=%d", second*1_000_000), "_BOOT_ID=0123456789abcdef0123456789abcdef",
	}, fields...)
}

// idle is a Tailer that follows nothing by itself.
func idle(t *testing.T, sink Sink) *Tailer {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	tailer, err := New(quick(t), sink, log, prometheus.NewRegistry())
	must(t, err)
	tailer.saved, err = openPositions(vfs.OS{}, tailer.opts.Dir, log)
	must(t, err)
	return tailer
}

func TestExportFormat(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		r := newExportReader(strings.NewReader(in), 100)
		var got []string
		for {
			fields, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				got = append(got, "error")
				break
			}
			var parts []string
			for _, field := range fields {
				parts = append(parts, field.name+"="+string(field.value))
			}
			got = append(got, strings.Join(parts, "|"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("A=1\nB=x=y\n\nA=2\n\n", "A=1|B=x=y", "A=2")
	f("\n\nA=\n\n", "A=")
	f("M\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\nB=1\n\n", "M=a\nb|B=1")
	f("A=1\n", "error")                                                                    // no end
	f("M\n\x03\x00\x00\x00\x00\x00\x00\x00a\nbX\n\n", "error")                             // longer than it says
	f("M\n\xff\xff\xff\xff\xff\xff\xff\xffa", "error")                                     // longer than anybody has memory
	f("=1\n\n", "error")                                                                   // no name
	f("A="+strings.Repeat("x", 200_000)+"\nB=1\n\n", "A="+strings.Repeat("x", 163)+"|B=1") // cut, together with its name
}

func TestJournalRecords(t *testing.T) {
	m := &memory{}
	tailer := idle(t, m)
	j := newJournal(JournalOptions{Labels: map[string]string{"team": "a"}}, tailer)
	stream := exported(
		entryAt(1, "MESSAGE=Started web", "PRIORITY=6", "_SYSTEMD_UNIT=init.scope", "UNIT=web.service", "_PID=1", "_COMM=systemd", "SYSLOG_IDENTIFIER=systemd", "_TRANSPORT=journal", "CODE_LINE=7"),
		entryAt(2, "MESSAGE=level=error msg=x", "PRIORITY=6", "_SYSTEMD_UNIT=web@blue.service", "_TRANSPORT=stdout", "_STREAM_ID=s1", "_PID=42"),
		entryAt(3, "MESSAGE=link is down", "PRIORITY=4", "_TRANSPORT=kernel", "SYSLOG_IDENTIFIER=kernel"),
		entryAt(4, "MESSAGE=two\nlines", "PRIORITY=3", "_SYSTEMD_UNIT=session-3.scope", "SYSLOG_IDENTIFIER=sudo", "_TRANSPORT=syslog"),
		entryAt(5, "MESSAGE=in a container", "PRIORITY=6", "_SYSTEMD_UNIT=docker.service", "CONTAINER_NAME=db", "_TRANSPORT=journal"),
		entryAt(6, "no message=1"),
	)
	_, err := j.read(t.Context(), bytes.NewReader(stream))
	must(t, err)
	f := func(i int, line, labels, fields string) {
		t.Helper()
		k := m.all()[i]
		var l []string
		for name, value := range k.labels {
			l = append(l, name+"="+value)
		}
		slices.Sort(l)
		var g []string
		for _, field := range k.Fields {
			g = append(g, field.Name+"="+field.Value)
		}
		if k.Line != line || strings.Join(l, " ") != labels || strings.Join(g, " ") != fields {
			t.Errorf("%q %v %v", k.Line, l, g)
		}
	}
	if n := len(m.lines()); n != 5 {
		t.Fatalf("%d records", n)
	}
	f(0, "Started web", "instance=here job=journal service_name=web team=a unit=web.service", "code_line=7 detected_level=info process_executable_name=systemd process_pid=1")
	f(1, "level=error msg=x", "instance=here job=journal service_name=web team=a unit=web@blue.service", "detected_level=error process_pid=42")
	f(2, "link is down", "instance=here job=journal service_name=kernel team=a", "detected_level=warn")
	f(3, "two\nlines", "instance=here job=journal service_name=sudo team=a", "detected_level=error unit=session-3.scope")
	f(4, "in a container", "container=db instance=here job=journal service_name=db team=a unit=docker.service", "detected_level=info")
	if got := tailer.saved.cursor(journalCursor); got != "c5" {
		t.Errorf("the cursor is %q", got)
	}
}

func TestJournalTraces(t *testing.T) {
	m := &memory{}
	j := newJournal(JournalOptions{}, idle(t, m))
	const before, after = "2026-01-02 10:00:00,000 INFO [main] com.acme.Main - start", "2026-01-02 10:00:01,000 INFO [main] com.acme.Main - goes on"
	var entries [][]string
	for _, line := range strings.Split(before+"\n"+javaTrace+"\n"+after, "\n") {
		entries = append(entries,
			entryAt(1, "MESSAGE="+line, "_TRANSPORT=stdout", "_STREAM_ID=s1", "_SYSTEMD_UNIT=shop.service"),
			entryAt(1, "MESSAGE=of another", "_TRANSPORT=stdout", "_STREAM_ID=s2", "_SYSTEMD_UNIT=other.service"))
	}
	_, err := j.read(t.Context(), bytes.NewReader(exported(entries...)))
	must(t, err)
	var got []string
	for _, k := range m.all() {
		if k.labels["unit"] == "shop.service" {
			got = append(got, k.Line)
		}
	}
	if !slices.Equal(got, []string{before, javaTrace, after}) {
		t.Errorf("got %q", got)
	}
}

// The cursor never passes what is not acknowledged.
func TestJournalCursorWaits(t *testing.T) {
	taken := make(chan struct{})
	m := &memory{fail: func([]model.Stream) (model.Refusals, error) {
		select {
		case <-taken:
			return nil, nil
		default:
			return nil, model.NewError(model.Unavailable, "busy")
		}
	}}
	tailer := idle(t, m)
	j := newJournal(JournalOptions{}, tailer)
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := j.read(ctx, r); done <- err }()
	_, err := w.Write(exported(entryAt(1, "MESSAGE=a")))
	must(t, err)
	wait(t, "a push", func() bool { return counterOf(tailer.metrics.waits) > 0 })
	if c := tailer.saved.cursor(journalCursor); c != "" {
		t.Errorf("the cursor is %q before anything is acknowledged", c)
	}
	close(taken)
	wait(t, "the cursor", func() bool { return tailer.saved.cursor(journalCursor) == "c1" })
	must(t, w.Close())
	must(t, <-done)
}

// journalFiles writes entries into journal files as journald's own program does.
func journalFiles(t *testing.T, dir string, name string, stream []byte) {
	t.Helper()
	const remote = "/lib/systemd/systemd-journal-remote"
	for _, program := range []string{"journalctl", remote} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	machine := filepath.Join(dir, "0123456789abcdef0123456789abcdef")
	must(t, os.MkdirAll(machine, 0o700))
	cmd := exec.Command(remote, "--output="+filepath.Join(machine, name), "-")
	cmd.Stdin = bytes.NewReader(stream)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("systemd-journal-remote does not work here: %v: %s", err, out)
	}
}

// Real journal files, read by the real journalctl, with a restart in between, and a cursor that is lost.
func TestRealJournal(t *testing.T) {
	dir := t.TempDir()
	machine := "_MACHINE_ID=0123456789abcdef0123456789abcdef"
	var entries [][]string
	var want []string
	for i := range 500 {
		line := fmt.Sprintf("line %d", i)
		if i%100 == 7 {
			line += "\nsecond line"
		}
		entries = append(entries, entryAt(i+1, machine, "MESSAGE="+line, "PRIORITY=6", "_SYSTEMD_UNIT=web.service"))
		want = append(want, line)
	}
	journalFiles(t, dir, "a.journal", exported(entries[:300]...))
	m := &memory{}
	o := quick(t)
	o.Journal = &JournalOptions{Directory: dir}
	_, stop := start(t, o, m)
	expect(t, m, want[:300]...)
	journalFiles(t, dir, "b.journal", exported(entries[300:400]...)) // while it is followed: journald begins a new file
	expect(t, m, want[:400]...)
	stop()
	journalFiles(t, dir, "c.journal", exported(entries[400:]...)) // while nobody looks
	tailer, stop := start(t, o, m)
	expect(t, m, want...)
	wait(t, "the cursor", func() bool { return strings.Contains(tailer.saved.cursor(journalCursor), "i=") })
	stop()

	saved, err := openPositions(vfs.OS{}, o.Dir, slog.New(slog.DiscardHandler))
	must(t, err)
	saved.setCursor(journalCursor, "this is no cursor")
	must(t, saved.save())
	_, stop = start(t, o, m)
	wait(t, "the last second again", func() bool { return len(m.lines()) > 500 })
	stop()
	if got := m.lines(); len(got) > 510 || got[500] != "line 499" {
		t.Errorf("%d lines, %q", len(got), got[min(len(got), 500):])
	}
}

func TestJournalctlMissing(t *testing.T) {
	o := quick(t)
	o.Journal = &JournalOptions{Command: filepath.Join(t.TempDir(), "journalctl")}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "1\n")
	o.Files = follow(path)
	m := &memory{}
	tailer, _ := start(t, o, m)
	expect(t, m, "1") // the rest works
	wait(t, "an error to be counted", func() bool { return counterOf(tailer.metrics.errors.WithLabelValues("journal")) > 0 })
}

func FuzzExport(f *testing.F) {
	f.Add(exported(entryAt(1, "MESSAGE=a\nb", "PRIORITY=3", "UNIT=a.service"), entryAt(2, "MESSAGE=x")))
	f.Add([]byte("M\n\xff\xff\xff\xff\xff\xff\xff\x7fa"))
	f.Add([]byte("__REALTIME_TIMESTAMP=1\nMESSAGE=\n=\n\n"))
	t := &Tailer{opts: Options{Dir: "/x"}.withDefaults(), metrics: newMetrics(prometheus.NewRegistry(), &Tailer{})}
	j := newJournal(JournalOptions{}, t)
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newExportReader(bytes.NewReader(in), 1000)
		for {
			fields, err := r.next()
			if err != nil {
				return
			}
			var size int
			for _, field := range fields {
				size += len(field.name) + len(field.value)
			}
			if size > len(in) {
				t.Fatalf("%d bytes came out of %d", size, len(in))
			}
			if e, ok := j.entryOf(fields, r.cut); ok && (e.record.Time <= 0 || !slices.IsSortedFunc(e.record.Fields, func(a, b model.Field) int { return strings.Compare(a.Name, b.Name) })) {
				t.Fatalf("%+v", e)
			}
		}
	})
}

func counterOf(c prometheus.Counter) float64 {
	var m dto.Metric
	_ = c.Write(&m)
	return m.GetCounter().GetValue()
}
