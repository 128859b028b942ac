package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

const (
	incidentKind  = "incident" // of documents
	statusDays    = 90
	statusKept    = 30 * time.Second // how long a page is answered from memory: anybody may ask for it
	incidentsKept = 90 * 24 * time.Hour
	maxIncidents  = 1000
	maxUpdates    = 100 // of one incident
	statusHistory = 10_000
)

var errNoStatusPage = model.NewError(model.NotFound, "there is no such status page")

// statusPages makes the pages that the public sees.
type statusPages struct {
	app *App

	mu    sync.Mutex // held while a page is made: one is made at a time
	pages map[string]api.StatusPage
}

func (a *App) statusPages() api.StatusPages {
	if a.made.checks == nil {
		return api.StatusPages{}
	}
	p := &statusPages{app: a, pages: map[string]api.StatusPage{}}
	return api.StatusPages{Names: p.names, Page: p.page, Post: p.post, Remove: p.remove}
}

// isPublic says for a path whether nobody is asked who they are: probes, heartbeats (whose token is a secret) and, when there are status pages, what those consist of.
func (a *App) isPublic(p string) bool {
	if isProbe(p) || strings.HasPrefix(p, heartbeatPath) && path.Clean(p) == p {
		return true
	}
	if len(a.config.get().Monitoring.StatusPages) == 0 || path.Clean(p) != p {
		return false
	}
	return strings.HasPrefix(p, "/status/") || strings.HasPrefix(p, "/assets/") || p == "/favicon.svg" || p == "/api/hulotte/v1/status-page"
}

func (s *statusPages) names() []api.StatusPageName {
	var out []api.StatusPageName
	for _, p := range s.app.config.get().Monitoring.StatusPages {
		out = append(out, api.StatusPageName{Slug: p.Slug, Title: p.Title})
	}
	return out
}

func (s *statusPages) page(ctx context.Context, slug string) (api.StatusPage, error) {
	pages := s.app.config.get().Monitoring.StatusPages
	i := slices.IndexFunc(pages, func(p config.StatusPage) bool { return p.Slug == slug })
	if i < 0 {
		return api.StatusPage{}, errNoStatusPage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.pages[slug]; ok && time.Since(p.At) < statusKept {
		return p, nil
	}
	p, err := s.build(ctx, pages[i])
	if err == nil {
		s.pages[slug] = p
	}
	return p, err
}

func (s *statusPages) build(ctx context.Context, c config.StatusPage) (api.StatusPage, error) {
	p := api.StatusPage{Slug: c.Slug, Title: c.Title, Description: c.Description, At: time.Now().UTC(), Groups: []api.StatusGroup{}}
	views := s.app.made.checks.Views(nil)
	for _, g := range c.Groups {
		group := api.StatusGroup{Name: g.Name, Items: []api.StatusItem{}}
		for _, i := range g.Items {
			item, err := s.item(ctx, i, views, p.At)
			if err != nil {
				return p, err
			}
			group.Items = append(group.Items, item)
			if item.Status.Severity() > p.Status.Severity() {
				p.Status = item.Status
			}
		}
		p.Groups = append(p.Groups, group)
	}
	all, err := s.incidents(ctx)
	if err != nil {
		return p, err
	}
	p.Incidents = []api.Incident{}
	for _, i := range all {
		if len(i.Pages) == 0 || slices.Contains(i.Pages, c.Slug) {
			i.Pages = nil
			p.Incidents = append(p.Incidents, i)
		}
	}
	return p, nil
}

// item puts the checks of one item together: on each day it was what the worst of them was.
func (s *statusPages) item(ctx context.Context, c config.StatusItem, views []check.View, now time.Time) (api.StatusItem, error) {
	item := api.StatusItem{Name: c.Name, Status: model.Pending}
	days, _ := api.Days(nil, now, statusDays)
	seen := false
	for _, v := range views {
		if !matchesAny(c.Checks, v.ID) {
			continue
		}
		status := v.HardStatus
		if v.LastCheck.IsZero() {
			status = model.Pending
		}
		if !seen || status.Severity() > item.Status.Severity() {
			item.Status = status
		}
		seen = true
		from := now.AddDate(0, 0, -statusDays)
		changes, err := s.app.checkHistory(ctx, v.ID, from, now, statusHistory)
		if err != nil {
			return item, err
		}
		one, up := api.Days(api.Timeline(v.State, changes, from, now), now, statusDays)
		if up != nil && (item.Uptime90d == nil || *up < *item.Uptime90d) {
			item.Uptime90d = up
		}
		worse(days, one)
	}
	item.Days = days
	return item, nil
}

// worse takes over what is worse in another check's days.
func worse(days, other []api.StatusDay) {
	for i, d := range other {
		if days[i].Status == model.Pending || d.Status != model.Pending && d.Status.Severity() > days[i].Status.Severity() {
			days[i].Status = d.Status
		}
		days[i].DownSeconds = max(days[i].DownSeconds, d.DownSeconds)
	}
}

func matchesAny(patterns []string, id string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, id)
		return err == nil && ok
	})
}

// incidents are those that are not over, and those of the last days, the newest first.
func (s *statusPages) incidents(ctx context.Context) ([]api.Incident, error) {
	docs, err := s.app.made.medium.documents()
	if err != nil {
		return nil, err
	}
	var all []api.Incident
	for doc, err := range docs.List(ctx, incidentKind, "") {
		if err != nil {
			return nil, err
		}
		var i api.Incident
		if json.Unmarshal(doc.Value, &i) == nil && (!i.Resolved || time.Since(i.Started) < incidentsKept) {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b api.Incident) int { return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID)) })
	return all[:min(len(all), maxIncidents)], nil
}

var errNoIncident = model.NewError(model.NotFound, "there is no such incident")

func (s *statusPages) post(ctx context.Context, i api.Incident) (api.Incident, error) {
	docs, err := s.app.made.medium.documents()
	if err != nil {
		return i, err
	}
	fresh := i.ID == ""
	if fresh {
		i.ID = strings.ToLower(rand.Text())
	}
	_, err = medium.Update(ctx, docs, incidentKind, i.ID, func(old []byte) ([]byte, error) {
		if old == nil && !fresh {
			return nil, errNoIncident
		}
		if old != nil {
			var before api.Incident
			if err := json.Unmarshal(old, &before); err != nil {
				return nil, err
			}
			i = updated(before, i)
		}
		return json.Marshal(i)
	})
	s.forget()
	return i, err
}

// updated is an incident with a further update.
func updated(before, with api.Incident) api.Incident {
	before.Title = cmp.Or(with.Title, before.Title)
	before.Resolved = with.Resolved
	before.Updates = slices.Concat(with.Updates[:1], before.Updates)
	before.Updates = before.Updates[:min(len(before.Updates), maxUpdates)]
	return before
}

func (s *statusPages) remove(ctx context.Context, id string) error {
	docs, err := s.app.made.medium.documents()
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, docs, incidentKind, id, func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, errNoIncident
		}
		return nil, nil
	})
	s.forget()
	return err
}

// forget makes every page anew when it is asked for next.
func (s *statusPages) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pages)
}
