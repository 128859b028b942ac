package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// Hosts answers the pages about machines, for the tenant of the context. A result is written as JSON. An error
// with a method NotFound() bool or Invalid() bool that returns true becomes 404 or 400. A nil function answers
// that the thing is not there.
type Hosts struct {
	// Overview returns all hosts, worst first, and what changed.
	Overview func(ctx context.Context) (any, error)
	// Host returns all of one host.
	Host func(ctx context.Context, instance string) (any, error)
	// Charts returns the courses of one host between two times, with at most that many points.
	Charts func(ctx context.Context, instance string, from, to time.Time, points int) (any, error)
	// Processes returns the processes of one host as they are at this moment; nil, nil when that host is another
	// machine, of which only what it sent is known.
	Processes func(ctx context.Context, instance string) (any, error)
}

// defaultChartPoints is about one point every three pixels of a chart on a laptop.
const defaultChartPoints = 240

func (a *api) hostRoutes() []route {
	const base, get = "/api/hulotte/v1/", "GET"
	return []route{
		{get, base + "overview", a.shared(a.overview)},
		{get, base + "hosts/{instance}", a.shared(a.hostPage)},
		{get, base + "hosts/{instance}/charts", a.shared(a.hostCharts)},
		{get, base + "hosts/{instance}/processes", a.shared(a.hostProcesses)},
		{get, base + "live", http.HandlerFunc(a.serveLive)},
	}
}

type answering = func(context.Context) (any, error)

func (a *api) overview(*http.Request) answering {
	return func(ctx context.Context) (any, error) {
		if a.Hosts.Overview == nil {
			return nil, errNoHosts
		}
		return a.Hosts.Overview(ctx)
	}
}

func (a *api) hostPage(r *http.Request) answering {
	return func(ctx context.Context) (any, error) {
		if a.Hosts.Host == nil {
			return nil, errNoHosts
		}
		return a.Hosts.Host(ctx, r.PathValue("instance"))
	}
}

func (a *api) hostCharts(r *http.Request) answering {
	return func(ctx context.Context) (any, error) {
		if a.Hosts.Charts == nil {
			return nil, errNoHosts
		}
		now := a.Now()
		from, err := unixParam(r, "from", now.Add(-time.Hour))
		if err != nil {
			return nil, err
		}
		to, err := unixParam(r, "to", now)
		if err != nil {
			return nil, err
		}
		points := defaultChartPoints
		if s := r.Form.Get("points"); s != "" {
			if points, err = strconv.Atoi(s); err != nil {
				return nil, badParam("points", fmt.Errorf("%q is not a whole number", cutText(s, 40)))
			}
		}
		return a.Hosts.Charts(ctx, r.PathValue("instance"), from, to, points)
	}
}

// unixParam reads a time in seconds since the epoch.
func unixParam(r *http.Request, name string, missing time.Time) (time.Time, error) {
	s := r.Form.Get(name)
	if s == "" {
		return missing, nil
	}
	// The bound keeps the time's arithmetic from overflowing; it is in the year 5138.
	const farthest = 1e11
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || !(seconds >= 0 && seconds < farthest) {
		return time.Time{}, badParam(name, fmt.Errorf("%q is not a time in seconds since 1970", cutText(s, 40)))
	}
	return time.UnixMilli(int64(seconds * 1000)), nil
}

func (a *api) hostProcesses(r *http.Request) answering {
	return func(ctx context.Context) (any, error) {
		if a.Hosts.Processes == nil {
			return map[string]any{"local": false}, nil
		}
		top, err := a.Hosts.Processes(ctx, r.PathValue("instance"))
		if err != nil {
			return nil, err
		}
		return map[string]any{"local": top != nil, "top": top}, nil
	}
}

var errNoHosts = &apiError{kind: errUnavailable, err: errors.New("this process answers nothing about hosts")}

// hostsError gives an error of the hosts' functions its kind.
func hostsError(err error) error {
	var missing interface{ NotFound() bool }
	if errors.As(err, &missing) && missing.NotFound() {
		return &apiError{kind: errNotFound, err: err}
	}
	var invalid interface{ Invalid() bool }
	if errors.As(err, &invalid) && invalid.Invalid() {
		return &apiError{kind: errBadData, err: err}
	}
	if isBusy(err) {
		return &apiError{kind: errUnavailable, err: err}
	}
	return executionError(err)
}

func tenantOf(r *http.Request) string { return strings.ToValidUTF8(model.Tenant(r.Context()), "") }
