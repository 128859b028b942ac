package api

import (
	"context"
	"errors"
	"time"

	"net/http"
)

// ServiceMap returns who calls whom between two times, and where each stands, for the tenant of the context. A result is written as JSON. An
// error with a method Invalid() bool that returns true becomes 400.
type ServiceMap func(ctx context.Context, from, to time.Time) (any, error)

func (a *api) mapRoutes() []route {
	return []route{{"GET", "/api/hulotte/v1/traces/map", a.shared(a.serviceMap)}}
}

// serviceMap answers with the map of the range from start to end in seconds since 1970, the last hour when they are not there.
func (a *api) serviceMap(r *http.Request) answering {
	return func(ctx context.Context) (any, error) {
		if a.ServiceMap == nil {
			return nil, &apiError{kind: errUnavailable, err: errors.New("this process has no map of services")}
		}
		to, err := unixParam(r, "end", a.Now())
		if err != nil {
			return nil, err
		}
		from, err := unixParam(r, "start", to.Add(-time.Hour))
		if err != nil {
			return nil, err
		}
		return a.ServiceMap(ctx, from, to)
	}
}
