package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// StatusPages answers what pages for the public show. They say how things are, and never why: no output, no host, no check.
type StatusPages struct {
	// Names are the pages that there are, by what stands in their address.
	Names func() []StatusPageName
	// Page returns one, an error of kind model.NotFound when there is none.
	Page func(ctx context.Context, slug string) (StatusPage, error)
	// Post adds an incident, or changes the one with that ID; Remove takes it away.
	Post   func(ctx context.Context, i Incident) (Incident, error)
	Remove func(ctx context.Context, id string) error
}

// StatusPageName is a page in a list.
type StatusPageName struct {
	Slug  string `json:"slug"`
	Title string `json:"title"`
}

// StatusPage is what one page shows.
type StatusPage struct {
	Slug        string        `json:"slug"`
	Title       string        `json:"title"`
	Description string        `json:"description,omitempty"`
	Status      model.Status  `json:"status"` // the worst of all items
	Groups      []StatusGroup `json:"groups"`
	Incidents   []Incident    `json:"incidents"` // the newest first
	At          time.Time     `json:"at"`
}

// StatusGroup is items under one heading.
type StatusGroup struct {
	Name  string       `json:"name"`
	Items []StatusItem `json:"items"`
}

// StatusItem is one thing that people use.
type StatusItem struct {
	Name   string       `json:"name"`
	Status model.Status `json:"status"`
	// Uptime90d is the share of the last 90 days, from 0 to 1, in which it was not down, as far as it was watched; null before.
	Uptime90d *float64    `json:"uptime_90d"`
	Days      []StatusDay `json:"days"` // the oldest first
}

// StatusDay is how one day went, in UTC.
type StatusDay struct {
	Day         string       `json:"day"`    // 2026-01-31
	Status      model.Status `json:"status"` // the worst hard one; PENDING when it was not watched
	DownSeconds int          `json:"down_seconds"`
}

// Incident is what people are told of a disturbance.
type Incident struct {
	ID       string           `json:"id"`
	Pages    []string         `json:"pages,omitempty"` // slugs; all when empty
	Title    string           `json:"title"`
	Resolved bool             `json:"resolved"`
	Started  time.Time        `json:"started"`
	Updates  []IncidentUpdate `json:"updates"` // the newest first
}

// IncidentUpdate is one message about an incident.
type IncidentUpdate struct {
	At time.Time `json:"at"`
	// State is investigating, identified, monitoring, resolved or maintenance.
	State string `json:"state"`
	Text  string `json:"text"`
}

// incidentStates are those that an update may have.
var incidentStates = map[string]bool{"investigating": true, "identified": true, "monitoring": true, "resolved": true, "maintenance": true}

func (a *api) statusPageRoutes() []route {
	const base = "/api/hulotte/v1/"
	return []route{
		{"GET", base + "status-pages", a.json(a.statusPages)},
		{"GET", base + "status-page", a.json(a.statusPage)},
		{"POST", base + "status-pages/incident", a.sameSite(a.checkAction(a.postIncident))},
		{"POST", base + "status-pages/incident/remove", a.sameSite(a.checkAction(a.removeIncident))},
	}
}

func (a *api) statusPages(r *http.Request) (*result, error) {
	names := []StatusPageName{}
	if a.StatusPages.Names != nil && ours(r.Context()) {
		names = append(names, a.StatusPages.Names()...)
	}
	return &result{data: map[string]any{"pages": names}}, nil
}

// statusPage answers GET /api/hulotte/v1/status-page?slug=, which needs no login.
func (a *api) statusPage(r *http.Request) (*result, error) {
	if a.StatusPages.Page == nil || !ours(r.Context()) {
		return nil, notServed("status pages")
	}
	p, err := a.StatusPages.Page(r.Context(), r.Form.Get("slug"))
	if err != nil {
		return nil, checkError(err)
	}
	return &result{data: p}, nil
}

// postIncident takes a new incident, or a further update of one.
func (a *api) postIncident(r *http.Request, _ string) (any, error) {
	var in struct {
		ID    string   `json:"id"`
		Pages []string `json:"pages"`
		Title string   `json:"title"`
		State string   `json:"state"`
		Text  string   `json:"text"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	switch {
	case a.StatusPages.Post == nil:
		return nil, notServed("status pages")
	case !incidentStates[in.State]:
		return nil, badData(`"state" is %q: write investigating, identified, monitoring, resolved or maintenance`, cutText(in.State, 40))
	case in.ID == "" && in.Title == "":
		return nil, badData(`"title" is missing`)
	case len(in.Title) > 300 || len(in.Text) > maxComment || len(in.Pages) > 100 || len(in.ID) > 100:
		return nil, badData("the incident is too long: at most 300 bytes of title and %d of text", maxComment)
	}
	now := a.Now().UTC()
	return a.StatusPages.Post(r.Context(), Incident{
		ID: in.ID, Pages: in.Pages, Title: in.Title, Started: now, Resolved: in.State == "resolved",
		Updates: []IncidentUpdate{{At: now, State: in.State, Text: in.Text}},
	})
}

func (a *api) removeIncident(r *http.Request, _ string) (any, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if a.StatusPages.Remove == nil {
		return nil, notServed("status pages")
	}
	if in.ID == "" {
		return nil, badData(`"id" is missing`)
	}
	if err := a.StatusPages.Remove(r.Context(), in.ID); err != nil {
		return nil, fmt.Errorf("cannot remove the incident: %w", err)
	}
	return done(1), nil
}

// Days splits what a check was into the days of the public's bars; see StatusItem.
func Days(spans []StateSpan, now time.Time, days int) ([]StatusDay, *float64) {
	out := make([]StatusDay, days)
	first := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	var watched, down time.Duration
	for i := range out {
		start := first.AddDate(0, 0, i)
		d := StatusDay{Day: start.Format(time.DateOnly), Status: model.Pending}
		for _, s := range spans {
			length := overlap(s, start, start.AddDate(0, 0, 1))
			if length <= 0 || s.Status == model.Pending {
				continue
			}
			watched += length
			status := s.Status
			if !s.Hard {
				status = model.OK
			}
			if status == model.Critical {
				down += length
				d.DownSeconds += int(length.Seconds())
			}
			if d.Status == model.Pending || status.Severity() > d.Status.Severity() {
				d.Status = status
			}
		}
		out[i] = d
	}
	if watched == 0 {
		return out, nil
	}
	up := 1 - down.Seconds()/watched.Seconds()
	return out, &up
}

// overlap is how long a span lasted between two times.
func overlap(s StateSpan, from, to time.Time) time.Duration {
	if s.From.After(from) {
		from = s.From
	}
	if s.To.Before(to) {
		to = s.To
	}
	return to.Sub(from)
}
