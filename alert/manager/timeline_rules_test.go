package manager

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/rule"
)

// evaluated are rules of a timeline that are really evaluated, over series temp{host} that have a sample every minute.
type evaluated struct {
	yaml  string
	store *teststorage.TestStorage
	temp  map[string]float64 // by host
	stop  func()
}

// begin evaluates the rules and raises their alerts as the program does.
func (e *evaluated) begin(t *testing.T, m *Manager) {
	t.Helper()
	if e.store == nil {
		e.store = teststorage.New(t)
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	rules := rule.NewManager(rule.Options{Notify: func(ctx context.Context, _ string, all []rule.Alert) {
		for _, r := range all {
			a := alert.Alert{Labels: r.Labels.Map(), StartsAt: r.FiredAt, EndsAt: r.ResolvedAt}
			if a.EndsAt.IsZero() {
				a.EndsAt = r.ValidUntil
			}
			if err := m.Put(ctx, alert.FromRule, a); err != nil {
				t.Error(err)
			}
		}
	}}, rule.EngineQuery(engine, e.store), e.store, e.store, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := rules.Apply(rule.Config{}); err != nil {
		t.Fatal(err)
	}
	if err := rules.SetDocuments([]rule.Document{{Name: "timeline", Language: rule.PromQL, YAML: e.yaml}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = rules.Run(ctx) }()
	e.stop = func() { cancel(); <-done }
}

// set changes the temperature of a host; none ends its series.
func (e *evaluated) set(t *testing.T, host, value string) {
	t.Helper()
	if value == "none" {
		delete(e.temp, host)
		return
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatal(err)
	}
	e.temp[host] = v
	e.sample(t)
}

func (e *evaluated) sample(t *testing.T) {
	t.Helper()
	app := e.store.AppenderV2(t.Context())
	for _, host := range slices.Sorted(maps.Keys(e.temp)) {
		if _, err := app.Append(0, labels.FromStrings("__name__", "temp", "host", host), 0, time.Now().UnixMilli(), e.temp[host], nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}
