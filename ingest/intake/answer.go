package intake

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

// Error is an error with the HTTP status that tells a sender what to do: shippers send again after 429 and 5xx, and
// give up after any other 4xx.
type Error struct {
	Status int
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a status.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{status, fmt.Errorf(format, args...)}
}

// ErrBusy is that more is being sent at one time than there may be.
var ErrBusy = &Error{http.StatusTooManyRequests, errors.New("too many pushes at one time: send again later")}

// Malformed returns the answer to what cannot be decoded; nil for nil. What is an Error already stays it.
func Malformed(err error) error {
	if err == nil || errors.As(err, new(*Error)) {
		return err
	}
	return &Error{http.StatusBadRequest, fmt.Errorf("cannot decode the push, nothing of it is kept: %w", err)}
}

// Status returns the HTTP status for an error. What a sender can do nothing about is 5xx, so that it tries again.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
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

// Again says whether sending the same again later makes sense after an answer with the status.
func Again(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// defaultWait is when a sender should come back when nothing better is known: long enough for a push to be worked off,
// short enough not to let the sender's queue fill up.
const defaultWait = 2 * time.Second

// RetryAfter says when what failed with err should be sent again.
func RetryAfter(err error) time.Duration {
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		return later.RetryAfter()
	}
	return defaultWait
}

// SetRetryAfter sets the header Retry-After, in whole seconds, when sending again makes sense.
func SetRetryAfter(h http.Header, status int, err error) {
	if Again(status) {
		h.Set("Retry-After", strconv.Itoa(int((RetryAfter(err)+time.Second-1)/time.Second)))
	}
}

// maxTold bounds the refusals that a text names.
const maxTold = 10

// Refused says to a sender what of its total records was not kept, and why; "" when all were.
func Refused(refused model.Refusals, total int) string {
	if len(refused) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d entries are refused, the others are kept:", CountRefused(refused), total)
	for i, r := range refused {
		if i == maxTold {
			fmt.Fprintf(&b, "\nand %d more reasons", len(refused)-maxTold)
			break
		}
		fmt.Fprintf(&b, "\n%d for stream %s: %s: %s", r.Count, r.Stream, r.Reason, r.Text)
	}
	return b.String()
}

// CountRefused returns how many records were refused.
func CountRefused(refused model.Refusals) int {
	n := 0
	for _, r := range refused {
		n += r.Count
	}
	return n
}

const (
	firstWait = 50 * time.Millisecond
	lastWait  = time.Second
)

// Retry calls f until it does not fail with what passes by itself, ctx ends, or patience is over: for protocols in which holding back
// the answer is how to tell a sender to wait.
func Retry(ctx context.Context, patience time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := f()
		if err == nil || !Again(Status(err)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
