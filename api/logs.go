package api

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/hulotte-dev/hulotte/query/logql"
)

// logRoutes is what the page about logs asks besides Loki's API. All of it is about one log query and one range of time:
// the parameters query, start, end and since, as query_range has them.
func (a *api) logRoutes() []route {
	const base, getPost = "/api/hulotte/v1/logs/", "GET POST"
	return []route{
		{getPost, base + "histogram", a.logs(a.logHistogram)},
		{getPost, base + "facets", a.logs(a.logFacets)},
		{getPost, base + "patterns", a.logs(a.logPatterns)},
		{getPost, base + "context", a.logs(a.logContext)},
		{getPost, base + "download", a.logDownload()},
	}
}

// logs is json for handlers of logs: with a time limit, and an answer when there are none.
func (a *api) logs(f jsonHandler) http.Handler {
	return a.json(func(r *http.Request) (*result, error) {
		if a.Logs.Events == nil || a.Logs.LogQL == nil {
			return nil, errNoLogs
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.Logs.Limits.Timeout)
		defer cancel()
		res, err := f(r.WithContext(ctx))
		return res, logsError(r.Context(), err)
	})
}

// logsError gives an error of a log query its place in our API.
func logsError(ctx context.Context, err error) error {
	var known *apiError
	if err == nil || errors.As(err, &known) {
		return err
	}
	status, text := lokiStatus(ctx, err)
	kind := errInternal
	switch status {
	case http.StatusBadRequest:
		kind = errBadData
	case http.StatusNotFound:
		kind = errNotFound
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		kind = errUnavailable
	case http.StatusGatewayTimeout:
		kind = errTimeout
	case statusClientGone:
		kind = errCanceled
	}
	return &apiError{kind: kind, err: apiText(text)}
}

// logSelection is the log query of a request with its range.
type logSelection struct {
	text       string
	expr       *logql.LogExpr
	start, end time.Time
}

func (a *api) logSelection(r *http.Request) (s logSelection, err error) {
	if s.text, s.expr, err = a.logExpr(r); err != nil {
		return s, err
	}
	s.start, s.end, err = a.properRange(r, defaultSince)
	return s, err
}

var logFieldName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// fieldParam reads the name of a label or field.
func fieldParam(r *http.Request, name, missing string) (string, error) {
	s := r.Form.Get(name)
	if s == "" {
		return missing, nil
	}
	if len(s) > 1024 || !logFieldName.MatchString(s) {
		return "", badParam(name, errors.New("a name has letters, digits and underscores, and begins with no digit"))
	}
	return s, nil
}
