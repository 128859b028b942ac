package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	errors      *prometheus.CounterVec
	federation  prometheus.Counter
	reading     prometheus.Gauge
	compressors *compressors
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_api_requests_total",
			Help: "Requests to the HTTP API by endpoint and status code.",
		}, []string{"path", "code"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "hulotte_api_request_duration_seconds",
			Help:                            "Time from a request to the end of its response, by endpoint.",
			Buckets:                         []float64{.005, .05, .5, 5, 50},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"path"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_api_errors_total",
			Help: "Error responses of the JSON API by error type.",
		}, []string{"type"}),
		federation: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_api_federate_errors_total",
			Help: "Answers of /federate that failed or were cut short.",
		}),
		reading: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_api_remote_read_requests",
			Help: "Remote read requests that are served or wait now.",
		}),
		compressors: &compressors{},
	}
}

// statusWriter remembers the status code.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush is here because remote read looks for it by type.
func (s *statusWriter) Flush() {
	if f, ok := s.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func (a *api) measured(path string, h http.Handler) http.Handler {
	duration := a.metrics.duration.WithLabelValues(path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		s := &statusWriter{ResponseWriter: w}
		h.ServeHTTP(s, r)
		if s.status == 0 {
			s.status = http.StatusOK
		}
		duration.Observe(time.Since(begin).Seconds())
		a.metrics.requests.WithLabelValues(path, strconv.Itoa(s.status)).Inc()
	})
}

// cors lets the pages of allowed origins call h, and answers their preflight requests.
func (a *api) cors(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin != "" && a.originAllowed(origin) {
			header := w.Header()
			header.Set("Access-Control-Allow-Origin", origin)
			header.Add("Vary", "Origin")
			header.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
			header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin, X-Scope-OrgID")
			header.Set("Access-Control-Expose-Headers", "Date")
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (a *api) originAllowed(origin string) bool {
	return slices.Contains(a.AllowedOrigins, origin) || slices.Contains(a.AllowedOrigins, "*")
}

// sameSite refuses requests that another site's page makes in a visitor's browser: what changes something must
// not be one hidden form away.
func (a *api) sameSite(h http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	for _, origin := range a.AllowedOrigins {
		if origin != "*" {
			// A malformed origin allows nothing.
			_ = guard.AddTrustedOrigin(origin)
		}
	}
	guard.SetDenyHandler(a.json(func(*http.Request) (*result, error) {
		return nil, &apiError{kind: errBadData, status: http.StatusForbidden, err: errCrossSite}
	}))
	return guard.Handler(h)
}

var errCrossSite = crossSite{}

type crossSite struct{}

func (crossSite) Error() string {
	return "this request comes from another site's page: allow its origin in the configuration if that is meant"
}

// secureHeaders keeps browsers from taking an answer for something that it is not.
func (a *api) secureHeaders(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}
