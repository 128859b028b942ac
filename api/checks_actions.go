package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// action is the body of what people do to several checks.
type action struct {
	Checks  []string  `json:"checks"`
	Comment string    `json:"comment"`
	Until   time.Time `json:"until"`
	Sticky  *bool     `json:"sticky"`
}

func readAction(r *http.Request) (action, error) {
	var do action
	if err := readBody(r, &do); err != nil {
		return do, err
	}
	switch {
	case len(do.Checks) == 0:
		return do, badData(`"checks" is empty: name the checks by id, such as ["web1/http"]`)
	case len(do.Checks) > maxCheckIDs:
		return do, badData(`"checks" names %d checks: at most %d at a time`, len(do.Checks), maxCheckIDs)
	case len(do.Comment) > maxComment:
		return do, badData(`"comment" is longer than %d bytes`, maxComment)
	}
	return do, nil
}

func (a *api) acknowledge(r *http.Request, by string) (any, error) {
	do, err := readAction(r)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	if !do.Until.IsZero() && !do.Until.After(now) {
		return nil, badData(`"until" is over: %s`, do.Until.Format(time.RFC3339))
	}
	ack := check.Ack{By: by, Comment: do.Comment, At: now.UTC(), Until: do.Until, Sticky: do.Sticky == nil || *do.Sticky}
	return done(len(do.Checks)), a.Checks.Engine.Acknowledge(r.Context(), do.Checks, ack)
}

func (a *api) unacknowledge(r *http.Request, by string) (any, error) {
	do, err := readAction(r)
	if err != nil {
		return nil, err
	}
	return done(len(do.Checks)), a.Checks.Engine.Unacknowledge(r.Context(), do.Checks, by, do.Comment)
}

func (a *api) recheck(r *http.Request, by string) (any, error) {
	do, err := readAction(r)
	if err != nil {
		return nil, err
	}
	return done(len(do.Checks)), a.Checks.Engine.Recheck(do.Checks, by)
}

func (a *api) comment(r *http.Request, by string) (any, error) {
	do, err := readAction(r)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(do.Comment) == "" {
		return nil, badData(`"comment" is empty`)
	}
	for _, id := range do.Checks {
		if err := a.Checks.Engine.Comment(r.Context(), id, by, do.Comment); err != nil {
			return nil, err
		}
	}
	return done(len(do.Checks)), nil
}

// done says of how many checks something was done.
func done(n int) any { return map[string]int{"checks": n} }

// submitResult takes the result of a passive check.
func (a *api) submitResult(r *http.Request, _ string) (any, error) {
	var in struct {
		Host   string       `json:"host"`
		Check  string       `json:"check"` // the host's own when empty
		Status model.Status `json:"status"`
		Output string       `json:"output"`
		Long   string       `json:"long_output"`
		Perf   string       `json:"perf"`
	}
	in.Status = -1
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.Status < model.OK || in.Status > model.Unknown {
		return nil, badData(`"status" is missing: OK, WARNING, CRITICAL or UNKNOWN`)
	}
	if in.Check == "" {
		in.Check = check.HostCheck
	}
	result := model.CheckResult{Status: in.Status, Output: in.Output, Long: cutText(in.Long, longOutputBytes), Start: a.Now()}
	if a.Checks.Perf != nil {
		result.Perf = a.Checks.Perf(in.Perf)
	}
	return done(1), a.Checks.Engine.Submit(r.Context(), in.Host, in.Check, result)
}

// runCheck asks once, for whoever tries a check out.
func (a *api) runCheck(r *http.Request, _ string) (any, error) {
	var in struct {
		Host check.Host `json:"host"`
		Spec check.Spec `json:"spec"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if a.Checks.Run == nil || !a.AdminAPI && !declaredKind(in.Spec.Kind) {
		return nil, &apiError{kind: errBadData, status: http.StatusForbidden,
			err: fmt.Errorf("checks of the kind %q may be tried out here with server.admin_api: true only, as they run commands", cutText(in.Spec.Kind, 50))}
	}
	result, err := a.Checks.Run(r.Context(), in.Host, in.Spec)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"status": result.Status, "output": result.Output, "long_output": result.Long, "perf": emptyList(result.Perf),
		"start": result.Start, "duration": check.Duration(result.Duration),
	}, nil
}

// declaredKind says whether anybody may try out checks of a kind: not those that run commands or read files of this machine.
func declaredKind(kind string) bool {
	switch kind {
	case "plugin", "nrpe", "file", "certificate":
		return false
	}
	return true
}

func (a *api) downtimes(*http.Request) (any, error) {
	return map[string]any{"at": a.Now().UTC(), "downtimes": emptyList(a.Checks.Engine.Downtimes())}, nil
}

func readDowntime(r *http.Request) (check.Downtime, error) {
	var d check.Downtime
	if err := readBody(r, &d); err != nil {
		return d, err
	}
	if len(d.Checks) > maxCheckIDs || len(d.Matchers) > 100 {
		return d, badData("the downtime names too much: at most %d checks and 100 matchers", maxCheckIDs)
	}
	if len(d.Comment) > maxComment {
		return d, badData(`"comment" is longer than %d bytes`, maxComment)
	}
	return d, nil
}

func (a *api) addDowntime(r *http.Request, by string) (any, error) {
	d, err := readDowntime(r)
	if err != nil {
		return nil, err
	}
	d.ID, d.By, d.Created, d.Began = "", by, a.Now().UTC(), nil
	return a.Checks.Engine.AddDowntime(r.Context(), d)
}

func (a *api) endDowntime(r *http.Request, by string) (any, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	return done(1), a.Checks.Engine.EndDowntime(r.Context(), in.ID, by)
}

func (a *api) previewDowntime(r *http.Request, _ string) (any, error) {
	d, err := readDowntime(r)
	if err != nil {
		return nil, err
	}
	if a.Checks.Preview == nil {
		return nil, notServed("downtimes")
	}
	ids, next, err := a.Checks.Preview(d)
	if err != nil {
		return nil, err
	}
	return map[string]any{"checks": emptyList(ids), "next": emptyList(next)}, nil
}
