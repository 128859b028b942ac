package api

import (
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // an error means that the client is gone
}

// healthy answers /-/healthy: the process is there.
func (a *api) healthy(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "Hulotte is Healthy.\n")
}

// readiness answers /-/ready: requests will be answered.
func (a *api) readiness(w http.ResponseWriter, _ *http.Request) {
	if !a.Ready() {
		plain(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	plain(w, http.StatusOK, "Hulotte is Ready.\n")
}

// reload answers POST /-/reload. What is wrong with the configuration is in the answer.
func (a *api) reload(w http.ResponseWriter, _ *http.Request) {
	if a.Reload == nil {
		plain(w, http.StatusNotFound, "this process has no configuration to reload\n")
		return
	}
	if err := a.Reload(); err != nil {
		plain(w, http.StatusInternalServerError, fmt.Sprintf("failed to reload config: %s\n", err))
		return
	}
	w.WriteHeader(http.StatusOK)
}

// maxMetricsRequests bounds the gatherings of our own metrics at the same time: each walks every collector.
const maxMetricsRequests = 10

// ownMetrics answers /metrics.
func (a *api) ownMetrics() http.Handler {
	if a.Gatherer == nil {
		return http.NotFoundHandler()
	}
	return a.compressed(promhttp.HandlerFor(a.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            promLog{a.log},
		ErrorHandling:       promhttp.ContinueOnError, // one broken collector must not hide all others
		EnableOpenMetrics:   true,
		DisableCompression:  true, // ours is around it
		MaxRequestsInFlight: maxMetricsRequests,
	}))
}
