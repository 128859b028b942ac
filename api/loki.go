package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store"
)

// Logs is what the endpoints about log records stand on. Without Events there are none, and every one of them answers 404.
type Logs struct {
	Events store.EventTenants // labels, streams, volumes, deletion
	LogQL  LogQL              // everything that has a query with more than a selector
	Rules  Rules              // rule groups in LogQL; nil has none
	Limits LogLimits
}

// LogQL runs queries for the tenant of the context: *logql.Engine does. An error's model.Kind says what it means: Invalid
// that the query is wrong, Limit that it asks for too much.
type LogQL interface {
	// Query runs a query of either kind.
	Query(ctx context.Context, r logql.Request) (logql.Result, error)
	// Scan calls f with every entry that a log query finds, one call at a time, in the request's direction, and as many as
	// its limit, where 0 is all of them. An error of f ends it and is returned as it is. The entry is f's until it returns.
	Scan(ctx context.Context, r logql.Request, f func(stream labels.Labels, e logql.Entry) error) (logql.Stats, error)
	// Follow calls f once without streams as soon as it follows, and then with what a log query finds in the records that come in
	// from that moment on, until ctx ends or f returns an error. dropped counts the records that were lost since the last call
	// because f was slow. Its streams are those of a request with Categorize. What f is given is f's to keep.
	Follow(ctx context.Context, query string, f func(streams []logql.Stream, dropped int) error) error
}

// LogLimits bound what one request about logs may ask for. The zero value means the defaults.
type LogLimits struct {
	// MaxEntries bounds the entries of one answer; 5,000 is what Loki's users are used to.
	MaxEntries int
	// MaxRange bounds end - start; 0 is 31 days more than 10 years: everything that is kept.
	MaxRange time.Duration
	// MaxSeries bounds the series of one answer about volumes.
	MaxSeries int
	// MaxSample bounds the records that one answer about fields or patterns looks at.
	MaxSample int
	// MaxDownload bounds the records of one download.
	MaxDownload int
	// MaxTails bounds the tails that are open at the same time; each holds a connection and up to MaxTailBytes.
	MaxTails int
	// MaxTailBytes bounds what waits for one slow tail.
	MaxTailBytes int
	// Timeout ends a query.
	Timeout time.Duration
}

func (l LogLimits) withDefaults() LogLimits {
	def(&l.MaxEntries, 5000)
	def((*int64)(&l.MaxRange), int64(10*366*24*time.Hour))
	def(&l.MaxSeries, 5000)
	def(&l.MaxSample, 200_000)
	def(&l.MaxDownload, 10_000_000)
	def(&l.MaxTails, 100)
	def(&l.MaxTailBytes, 4<<20)
	def((*int64)(&l.Timeout), int64(5*time.Minute))
	return l
}

// lokiRoutes is Loki's HTTP API (https://grafana.com/docs/loki/latest/reference/loki-http-api/) with its deprecated names,
// and the calls that Grafana's pages about logs make besides.
func (a *api) lokiRoutes() []route {
	const v1, old, get, getPost = "/loki/api/v1/", "/api/prom/", "GET", "GET POST"
	return []route{
		{getPost, v1 + "query", a.loki(a.lokiQuery)},
		{getPost, v1 + "query_range", a.loki(a.lokiQueryRange)},
		{getPost, v1 + "labels", a.loki(a.lokiLabels)},
		{getPost, v1 + "label", a.loki(a.lokiLabels)},
		{getPost, v1 + "label/{name}/values", a.loki(a.lokiLabelValues)},
		{getPost, v1 + "series", a.loki(a.lokiSeries)},
		{getPost, v1 + "index/stats", a.loki(a.lokiIndexStats)},
		{getPost, v1 + "index/volume", a.loki(a.lokiVolume)},
		{getPost, v1 + "index/volume_range", a.loki(a.lokiVolumeRange)},
		{getPost, v1 + "detected_labels", a.loki(a.lokiDetectedLabels)},
		{getPost, v1 + "detected_fields", a.loki(a.lokiDetectedFields)},
		{getPost, v1 + "detected_field/{name}/values", a.loki(a.lokiDetectedValues)},
		{getPost, v1 + "patterns", a.loki(a.lokiPatterns)},
		{get, v1 + "tail", http.HandlerFunc(a.lokiTail)},
		{"GET POST PUT DELETE", v1 + "delete", a.lokiDeletionByMethod()},
		{getPost, v1 + "format_query", a.loki(a.lokiFormatQuery)},
		{get, v1 + "status/buildinfo", a.loki(a.lokiBuildInfo)},
		{get, v1 + "drilldown-limits", a.loki(a.lokiDrilldownLimits)},
		{get, v1 + "rules", a.loki(a.lokiRules)},
		{get, old + "rules", a.loki(a.lokiRules)},
		{get, "/prometheus/api/v1/rules", a.json(func(r *http.Request) (*result, error) { return a.answerRules(r, a.logRulesFor(r)) })},
		{get, "/prometheus/api/v1/alerts", a.json(func(r *http.Request) (*result, error) { return answerAlerts(a.logRulesFor(r)) })},
		{get, "/config", a.loki(a.lokiConfig)},
		{get, "/ready", http.HandlerFunc(a.lokiReady)},

		{get, old + "tail", http.HandlerFunc(a.lokiTail)},
		{getPost, old + "query", a.loki(a.lokiQueryRange)},
		{getPost, old + "label", a.loki(a.lokiLabels)},
		{getPost, old + "label/{name}/values", a.loki(a.lokiLabelValues)},
		{getPost, old + "series", a.loki(a.lokiSeries)},
	}
}

// lokiHandler answers one request of Loki's API: it returns what is sent.
type lokiHandler func(*http.Request) (lokiAnswer, error)

// lokiAnswer writes the body of an answer. It is JSON unless it is a lokiYAML.
type lokiAnswer interface{ writeTo(w *jsonWriter) error }

// loki turns f into a handler: parsed form, tenant, time limit, compression; JSON on success and, as Loki does, plain text on failure.
func (a *api) loki(f lokiHandler) http.Handler {
	return a.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prepared, err := a.prepare(w, r)
		if err != nil {
			a.lokiError(w, r, err)
			return
		}
		r = prepared
		if a.Logs.Events == nil {
			a.lokiError(w, r, errNoLogs)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.Logs.Limits.Timeout)
		defer cancel()
		answer, err := f(r.WithContext(ctx))
		if err != nil {
			a.lokiError(w, r, err)
			return
		}
		a.lokiWrite(w, r, answer)
	}))
}

func (a *api) lokiWrite(w http.ResponseWriter, r *http.Request, answer lokiAnswer) {
	switch answer.(type) {
	case lokiNoContent:
		w.WriteHeader(http.StatusNoContent)
		return
	case lokiYAML:
		w.Header().Set("Content-Type", "application/yaml")
	default:
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	}
	out := newJSONWriter(w)
	err := answer.writeTo(out)
	if err == nil {
		err = out.flush()
	}
	if err == nil || r.Context().Err() != nil {
		return
	}
	a.log.Debug("cannot write a response", "path", r.URL.Path, "error", err)
	if out.started {
		panic(http.ErrAbortHandler) // nobody shall take a part for the whole
	}
	a.lokiError(w, r, err)
}

var errNoLogs = &apiError{kind: errNotFound, err: errors.New("this process keeps no logs")}

// lokiError answers with the text of err alone, as Loki does.
func (a *api) lokiError(w http.ResponseWriter, r *http.Request, err error) {
	status, text := lokiStatus(r.Context(), err)
	kind := errorKind("canceled")
	if e := (*apiError)(nil); errors.As(err, &e) {
		kind = e.kind
	} else if status != statusClientGone {
		kind = errExecution
	}
	a.metrics.errors.WithLabelValues(string(kind)).Inc()
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", fmt.Sprint(retrySeconds))
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // an error means that the client is gone
}

// lokiStatus is the status code and text of an error. The texts about time and the client are those that Loki's clients know.
func lokiStatus(ctx context.Context, err error) (int, string) {
	var e *apiError
	switch {
	case errors.As(err, &e):
		if e.status != 0 || e.kind != errExecution {
			return e.statusCode(), e.err.Error()
		}
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "Request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed."
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return statusClientGone, "The request was cancelled by the client."
	case isBusy(err):
		return http.StatusTooManyRequests, err.Error()
	}
	switch model.KindOf(err) {
	case model.Invalid, model.Limit:
		return http.StatusBadRequest, err.Error()
	case model.NotFound:
		return http.StatusNotFound, err.Error()
	case model.Conflict:
		return http.StatusUnprocessableEntity, err.Error()
	case model.Unavailable:
		return http.StatusServiceUnavailable, err.Error()
	}
	return http.StatusInternalServerError, err.Error()
}

// events returns the records of the request's tenant.
func (a *api) events(r *http.Request) (store.EventReader, error) {
	return a.Logs.Events.EventReader(model.Tenant(r.Context()))
}
