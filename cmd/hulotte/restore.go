package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/app"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/lockfile"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// restoreOptions are the command line of `hulotte restore`.
type restoreOptions struct {
	settings *settings
	from     string
	force    bool
	check    bool
	quiet    bool
}

func restoreCommand(f *settings) *command {
	r := &restoreOptions{settings: f}
	return &command{
		name:    "hulotte restore",
		summary: "Bring a backup back: into an empty data folder, and onto the medium of the configuration.",
		about: "No server may run on the data folder. Every checksum is verified before anything counts: a backup that is damaged or cut\n" +
			"short leaves the data folder as it was. A Cassandra keyspace must be empty. Ends with 0 when all is back (or, with\n" +
			"--check, the backup is sound), with 1 when not, with 2 for wrong use.",
		examples: []string{
			"hulotte restore --from /backup/hulotte-2026-11-22.tar.zst --data-dir /srv/hulotte",
			"hulotte restore --from /backup/hulotte-2026-11-22.tar.zst --check",
		},
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&r.from, "from", "", "`BACKUP`: a folder, a FILE.tar or FILE.tar.zst, or - for standard input")
			fs.BoolVar(&r.force, "force", false, "when the data folder is not empty, move what is in it into a folder of its own there")
			fs.BoolVar(&r.check, "check", false, "only verify the backup")
			f.declareStorage(fs)
			quietFlag(fs, &r.quiet)
		},
		run: func(_ []string, s streams) int { return r.run(s) },
	}
}

func (r *restoreOptions) run(s streams) int {
	const name = "hulotte restore"
	if r.from == "" {
		fmt.Fprintf(s.err, "%s: --from is missing: which backup\nSee `%s --help`.\n", name, name)
		return exitUsage
	}
	ctx, stop := interrupted()
	defer stop()
	do := r.restore
	if r.check {
		do = r.verify
	}
	err := do(ctx, s)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted: nothing was restored")
	}
	if err != nil {
		return failed(s.err, name, err)
	}
	return exitOK
}

// source opens the backup for one reading.
func (r *restoreOptions) source() (transfer.Source, io.Closer, error) {
	if r.from == "-" {
		source, err := transfer.TarSource(os.Stdin)
		return source, io.NopCloser(nil), err
	}
	info, err := os.Stat(r.from)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the backup: %w", err)
	}
	if info.IsDir() {
		source, err := transfer.FolderSource(nil, r.from)
		return source, io.NopCloser(nil), err
	}
	f, err := os.Open(r.from)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the backup: %w", err)
	}
	source, err := transfer.TarSource(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return source, f, nil
}

// verify reads the backup and writes nothing.
func (r *restoreOptions) verify(ctx context.Context, s streams) error {
	shown := newProgress(s.err, r.quiet)
	defer shown.done()
	source, file, err := r.source()
	if err != nil {
		return err
	}
	defer file.Close()
	var manifest transfer.Manifest
	report, err := transfer.ReadArchive(ctx, source, nil, transfer.RestoreOptions{
		Manifest: func(m transfer.Manifest) error { manifest = m; return nil },
		Progress: func(p transfer.Progress) { shown.at("checking", p.Done.Bytes, p.Total.Bytes) },
		File:     func(_ string, _ int64, content io.Reader) error { _, err := io.Copy(io.Discard, content); return err },
	})
	if err != nil && !errors.Is(err, transfer.ErrDamaged) {
		return err
	}
	shown.done()
	if !r.quiet {
		fmt.Fprintf(s.err, "sound: %s\n", manifestText(manifest))
		printTransfer(s.err, report)
	}
	return nil
}

func manifestText(m transfer.Manifest) string {
	return printable(fmt.Sprintf("a backup of %s, made by Hulotte %s of a %s medium", m.Time.UTC().Format("2006-01-02 15:04:05 MST"), m.Product, m.Medium))
}

func (r *restoreOptions) restore(ctx context.Context, s streams) error {
	c, err := r.settings.load()
	if err != nil {
		return err
	}
	if c.Storage.Medium.Type == config.MediumCassandra { // it has no place of its own where a bad backup could be thrown away
		if r.from == "-" {
			return errors.New("a backup for a Cassandra cluster is read twice, first to verify it: save it to a file first")
		}
		if err := r.verify(ctx, streams{out: io.Discard, err: s.err}); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return fmt.Errorf("cannot make the data folder: %w", err)
	}
	lock, err := lockfile.Acquire(c.DataDir)
	if err != nil {
		return err
	}
	done, err := r.into(ctx, c, s)
	if err := errors.Join(err, lock.Release()); err != nil {
		return err
	}
	r.tell(c, done, s)
	return nil
}

func (r *restoreOptions) into(ctx context.Context, c *config.Config, s streams) (upkeep.Restored, error) {
	source, file, err := r.source()
	if err != nil {
		return upkeep.Restored{}, err
	}
	defer file.Close()
	shown := newProgress(s.err, r.quiet)
	defer shown.done()
	return upkeep.Restore{
		DataDir: c.DataDir, Force: r.force,
		Open: func(ctx context.Context, dir string) (medium.Medium, error) {
			return app.OpenMedium(ctx, app.MediumPlace{Medium: c.Storage.Medium, DataDir: dir}, false, "command", commandLog(c, s), prometheus.NewRegistry())
		},
		Progress: func(phase, _ string, n upkeep.Counts) { shown.at(phase, n.Bytes, 0) },
	}.Run(ctx, source)
}

func (r *restoreOptions) tell(c *config.Config, done upkeep.Restored, s streams) {
	if r.quiet {
		return
	}
	fmt.Fprintf(s.err, "restored into %s: %s\n%s\n", c.DataDir, manifestText(done.Manifest), countsText(done.Report.Copied))
	if done.Aside != "" {
		fmt.Fprintf(s.err, "what was there before is in %s\n", done.Aside)
	}
	if done.Config != "" {
		fmt.Fprintf(s.err, "the configuration of then, without secrets, is in %s: nothing uses it\n", done.Config)
	}
	for _, f := range done.Report.Damaged {
		printFinding(s.err, f)
	}
}
