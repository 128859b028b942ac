package api

import (
	"bytes"
	"io"
	"net/http"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"
)

// remoteRead answers POST /api/v1/read in Prometheus' remote read protocol, as samples or as a stream of chunks.
//
// Prometheus' handler reads one storage, so each request gets its own over its tenant's series; what must be
// shared, the limit on how many are served at once, is here.
func (a *api) remoteRead() http.Handler {
	slots := make(chan struct{}, a.Limits.RemoteReadConcurrent)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.metrics.reading.Inc()
		defer a.metrics.reading.Dec()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-r.Context().Done():
			return
		}
		r, err := withTenant(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		series, err := a.reader(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if !a.limitSnappyBody(w, r) {
			return
		}
		remote.NewReadHandler(a.log, nil, series, a.remoteReadConfig,
			a.Limits.RemoteReadSamples, 1, a.Limits.RemoteReadFrameBytes).ServeHTTP(w, r)
	})
}

// remoteReadConfig is the one part of Prometheus' configuration that its handler reads.
func (a *api) remoteReadConfig() config.Config {
	return config.Config{GlobalConfig: config.GlobalConfig{ExternalLabels: a.ExternalLabels()}}
}

// limitSnappyBody replaces the request's body by one that was read whole, after checking what it will unpack
// to: Prometheus' handler trusts both sizes. It answers the request itself when they are too large.
func (a *api) limitSnappyBody(w http.ResponseWriter, r *http.Request) bool {
	limit := a.Limits.MaxBodyBytes
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		http.Error(w, "cannot read the body: "+err.Error(), http.StatusRequestEntityTooLarge)
		return false
	}
	n, err := snappy.DecodedLen(body)
	if err != nil {
		http.Error(w, "the body is not a snappy block: "+err.Error(), http.StatusBadRequest)
		return false
	}
	if int64(n) > limit {
		http.Error(w, tooLarge("the request unpacked", limit).Error(), http.StatusRequestEntityTooLarge)
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}
