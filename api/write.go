package api

import (
	"errors"
	"net/http"
)

// remoteWrite hands POST /api/v1/write on, with the tenant in the context.
func (a *api) remoteWrite() http.Handler {
	if a.RemoteWrite == nil {
		return a.json(func(*http.Request) (*result, error) {
			return nil, notServed("remote write")
		})
	}
	return a.sameSite(a.forTenant(a.RemoteWrite))
}

// otlpWrite answers where OpenTelemetry's exporters knock.
func otlpWrite(*http.Request) (*result, error) {
	return nil, &apiError{kind: errNotFound, err: errors.New("OTLP is not received yet: send Prometheus remote write to /api/v1/write")}
}
