package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
)

// errorKind is the errorType of a response; the words are those of Prometheus' API.
type errorKind string

const (
	errTimeout       errorKind = "timeout"
	errCanceled      errorKind = "canceled"
	errExecution     errorKind = "execution"
	errBadData       errorKind = "bad_data"
	errInternal      errorKind = "internal"
	errUnavailable   errorKind = "unavailable"
	errNotFound      errorKind = "not_found"
	errNotAcceptable errorKind = "not_acceptable"
)

// statusClientGone is what nginx, and Prometheus after it, answer when the client has gone away.
const statusClientGone = 499

// apiError is an error with its place in Prometheus' API.
type apiError struct {
	kind   errorKind
	status int    // 0 means the kind's own
	allow  string // the Allow header of a 405
	err    error
}

func (e *apiError) Error() string { return string(e.kind) + ": " + e.err.Error() }
func (e *apiError) Unwrap() error { return e.err }

func (e *apiError) statusCode() int {
	if e.status != 0 {
		return e.status
	}
	switch e.kind {
	case errBadData:
		return http.StatusBadRequest
	case errExecution:
		return http.StatusUnprocessableEntity
	case errCanceled:
		return statusClientGone
	case errTimeout, errUnavailable:
		return http.StatusServiceUnavailable
	case errNotFound:
		return http.StatusNotFound
	case errNotAcceptable:
		return http.StatusNotAcceptable
	}
	return http.StatusInternalServerError
}

func badData(format string, args ...any) error {
	return &apiError{kind: errBadData, err: fmt.Errorf(format, args...)}
}

// badParam is an error about the named parameter, worded as Prometheus words it.
func badParam(name string, err error) error {
	return badData("invalid parameter %q: %w", name, err)
}

// executionError gives an error of the engine or the store its kind.
func executionError(err error) error {
	var (
		done     *apiError
		canceled promql.ErrQueryCanceled
		timeout  promql.ErrQueryTimeout
		storage  promql.ErrStorage
	)
	switch {
	case errors.As(err, &done):
		return err
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		return &apiError{kind: errCanceled, err: err}
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return &apiError{kind: errTimeout, err: err}
	case errors.As(err, &storage):
		return &apiError{kind: errInternal, err: err}
	}
	return &apiError{kind: errExecution, err: err}
}

// constructionError gives an error of preparing a query its kind: it was waiting that failed, or the query is wrong.
func constructionError(err error) error {
	var (
		canceled promql.ErrQueryCanceled
		timeout  promql.ErrQueryTimeout
	)
	switch {
	case errors.As(err, &canceled), errors.As(err, &timeout):
		return executionError(err)
	case isBusy(err):
		return &apiError{kind: errUnavailable, err: err}
	}
	return badParam("query", err)
}

// isBusy says whether the engine refused a query because too many wait. The engine's error is told by this
// method, so that the API depends on no engine.
func isBusy(err error) bool {
	var busy interface{ Busy() bool }
	return errors.As(err, &busy) && busy.Busy()
}
