package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Selector says whether a downtime is about a check, by its ID and labels.
type Selector func(id string, lbls map[string]string) bool

// Select prepares the Checks and Matchers of a downtime. One of a host, by the ID of its check, is about all that runs on it.
func Select(d check.Downtime) (Selector, error) {
	matchers, err := parseMatchers(d.Matchers)
	if err != nil {
		return nil, err
	}
	return func(id string, lbls map[string]string) bool {
		return named(d.Checks, id) || len(matchers) > 0 && match(matchers, lbls)
	}, nil
}

func named(checks []string, id string) bool {
	host, _, _ := strings.Cut(id, "/")
	return slices.ContainsFunc(checks, func(c string) bool {
		return c == "*" || c == id || c == host+"/*" || c == hostID(host)
	})
}

func match(matchers []*labels.Matcher, lbls map[string]string) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(lbls[m.Name]) })
}

func parseMatchers(texts []string) ([]*labels.Matcher, error) {
	var out []*labels.Matcher
	p := parser.NewParser(parser.Options{})
	for _, text := range texts {
		m, err := p.ParseMetricSelector("{" + strings.Trim(strings.TrimSpace(text), "{}") + "}")
		if err != nil {
			return nil, invalid(`the matcher %q cannot be read (%s): write it like team="web" or host=~"db.*"`, text, err)
		}
		out = append(out, m...)
	}
	return out, nil
}

// maxDowntime bounds one time of a downtime, so that a typing error in a year is found.
const maxDowntime = 10 * 366 * 24 * time.Hour

// Validate says what is wrong with a downtime, by its fields' JSON names.
func Validate(d check.Downtime) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, invalid(format, args...)) }
	if len(d.Checks) == 0 && len(d.Matchers) == 0 {
		bad(`checks or matchers: say what the downtime is about, "*" for everything`)
	}
	for _, c := range d.Checks {
		if host, name, ok := strings.Cut(c, "/"); c != "*" && (!ok || host == "" || name == "" || host == "*" || strings.Contains(name, "/")) {
			bad(`checks: %q names no check: write host/check, host/* or *`, c)
		}
	}
	if _, err := parseMatchers(d.Matchers); err != nil {
		bad("matchers: %s", err)
	}
	switch {
	case d.Start.IsZero() || d.End.IsZero():
		bad("start and end: both are needed")
	case !d.End.After(d.Start):
		bad("end: it must be after start")
	case d.End.Sub(d.Start) > maxDowntime:
		bad("end: more than ten years after start")
	}
	switch {
	case d.Flexible && d.Length <= 0:
		bad("length: a flexible downtime needs how long it lasts once it began")
	case !d.Flexible && d.Trigger == "" && d.Length != 0:
		bad("length: only a flexible or triggered downtime has one; a fixed one lasts from start to end")
	case d.Length < 0:
		bad("length: it must not be negative")
	}
	if d.Trigger != "" && d.Trigger == d.ID {
		bad("trigger: a downtime cannot start itself")
	}
	if d.Trigger != "" && d.Every != nil {
		bad("trigger: a downtime that another one starts comes whenever that one does; leave every out")
	}
	if d.Every != nil && len(errs) == 0 {
		errs = append(errs, validateEvery(d))
	}
	return errors.Join(errs...)
}

func invalid(format string, args ...any) error {
	return model.NewError(model.Invalid, fmt.Sprintf(format, args...))
}

// On says whether a downtime is on for a check in state st. A flexible one that did not begin yet is on from the first
// problem between Start and End: see Begins. Of one with a Trigger it knows only Began; Active follows triggers.
func On(d check.Downtime, id string, lbls map[string]string, st check.State, at time.Time) bool {
	is, err := Select(d)
	return err == nil && is(id, lbls) && Open(d, nil, id, st, at)
}

// Active returns those of all downtimes that are on for a check, by ID, in the order given.
func Active(all []check.Downtime, id string, lbls map[string]string, st check.State, at time.Time) []string {
	var ids []string
	for _, d := range all {
		if is, err := Select(d); err == nil && is(id, lbls) && Open(d, all, id, st, at) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// Begins says whether a flexible downtime begins now for a check that the Selector took: the caller remembers at in Began[id].
// For an answer that just came st is the state with the new status, so that the problem that begins a downtime is in it.
func Begins(d check.Downtime, id string, st check.State, at time.Time) bool {
	if !d.Flexible || d.Trigger != "" || !bad(st.Status) || lasts(d, d.Began[id], at) {
		return false
	}
	start, end, ok := window(d, at)
	if !ok || at.Before(start) || !at.Before(end) {
		return false
	}
	// Once in each window: a problem that comes after Length is a new one.
	began := d.Began[id]
	return began.IsZero() || began.Before(start)
}

// Open is On for a check that the downtime's Selector took. all is where triggers are looked up; it may be nil.
func Open(d check.Downtime, all []check.Downtime, id string, st check.State, at time.Time) bool {
	switch {
	case d.Trigger != "":
		return lasts(d, d.Began[id], at) || triggered(d, all, at, nil)
	case d.Flexible:
		return lasts(d, d.Began[id], at) || Begins(d, id, st, at)
	}
	start, end, ok := window(d, at)
	return ok && !at.Before(start) && at.Before(end)
}

func lasts(d check.Downtime, began, at time.Time) bool {
	return !began.IsZero() && !at.Before(began) && at.Before(began.Add(time.Duration(d.Length)))
}

// triggered says whether the downtime that starts d began at most d.Length ago, or is on when d has no Length.
// The times of d itself bound it. seen are the downtimes on the way, against rings of triggers.
func triggered(d check.Downtime, all []check.Downtime, at time.Time, seen []string) bool {
	if at.Before(d.Start) || !at.Before(d.End) || slices.Contains(seen, d.ID) {
		return false
	}
	began, until, ok := began(d.Trigger, all, at, append(seen, d.ID))
	if !ok {
		return false
	}
	if d.Length > 0 {
		until = began.Add(time.Duration(d.Length))
	}
	return !at.Before(began) && at.Before(until)
}

// began returns from when to when the downtime id was last on, for any check.
func began(id string, all []check.Downtime, at time.Time, seen []string) (from, until time.Time, ok bool) {
	i := slices.IndexFunc(all, func(d check.Downtime) bool { return d.ID == id })
	if i < 0 || slices.Contains(seen, id) {
		return from, until, false
	}
	d := all[i]
	switch {
	case d.Trigger != "":
		from, until, ok = began(d.Trigger, all, at, append(seen, id))
		if d.Length > 0 {
			until = from.Add(time.Duration(d.Length))
		}
		return from, until, ok
	case d.Flexible:
		for _, b := range d.Began {
			if !b.After(at) && b.After(from) {
				from, ok = b, true
			}
		}
		return from, from.Add(time.Duration(d.Length)), ok
	}
	return lastWindow(d, at)
}
