// Package heartbeat calls a URL for as long as alerting works, so that somebody outside notices when it does not: a dead man's switch.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	commoncfg "github.com/prometheus/common/config"
)

// Options are what a Heartbeat is made of.
type Options struct {
	URL       string
	Every     time.Duration // 0 is a minute
	UserAgent string
	// Works says what is wrong; nil when alerting works.
	Works func() error
}

// timeout bounds a call.
const timeout = 15 * time.Second

// Heartbeat calls a URL.
type Heartbeat struct {
	opts   Options
	log    *slog.Logger
	client *http.Client
	calls  *prometheus.CounterVec
	beaten prometheus.Gauge
}

// New allocates a Heartbeat.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Heartbeat, error) {
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	client, err := commoncfg.NewClientFromConfig(commoncfg.DefaultHTTPClientConfig, "watchdog", commoncfg.WithUserAgent(o.UserAgent))
	if err != nil {
		return nil, err
	}
	client.Timeout = timeout
	with := promauto.With(reg)
	h := &Heartbeat{
		opts: o, log: log, client: client,
		calls:  with.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_alert_watchdog_calls_total", Help: "Calls of the watchdog's URL, by how they went; withheld are those that were not made, as alerting did not work."}, []string{"result"}),
		beaten: with.NewGauge(prometheus.GaugeOpts{Name: "hulotte_alert_watchdog_last_success_timestamp_seconds", Help: "When the watchdog's URL was last called well."}),
	}
	for _, result := range []string{"ok", "failed", "withheld"} {
		h.calls.WithLabelValues(result)
	}
	return h, nil
}

// Run calls until ctx ends.
func (h *Heartbeat) Run(ctx context.Context) error {
	tick := time.NewTicker(h.opts.Every)
	defer tick.Stop()
	was := "ok"
	for {
		result, err := h.beat(ctx)
		if ctx.Err() != nil {
			return nil
		}
		h.calls.WithLabelValues(result).Inc()
		switch {
		case result == "ok":
			h.beaten.SetToCurrentTime()
			if was != "ok" {
				h.log.Info("the watchdog is called again")
			}
		case result != was: // once, and not each minute
			h.log.Error("the watchdog is not called", "result", result, "err", err)
		}
		was = result
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// beat calls once. Errors do not name the URL, which may be a secret.
func (h *Heartbeat) beat(ctx context.Context) (result string, err error) {
	if err := h.opts.Works(); err != nil {
		return "withheld", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.opts.URL, http.NoBody)
	if err != nil {
		return "failed", fmt.Errorf("alerting.watchdog.url cannot be called")
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return "failed", fmt.Errorf("no answer: %w", hidden(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode >= http.StatusMultipleChoices {
		return "failed", fmt.Errorf("the answer is %s", resp.Status)
	}
	return "ok", nil
}

// hidden is an error without the URL that it is about.
func hidden(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
