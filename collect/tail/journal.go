package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// JournalOptions says how the systemd journal is followed. The zero value follows the machine's own, from some thousand entries
// back.
//
// It is read by journalctl: that is the one program that reads every version of the files, with all their compressions,
// rotations and damages, and it is wherever a journal is.
type JournalOptions struct {
	// Command is journalctl; "" looks for it in PATH.
	Command string
	// Directory holds the journal's files; "" is where journalctl looks, or the same below RootFS.
	Directory string
	// Labels are put on every record.
	Labels map[string]string
	// Start is where the first start begins: "recent" (the default), "beginning" or "end".
	Start string
}

const (
	journalCursor = "journal"      // in positions
	journalTime   = "journal_time" // of the entry of the cursor, in seconds since the epoch

	// recentEntries is what StartRecent reads: as with files, enough for a first look.
	recentEntries = 10_000
	// The limits of one push, and how long entries wait for further ones.
	journalBatch = 2000
	journalIdle  = 100 * time.Millisecond
	journalWait  = time.Second
	// joinWithin is how far apart the lines of one trace may be.
	joinWithin = time.Second
)

// journal follows the systemd journal.
type journal struct {
	opts JournalOptions
	t    *Tailer
	// machine is this machine's identifier: entries of others may lie here too. "" when it is not known.
	machine string
	// formats of what programs write to their standard outputs, by the labels of the stream. Only streams uses it.
	formats map[string]*journalFormat
}

// journalFormat is what was found out about one stream.
type journalFormat struct {
	format *logformat.Format // nil when it has none that is known
	sample []string          // of which that is so
}

func newJournal(o JournalOptions, t *Tailer) *journal {
	if o.Command == "" {
		o.Command = "journalctl"
	}
	if o.Directory == "" && t.opts.RootFS != "/" {
		o.Directory = journalBelow(t.opts.RootFS)
	}
	id, _ := os.ReadFile(filepath.Join(t.opts.RootFS, "/etc/machine-id")) // without it everything is this machine's
	return &journal{opts: o, t: t, machine: strings.TrimSpace(string(id)), formats: map[string]*journalFormat{}}
}

// journalPlaces are where journald writes, the one that survives a restart of the machine first.
var journalPlaces = []string{"/var/log/journal", "/run/log/journal"}

// journalBelow returns the folder of the journal below a root, "" when there is none.
func journalBelow(root string) string {
	for _, place := range journalPlaces {
		dir := filepath.Join(root, place)
		if files, _ := filepath.Glob(filepath.Join(dir, "*", "*.journal")); len(files) > 0 {
			return dir
		}
	}
	return ""
}

// HasJournal says whether there is a journal below a root; the error is that there is no journalctl to read it.
func HasJournal(root string) (bool, error) {
	if journalBelow(root) == "" {
		return false, nil
	}
	if _, err := exec.LookPath("journalctl"); err != nil {
		return true, fmt.Errorf("there is a systemd journal, but no journalctl to read it: %w", err)
	}
	return true, nil
}

// run follows until ctx ends.
func (j *journal) run(ctx context.Context) {
	backoff := time.Second
	warned := false
	for ctx.Err() == nil {
		delivered, err := j.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if delivered {
			backoff, warned = time.Second, false
		}
		j.t.metrics.errors.WithLabelValues("journal").Inc()
		if !warned {
			j.t.log.Warn("the systemd journal cannot be read: trying again", "err", err)
			warned = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, time.Minute)
	}
}

// args of journalctl. With a cursor that is not known any more it would end: the time of the last entry is used then. Without --merge,
// --follow leaves out everything from before the last start of the machine.
func (j *journal) args(lost bool) []string {
	args := []string{"--output=export", "--follow", "--all", "--quiet", "--merge"}
	if j.opts.Directory != "" {
		args = append(args, "--directory="+j.opts.Directory)
	}
	cursor, last := j.t.saved.cursor(journalCursor), j.t.saved.cursor(journalTime)
	switch {
	case cursor != "" && !lost:
		return append(args, "--no-tail", "--after-cursor="+cursor)
	case cursor != "" && last != "":
		return append(args, "--no-tail", "--since=@"+last)
	case j.opts.Start == StartBeginning:
		return append(args, "--no-tail")
	case j.opts.Start == StartEnd:
		return append(args, "--lines=0")
	}
	return append(args, "--lines="+strconv.Itoa(recentEntries))
}

// follow runs journalctl once. The error is why it ended.
func (j *journal) follow(ctx context.Context) (delivered bool, err error) {
	delivered, err = j.command(ctx, j.args(false))
	if err != nil && strings.Contains(err.Error(), "cursor") {
		j.t.log.Warn("the place in the systemd journal is not known any more: going on by time, some entries come twice", "err", err)
		return j.command(ctx, j.args(true))
	}
	return delivered, err
}

func (j *journal) command(ctx context.Context, args []string) (delivered bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.opts.Command, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	var stderr tailBuffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	endWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return false, err
	}
	delivered, err = j.read(ctx, out)
	cancel() // whatever it still writes is not wanted
	waited := cmd.Wait()
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		err = waited
	}
	if text := stderr.text(); text != "" {
		err = errors.Join(err, errors.New("journalctl says: "+text))
	}
	if err == nil {
		err = errors.New("journalctl has ended")
	}
	return delivered, err
}

// read delivers the entries of an export stream until it ends, and moves the cursor behind what is acknowledged.
func (j *journal) read(ctx context.Context, r io.Reader) (delivered bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	entries := make(chan entry, journalBatch) // closed by the reading goroutine, which has set failed before
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(entries)
		failed = j.decode(ctx, r, entries)
	})
	defer func() {
		cancel()
		if c, ok := r.(io.Closer); ok {
			_ = c.Close() // the decoder may wait for more
		}
		reading.Wait()
		if err == nil && !errors.Is(failed, io.EOF) && !errors.Is(failed, context.Canceled) {
			err = failed
		}
	}()
	for {
		batch, more := j.collect(ctx, entries)
		if len(batch) > 0 {
			if !j.t.sink.deliver(ctx, "journal", j.streams(batch)) {
				return delivered, ctx.Err()
			}
			delivered = true
			last := batch[len(batch)-1]
			j.t.saved.setCursor(journalCursor, last.cursor)
			j.t.saved.setCursor(journalTime, strconv.FormatInt(last.record.Time/int64(time.Second), 10))
		}
		if !more {
			return delivered, nil
		}
	}
}

func (j *journal) decode(ctx context.Context, r io.Reader, out chan<- entry) error {
	export := newExportReader(r, j.t.opts.MaxLine)
	for {
		fields, err := export.next()
		if err != nil {
			return err
		}
		e, ok := j.entryOf(fields, export.cut)
		if !ok {
			continue
		}
		j.t.metrics.lines.WithLabelValues("journal").Inc()
		j.t.metrics.bytes.WithLabelValues("journal").Add(float64(len(e.record.Line)))
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// collect waits for entries, and then a little for more of them. more says that there may be further ones.
func (j *journal) collect(ctx context.Context, entries <-chan entry) (batch []entry, more bool) {
	size := 0
	var idle, wait <-chan time.Time
	for len(batch) < journalBatch && size < j.t.opts.Batch {
		select {
		case e, ok := <-entries:
			if !ok {
				return batch, false
			}
			batch = append(batch, e)
			size += len(e.record.Line)
			idle = time.After(journalIdle)
			if wait == nil {
				wait = time.After(journalWait)
			}
			continue
		case <-idle:
		case <-wait:
		case <-ctx.Done():
			return nil, false
		}
		break
	}
	return batch, true
}

// streams sorts entries into streams, and puts the lines of a trace, which a program has written to its standard output,
// together again.
func (j *journal) streams(batch []entry) []model.Stream {
	type open struct {
		joiner logformat.Joiner
		to     int // its record in its stream
		last   int64
	}
	index := map[string]int{}
	lines := map[string]*open{}
	var out []model.Stream
	for i := range batch {
		e := &batch[i]
		key := model.FormatLabels(e.labels)
		at, ok := index[key]
		if !ok {
			at = len(out)
			index[key] = at
			out = append(out, model.Stream{Labels: e.labels})
		}
		s := &out[at]
		if e.stream != "" {
			l := lines[key+e.stream]
			if l == nil {
				l = &open{joiner: logformat.Joiner{Format: j.formatOf(key, e.stream, batch[i:])}}
				lines[key+e.stream] = l
			}
			begins := l.joiner.Begins(e.record.Line) || l.last == 0
			near := e.record.Time-l.last <= int64(joinWithin)
			l.last = e.record.Time
			if !begins && near && len(s.Records[l.to].Line)+len(e.record.Line) < j.t.opts.MaxRecord {
				s.Records[l.to].Line += "\n" + e.record.Line
				continue
			}
			l.to = len(s.Records)
		}
		s.Records = append(s.Records, e.record)
	}
	return out
}

// maxFormats bounds the streams whose formats are remembered.
const maxFormats = 2000

// formatOf finds the format of the lines that have the labels and the stream of the first entry.
func (j *journal) formatOf(key, stream string, batch []entry) *logformat.Format {
	f := j.formats[key]
	if f == nil {
		if len(j.formats) >= maxFormats {
			clear(j.formats)
		}
		f = &journalFormat{}
		j.formats[key] = f
	}
	if f.format != nil || len(f.sample) >= sampleRecords {
		return f.format
	}
	for i := range batch {
		if len(f.sample) < sampleRecords && batch[i].stream == stream {
			f.sample = append(f.sample, batch[i].record.Line)
		}
	}
	f.format = logformat.Detect(f.sample)
	return f.format
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	const most = 2 << 10
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p[max(len(p)-most, 0):]...)
	b.b = b.b[max(len(b.b)-most, 0):]
	return len(p), nil
}

func (b *tailBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(bytes.TrimSpace(b.b))
}
