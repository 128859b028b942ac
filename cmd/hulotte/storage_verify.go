package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hulotte-dev/hulotte/app"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/series"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// verifyCommand is `hulotte storage verify`.
type verifyCommand struct {
	settings *settings
	remote   remote
	asJSON   bool
	quiet    bool
}

func storageVerify(f *settings) *command {
	v := &verifyCommand{settings: f}
	return &command{
		name:    "hulotte storage verify",
		args:    "[PLACE]",
		summary: "Read everything that is kept, check every checksum, and print what is wrong.",
		about: "Without a PLACE it is the data folder: a server that runs there does it, else this command, which changes nothing.\n" +
			"Ends with 0 when all is sound, with 1 when something is damaged or could not be read, with 2 for wrong use.\n\n" + placeHelp,
		examples: []string{
			"hulotte storage verify",
			"hulotte storage verify --json --server https://obs.example.org/ --user alice",
			"hulotte storage verify cassandra://db-1.example.org/hulotte",
		},
		flags: func(fs *flag.FlagSet) {
			f.declareStorage(fs)
			v.remote.declare(fs)
			jsonFlag(fs, &v.asJSON)
			quietFlag(fs, &v.quiet)
		},
		run: v.run,
	}
}

func (v *verifyCommand) run(args []string, s streams) int {
	const name = "hulotte storage verify"
	if len(args) > 1 || len(args) == 1 && v.remote.url != "" {
		fmt.Fprintf(s.err, "%s: give one place, or --server\nSee `%s --help`.\n", name, name)
		return exitUsage
	}
	ctx, stop := interrupted()
	defer stop()
	shown := newProgress(s.err, v.quiet || v.asJSON)
	tell := func(e upkeep.Event) { v.show(e, shown, s) }
	var run upkeep.Run
	var err error
	switch {
	case v.remote.url != "":
		run, err = remoteVerify(ctx, v.remote, tell)
	case len(args) == 1:
		run, err = v.place(ctx, args[0], tell)
	default:
		run, err = v.dataDir(ctx, tell)
	}
	shown.done()
	if err != nil {
		return failed(s.err, name, err)
	}
	return v.report(run, s)
}

// dataDir verifies what the configuration names, by the server that uses it if one does.
func (v *verifyCommand) dataDir(ctx context.Context, tell func(upkeep.Event)) (upkeep.Run, error) {
	c, err := v.settings.load()
	if err != nil {
		return upkeep.Run{}, err
	}
	held, err := isHeld(c.DataDir)
	if err != nil {
		return upkeep.Run{}, err
	}
	if held {
		r, err := v.remote.of(c)
		if err != nil {
			return upkeep.Run{}, err
		}
		return remoteVerify(ctx, r, tell)
	}
	return verifyHere(ctx, placeOf(c), filepath.Join(c.DataDir, "series"), tell)
}

func (v *verifyCommand) place(ctx context.Context, text string, tell func(upkeep.Event)) (upkeep.Run, error) {
	p, err := parsePlace(text)
	if err != nil {
		return upkeep.Run{}, err
	}
	dir := ""
	if p.DataDir != "" {
		dir = filepath.Join(p.DataDir, "series")
	}
	return verifyHere(ctx, p, dir, tell)
}

// verifyHere verifies a medium and the series in a folder, "" for none.
func verifyHere(ctx context.Context, p app.MediumPlace, seriesDir string, tell func(upkeep.Event)) (upkeep.Run, error) {
	m, err := open(ctx, p, true, slog.New(slog.DiscardHandler)) // what it would log of damage is among the findings
	if err != nil {
		return upkeep.Run{}, err
	}
	var engine upkeep.Series
	if seriesDir != "" {
		engine = seriesFolder(seriesDir)
	}
	run := upkeep.VerifyAll(upkeep.Unkept(ctx, upkeep.Verify, tell), m, engine)
	return run, m.Close()
}

// seriesFolder is the folder of a metrics engine that is not running.
type seriesFolder string

func (f seriesFolder) Verify(ctx context.Context, found func(where, problem, effect string), read func(file string, files, bytes int64)) error {
	return series.VerifyDir(ctx, string(f), false, found, read)
}

// remoteVerify lets a server do it.
func remoteVerify(ctx context.Context, r remote, tell func(upkeep.Event)) (upkeep.Run, error) {
	res, err := r.ask(ctx, http.MethodPost, "storage/verify", nil)
	if err != nil {
		return upkeep.Run{}, err
	}
	defer res.Body.Close()
	return readEvents(res.Body, tell)
}

// maxEvent bounds a line of a server: the last one holds all findings that are kept.
const maxEvent = 4 << 20

func readEvents(body io.Reader, tell func(upkeep.Event)) (upkeep.Run, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		var e upkeep.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return upkeep.Run{}, fmt.Errorf("cannot understand the answer of the server: %w", err)
		}
		tell(e)
		if e.Type == upkeep.Done && e.Run != nil {
			return *e.Run, nil
		}
	}
	if err := lines.Err(); err != nil {
		return upkeep.Run{}, fmt.Errorf("the server broke off: %w", err)
	}
	return upkeep.Run{}, errors.New("the server broke off before it was done: its log says why")
}

// show prints findings as they come, and where the run is.
func (v *verifyCommand) show(e upkeep.Event, shown *progress, s streams) {
	switch {
	case e.Type == upkeep.Found && e.Finding != nil && !v.asJSON:
		shown.done()
		printFinding(s.out, *e.Finding)
	case e.Type == upkeep.Progress && e.Run != nil:
		shown.at(e.Run.Phase, e.Run.Counts.Bytes, 0)
	}
}

// printFinding prints the place first, so that lines can be sorted and cut.
func printFinding(w io.Writer, f medium.Finding) {
	fmt.Fprintln(w, printable(f.Where+": "+f.Problem))
	if f.Name != "" && f.Name != f.Where {
		fmt.Fprintln(w, printable("    "+f.Area+" "+f.Name))
	}
	if f.Effect != "" {
		fmt.Fprintln(w, printable("    "+f.Effect))
	}
}

func (v *verifyCommand) report(r upkeep.Run, s streams) int {
	if v.asJSON {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return failed(s.err, "hulotte storage verify", err)
		}
	} else if !v.quiet || r.State == upkeep.Failed || r.State == upkeep.Stopped {
		fmt.Fprintln(s.err, runSummary(r))
	}
	if r.State != upkeep.Sound {
		return exitFailed
	}
	return exitOK
}

// runSummary says in one line how a run went.
func runSummary(r upkeep.Run) string {
	took := time.Duration(0)
	if r.Ended != nil {
		took = r.Ended.Sub(r.Started).Round(10 * time.Millisecond)
	}
	c := r.Counts
	read := fmt.Sprintf("%d journals with %d entries, %d blobs, %d documents, %d files of series: %s in %s",
		c.Journals, c.Entries, c.Blobs, c.Documents, c.Files, bytesText(c.Bytes), took)
	switch r.State {
	case upkeep.Sound:
		return "sound: " + read
	case upkeep.Damaged:
		return fmt.Sprintf("damaged: %d findings in %s", r.FindingsTotal, read)
	}
	return printable(fmt.Sprintf("%s: %s (after %s)", r.State, r.Error, read))
}
