package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/explain"
	"github.com/hulotte-dev/hulotte/alert/manager"
)

func alertCommand(f *settings) *command {
	return &command{
		name:    "hulotte alert",
		summary: "List, explain, acknowledge and silence alerts.",
		about: "Alerts are named by the 16 hexadecimal digits that `hulotte alert list` shows, or by conditions on their labels, all of which must\n" +
			"hold: severity=critical, host!=web1, 'instance=~\"web.*\"', team!~test. A word alone is the alert's name.",
		subs: []*command{alertList(f), alertExplain(f), alertAck(f), alertUnack(f), alertSilence(f), alertNoise(f), alertTest(f)},
	}
}

// alertAnswer is an alert with the name of its rule.
type alertAnswer struct {
	alert.Alert
	Rule *struct {
		Group string `json:"group"`
		Name  string `json:"name"`
		File  string `json:"file"`
	} `json:"rule"`
}

type alertListAnswer struct {
	Counts map[string]int `json:"counts"`
	Told   bool           `json:"told"`
	Total  int            `json:"total"`
	Alerts []alertAnswer  `json:"alerts"`
}

// chosen is which alerts a command line names.
type chosen struct {
	fingerprints []string
	matchers     []manager.Matcher
	texts        []string // of matchers, as the server reads them
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// choose reads words of a command line.
func choose(words []string) (chosen, error) {
	var c chosen
	for _, w := range words {
		if fingerprintForm.MatchString(w) {
			c.fingerprints = append(c.fingerprints, w)
			continue
		}
		if !strings.ContainsAny(w, "=~") {
			w = "alertname=" + strconv.Quote(w)
		}
		m, err := explain.ParseMatcher(w)
		if err != nil {
			return c, err
		}
		c.matchers, c.texts = append(c.matchers, m), append(c.texts, w)
	}
	if len(c.fingerprints) > 0 && len(c.matchers) > 0 {
		return c, errors.New("name alerts by their digits or by their labels, not both at once")
	}
	return c, nil
}

// find asks the server which alerts these are.
func (c chosen) find(ctx context.Context, server *checkServer, query url.Values) (alertListAnswer, error) {
	var all alertListAnswer
	query["matcher"] = c.texts
	if err := server.get(ctx, "alerts", query, &all); err != nil {
		return all, err
	}
	if len(c.fingerprints) > 0 {
		all.Alerts = slices.DeleteFunc(all.Alerts, func(a alertAnswer) bool { return !slices.Contains(c.fingerprints, a.Fingerprint) })
	}
	return all, nil
}

func alertList(f *settings) *command {
	server, state, text, limit, asJSON := &checkServer{settings: f}, "", "", 0, false
	return &command{
		name: "hulotte alert list", args: "[ALERT ...]",
		summary:  "Print the alerts of the running server, those that nobody handles first.",
		examples: []string{"hulotte alert list", "hulotte alert list severity=critical --state active", "hulotte alert list --json"},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&state, "state", "", "only those of this `STATE`, or several with commas: active, suppressed, acknowledged, pending")
			fs.StringVar(&text, "match", "", "only those with this `TEXT` in a label or an annotation")
			fs.IntVar(&limit, "limit", 0, "at most `N`; 0 is all")
			jsonFlag(fs, &asJSON)
		},
		run: func(args []string, s streams) int {
			const name = "hulotte alert list"
			ctx, stop := interrupted()
			defer stop()
			c, err := choose(args)
			if err != nil {
				return failed(s.err, name, err)
			}
			q := url.Values{"matcher": c.texts}
			for key, value := range map[string]string{"state": state, "q": text, "limit": strconv.Itoa(max(limit, 0))} {
				if value != "" && value != "0" {
					q.Set(key, value)
				}
			}
			if asJSON {
				var raw json.RawMessage
				if err := server.get(ctx, "alerts", q, &raw); err != nil {
					return failed(s.err, name, err)
				}
				fmt.Fprintf(s.out, "%s\n", raw)
				return exitOK
			}
			all, err := c.find(ctx, server, q)
			if err != nil {
				return failed(s.err, name, err)
			}
			if err := writeAlerts(s.out, &all, time.Now()); err != nil {
				return failed(s.err, name, err)
			}
			return exitOK
		},
	}
}

// writeAlerts prints a table.
func writeAlerts(out io.Writer, all *alertListAnswer, now time.Time) error {
	if len(all.Alerts) == 0 {
		fmt.Fprintln(out, "no alerts")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ALERT\tSEVERITY\tSTATE\tSINCE\tLABELS\tSUMMARY\tID")
	for i := range all.Alerts {
		a := &all.Alerts[i].Alert
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(a.Name()), printable(a.Labels["severity"]), stateText(a), ago(now, a.StartsAt), labelsText(a.Labels), oneLine(a.Annotations["summary"]), printable(a.Fingerprint))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if all.Total > len(all.Alerts) {
		fmt.Fprintf(out, "%d of %d\n", len(all.Alerts), all.Total)
	}
	if !all.Told {
		fmt.Fprintln(out, "Nobody is told of any alert: no route leads to a receiver with integrations.")
	}
	return nil
}

// stateText is the state of an alert, and why it is told to nobody.
func stateText(a *alert.Alert) string {
	switch {
	case a.Ack != nil:
		return "acknowledged by " + printable(a.Ack.By)
	case len(a.SilencedBy) > 0:
		return "silenced"
	case len(a.InhibitedBy) > 0:
		return "inhibited"
	case len(a.MutedBy) > 0:
		return "muted by " + printable(strings.Join(a.MutedBy, ", "))
	}
	return printable(string(a.State))
}

// labelsText are labels but for those that have their own columns.
func labelsText(set map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if name != "alertname" && name != "severity" {
			words = append(words, name+"="+set[name])
		}
	}
	return oneLine(strings.Join(words, " "))
}

// oneLine makes text from outside harmless in a table.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, printable(text))
}

// maxExplained is how many alerts are explained at once.
const maxExplained = 20

func alertExplain(f *settings) *command {
	server, asJSON := &checkServer{settings: f}, false
	return &command{
		name: "hulotte alert explain", args: "ALERT ...",
		summary: "Say who is told of an alert, by which route, and why nobody else is.",
		about:   "Without such an alert, labels are explained as if one with them fired: name=value each.",
		examples: []string{
			"hulotte alert explain 5f3a9c0d1e2b4a6f", "hulotte alert explain DiskFull host=db1", "hulotte alert explain alertname=Any team=db severity=critical",
		},
		flags: func(fs *flag.FlagSet) { server.declare(fs); jsonFlag(fs, &asJSON) },
		run: func(args []string, s streams) int {
			const name = "hulotte alert explain"
			ctx, stop := interrupted()
			defer stop()
			if len(args) == 0 {
				return failed(s.err, name, errors.New("name an alert, such as DiskFull host=db1"))
			}
			if err := explainAlerts(ctx, server, args, s.out, asJSON); err != nil {
				return failed(s.err, name, err)
			}
			return exitOK
		},
	}
}

func explainAlerts(ctx context.Context, server *checkServer, words []string, out io.Writer, asJSON bool) error {
	c, err := choose(words)
	if err != nil {
		return err
	}
	if len(c.fingerprints) == 0 {
		all, err := c.find(ctx, server, url.Values{})
		if err != nil {
			return err
		}
		for i := range all.Alerts {
			c.fingerprints = append(c.fingerprints, all.Alerts[i].Fingerprint)
		}
	}
	if len(c.fingerprints) == 0 {
		return explainLabels(ctx, server, c.matchers, out, asJSON)
	}
	for i, fp := range c.fingerprints {
		if i == maxExplained {
			fmt.Fprintf(out, "\n%d more are not explained: name fewer.\n", len(c.fingerprints)-i)
			break
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := explainOne(ctx, server, fp, out, asJSON); err != nil {
			return err
		}
	}
	return nil
}

// explainLabels explains an alert that is not there.
func explainLabels(ctx context.Context, server *checkServer, matchers []manager.Matcher, out io.Writer, asJSON bool) error {
	q := url.Values{}
	for _, m := range matchers {
		if m.Not || m.Regexp {
			return errors.New("there is no such alert, and what would be can be told of labels only: write name=value")
		}
		q.Add("label", m.Name+"="+m.Value)
	}
	var raw json.RawMessage
	if err := server.get(ctx, "alert/explain", q, &raw); err != nil {
		return err
	}
	if asJSON {
		_, err := fmt.Fprintf(out, "%s\n", raw)
		return err
	}
	var x explain.Explanation
	if err := json.Unmarshal(raw, &x); err != nil {
		return fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	fmt.Fprintln(out, "There is no such alert. If there were:")
	return writeExplanation(out, &x)
}

func explainOne(ctx context.Context, server *checkServer, fingerprint string, out io.Writer, asJSON bool) error {
	var raw json.RawMessage
	if err := server.get(ctx, "alert", url.Values{"fingerprint": {fingerprint}}, &raw); err != nil {
		return err
	}
	if asJSON {
		_, err := fmt.Fprintf(out, "%s\n", raw)
		return err
	}
	var answer struct {
		Alert       alertAnswer         `json:"alert"`
		Explanation explain.Explanation `json:"explanation"`
		Timeline    []explain.Event     `json:"timeline"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	a := &answer.Alert.Alert
	fmt.Fprintf(out, "%s  %s  %s\n", printable(a.Name()), stateText(a), labelsText(a.Labels))
	if text := a.Annotations["summary"]; text != "" {
		fmt.Fprintln(out, printable(text))
	}
	if err := writeExplanation(out, &answer.Explanation); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	heading(w, "history", len(answer.Timeline))
	for _, e := range answer.Timeline[:min(len(answer.Timeline), maxExplained)] {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.At.Local().Format(time.DateTime), printable(e.By), oneLine(e.Text))
	}
	return w.Flush()
}

func writeExplanation(out io.Writer, x *explain.Explanation) error {
	fmt.Fprintf(out, "%s\n", printable(x.Verdict))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, q := range x.SilencedBy {
		word := "silence"
		if q.Ack {
			word = "acknowledgement"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", word, printable(q.ID), printable(q.By), oneLine(q.Comment))
	}
	for _, i := range x.InhibitedBy {
		fmt.Fprintf(w, "inhibited by\t%s\t%s\t%s\n", printable(i.Fingerprint), printable(i.Name), oneLine(i.Rule))
	}
	for i := range x.Receivers {
		s := &x.Receivers[i]
		fmt.Fprintf(w, "\nreceiver\t%s\n", printable(s.Receiver))
		fmt.Fprintf(w, "  route\t%s\n", oneLine(wayText(s.Route)))
		fmt.Fprintf(w, "  group\t%s\n", oneLine(strings.Join(s.GroupBy, ", ")))
		fmt.Fprintf(w, "  told\tafter %s, news every %s, again every %s\n", s.GroupWait, s.GroupInterval, s.RepeatInterval)
		if len(s.MutedBy) > 0 {
			fmt.Fprintf(w, "  muted by\t%s\n", oneLine(strings.Join(s.MutedBy, ", ")))
		}
		for _, in := range s.Integrations {
			fmt.Fprintf(w, "  by\t%s\n", oneLine(strings.TrimSpace(in.Kind+" "+in.To)))
		}
		if len(s.Integrations) == 0 {
			fmt.Fprintf(w, "  by\tnothing: it has no integrations\n")
		}
		for _, p := range s.People {
			fmt.Fprintf(w, "  reaches\t%s\n", oneLine(p.Name))
		}
		if !s.LastTold.IsZero() {
			fmt.Fprintf(w, "  last\t%s\n", s.LastTold.Local().Format(time.DateTime))
		}
		if !s.Next.IsZero() {
			fmt.Fprintf(w, "  next\t%s\n", s.Next.Local().Format(time.DateTime))
		}
	}
	return w.Flush()
}

func wayText(route [][]string) string {
	steps := []string{"everything"}
	for _, matchers := range route {
		if len(matchers) > 0 {
			steps = append(steps, strings.Join(matchers, ", "))
		}
	}
	return strings.Join(steps, " > ")
}

// actOnAlerts does something to the alerts that words name.
func actOnAlerts(server *checkServer, s streams, name, path string, words []string, body map[string]any, states string) int {
	ctx, stop := interrupted()
	defer stop()
	if len(words) == 0 {
		return failed(s.err, name, errors.New("name alerts, such as DiskFull host=db1"))
	}
	c, err := choose(words)
	if err != nil {
		return failed(s.err, name, err)
	}
	if len(c.fingerprints) == 0 {
		all, err := c.find(ctx, server, url.Values{"state": {states}})
		if err != nil {
			return failed(s.err, name, err)
		}
		for i := range all.Alerts {
			c.fingerprints = append(c.fingerprints, all.Alerts[i].Fingerprint)
		}
		if len(c.fingerprints) == 0 {
			return failed(s.err, name, fmt.Errorf("there is no such alert (of the state %s)", strings.ReplaceAll(states, ",", " or ")))
		}
	}
	body["fingerprints"] = c.fingerprints
	var done struct {
		Alerts int `json:"alerts"`
	}
	if err := server.post(ctx, path, body, &done); err != nil {
		return failed(s.err, name, err)
	}
	fmt.Fprintf(s.out, "%d alerts\n", done.Alerts)
	return exitOK
}

func alertAck(f *settings) *command {
	server, comment, lasts := &checkServer{settings: f}, "", time.Duration(0)
	return &command{
		name: "hulotte alert ack", args: "ALERT ...",
		summary:  "Say that alerts are known, so that nobody is told of them any more.",
		about:    "It ends when the alert resolves. Alerts that fire later with these labels are not acknowledged: that is a silence.",
		examples: []string{`hulotte alert ack DiskFull host=db1 --comment "Anna makes room" --for 2h`},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&comment, "comment", "", "`TEXT` that says what is known, and who does what")
			fs.DurationVar(&lasts, "for", 0, "it ends after this `DURATION`, should the alert fire longer")
		},
		run: func(args []string, s streams) int {
			body := map[string]any{"comment": comment}
			if lasts > 0 {
				body["until"] = time.Now().Add(lasts)
			}
			return actOnAlerts(server, s, "hulotte alert ack", "alerts/ack", args, body, "active,suppressed,acknowledged")
		},
	}
}

func alertUnack(f *settings) *command {
	server, comment := &checkServer{settings: f}, ""
	return &command{
		name: "hulotte alert unack", args: "ALERT ...", summary: "Take acknowledgements back.",
		examples: []string{"hulotte alert unack DiskFull"},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&comment, "comment", "", "`TEXT` that says why")
		},
		run: func(args []string, s streams) int {
			return actOnAlerts(server, s, "hulotte alert unack", "alerts/unack", args, map[string]any{"comment": comment}, "acknowledged")
		},
	}
}

// silenceFlags are those of hulotte alert silence.
type silenceFlags struct {
	comment, start, expire string
	lasts                  time.Duration
	list, try              bool
}

func alertSilence(f *settings) *command {
	server, l := &checkServer{settings: f}, &silenceFlags{lasts: time.Hour}
	return &command{
		name: "hulotte alert silence", args: "CONDITION ...",
		summary: "Keep alerts quiet for a time, also those that fire later.",
		about:   "A CONDITION is on a label, as in `hulotte alert --help`; all must hold.",
		examples: []string{
			`hulotte alert silence 'host=~"web.*"' --for 2h --comment "new kernel"`, "hulotte alert silence DiskFull --try", "hulotte alert silence --list", "hulotte alert silence --expire ID",
		},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.StringVar(&l.comment, "comment", "", "`TEXT` that says why")
			fs.DurationVar(&l.lasts, "for", l.lasts, "how long it lasts")
			fs.StringVar(&l.start, "start", "", "when it begins, as an RFC 3339 `TIME` (default: now)")
			fs.StringVar(&l.expire, "expire", "", "end the silence of this `ID` now")
			fs.BoolVar(&l.list, "list", false, "print the silences in force and to come")
			fs.BoolVar(&l.try, "try", false, "print which alerts it would keep quiet now, and do nothing")
		},
		run: func(args []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			if err := l.run(ctx, server, args, s.out); err != nil {
				return failed(s.err, "hulotte alert silence", err)
			}
			return exitOK
		},
	}
}

func (l *silenceFlags) run(ctx context.Context, server *checkServer, words []string, out io.Writer) error {
	switch {
	case l.list:
		return listSilences(ctx, server, out)
	case l.expire != "":
		return server.plain(ctx, http.MethodDelete, "api/v2/silence/"+url.PathEscape(l.expire), nil, nil)
	}
	c, err := choose(words)
	if err != nil {
		return err
	}
	if len(c.matchers) == 0 || len(c.fingerprints) > 0 {
		return errors.New("give conditions on labels, such as alertname=DiskFull 'host=~\"db.*\"'; `hulotte alert ack` is for single alerts")
	}
	type matcher struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual bool   `json:"isEqual"`
	}
	matchers := make([]matcher, len(c.matchers))
	for i, m := range c.matchers {
		matchers[i] = matcher{m.Name, m.Value, m.Regexp, !m.Not}
	}
	if l.try {
		var all alertListAnswer
		if err := server.post(ctx, "silences/preview", map[string]any{"matchers": matchers}, &all); err != nil {
			return err
		}
		all.Told = true
		return writeAlerts(out, &all, time.Now())
	}
	if strings.TrimSpace(l.comment) == "" {
		return errors.New("--comment is missing: say why")
	}
	begin := time.Now()
	if l.start != "" {
		if begin, err = time.Parse(time.RFC3339, l.start); err != nil {
			return fmt.Errorf("--start: write it as 2026-01-31T22:00:00+01:00: %w", err)
		}
	}
	var made struct {
		ID string `json:"silenceID"`
	}
	err = server.plain(ctx, http.MethodPost, "api/v2/silences", map[string]any{
		"matchers": matchers, "startsAt": begin.UTC(), "endsAt": begin.Add(l.lasts).UTC(), "createdBy": me(), "comment": l.comment,
	}, &made)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, printable(made.ID))
	return nil
}

func listSilences(ctx context.Context, server *checkServer, out io.Writer) error {
	var all []struct {
		ID       string `json:"id"`
		Matchers []struct {
			Name, Value      string
			IsRegex, IsEqual bool
		} `json:"matchers"`
		StartsAt  time.Time `json:"startsAt"`
		EndsAt    time.Time `json:"endsAt"`
		CreatedBy string    `json:"createdBy"`
		Comment   string    `json:"comment"`
		Status    struct {
			State string `json:"state"`
		} `json:"status"`
	}
	if err := server.plain(ctx, http.MethodGet, "api/v2/silences", nil, &all); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tUNTIL\tBY\tMATCHERS\tCOMMENT")
	n := 0
	for _, s := range all {
		if s.Status.State == "expired" {
			continue
		}
		n++
		var words []string
		for _, m := range s.Matchers {
			op := map[[2]bool]string{{false, true}: "=", {true, true}: "=~", {false, false}: "!=", {true, false}: "!~"}[[2]bool{m.IsRegex, m.IsEqual}]
			words = append(words, m.Name+op+strconv.Quote(m.Value))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(s.ID), printable(s.Status.State), s.EndsAt.Local().Format(time.DateTime), oneLine(s.CreatedBy), oneLine(strings.Join(words, " ")), oneLine(s.Comment))
	}
	if n == 0 {
		fmt.Fprintln(out, "no silences")
		return nil
	}
	return w.Flush()
}

func alertNoise(f *settings) *command {
	server, days, asJSON := &checkServer{settings: f}, 7, false
	return &command{
		name: "hulotte alert noise", summary: "Print which rules told too much: flapping, firing always, never acted on, never firing.",
		examples: []string{"hulotte alert noise --days 30"},
		flags: func(fs *flag.FlagSet) {
			server.declare(fs)
			fs.IntVar(&days, "days", days, "how many `DAYS` to look back")
			jsonFlag(fs, &asJSON)
		},
		run: func(_ []string, s streams) int {
			const name = "hulotte alert noise"
			ctx, stop := interrupted()
			defer stop()
			var raw json.RawMessage
			if err := server.get(ctx, "alerts/noise", url.Values{"days": {strconv.Itoa(days)}}, &raw); err != nil {
				return failed(s.err, name, err)
			}
			if asJSON {
				fmt.Fprintf(s.out, "%s\n", raw)
				return exitOK
			}
			var answer struct {
				Rules []explain.Noise `json:"rules"`
			}
			if err := json.Unmarshal(raw, &answer); err != nil {
				return failed(s.err, name, fmt.Errorf("cannot understand the answer of the server: %w", err))
			}
			w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "RULE\tNOISE\tFIRED\tRESOLVED\tFLAPPED\tTIME\tACTED ON")
			for _, r := range answer.Rules {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%d\n", printable(r.Name), printable(r.Kind), r.Fired, r.Resolved, r.Flapping, time.Duration(r.Minutes*float64(time.Minute)).Round(time.Minute), r.Acted)
			}
			if err := w.Flush(); err != nil {
				return failed(s.err, name, err)
			}
			return exitOK
		},
	}
}

func alertTest(f *settings) *command {
	server := &checkServer{settings: f}
	return &command{
		name: "hulotte alert test", args: "RECEIVER [LABEL=VALUE ...]", summary: "Send a test through a receiver, and print what its other side said.",
		examples: []string{"hulotte alert test team-db severity=critical"},
		flags:    func(fs *flag.FlagSet) { server.declare(fs) },
		run: func(args []string, s streams) int {
			const name = "hulotte alert test"
			ctx, stop := interrupted()
			defer stop()
			if len(args) == 0 {
				return failed(s.err, name, errors.New("name a receiver"))
			}
			labels := map[string]string{}
			for _, w := range args[1:] {
				label, value, ok := strings.Cut(w, "=")
				if !ok {
					return failed(s.err, name, fmt.Errorf("%q is no LABEL=VALUE", w))
				}
				labels[label] = value
			}
			var answer struct {
				Deliveries []alert.Delivery `json:"deliveries"`
			}
			if err := server.post(ctx, "receivers/test", map[string]any{"receiver": args[0], "labels": labels}, &answer); err != nil {
				return failed(s.err, name, err)
			}
			code := exitOK
			for _, d := range answer.Deliveries {
				text := "told"
				if !d.OK {
					text, code = "failed: "+d.Error, exitFailed
				}
				fmt.Fprintln(s.out, strings.TrimSpace(fmt.Sprintf("%s[%d]: %s (%.2f s) %s", printable(d.Integration), d.Index, oneLine(text), d.Seconds, oneLine(d.Answer))))
			}
			return code
		},
	}
}
