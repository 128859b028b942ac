package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/kinds"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/internal/suggest"
	"github.com/hulotte-dev/hulotte/model"
)

func checkCommand(f *settings) *command {
	return &command{
		name:    "hulotte check",
		summary: "Ask, list, acknowledge and explain checks.",
		subs:    []*command{checkRun(), checkListCommand(f), checkAck(f), checkUnack(f), checkRecheck(f), checkDowntime(f), checkExplain(f)},
	}
}

// listFlags are those of commands that list checks.
type listFlags struct {
	problems, unhandled, asJSON bool
	host, service, group, text  string
}

func (l *listFlags) declare(fs *flag.FlagSet) {
	fs.BoolVar(&l.problems, "problems", false, "only what is not OK")
	fs.BoolVar(&l.unhandled, "unhandled", false, "only problems that nobody handles")
	fs.StringVar(&l.host, "host", "", "only checks of this `HOST`")
	fs.StringVar(&l.service, "service", "", "only checks of this `SERVICE`")
	fs.StringVar(&l.group, "group", "", "only checks in this service `GROUP`")
	fs.StringVar(&l.text, "match", "", "only checks whose name or output holds this `TEXT`")
	jsonFlag(fs, &l.asJSON)
}

func (l *listFlags) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if l.problems {
		q.Set("problem", "1")
	}
	if l.unhandled {
		q.Set("unhandled", "1")
	}
	set("host", l.host)
	set("service", l.service)
	set("group", l.group)
	set("q", l.text)
	return q
}

func checkListCommand(f *settings) *command {
	server, l := &checkServer{settings: f}, &listFlags{}
	return &command{
		name:     "hulotte check list",
		summary:  "Print the checks of the running server, problems that nobody handles first.",
		examples: []string{"hulotte check list --problems", "hulotte check list --host web1 --json"},
		flags:    func(fs *flag.FlagSet) { server.declare(fs); l.declare(fs) },
		run: func(_ []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			if _, err := printChecks(ctx, server, l, s.out); err != nil {
				return failed(s.err, "hulotte check list", err)
			}
			return exitOK
		},
	}
}

func statusCommand(f *settings) *command {
	server, l := &checkServer{settings: f}, &listFlags{problems: true}
	return &command{
		name:    "hulotte status",
		summary: "Print what is wrong; the exit code is the worst state that nobody handles.",
		about: "The exit code is that of a Nagios plugin: 0 when all is well or handled, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also when the\n" +
			"server cannot be asked.",
		examples: []string{"hulotte status", "hulotte status --server https://obs.example.org/ --user alice"},
		flags:    func(fs *flag.FlagSet) { server.declare(fs); l.declare(fs) },
		run: func(_ []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			l.problems = true
			worst, err := printChecks(ctx, server, l, s.out)
			if err != nil {
				failed(s.err, "hulotte status", err)
				return int(model.Unknown)
			}
			return int(worst)
		},
	}
}

// printChecks prints a table, and returns the worst status that nobody handles.
func printChecks(ctx context.Context, server *checkServer, l *listFlags, out io.Writer) (model.Status, error) {
	var raw json.RawMessage
	if err := server.get(ctx, "checks", l.query(), &raw); err != nil {
		return model.Unknown, err
	}
	var list checkList
	if err := json.Unmarshal(raw, &list); err != nil {
		return model.Unknown, fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	worst := model.OK
	for _, v := range list.Checks {
		if v.Problem() && v.Handled == "" && v.Status.Severity() > worst.Severity() {
			worst = v.Status
		}
	}
	if l.asJSON {
		_, err := fmt.Fprintf(out, "%s\n", raw)
		return worst, err
	}
	if len(list.Checks) == 0 {
		text := "no such checks"
		if l.problems || l.unhandled {
			text = "no problems"
		}
		_, err := fmt.Fprintln(out, text)
		return worst, err
	}
	return worst, writeChecks(out, list.Checks, time.Now())
}

// writeChecks prints the columns that operators know from Nagios.
func writeChecks(out io.Writer, views []check.View, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tCHECK\tSTATUS\tLAST CHECK\tDURATION\tATTEMPT\tSTATUS INFORMATION")
	for _, v := range views {
		status := v.Status.String()
		if v.Handled != "" {
			status += " (" + v.Handled + ")"
		}
		output, _, _ := strings.Cut(v.Output, "\n")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d/%d\t%s\n", printable(v.Spec.Host), printable(v.Spec.Name), status, ago(now, v.LastCheck), ago(now, v.Since),
			v.Attempt, v.MaxAttempts, printable(output))
	}
	return w.Flush()
}

// ago is how long before now t was, in two units.
func ago(now, t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return "never"
	}
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// checkRun asks once, in this process: nothing is remembered, no server is needed.
func checkRun() *command {
	host, timeout := "", 10*time.Second
	return &command{
		name:    "hulotte check run",
		args:    "KIND [OPTION=VALUE ...] [-- COMMAND ...]",
		summary: "Ask once, print the answer as a Nagios plugin would, and exit with its code.",
		about: "OPTION is one of the kind's options; a value that is JSON is taken as that. What follows -- is the option command of the\n" +
			"kind plugin. The kinds: " + strings.Join(kindNames(), ", ") + ".",
		examples: []string{
			"hulotte check run http url=https://example.org/", "hulotte check run tcp port=5432 --host db1",
			"hulotte check run plugin -- /usr/lib/nagios/plugins/check_load -w 5 -c 10",
		},
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&host, "host", "localhost", "name or address of the `HOST` to ask")
			fs.DurationVar(&timeout, "timeout", timeout, "how long to wait for the answer")
		},
		run: func(args []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			result, err := runOnce(ctx, args, host, timeout)
			if err != nil {
				failed(s.err, "hulotte check run", err)
				return int(model.Unknown)
			}
			printResult(s.out, result)
			return int(result.Status)
		},
	}
}

func kindNames() []string {
	var names []string
	for _, k := range kinds.All(kinds.Options{}) {
		if k.New != nil && !k.Passive {
			names = append(names, k.Name)
		}
	}
	return names
}

func runOnce(ctx context.Context, args []string, host string, timeout time.Duration) (model.CheckResult, error) {
	if len(args) == 0 {
		return model.CheckResult{}, errors.New("name the kind of check, such as http")
	}
	var kind *check.Kind
	for _, k := range kinds.All(kinds.Options{}) {
		if k.Name == args[0] && k.New != nil && !k.Passive {
			kind = &k
		}
	}
	if kind == nil {
		err := fmt.Errorf("there is no kind %q that can be asked here", args[0])
		if c := suggest.Closest(args[0], kindNames()); c != "" {
			err = fmt.Errorf("%w: did you mean %q?", err, c)
		}
		return model.CheckResult{}, err
	}
	options, err := optionsJSON(args[1:])
	if err != nil {
		return model.CheckResult{}, err
	}
	p, err := kind.New(check.Params{Host: host, Address: host, Name: kind.Name, Options: options, Timeout: timeout})
	if err != nil {
		return model.CheckResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begin := time.Now()
	result := p.Probe(ctx)
	if result.Duration == 0 {
		result.Duration = time.Since(begin)
	}
	return result, nil
}

// optionsJSON makes options of name=value words, and the option command of the rest behind --.
func optionsJSON(words []string) (json.RawMessage, error) {
	options := map[string]any{}
	for i, w := range words {
		if name, value, ok := strings.Cut(w, "="); ok && !strings.ContainsAny(name, "/ -") {
			options[name] = json.RawMessage(value)
			if !json.Valid([]byte(value)) {
				options[name] = value
			}
			continue
		}
		options["command"] = words[i:]
		break
	}
	return json.Marshal(options)
}

// printResult prints a result as plugins do.
func printResult(out io.Writer, r model.CheckResult) {
	if !strings.Contains(r.Output, r.Status.String()) { // most outputs say it themselves
		fmt.Fprint(out, r.Status, ": ")
	}
	fmt.Fprint(out, printable(r.Output))
	if perf := plugin.FormatPerf(r.Perf); perf != "" {
		fmt.Fprint(out, " | ", printable(perf))
	}
	fmt.Fprintln(out)
	if r.Long != "" {
		fmt.Fprintln(out, printable(r.Long))
	}
}

func checkAck(f *settings) *command {
	server, comment, length, sticky := &checkServer{settings: f}, "", time.Duration(0), true
	return &command{
		name: "hulotte check ack", args: "CHECK ...",
		summary:  "Say that a problem is known, so that nobody is told of it any more.",
		examples: []string{`hulotte check ack web1/http --comment "Anna is on it" --for 2h`},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&comment, "comment", "", "`TEXT` that says why, and who does what")
			fs.DurationVar(&length, "for", 0, "it ends after this `DURATION`; the default is when the check is OK")
			fs.BoolVar(&sticky, "sticky", true, "it holds until the check is OK; otherwise any change of the status ends it")
		},
		run: func(args []string, s streams) int {
			body := map[string]any{"checks": args, "comment": comment, "sticky": sticky}
			if length > 0 {
				body["until"] = time.Now().Add(length)
			}
			return act(server, s, "hulotte check ack", "checks/ack", args, body)
		},
	}
}

func checkUnack(f *settings) *command {
	server, comment := &checkServer{settings: f}, ""
	return &command{
		name: "hulotte check unack", args: "CHECK ...", summary: "Take an acknowledgement back.",
		examples: []string{"hulotte check unack web1/http"},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&comment, "comment", "", "`TEXT` that says why")
		},
		run: func(args []string, s streams) int {
			return act(server, s, "hulotte check unack", "checks/unack", args, map[string]any{"checks": args, "comment": comment})
		},
	}
}

func checkRecheck(f *settings) *command {
	server := &checkServer{settings: f}
	return &command{
		name: "hulotte check recheck", args: "CHECK ...", summary: "Have the server ask now.",
		examples: []string{"hulotte check recheck web1/http"},
		flags:    func(fs *flag.FlagSet) { server.declare(fs) },
		run: func(args []string, s streams) int {
			return act(server, s, "hulotte check recheck", "checks/recheck", args, map[string]any{"checks": args})
		},
	}
}

// act does something to the checks that the arguments name.
func act(server *checkServer, s streams, name, path string, args []string, body any) int {
	ctx, stop := interrupted()
	defer stop()
	if len(args) == 0 {
		return failed(s.err, name, errors.New("name a check, such as web1/http"))
	}
	var done struct {
		Checks int `json:"checks"`
	}
	if err := server.post(ctx, path, body, &done); err != nil {
		return failed(s.err, name, err)
	}
	fmt.Fprintf(s.out, "%d checks\n", done.Checks)
	return exitOK
}

func checkDowntime(f *settings) *command {
	server, comment, end, length, start := &checkServer{settings: f}, "", "", time.Hour, ""
	return &command{
		name: "hulotte check downtime", args: "CHECK ...",
		summary:  "Expect problems for a time, so that nobody is told of them.",
		about:    "A CHECK is HOST/NAME, or HOST/* for all checks of a host.",
		examples: []string{`hulotte check downtime 'web1/*' --for 1h --comment "new disk"`, "hulotte check downtime --end ID"},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&comment, "comment", "", "`TEXT` that says why")
			fs.DurationVar(&length, "for", length, "how long it lasts")
			fs.StringVar(&start, "start", "", "when it begins, as an RFC 3339 `TIME` (default: now)")
			fs.StringVar(&end, "end", "", "end the downtime of this `ID` now")
		},
		run: func(args []string, s streams) int {
			const name = "hulotte check downtime"
			ctx, stop := interrupted()
			defer stop()
			if end != "" {
				if err := server.post(ctx, "downtimes/end", map[string]string{"id": end}, nil); err != nil {
					return failed(s.err, name, err)
				}
				return exitOK
			}
			if len(args) == 0 {
				return failed(s.err, name, errors.New("name a check, such as web1/http or 'web1/*'"))
			}
			begin := time.Now()
			if start != "" {
				var err error
				if begin, err = time.Parse(time.RFC3339, start); err != nil {
					return failed(s.err, name, fmt.Errorf("--start %q is no time such as 2026-01-31T20:00:00Z", start))
				}
			}
			d := check.Downtime{Checks: args, Comment: comment, Start: begin, End: begin.Add(length)}
			if err := server.post(ctx, "downtimes", d, &d); err != nil {
				return failed(s.err, name, err)
			}
			fmt.Fprintf(s.out, "downtime %s from %s to %s\n", d.ID, d.Start.Local().Format(time.DateTime), d.End.Local().Format(time.DateTime))
			return exitOK
		},
	}
}

func checkExplain(f *settings) *command {
	server := &checkServer{settings: f}
	return &command{
		name: "hulotte check explain", args: "CHECK",
		summary:  "Print all about one check: its state, why it is handled or not, what it stands on, and its last changes.",
		examples: []string{"hulotte check explain web1/http"},
		flags:    func(fs *flag.FlagSet) { server.declare(fs) },
		run: func(args []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			if len(args) != 1 {
				return failed(s.err, "hulotte check explain", errors.New("name one check, such as web1/http"))
			}
			if err := explainCheck(ctx, server, args[0], s.out); err != nil {
				return failed(s.err, "hulotte check explain", err)
			}
			return exitOK
		},
	}
}

func explainCheck(ctx context.Context, server *checkServer, id string, out io.Writer) error {
	var answer struct {
		View    check.View        `json:"view"`
		Explain check.Explanation `json:"explain"`
	}
	if err := server.get(ctx, "check", url.Values{"id": {id}}, &answer); err != nil {
		return err
	}
	var history struct {
		Changes []check.Change `json:"changes"`
	}
	if err := server.get(ctx, "check/history", url.Values{"id": {id}, "limit": {"20"}}, &history); err != nil {
		return err
	}
	if err := writeChecks(out, []check.View{answer.View}, time.Now()); err != nil {
		return err
	}
	if answer.View.Long != "" {
		fmt.Fprintf(out, "\n%s\n", printable(answer.View.Long))
	}
	fmt.Fprintf(out, "\n%s\n", printable(strings.Join(answer.Explain.Why, "\n")))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	related := func(title string, all []check.Related) {
		for _, r := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", title, printable(r.ID), r.Status, printable(r.Output))
		}
	}
	related("stands behind", answer.Explain.Parents)
	related("depends on", answer.Explain.Dependencies)
	heading(w, "answers", len(answer.Explain.Results))
	for _, r := range answer.Explain.Results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.At.Local().Format(time.DateTime), r.Status, r.By, time.Duration(r.Duration).Round(time.Millisecond), printable(r.Output))
	}
	heading(w, "history", len(history.Changes))
	for _, c := range history.Changes {
		fmt.Fprintf(w, "%s\t%s\n", c.At.Local().Format(time.DateTime), printable(changeText(c)))
	}
	return w.Flush()
}

// heading begins a part that has something in it.
func heading(w io.Writer, title string, n int) {
	if n > 0 {
		fmt.Fprintf(w, "\n%s\n", title)
	}
}

// changeText says in words what happened to a check.
func changeText(c check.Change) string {
	who := ""
	if c.By != "" {
		who = " by " + c.By
	}
	if c.Comment != "" {
		who += ": " + c.Comment
	}
	if c.Type != check.StateChange {
		return strings.ReplaceAll(string(c.Type), "_", " ") + who
	}
	hard := "soft"
	if c.Hard {
		hard = "hard"
	}
	return fmt.Sprintf("%s -> %s (%s, attempt %d)%s  %s", c.From, c.To, hard, c.Attempt, who, c.Output)
}
