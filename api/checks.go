package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// CheckEngine is what runs and remembers checks.
type CheckEngine interface {
	// Views returns the checks that filter keeps: problems that nobody handles first, by severity and age.
	Views(filter func(*check.View) bool) []check.View
	View(id string) (check.View, bool)
	Hosts() []check.Host
	Submit(ctx context.Context, host, name string, r model.CheckResult) error
	Recheck(ids []string, by string) error
	Acknowledge(ctx context.Context, ids []string, a check.Ack) error
	Unacknowledge(ctx context.Context, ids []string, by, comment string) error
	Comment(ctx context.Context, id, by, text string) error
	AddDowntime(ctx context.Context, d check.Downtime) (check.Downtime, error)
	EndDowntime(ctx context.Context, id, by string) error
	Downtimes() []check.Downtime
}

// Checks answers what people ask about checks. They are those of the default tenant. A nil function answers that the thing
// is not there.
type Checks struct {
	Engine  CheckEngine // nil without checks
	Summary func() any
	Explain func(id string) (any, error)
	// Dependents are the checks that wait for one.
	Dependents func(id string) []string
	// History returns changes of a check, the newest first.
	History func(ctx context.Context, id string, from, to time.Time, limit int) ([]check.Change, error)
	// Run asks once, and remembers nothing.
	Run func(ctx context.Context, host check.Host, spec check.Spec) (model.CheckResult, error)
	// Preview returns the IDs that a downtime concerns, and its next times.
	Preview func(d check.Downtime) (ids []string, next []Interval, err error)
	// Perf reads performance data as plugins write it.
	Perf func(text string) []model.Perf
	// Services returns what was discovered.
	Services func() any
	// Endpoints take results from outside, such as heartbeats; each decides by itself whom it believes.
	Endpoints []Endpoint
}

// Interval is a time from when until when.
type Interval struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

const (
	maxCheckBody    = 1 << 20 // bytes of a request's JSON
	maxCheckIDs     = 10_000  // checks of one action
	maxComment      = 4096    // bytes
	maxHistory      = 10_000
	defaultHistory  = 500
	historyDays     = 90
	longOutputBytes = 1 << 20
)

func (a *api) checkRoutes() []route {
	const base = "/api/hulotte/v1/"
	do := func(f func(*http.Request, string) (any, error)) http.Handler { return a.sameSite(a.checkAction(f)) }
	table := []route{
		{"GET", base + "checks", a.checkJSON(a.checks)},
		{"GET", base + "check", a.checkJSON(a.check)},
		{"GET", base + "check/history", a.checkJSON(a.checkHistory)},
		{"GET", base + "check/timeline", a.checkJSON(a.checkTimeline)},
		{"GET", base + "hosts-checked", a.checkJSON(a.hostsChecked)},
		{"GET POST", base + "downtimes", a.sameSite(a.checkAction(func(r *http.Request, by string) (any, error) {
			if r.Method == http.MethodPost {
				return a.addDowntime(r, by)
			}
			return a.downtimes(r)
		}))},
		{"GET", base + "services", a.checkJSON(a.services)},
		{"POST", base + "checks/ack", do(a.acknowledge)},
		{"POST", base + "checks/unack", do(a.unacknowledge)},
		{"POST", base + "checks/recheck", do(a.recheck)},
		{"POST", base + "checks/comment", do(a.comment)},
		{"POST", base + "checks/result", do(a.submitResult)},
		{"POST", base + "checks/run", do(a.runCheck)},
		{"POST", base + "downtimes/end", do(a.endDowntime)},
		{"POST", base + "downtimes/preview", do(a.previewDowntime)},
	}
	for _, e := range a.Checks.Endpoints {
		table = append(table, route{e.Methods, e.Path, e.Handler})
	}
	return table
}

// checkJSON answers whoever may ask about checks.
func (a *api) checkJSON(f func(*http.Request) (any, error)) http.Handler {
	return a.json(func(r *http.Request) (*result, error) {
		if err := a.admitChecks(r); err != nil {
			return nil, err
		}
		data, err := f(r)
		if err != nil {
			return nil, checkError(err)
		}
		return &result{data: data}, nil
	})
}

// checkAction is checkJSON for what changes something: f gets who asks for it.
func (a *api) checkAction(f func(r *http.Request, by string) (any, error)) http.Handler {
	return a.checkJSON(func(r *http.Request) (any, error) { return f(r, actor(r)) })
}

func (a *api) admitChecks(r *http.Request) error {
	if !ours(r.Context()) {
		return errOtherTenant
	}
	if a.Checks.Engine == nil {
		return notServed("checks")
	}
	return nil
}

// actor is who does something, for the history: whom the request logs in as, else who it says it is, else where it comes from.
func actor(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return cutText(user, 100)
	}
	if name := r.Header.Get("X-Hulotte-User"); name != "" {
		return cutText(name, 100)
	}
	return "web"
}

// checkError gives an error of the engine the API's kind.
func checkError(err error) error {
	var ready *apiError
	if errors.As(err, &ready) {
		return err
	}
	return storageError(err)
}

// readBody reads the JSON of a request; unknown names are errors.
func readBody(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCheckBody+1))
	if err != nil {
		return badData("cannot read the request: %w", err)
	}
	if len(body) > maxCheckBody {
		return tooLarge("the JSON in the body", maxCheckBody)
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badData("the body is not what is meant here: %w", err)
	}
	return nil
}

// checks answers GET /api/hulotte/v1/checks.
func (a *api) checks(r *http.Request) (any, error) {
	keep, err := checkFilter(r)
	if err != nil {
		return nil, err
	}
	limit, err := countParam(r, "limit", 0)
	if err != nil {
		return nil, err
	}
	views := a.Checks.Engine.Views(keep)
	total := len(views)
	if limit > 0 && limit < total {
		views = views[:limit]
	}
	for i := range views {
		views[i].Long, views[i].Recent = "", nil
	}
	return map[string]any{"at": a.Now().UTC(), "summary": a.checkSummary(), "total": total, "checks": emptyList(views)}, nil
}

func (a *api) checkSummary() any {
	if a.Checks.Summary == nil {
		return nil
	}
	return a.Checks.Summary()
}

// checkFilter reads what a list of checks is asked to hold.
func checkFilter(r *http.Request) (func(*check.View) bool, error) {
	problem, err := boolParam(r, "problem")
	if err != nil {
		return nil, err
	}
	unhandled, err := boolParam(r, "unhandled")
	if err != nil {
		return nil, err
	}
	var statuses []model.Status
	for _, text := range r.Form["status"] {
		var s model.Status
		if err := s.UnmarshalText([]byte(text)); err != nil {
			return nil, badParam("status", err)
		}
		statuses = append(statuses, s)
	}
	host, service, group := r.Form.Get("host"), r.Form.Get("service"), r.Form.Get("group")
	q := strings.ToLower(r.Form.Get("q"))
	return func(v *check.View) bool {
		return (!problem || v.Problem()) &&
			(!unhandled || v.Problem() && v.Handled == "") &&
			(len(statuses) == 0 || slices.Contains(statuses, v.Status)) &&
			(host == "" || v.Spec.Host == host) &&
			(service == "" || v.Spec.Service == service) &&
			(group == "" || slices.Contains(v.Spec.Groups, group)) &&
			(q == "" || strings.Contains(strings.ToLower(v.ID), q) || strings.Contains(strings.ToLower(v.Output), q))
	}, nil
}

// countParam reads a number that is not negative.
func countParam(r *http.Request, name string, missing int) (int, error) {
	s := r.Form.Get(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badParam(name, fmt.Errorf("%q is no number of things", cutText(s, 40)))
	}
	return n, nil
}

// emptyList is x, which JSON writes as [] when it is empty.
func emptyList[T any](x []T) []T {
	if x == nil {
		return []T{}
	}
	return x
}

func (a *api) checkOf(r *http.Request) (check.View, error) {
	id := r.Form.Get("id")
	v, ok := a.Checks.Engine.View(id)
	if !ok {
		return v, &apiError{kind: errNotFound, err: fmt.Errorf("there is no check %q: ids are host/name", cutText(id, 300))}
	}
	return v, nil
}

// check answers GET /api/hulotte/v1/check.
func (a *api) check(r *http.Request) (any, error) {
	v, err := a.checkOf(r)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"at": a.Now().UTC(), "view": v}
	for _, h := range a.Checks.Engine.Hosts() {
		if h.Name == v.Spec.Host {
			out["host"] = h
		}
	}
	if a.Checks.Explain != nil {
		if out["explain"], err = a.Checks.Explain(v.ID); err != nil {
			return nil, err
		}
	}
	if a.Checks.Dependents != nil {
		out["dependents"] = emptyList(a.Checks.Dependents(v.ID))
	}
	return out, nil
}

// changes reads the history of the check that a request names.
func (a *api) changes(r *http.Request, missing int) (v check.View, from, to time.Time, changes []check.Change, err error) {
	if v, err = a.checkOf(r); err != nil {
		return
	}
	now := a.Now()
	if from, err = unixParam(r, "from", now.AddDate(0, 0, -historyDays)); err != nil {
		return
	}
	if to, err = unixParam(r, "to", now); err != nil {
		return
	}
	limit, err := countParam(r, "limit", missing)
	if err != nil {
		return
	}
	if a.Checks.History == nil {
		err = notServed("the history of checks")
		return
	}
	changes, err = a.Checks.History(r.Context(), v.ID, from, to, min(limit, maxHistory))
	return
}

// checkHistory answers GET /api/hulotte/v1/check/history.
func (a *api) checkHistory(r *http.Request) (any, error) {
	_, _, _, changes, err := a.changes(r, defaultHistory)
	if err != nil {
		return nil, err
	}
	return map[string]any{"changes": emptyList(changes)}, nil
}

// checkTimeline answers GET /api/hulotte/v1/check/timeline.
func (a *api) checkTimeline(r *http.Request) (any, error) {
	v, from, to, changes, err := a.changes(r, maxHistory)
	if err != nil {
		return nil, err
	}
	spans := Timeline(v.State, changes, from, to)
	return map[string]any{"spans": emptyList(spans), "availability": availability(spans)}, nil
}

// hostsChecked answers GET /api/hulotte/v1/hosts-checked.
func (a *api) hostsChecked(*http.Request) (any, error) {
	type row struct {
		Host     check.Host   `json:"host"`
		View     *check.View  `json:"view"` // of the host's own check
		Worst    model.Status `json:"worst"`
		Checks   int          `json:"checks"`
		Problems int          `json:"problems"` // that nobody handles
	}
	hosts := a.Checks.Engine.Hosts()
	rows, at := make([]row, len(hosts)), map[string]int{}
	for i, h := range hosts {
		rows[i], at[h.Name] = row{Host: h}, i
	}
	for _, v := range a.Checks.Engine.Views(nil) {
		i, ok := at[v.Spec.Host]
		if !ok {
			continue
		}
		h := &rows[i]
		h.Checks++
		if v.Problem() && v.Handled == "" {
			h.Problems++
		}
		if v.Status.Severity() > h.Worst.Severity() {
			h.Worst = v.Status
		}
		if v.Spec.Name == check.HostCheck {
			v.Long, v.Recent = "", nil
			h.View = &v
		}
	}
	return map[string]any{"hosts": rows}, nil
}

// services answers GET /api/hulotte/v1/services.
func (a *api) services(*http.Request) (any, error) {
	if a.Checks.Services == nil {
		return map[string]any{"services": []any{}}, nil
	}
	return map[string]any{"services": a.Checks.Services()}, nil
}
