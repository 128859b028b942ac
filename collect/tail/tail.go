// Package tail follows the logs of this machine: files, the systemd journal and containers.
//
//	t, err := tail.New(tail.Options{Dir: dir, Auto: true}, sink, log, registerer)
//	err = t.Run(ctx)
//
// What must always be true: a position moves only when the sink has acknowledged everything before it, so that a crash
// may bring a record twice but loses none; what a file holds is what the sink gets, byte for byte, apart from the end of each
// line; and a sink that is busy makes the reading wait, it never makes it drop. A record that the sink refuses for good is counted, logged and
// left behind.
//
// How it reads: a file has no reader of its own. A few workers take the files that have something new, read a piece of each
// from its position, and push the pieces together. Nothing is kept in memory between two turns but positions, so that ten
// thousand files cost little more than ten: a line that is not complete yet is simply read again.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// Sink takes records. Refusals are records that it will never take; an error of the kind Invalid says the same of all of
// them, and after any other error the same records are pushed again. It may change the slices, not the strings.
type Sink interface {
	Push(ctx context.Context, streams []model.Stream) (model.Refusals, error)
}

// Options says what is followed. Dir is required; with the zero value of everything else nothing is followed.
type Options struct {
	// Dir holds the positions. It is made when it does not exist.
	Dir string
	// FS is where Dir is; nil is the operating system's.
	FS vfs.FS
	// Instance is the label instance of everything, as it is of this machine's metrics; "" leaves it out.
	Instance string

	// Files are what the user wants to be followed.
	Files []FileInput
	// Auto follows what is usually there, besides: the logs of the system and of known services, and the files that running
	// processes write to.
	Auto bool
	// Exclude are globs of files that are never followed.
	Exclude []string
	// Labels are put on every record that has no label of these names.
	Labels map[string]string
	// Journal, when it is not nil, follows the systemd journal.
	Journal *JournalOptions
	// Containers, when it is not nil, follows containers.
	Containers *ContainerOptions

	// Own, when it is not nil, is what this process itself logs.
	Own *OwnLog

	// ProcFS is where the processes are found whose files are followed; "" is /proc.
	ProcFS string
	// RootFS is put before the places that Auto and Containers look at; "" is /.
	RootFS string

	// Mask, when it is not nil, masks every line before it goes to the sink.
	Mask *logformat.Masker
	// NoFields leaves out the fields that formats find; only times and levels are taken.
	NoFields bool
	// Zone is that of times that tell none; nil is the machine's.
	Zone *time.Location

	MaxLine    int           // bytes of a line; what is longer is cut (1 MiB)
	MaxRecord  int           // bytes of a record of several lines (1 MiB)
	MaxFiles   int           // that are followed at the same time (10,000)
	MaxOpen    int           // that are kept open while nothing is written to them (512)
	Batch      int           // bytes that are read for one push (2 MiB; at least twice MaxRecord)
	FlushAfter time.Duration // how long a record may wait for further lines (1 s)
	PollEvery  time.Duration // how often files are looked at, where the kernel does not tell of changes (1 s)
	ScanEvery  time.Duration // how often new files are looked for (5 s)
	// NoWatch only polls, as is done for files on a network anyway.
	NoWatch bool

	// How long a file that was renamed away, or removed, is still read after its last growth (30 s and 5 s): a program
	// may go on writing to it until it is told to open the new one.
	renamedIdle, removedIdle time.Duration
}

// FileInput is files that are read in one way. Paths is required.
type FileInput struct {
	// Paths and Exclude are globs: *, ?, [a-z] and ** for any number of folders.
	Paths, Exclude []string
	// Labels are put on every record.
	Labels map[string]string
	// Format is the name of a format, "" to find out.
	Format string
	// Encoding is utf-8, utf-16le, utf-16be or latin-1, "" to find out.
	Encoding string
	// Multiline says where records begin; nil leaves it to the format.
	Multiline *Multiline
	// Start is where files are begun with that were there before the first start: "beginning" (the default), "end", or "recent",
	// the last megabytes.
	Start string
	// Compressed also reads .gz, .zst, .bz2 and .xz files, once.
	Compressed bool

	// container is how lines are wrapped: "docker", "cri" or "".
	container string
	// auto inputs leave alone what a user's input follows, and what is not text.
	auto bool
}

// Multiline is a rule of the user's where records begin.
type Multiline struct {
	// Begin is an expression (https://golang.org/s/re2syntax) that the first line of a record matches.
	Begin string
}

// The places where reading begins.
const (
	StartBeginning = "beginning"
	StartRecent    = "recent"
	StartEnd       = "end"
)

// The defaults of Options.
const (
	defaultMaxLine    = 1 << 20
	defaultMaxRecord  = 1 << 20
	defaultMaxFiles   = 10_000
	defaultMaxOpen    = 512
	defaultBatch      = 2 << 20
	defaultFlushAfter = time.Second
	defaultPollEvery  = time.Second
	defaultScanEvery  = 5 * time.Second

	defaultRenamedIdle = 30 * time.Second
	defaultRemovedIdle = 5 * time.Second

	// recentBytes is what StartRecent reads of a file that was there before: some ten thousand lines, enough for a first look.
	recentBytes = 4 << 20
	// workers is how many pushes are under way at once: one that waits for the disk does not keep another from reading.
	workers = 2
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.ProcFS == "" {
		o.ProcFS = "/proc"
	}
	if o.RootFS == "" {
		o.RootFS = "/"
	}
	setDefault(&o.MaxLine, defaultMaxLine)
	setDefault(&o.MaxRecord, defaultMaxRecord)
	setDefault(&o.MaxFiles, defaultMaxFiles)
	setDefault(&o.MaxOpen, defaultMaxOpen)
	setDefault(&o.Batch, defaultBatch)
	setDefault(&o.FlushAfter, defaultFlushAfter)
	setDefault(&o.PollEvery, defaultPollEvery)
	setDefault(&o.ScanEvery, defaultScanEvery)
	setDefault(&o.renamedIdle, defaultRenamedIdle)
	setDefault(&o.removedIdle, defaultRemovedIdle)
	o.MaxRecord = max(o.MaxRecord, o.MaxLine)
	o.Batch = max(o.Batch, 2*o.MaxRecord)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Tailer follows logs.
type Tailer struct {
	opts    Options
	log     *slog.Logger
	sink    *deliverer
	metrics *metrics
	inputs  []*input
	own     []fileID // what this process writes its own log to
	saved   *positions

	watching atomic.Int64 // folders that the kernel tells of

	containers  *input // the files of Docker's and podman's containers; nil when they are not followed
	engineNames engineNames

	mu      sync.Mutex // guards what follows; no I/O under it but stat
	files   map[fileID]*file
	byPath  map[string]*file
	copies  map[fileID]*copyOf
	due     []*file // have something new; a file stands in it at most once
	wake    chan struct{}
	rescan  chan struct{} // a file has appeared where others are followed
	rewatch chan struct{} // files are followed that were not before
	first   bool          // the first scan is not over
	full    bool          // MaxFiles was reached, which is logged once

	// openLogs are the files that processes write to, and when they were looked for. Only the scan uses them.
	openLogs map[string]string
	openedAt time.Time
}

// New returns a Tailer, or an error that names the wrong field.
func New(o Options, sink Sink, log *slog.Logger, reg prometheus.Registerer) (*Tailer, error) {
	if o.Dir == "" {
		return nil, errors.New("cannot follow logs: Dir is empty")
	}
	if o.MaxLine < 0 || o.MaxRecord < 0 || o.MaxFiles < 0 || o.MaxOpen < 0 || o.Batch < 0 {
		return nil, errors.New("cannot follow logs: a limit is negative")
	}
	o = o.withDefaults()
	t := &Tailer{
		opts: o, log: log, files: map[fileID]*file{}, byPath: map[string]*file{}, copies: map[fileID]*copyOf{},
		wake: make(chan struct{}, 1), rescan: make(chan struct{}, 1), rewatch: make(chan struct{}, 1), first: true, own: ownLogs(),
	}
	t.metrics = newMetrics(reg, t)
	t.sink = &deliverer{sink: sink, mask: o.Mask, log: log, metrics: t.metrics}
	for i, in := range o.Files {
		compiled, err := newInput(in, o)
		if err != nil {
			return nil, fmt.Errorf("cannot follow logs: files[%d]: %w", i, err)
		}
		t.inputs = append(t.inputs, compiled)
	}
	t.inputs = append(t.inputs, t.builtIn()...)
	if err := CheckGlobs(o.Exclude); err != nil {
		return nil, fmt.Errorf("cannot follow logs: exclude: %w", err)
	}
	return t, nil
}

// builtIn are the inputs that nobody had to write.
func (t *Tailer) builtIn() []*input {
	var inputs []*input
	if t.opts.Containers != nil {
		t.containers = dockerInput(t)
		inputs = append(inputs, kubernetesInput(t.opts), t.containers)
	}
	if t.opts.Auto {
		inputs = append(inputs, wellKnown(t.opts)...)
	}
	return inputs
}

// Run follows until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	saved, err := openPositions(t.opts.FS, t.opts.Dir, t.log)
	if err != nil {
		return err
	}
	t.saved = saved
	var loops sync.WaitGroup
	if t.opts.Journal != nil {
		j := newJournal(*t.opts.Journal, t)
		loops.Go(func() { j.run(ctx) })
	}
	if t.opts.Containers != nil {
		for _, socket := range t.opts.Containers.sockets(t.opts.RootFS) {
			d := newDockerLogs(*t.opts.Containers, socket, t)
			loops.Go(func() { d.run(ctx) })
		}
	}
	if t.opts.Own != nil {
		loops.Go(func() { t.followOwn(ctx, t.opts.Own) })
	}
	for range workers {
		loops.Go(func() { t.work(ctx) })
	}
	loops.Go(func() { t.saved.keep(ctx) })
	if !t.opts.NoWatch {
		if w := newWatcher(t); w != nil {
			loops.Go(func() { w.run(ctx) })
		}
	}
	t.look(ctx)
	loops.Wait()
	t.closeFiles()
	if err := t.saved.save(); err != nil {
		return fmt.Errorf("cannot save how far the logs were read: %w", err)
	}
	return ctx.Err()
}

// look scans for new files and looks at known ones until ctx ends.
func (t *Tailer) look(ctx context.Context) {
	poll := time.NewTicker(t.opts.PollEvery)
	defer poll.Stop()
	var scanned time.Time
	asked := false
	for ctx.Err() == nil {
		if since := time.Since(scanned); since >= t.opts.ScanEvery || asked && since >= t.opts.ScanEvery/scanAtOnce {
			t.scan()
			scanned, asked = time.Now(), false
		}
		t.poll()
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-t.rescan:
			asked = true
		}
	}
}

// askScan has the folders looked at soon.
func (t *Tailer) askScan() {
	select {
	case t.rescan <- struct{}{}:
	default:
	}
}

// scanAtOnce is the part of ScanEvery that lies between two scans at least, however many files appear.
const scanAtOnce = 20

// poll puts the files that changed, or whose last record has waited long enough, into the queue.
func (t *Tailer) poll() {
	t.mu.Lock()
	files := make([]*file, 0, len(t.files))
	for _, f := range t.files {
		if !f.queued && !f.busy {
			files = append(files, f)
		}
	}
	t.mu.Unlock()
	now := time.Now()
	open := 0
	for _, f := range files {
		if f.changed(now) {
			t.enqueue(f)
		}
		if f.opened.Load() {
			open++
		}
	}
	if open <= t.opts.MaxOpen {
		return
	}
	for _, f := range files {
		f.closeIdle(now)
	}
}

func (t *Tailer) enqueue(f *file) {
	t.mu.Lock()
	if !f.queued && f.remembered && t.files[f.id] == f {
		f.queued = true
		t.due = append(t.due, f)
	}
	t.mu.Unlock()
	t.nudge()
}

// take returns some files of the queue for one worker.
func (t *Tailer) take() []*file {
	t.mu.Lock()
	defer t.mu.Unlock()
	var mine []*file
	rest := t.due[:0]
	for _, f := range t.due {
		if len(mine) < filesPerPush && !f.busy {
			f.queued, f.busy = false, true
			mine = append(mine, f)
		} else {
			rest = append(rest, f)
		}
	}
	clear(t.due[len(rest):])
	t.due = rest
	return mine
}

// filesPerPush bounds how many small files share a push.
const filesPerPush = 64

// work reads and delivers until ctx ends.
func (t *Tailer) work(ctx context.Context) {
	r := newReader(t)
	for ctx.Err() == nil {
		files := t.take()
		if len(files) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-t.wake:
			case <-time.After(t.opts.PollEvery): // another worker may have taken the wake
			}
			continue
		}
		t.turn(ctx, r, files)
	}
}

// turn reads a piece of each file and delivers them together. Files for which there was no room go back into the queue.
func (t *Tailer) turn(ctx context.Context, r *reader, files []*file) {
	r.begin()
	var again []*file
	for _, f := range files {
		if r.full() {
			again = append(again, f)
			continue
		}
		if more := r.read(f); more {
			again = append(again, f)
		}
	}
	if t.sink.deliver(ctx, "file", r.streams()) {
		r.commit()
	}
	t.mu.Lock()
	for _, f := range files {
		f.busy = false
	}
	waiting := len(t.due) > 0 // some may have waited for this turn to end
	t.mu.Unlock()
	for _, f := range again {
		t.enqueue(f)
	}
	if waiting {
		t.nudge()
	}
}

// nudge wakes a worker.
func (t *Tailer) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Tailer) closeFiles() {
	t.mu.Lock()
	files := slices.Collect(maps.Values(t.files))
	t.mu.Unlock()
	for _, f := range files {
		f.close()
	}
}

// ownLogs are the files that this process writes its own log to: following them would feed the log to itself for ever.
func ownLogs() []fileID {
	var ids []fileID
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if id, ok := idOf(info); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// isOwn says whether a file is part of what this process keeps or writes.
func (t *Tailer) isOwn(path string, id fileID) bool {
	if slices.Contains(t.own, id) {
		return true
	}
	rel, err := filepath.Rel(t.opts.Dir, path)
	return err == nil && filepath.IsLocal(rel)
}
