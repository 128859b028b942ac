package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/hulotte-dev/hulotte/app"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
)

// copyCommand is `hulotte storage copy`.
type copyCommand struct {
	settings  *settings
	from, to  string
	overwrite bool
	check     bool
	asJSON    bool
	quiet     bool
	parallel  int
}

func storageCopy(f *settings) *command {
	c := &copyCommand{settings: f}
	return &command{
		name:    "hulotte storage copy",
		summary: "Copy everything on a medium to another one: from local files to Cassandra, back, or between two of a kind.",
		about: "What is there already and equal is left alone, so that a copy that was interrupted is just started again. The samples of\n" +
			"metrics are not on the medium: they stay in the data folder (see `hulotte backup`). Nobody may write to either side: stop\n" +
			"the servers first. Ends with 0 when everything is there, with 1 when not, with 2 for wrong use.\n\n" + placeHelp,
		examples: []string{
			"hulotte storage copy --to 'cassandra://db-1,db-2/hulotte?replication_factor=3'",
			"hulotte storage copy --from cassandra://db-1/hulotte --to /srv/hulotte --check",
		},
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&c.from, "from", "", "`PLACE` to copy from (default: the medium of the configuration)")
			fs.StringVar(&c.to, "to", "", "`PLACE` to copy to")
			fs.BoolVar(&c.overwrite, "overwrite", false, "replace what is there with other content, instead of telling of it")
			fs.BoolVar(&c.check, "check", false, "read both sides afterwards and compare them")
			fs.IntVar(&c.parallel, "parallel", 0, "`N` journals or blobs at a time (default 4)")
			f.declareStorage(fs)
			jsonFlag(fs, &c.asJSON)
			quietFlag(fs, &c.quiet)
		},
		run: func(_ []string, s streams) int { return c.run(s) },
	}
}

func (c *copyCommand) run(s streams) int {
	const name = "hulotte storage copy"
	from, to, err := c.places()
	if err != nil {
		fmt.Fprintf(s.err, "%s: %s\nSee `%s --help`.\n", name, printable(err.Error()), name)
		return exitUsage
	}
	ctx, stop := interrupted()
	defer stop()
	report, err := c.copy(ctx, from, to, s)
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: the same command goes on where this one has stopped")
	}
	return c.report(report, err, s)
}

func (c *copyCommand) places() (from, to app.MediumPlace, err error) {
	if c.to == "" {
		return from, to, errors.New("--to is missing: where to copy to")
	}
	if to, err = parsePlace(c.to); err != nil {
		return from, to, fmt.Errorf("--to: %w", err)
	}
	if c.from != "" {
		if from, err = parsePlace(c.from); err != nil {
			return from, to, fmt.Errorf("--from: %w", err)
		}
	} else {
		conf, err := c.settings.load()
		if err != nil {
			return from, to, err
		}
		from = placeOf(conf)
	}
	if from.String() == to.String() {
		return from, to, fmt.Errorf("--from and --to are the same place, %s", to)
	}
	return from, to, nil
}

func (c *copyCommand) copy(ctx context.Context, from, to app.MediumPlace, s streams) (report transfer.Report, err error) {
	log := commandLog(nil, s)
	source, err := open(ctx, from, true, log)
	if err != nil {
		return report, fmt.Errorf("from %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := open(ctx, to, false, log)
	if err != nil {
		return report, fmt.Errorf("to %s: %w", to, err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	shown := newProgress(s.err, c.quiet || c.asJSON)
	defer shown.done()
	return transfer.Copy(ctx, source.Medium, target.Medium, transfer.Options{
		Parallel: c.parallel, Overwrite: c.overwrite, Check: c.check,
		Progress: func(p transfer.Progress) { shown.at(p.Phase, p.Done.Bytes, p.Total.Bytes) },
	})
}

func (c *copyCommand) report(r transfer.Report, err error, s streams) int {
	if c.asJSON {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return failed(s.err, "hulotte storage copy", err)
		}
	} else {
		printTransfer(s.out, r)
		if !c.quiet && err == nil {
			fmt.Fprintf(s.err, "copied: %s\nthere already: %s\n", countsText(r.Copied), countsText(r.Skipped))
			if r.Expired > 0 {
				fmt.Fprintf(s.err, "left out: %d blobs that had expired\n", r.Expired)
			}
		}
	}
	if err != nil {
		return failed(s.err, "hulotte storage copy", err)
	}
	return exitOK
}

// printTransfer prints what is damaged, in the way, or different.
func printTransfer(w io.Writer, r transfer.Report) {
	for _, f := range r.Damaged {
		printFinding(w, f)
	}
	more(w, r.DamagedTotal-int64(len(r.Damaged)), "damaged")
	for _, c := range r.Conflicts {
		fmt.Fprintln(w, printable(c.Area+" "+c.Name+": "+c.Problem))
	}
	more(w, r.ConflictsTotal-int64(len(r.Conflicts)), "in the way")
	for _, d := range r.Differences {
		fmt.Fprintln(w, printable(d.Area+" "+d.Name+": "+d.Problem))
	}
	more(w, r.DifferencesTotal-int64(len(r.Differences)), "different")
}

func more(w io.Writer, n int64, what string) {
	if n > 0 {
		fmt.Fprintf(w, "and %d more %s\n", n, what)
	}
}

func countsText(c transfer.Counts) string {
	text := fmt.Sprintf("%d journals with %d entries, %d documents, %d blobs", c.Journals, c.Entries, c.Documents, c.Blobs)
	if c.Files > 0 {
		text += fmt.Sprintf(", %d other files", c.Files)
	}
	return text + ": " + bytesText(c.Bytes)
}

var _ medium.Medium = (*opened)(nil)
