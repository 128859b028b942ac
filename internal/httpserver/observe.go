package httpserver

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	connections  prometheus.Gauge
	refused      prometheus.Counter
	unauthorized prometheus.Counter
	misdirected  prometheus.Counter
	panics       prometheus.Counter
	requests     *prometheus.CounterVec
	bytes        *prometheus.CounterVec
	seconds      *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer, cert *certificate, inFlight *atomic.Int64) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hulotte_http_requests_in_flight", Help: "Requests being answered.",
	}, func() float64 { return float64(inFlight.Load()) })
	if cert != nil {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hulotte_http_certificate_expiry_timestamp_seconds", Help: "When the server's certificate ends to be valid.",
		}, func() float64 { return float64(cert.expires().Unix()) })
	}
	return &metrics{
		connections: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_http_connections", Help: "Open connections."}),
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_http_connections_refused_total", Help: "Connections closed at once because server.max_connections were open."}),
		unauthorized: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_http_unauthorized_total", Help: "Requests refused because they named no user or a wrong password."}),
		misdirected: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_http_misdirected_total", Help: "Requests refused because of the name in their Host header."}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_http_panics_total", Help: "Handlers that panicked."}),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_http_requests_total", Help: "Requests answered, by route, method and status code."}, []string{"route", "method", "code"}),
		bytes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_http_response_bytes_total", Help: "Bytes of the answers' bodies as sent, by route."}, []string{"route"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hulotte_http_request_duration_seconds", Help: "Time from the headers of a request to the end of its answer, by route; event streams are left out.",
			Buckets: []float64{.005, .025, .1, .5, 2.5, 10, 60}}, []string{"route"}),
	}
}

type routeKey struct{}

// SetRoute names the route of a request for the metrics: for handlers that copy the request before their
// http.ServeMux sees it, so that its pattern does not come back here. The names must be few and fixed.
func SetRoute(ctx context.Context, route string) {
	if p, ok := ctx.Value(routeKey{}).(*string); ok {
		*p = route
	}
}

// observe counts requests.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		res := newResponse(w, r, s.options.WriteStallTimeout)
		s.inFlight.Add(1)
		defer s.inFlight.Add(-1)

		var route string
		ctx := context.WithValue(r.Context(), routeKey{}, &route)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var forget func() bool
		res.onStream = func() { forget = context.AfterFunc(s.streams, cancel) }
		r = r.WithContext(ctx)
		defer func() { // also when the handler breaks its answer off
			if forget != nil {
				forget()
			}
			res.touch() // what is still in the buffer gets its time too
			if route == "" {
				route = patternPath(r.Pattern)
			}
			s.metrics.count(route, r.Method, res)
			if !res.stream {
				s.metrics.seconds.WithLabelValues(route).Observe(time.Since(start).Seconds())
			}
		}()
		next.ServeHTTP(res, r)
	})
}

func (m *metrics) count(route, method string, res *response) {
	code := strconv.Itoa(max(res.code, http.StatusOK)) // net/http answers 200 where a handler says nothing
	m.requests.WithLabelValues(route, knownMethod(method), code).Inc()
	m.bytes.WithLabelValues(route).Add(float64(res.bytes))
}

// patternPath is a pattern of http.ServeMux without its method.
func patternPath(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	if pattern == "" {
		return "none"
	}
	return pattern
}

// knownMethod keeps invented methods out of the labels.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// catchPanics answers 500 instead of taking the process down.
func (s *Server) catchPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // a panic's value, compared as net/http does
				panic(p)
			}
			s.metrics.panics.Inc()
			s.log.Error("handler panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			if res, ok := w.(*response); ok && res.code != 0 {
				panic(http.ErrAbortHandler) // half an answer is out: the client must see that the rest is missing
			}
			http.Error(w, "internal error: the log says more", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
