package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/runbook"
)

// Runbooks are procedures, and who did which step of them. They are those of the default tenant.
type Runbooks interface {
	All() []*runbook.Runbook
	Get(id string) (*runbook.Runbook, bool)
	For(labels map[string]string, runbookURL string) []*runbook.Runbook
	// Hides says whether deleting a document brings back a runbook of the program or of a file.
	Hides(id string) bool
	Put(ctx context.Context, id, text, by string, version uint64) (uint64, error)
	Delete(ctx context.Context, id string, version uint64) error
	// Do keeps what somebody says of a step, and returns all that was said for the alert.
	Do(ctx context.Context, fingerprint string, d runbook.Done) ([]runbook.Done, error)
	Log(ctx context.Context, fingerprint string, since time.Time) ([]runbook.Done, error)
}

func (a *api) runbookRoutes() []route {
	const base = "/api/hulotte/v1/"
	do := func(f func(*http.Request, string) (any, error)) http.Handler {
		return a.sameSite(a.json(func(r *http.Request) (*result, error) { return a.runbookAnswer(r, f) }))
	}
	return []route{
		{"GET", base + "runbooks", do(a.runbooks)},
		{"GET PUT DELETE", base + "runbook", do(func(r *http.Request, by string) (any, error) {
			switch r.Method {
			case http.MethodPut:
				return a.putRunbook(r, by)
			case http.MethodDelete:
				return a.deleteRunbook(r, by)
			}
			return a.runbook(r, by)
		})},
		{"GET", base + "runbook/for", do(a.runbookFor)},
		{"POST", base + "runbook/step", do(a.runbookStep)},
		{"GET", base + "runbook/steps", do(a.runbookSteps)},
	}
}

// runbookAnswer answers for what belongs to the default tenant.
func (a *api) runbookAnswer(r *http.Request, f func(*http.Request, string) (any, error)) (*result, error) {
	if !ours(r.Context()) {
		return nil, errOtherTenant
	}
	if a.Runbooks == nil {
		return nil, notServed("runbooks")
	}
	data, err := f(r, actor(r))
	if err != nil {
		return nil, checkError(err)
	}
	return &result{data: data}, nil
}

// runbookHead is a runbook in a list.
type runbookHead struct {
	ID      string         `json:"id"`
	Title   string         `json:"title"`
	Source  runbook.Source `json:"source"`
	Path    string         `json:"path,omitempty"`
	Match   []string       `json:"match"`
	Steps   int            `json:"steps"`
	Version uint64         `json:"version,omitempty"` // of documents, with who wrote it and when
	By      string         `json:"by,omitempty"`
	At      *time.Time     `json:"at,omitempty"`
	Hides   bool           `json:"hides,omitempty"` // deleting it brings back one of the program or of a file
}

func (a *api) headOf(r *runbook.Runbook) runbookHead {
	h := runbookHead{ID: r.ID, Title: r.Title, Source: r.Source, Path: r.Path, Match: []string{}, Steps: len(r.Steps), Version: r.Version, By: r.By}
	for _, m := range r.Match {
		h.Match = append(h.Match, m.String())
	}
	if r.Source == runbook.FromDocument {
		at := r.At
		h.At, h.Hides = &at, a.Runbooks.Hides(r.ID)
	}
	return h
}

// runbookBody is a runbook as it is shown.
type runbookBody struct {
	runbookHead
	// Text is Markdown as it is edited; Filled is the same with the labels of an alert in its queries.
	Text   string         `json:"text"`
	Filled string         `json:"filled"`
	Tasks  []taskJSON     `json:"tasks"`
	Panels []panelJSON    `json:"panels"`
	Done   []runbook.Done `json:"done,omitempty"` // with fingerprint: the last that was said of each step
}

type taskJSON struct {
	Step int    `json:"step"` // counts from 0
	Text string `json:"text"`
	Line int    `json:"line"` // of the text, from 1
}

type panelJSON struct {
	Language string `json:"language"`
	Query    string `json:"query"` // with the labels of the alert in it
	Line     int    `json:"line"`  // where its block begins
}

func (a *api) bodyOf(req *http.Request, r *runbook.Runbook, labels map[string]string) (*runbookBody, error) {
	b := &runbookBody{runbookHead: a.headOf(r), Text: r.Text, Filled: r.Filled(labels), Tasks: []taskJSON{}, Panels: []panelJSON{}}
	for i, s := range r.Steps {
		b.Tasks = append(b.Tasks, taskJSON{i, s.Text, s.Line})
	}
	for _, p := range r.Panels {
		b.Panels = append(b.Panels, panelJSON{p.Language, p.Fill(labels), p.Line})
	}
	if fingerprint := req.Form.Get("fingerprint"); fingerprint != "" {
		log, err := a.runbookLog(req, fingerprint)
		if err != nil {
			return nil, err
		}
		b.Done = emptyList(r.State(log))
	}
	return b, nil
}

// runbookLog is what was done for an alert, since the time that the parameter since names.
func (a *api) runbookLog(r *http.Request, fingerprint string) ([]runbook.Done, error) {
	var since time.Time
	if s := r.Form.Get("since"); s != "" {
		var err error
		if since, err = parseTime(s); err != nil {
			return nil, badParam("since", err)
		}
	}
	return a.Runbooks.Log(r.Context(), fingerprint, since)
}

// runbookLabels are the labels of the alert that a runbook is looked at for; there may be none.
func runbookLabels(r *http.Request) (map[string]string, error) {
	if len(r.Form["label"]) == 0 {
		return nil, nil
	}
	return labelParams(r)
}

func (a *api) runbooks(r *http.Request, _ string) (any, error) {
	q := strings.ToLower(r.Form.Get("q"))
	out := []runbookHead{}
	for _, b := range a.Runbooks.All() {
		if q == "" || strings.Contains(strings.ToLower(b.ID+"\n"+b.Text), q) {
			out = append(out, a.headOf(b))
		}
	}
	return map[string]any{"at": a.Now().UTC(), "runbooks": out}, nil
}

func (a *api) runbook(r *http.Request, _ string) (any, error) {
	id := r.Form.Get("id")
	b, ok := a.Runbooks.Get(id)
	if !ok {
		return nil, &apiError{kind: errNotFound, err: fmt.Errorf("there is no runbook %q", cutText(id, 200))}
	}
	labels, err := runbookLabels(r)
	if err != nil {
		return nil, err
	}
	return a.bodyOf(r, b, labels)
}

// runbookFor answers the runbook of an alert, and the names of others that are for it as well; null when there is none.
func (a *api) runbookFor(r *http.Request, _ string) (any, error) {
	labels, err := runbookLabels(r)
	if err != nil {
		return nil, err
	}
	others := []runbookHead{}
	var best *runbookBody
	for i, b := range a.Runbooks.For(labels, r.Form.Get("url")) {
		if i > 0 {
			others = append(others, a.headOf(b))
		} else if best, err = a.bodyOf(r, b, labels); err != nil {
			return nil, err
		}
	}
	return map[string]any{"runbook": best, "others": others}, nil
}

func (a *api) putRunbook(r *http.Request, by string) (any, error) {
	var in struct {
		ID      string `json:"id"`
		Text    string `json:"text"`
		Version uint64 `json:"version"` // 0: there is no document yet
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	v, err := a.Runbooks.Put(r.Context(), in.ID, in.Text, by, in.Version)
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": in.ID, "version": v}, nil
}

func (a *api) deleteRunbook(r *http.Request, _ string) (any, error) {
	var in struct {
		ID      string `json:"id"`
		Version uint64 `json:"version"` // 0 is whichever is there
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.ID == "" {
		return nil, badData(`"id" is empty`)
	}
	return map[string]any{"id": in.ID}, a.Runbooks.Delete(r.Context(), in.ID, in.Version)
}

// runbookStep keeps that a step was done, or not after all.
func (a *api) runbookStep(r *http.Request, by string) (any, error) {
	var in struct {
		Fingerprint string    `json:"fingerprint"`
		Runbook     string    `json:"runbook"`
		Step        *int      `json:"step"`
		Done        *bool     `json:"done"` // true when it is missing
		Comment     string    `json:"comment"`
		Since       time.Time `json:"since"` // since when the alert lasts, for the answer
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.Step == nil {
		return nil, badData(`"step" is missing: the number of the step, from 0`)
	}
	d := runbook.Done{Runbook: in.Runbook, Step: *in.Step, Done: in.Done == nil || *in.Done, By: by, Comment: in.Comment}
	log, err := a.Runbooks.Do(r.Context(), in.Fingerprint, d)
	if err != nil {
		return nil, err
	}
	return a.stepsJSON(in.Fingerprint, log, in.Since), nil
}

func (a *api) runbookSteps(r *http.Request, _ string) (any, error) {
	fingerprint := r.Form.Get("fingerprint")
	log, err := a.runbookLog(r, fingerprint)
	if err != nil {
		return nil, err
	}
	return a.stepsJSON(fingerprint, log, time.Time{}), nil
}

// stepsJSON has everything that was done for an alert, oldest first, and the last of it for each step of the runbooks as they are now.
func (a *api) stepsJSON(fingerprint string, log []runbook.Done, since time.Time) any {
	steps, seen, lasting := []runbook.Done{}, map[string]bool{}, []runbook.Done{}
	for _, d := range log {
		if !d.At.Before(since) {
			lasting = append(lasting, d)
		}
	}
	for _, d := range lasting {
		if b, ok := a.Runbooks.Get(d.Runbook); ok && !seen[d.Runbook] {
			seen[d.Runbook] = true
			steps = append(steps, b.State(lasting)...)
		}
	}
	return map[string]any{"fingerprint": fingerprint, "steps": steps, "log": lasting}
}
