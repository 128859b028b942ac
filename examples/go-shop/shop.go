package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"
)

// shop serves the pages.
type shop struct {
	quotes  string // address of the quotes application
	client  *http.Client
	orders  *orders
	sold    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newShop(quotes string, o *orders) http.Handler {
	metrics := prometheus.NewRegistry()
	s := &shop{
		quotes: quotes, orders: o,
		client: &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport), Timeout: 10 * time.Second},
		sold:   promauto.With(metrics).NewCounterVec(prometheus.CounterOpts{Name: "shop_postcards_sold_total", Help: "Postcards by language."}, []string{"language"}),
		seconds: promauto.With(metrics).NewHistogramVec(prometheus.HistogramOpts{
			Name: "shop_request_duration_seconds", Help: "How long requests took, by page.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 12),
		}, []string{"page"}),
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /health", s.health)
	s.page(mux, "GET /", s.window)
	s.page(mux, "GET /find", s.find)
	s.page(mux, "POST /order/{quote}", s.order)
	return otelhttp.NewHandler(mux, "shop", otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/metrics" && r.URL.Path != "/health" }))
}

// page serves a page and measures it, with the trace as an exemplar: a slow bucket leads to a slow trace.
func (s *shop) page(mux *http.ServeMux, pattern string, f func(w http.ResponseWriter, r *http.Request) error) {
	seconds := s.seconds.WithLabelValues(pattern).(prometheus.ExemplarObserver)
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		span := trace.SpanFromContext(r.Context())
		span.SetName(pattern)
		if err := f(w, r); err != nil {
			slog.ErrorContext(r.Context(), "a page cannot be shown", "page", pattern, "err", err)
			http.Error(w, "something went wrong: we know already", http.StatusBadGateway)
		}
		seconds.ObserveWithExemplar(time.Since(begun).Seconds(), prometheus.Labels{"trace_id": span.SpanContext().TraceID().String()})
	})
}

func (s *shop) health(w http.ResponseWriter, r *http.Request) {
	if err := s.orders.PingContext(r.Context()); err != nil {
		http.Error(w, "the orders cannot be reached: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// window shows one postcard.
func (s *shop) window(w http.ResponseWriter, r *http.Request) error {
	var q struct{ Author, Text string }
	if err := s.ask(r.Context(), "/quotes/random", &q); err != nil {
		return err
	}
	fmt.Fprintf(w, "Today's postcard: %s (%s)\n", q.Text, q.Author)
	return nil
}

// find lists the postcards with a word.
func (s *shop) find(w http.ResponseWriter, r *http.Request) error {
	var found struct{ Quotes []struct{ Text string } }
	if err := s.ask(r.Context(), "/quotes/search?word="+url.QueryEscape(r.FormValue("word")), &found); err != nil {
		return err
	}
	fmt.Fprintf(w, "%d postcards\n", len(found.Quotes))
	return nil
}

// order sells a postcard in a language.
func (s *shop) order(w http.ResponseWriter, r *http.Request) error {
	number, err := strconv.Atoi(r.PathValue("quote"))
	if err != nil {
		http.Error(w, "the quotation is a number", http.StatusBadRequest)
		return nil //nolint:nilerr // the customer's mistake, not the shop's
	}
	language := r.FormValue("language")
	var card struct{ Text string }
	if err := s.ask(r.Context(), fmt.Sprintf("/quotes/%d/translation?language=%s", number, url.QueryEscape(language)), &card); err != nil {
		return err
	}
	id, err := s.orders.add(r.Context(), number, card.Text)
	if err != nil {
		return err
	}
	s.sold.WithLabelValues(language).Inc()
	slog.InfoContext(r.Context(), "sold a postcard", "order", id, "quote", number, "language", language)
	fmt.Fprintf(w, "order %d: %s\n", id, card.Text)
	return nil
}

// ask puts a question to the quotes application.
func (s *shop) ask(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.quotes+path, nil)
	if err != nil {
		return err
	}
	response, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask for quotations: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the quotes application answers %s to %s", response.Status, path)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
