package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hulotte-dev/hulotte/model"
)

// answer is an error with the HTTP status that tells the sender what to do: Prometheus sends a request again after
// 5xx, and after 429 when it is configured to; after any other 4xx it drops it.
type answer struct {
	status int
	err    error
}

func (a *answer) Error() string { return a.err.Error() }
func (a *answer) Unwrap() error { return a.err }

var errBusy = &answer{http.StatusServiceUnavailable, errors.New("too many requests at one time: send again later")}

// malformed returns the answer to a request that cannot be decoded; nil for nil. What is an answer already stays it.
func malformed(err error) error {
	if err == nil || errors.As(err, new(*answer)) {
		return err
	}
	return &answer{http.StatusBadRequest, fmt.Errorf("cannot decode the request, nothing of it is stored: %w", err)}
}

func tooLarge(text string) error {
	return &answer{http.StatusRequestEntityTooLarge, errors.New(text + ": send smaller requests")}
}

// statusOf returns the HTTP status for an error. What a sender can do nothing about is 5xx, so that it tries again.
func statusOf(err error) int {
	var a *answer
	if errors.As(err, &a) {
		return a.status
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable
	}
	switch model.KindOf(err) {
	case model.Invalid:
		return http.StatusBadRequest
	case model.Limit:
		return http.StatusTooManyRequests
	case model.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
