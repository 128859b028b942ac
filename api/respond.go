package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/util/annotations"
)

// result is a successful answer. A nil result is an answer without content (204).
type result struct {
	data     any                     // written as the response's data; see appendData for the fast kinds
	warnings annotations.Annotations // become the response's warnings and infos
	expr     string                  // the query that the warnings' positions refer to
	close    func()                  // releases what data stands on, after it was written; may be nil
}

// maxAnnotations is how many warnings, and how many infos, one response names; the rest are counted.
const maxAnnotations = 10

// jsonHandler answers one request of the JSON API.
type jsonHandler func(*http.Request) (*result, error)

// json turns f into a handler: parsed form, tenant, compression, and Prometheus' envelope around the answer.
func (a *api) json(f jsonHandler) http.Handler {
	return a.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := a.prepare(w, r)
		if err != nil {
			a.writeError(w, err)
			return
		}
		res, err := f(r)
		if err != nil {
			a.writeError(w, err)
			return
		}
		a.writeResult(w, r, res)
	}))
}

func (a *api) writeResult(w http.ResponseWriter, r *http.Request, res *result) {
	if res == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if res.close != nil {
		defer res.close()
	}
	if !acceptsJSON(r.Header.Get("Accept")) {
		a.writeError(w, &apiError{kind: errNotAcceptable, err: errOnlyJSON})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := newJSONWriter(w)
	out.raw(`{"status":"success","data":`)
	if err := appendData(out, res.data); err != nil {
		a.writeFailure(w, r, out, err)
		return
	}
	warnings, infos := res.warnings.AsStrings(res.expr, maxAnnotations, maxAnnotations)
	out.stringsField(`,"warnings":`, warnings)
	out.stringsField(`,"infos":`, infos)
	out.raw(`}`)
	if err := out.flush(); err != nil {
		a.log.Debug("cannot write a response", "path", r.URL.Path, "error", err)
	}
}

// writeFailure reports an answer that cannot be written. Once a part is on its way the only honest thing left
// is to break the connection, so that nobody takes the part for the whole.
func (a *api) writeFailure(w http.ResponseWriter, r *http.Request, out *jsonWriter, err error) {
	a.log.Error("cannot encode a response", "path", r.URL.Path, "error", err)
	if out.started {
		panic(http.ErrAbortHandler)
	}
	a.writeError(w, &apiError{kind: errInternal, err: err})
}

func (a *api) writeError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	a.metrics.errors.WithLabelValues(string(e.kind)).Inc()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.kind == errUnavailable {
		h.Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	w.WriteHeader(e.statusCode())
	out := newJSONWriter(w)
	out.raw(`{"status":"error","errorType":`)
	out.htmlSafeString(string(e.kind))
	out.raw(`,"error":`)
	out.htmlSafeString(e.err.Error())
	out.raw(`}`)
	if err := out.flush(); err != nil {
		a.log.Debug("cannot write an error response", "error", err)
	}
}

// retrySeconds is when a client that was refused for lack of room may come again: most queries take less.
const retrySeconds = 5

func asAPIError(err error) *apiError {
	var e *apiError
	if !errors.As(err, &e) {
		errors.As(executionError(err), &e)
	}
	return e
}

var errOnlyJSON = jsonOnly{}

type jsonOnly struct{}

func (jsonOnly) Error() string { return "the response can only be application/json" }

// acceptsJSON is lenient, as Prometheus is: a header that names nothing we know gets JSON as well. Only an
// explicit refusal of JSON counts.
func acceptsJSON(header string) bool {
	for clause := range strings.SplitSeq(header, ",") {
		mime, params, _ := strings.Cut(clause, ";")
		if strings.EqualFold(strings.TrimSpace(mime), "application/json") && quality(params) == 0 {
			return false
		}
	}
	return true
}

// closeQuietly closes what was only read: a failure loses nothing, but is worth knowing.
func closeQuietly(log *slog.Logger, c io.Closer) {
	if err := c.Close(); err != nil {
		log.Warn("cannot close a querier", "error", err)
	}
}

// marshal is the way of everything that no fast path knows.
func marshal(v any) ([]byte, error) { return json.Marshal(v) }

// cutText shortens what came from outside before it is sent back or logged.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// thousands writes 11000 as 11,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
