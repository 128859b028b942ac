package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// backupOptions are the command line of `hulotte backup`.
type backupOptions struct {
	settings   *settings
	remote     remote
	to         string
	withConfig bool
	quiet      bool
}

func backupCommand(f *settings) *command {
	b := &backupOptions{settings: f}
	return &command{
		name:    "hulotte backup",
		summary: "Save everything that is kept to a folder or an archive, also while the server runs.",
		about: "It holds the medium and the metrics of all tenants as they were at one time after the start of this command, with\n" +
			"checksums, which are verified before it is done. While a server uses the data folder, the server makes it.\n" +
			"Ends with 0 when the backup is whole, with 1 when not or when something that is kept could not be read because it is\n" +
			"damaged (the backup then holds all the rest), with 2 for wrong use. Until then nothing stands under the name of --to.",
		examples: []string{
			"hulotte backup --to /backup/hulotte-$(date +%F).tar.zst",
			"hulotte backup --to - --server https://obs.example.org/ --user alice | ssh backup 'cat > hulotte.tar'",
		},
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&b.to, "to", "", "`TARGET`: a new or empty folder, a new FILE.tar or FILE.tar.zst, or - for a tar on standard output")
			fs.BoolVar(&b.withConfig, "with-config", false, "add the configuration in force, without its secrets")
			f.declareStorage(fs)
			b.remote.declare(fs)
			quietFlag(fs, &b.quiet)
		},
		run: func(_ []string, s streams) int { return b.run(s) },
	}
}

func (b *backupOptions) run(s streams) int {
	const name = "hulotte backup"
	if b.to == "" {
		fmt.Fprintf(s.err, "%s: --to is missing: where to save it\nSee `%s --help`.\n", name, name)
		return exitUsage
	}
	ctx, stop := interrupted()
	defer stop()
	target, err := newTarget(b.to, s.out)
	if err != nil {
		return failed(s.err, name, err)
	}
	run, err := b.save(ctx, target, s)
	if err == nil {
		err = target.finish()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted: nothing was saved")
		}
		return failed(s.err, name, errors.Join(err, target.abandon()))
	}
	if !b.quiet || run.State != upkeep.Sound {
		fmt.Fprintln(s.err, runSummary(run))
		for _, f := range run.Findings {
			printFinding(s.err, f)
		}
	}
	if run.State != upkeep.Sound {
		return exitFailed
	}
	return exitOK
}

func (b *backupOptions) save(ctx context.Context, t *target, s streams) (upkeep.Run, error) {
	shown := newProgress(s.err, b.quiet)
	defer shown.done()
	r := b.remote
	if r.url == "" {
		c, err := b.settings.load()
		if err != nil {
			return upkeep.Run{}, err
		}
		held, err := isHeld(c.DataDir)
		if err != nil {
			return upkeep.Run{}, err
		}
		if !held {
			return b.saveHere(ctx, c, t, shown, s)
		}
		if r, err = r.of(c); err != nil {
			return upkeep.Run{}, err
		}
	}
	return b.saveRemote(ctx, r, t, shown)
}

// saveHere backs up a data folder that no server uses: its files as they are.
func (b *backupOptions) saveHere(ctx context.Context, c *config.Config, t *target, shown *progress, s streams) (run upkeep.Run, err error) {
	m, err := open(ctx, placeOf(c), true, commandLog(c, s))
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	dir := c.SeriesOptions().Dir
	content := upkeep.Content{Product: build().Version, Type: c.Storage.Medium.Type, Medium: m.Medium,
		Copy: func(_ context.Context, tenant string) (string, func() error, error) {
			return filepath.Join(dir, tenant), func() error { return nil }, nil
		}}
	if content.Tenants, err = folders(dir); err != nil {
		return run, err
	}
	if b.withConfig {
		var text bytes.Buffer
		if err := c.Show(&text); err != nil {
			return run, err
		}
		content.Config = text.Bytes()
	}
	err = t.fill(ctx, func(w io.Writer) error {
		sink, err := transfer.TarSink(w, t.compress)
		if err != nil {
			return err
		}
		run = upkeep.BackupTo(upkeep.Unkept(ctx, upkeep.Backup, func(e upkeep.Event) {
			if e.Type == upkeep.Progress {
				shown.at(e.Run.Phase, e.Run.Counts.Bytes, 0)
			}
		}), sink, content)
		if run.State == upkeep.Failed || run.State == upkeep.Stopped {
			return errors.New(run.Error)
		}
		return nil
	})
	return run, err
}

// folders lists the folders in dir; none when it is not there.
func folders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// saveRemote lets a server make the backup.
func (b *backupOptions) saveRemote(ctx context.Context, r remote, t *target, shown *progress) (upkeep.Run, error) {
	query := url.Values{"config": {fmt.Sprint(b.withConfig)}, "compress": {fmt.Sprint(t.compress)}}
	res, err := r.ask(ctx, http.MethodGet, "storage/backup", query)
	if err != nil {
		return upkeep.Run{}, err
	}
	defer res.Body.Close()
	id := res.Header.Get("Hulotte-Run")
	var received int64
	err = t.fill(ctx, func(w io.Writer) error {
		_, err := io.Copy(w, io.TeeReader(res.Body, writerFunc(func(p []byte) (int, error) {
			received += int64(len(p))
			shown.at("saving", received, 0)
			return len(p), nil
		})))
		return err
	})
	run, known := remoteRun(ctx, r, id)
	switch {
	case err != nil && known && run.Error != "":
		return run, fmt.Errorf("the server could not make the backup: %s", run.Error)
	case err != nil:
		return run, fmt.Errorf("the backup is not whole: %w", err)
	case !known:
		return run, fmt.Errorf("%s does not tell how the backup %q went", r.url, id)
	}
	return run, nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// remoteRun asks the server how a run went.
func remoteRun(ctx context.Context, r remote, id string) (upkeep.Run, bool) {
	_, info, err := askInfo(ctx, r)
	if err != nil {
		return upkeep.Run{}, false
	}
	for _, run := range info.Runs {
		if run.ID == id {
			return run, true
		}
	}
	return upkeep.Run{}, false
}

// target is where a backup goes: a file or folder that gets its name once it is whole, or standard output.
type target struct {
	name     string // "" for standard output
	folder   bool
	compress bool
	out      io.Writer // standard output
	partial  string    // what is written before; "" when nothing is
	file     *os.File  // of partial
}

func newTarget(to string, out io.Writer) (*target, error) {
	t := &target{out: out}
	if to == "-" {
		return t, nil
	}
	t.name = filepath.Clean(to)
	t.compress = strings.HasSuffix(to, ".tar.zst")
	t.folder = !t.compress && !strings.HasSuffix(to, ".tar")
	if err := free(t.name, t.folder); err != nil {
		return nil, err
	}
	pattern := "." + filepath.Base(t.name) + ".partial-*"
	var err error
	if t.folder {
		t.partial, err = os.MkdirTemp(filepath.Dir(t.name), pattern)
	} else if t.file, err = os.CreateTemp(filepath.Dir(t.name), pattern); err == nil {
		t.partial = t.file.Name()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot save to %s: %w", to, err)
	}
	return t, nil
}

// free returns an error when there is something under the name already.
func free(name string, folder bool) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !folder || !info.IsDir():
		return fmt.Errorf("%s exists already: choose another name, or remove it", name)
	}
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("the folder %s is not empty: choose another one", name)
	}
	return err
}

// fill lets write produce an archive, verifies it on its way, and keeps it.
func (t *target) fill(ctx context.Context, write func(io.Writer) error) error {
	check := newChecker(ctx)
	err := t.store(func(w io.Writer) error { return write(io.MultiWriter(w, check)) })
	return errors.Join(err, check.finish(err))
}

// store takes a tar stream.
func (t *target) store(write func(io.Writer) error) error {
	switch {
	case t.name == "":
		return write(t.out)
	case !t.folder:
		return write(t.file)
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := unpack(r, t.partial)
		r.CloseWithError(err)
		done <- err
	}()
	err := write(w)
	w.CloseWithError(err)
	return errors.Join(err, <-done)
}

// finish gives the backup its name.
func (t *target) finish() error {
	if t.partial == "" {
		return nil
	}
	if t.file != nil {
		if err := errors.Join(t.file.Chmod(0o640), t.file.Sync(), t.file.Close()); err != nil {
			return fmt.Errorf("cannot save the backup: %w", err)
		}
	} else if err := os.Chmod(t.partial, 0o750); err != nil {
		return err
	}
	if err := os.Rename(t.partial, t.name); err != nil {
		return fmt.Errorf("cannot give the backup its name: %w", err)
	}
	t.partial = ""
	return vfs.OS{}.SyncDir(filepath.Dir(t.name))
}

// abandon removes what was written.
func (t *target) abandon() error {
	if t.partial == "" {
		return nil
	}
	if t.file != nil {
		_ = t.file.Close() // it goes in any case
	}
	return os.RemoveAll(t.partial)
}

// checker reads an archive while it is written, and verifies it.
type checker struct {
	w    *io.PipeWriter
	done chan error
}

func newChecker(ctx context.Context) *checker {
	r, w := io.Pipe()
	c := &checker{w: w, done: make(chan error, 1)}
	go func() {
		source, err := transfer.TarSource(r)
		if err == nil {
			_, err = transfer.ReadArchive(ctx, source, nil, transfer.RestoreOptions{})
		}
		if errors.Is(err, transfer.ErrDamaged) { // noted in the archive; what is in it is sound
			err = nil
		}
		if err == nil {
			_, err = io.Copy(io.Discard, r) // what pads a tar at its end
		}
		r.CloseWithError(err)
		c.done <- err
	}()
	return c
}

func (c *checker) Write(p []byte) (int, error) { return c.w.Write(p) }

// finish returns what is wrong with the archive; with an error of the writing it says nothing more.
func (c *checker) finish(err error) error {
	c.w.CloseWithError(err)
	found := <-c.done
	if err == nil && found != nil {
		return fmt.Errorf("the backup cannot be read back: %w", found)
	}
	return nil
}

// unpack writes the files of a tar below a folder that is empty, and brings them to the disk.
func unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is written through it itself
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if err := unpackFile(root, h, in); err != nil {
			return fmt.Errorf("cannot write %s: %w", h.Name, err)
		}
	}
}

func unpackFile(root *os.Root, h *tar.Header, in io.Reader) error {
	if h.Typeflag != tar.TypeReg {
		return errors.New("it is no plain file")
	}
	if err := root.MkdirAll(filepath.Dir(h.Name), 0o750); err != nil {
		return err
	}
	f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
