package rule

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
)

// shouted is a language in which an expression ends in an exclamation mark; its value is 7 from the third minute on.
func shouted(expr string) error {
	if !strings.HasSuffix(expr, "!") {
		return errors.New("parse error at line 1, col 1: it is not shouted")
	}
	return nil
}

const shoutedRules = `
groups:
  - name: loud
    interval: 1m
    rules:
      - record: job:loud
        expr: |
          count "all"!
      - alert: Loud
        expr: too {much="noise"}!
        for: 2m
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.app }} at {{ $value }}"
`

func TestRulesInAnotherLanguage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := teststorage.New(t)
		start := time.Now()
		asked := map[string]bool{}
		query := func(_ context.Context, expr string, at time.Time) (promql.Vector, error) {
			asked[expr] = true
			if at.Sub(start) < 3*time.Minute {
				return nil, nil
			}
			return promql.Vector{{Metric: labels.FromStrings("app", "a"), T: at.UnixMilli(), F: 7}}, nil
		}
		told := ""
		r := &rig{t: t, store: store, dir: t.TempDir(), reg: prometheus.NewRegistry()}
		quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
		notify := func(_ context.Context, expr string, _ []Alert) { told = expr }
		r.Manager = NewManager(Options{Parser: ParserOf(shouted), Notify: notify}, QueryOf(query), store, store, quiet, r.reg)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		r.load(shoutedRules)
		time.Sleep(7 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}

		r.wantValue(`job:loud{app="a"}`, 7)
		r.wantValue(`ALERTS{alertname="Loud", alertstate="firing", app="a", severity="page"}`, 1)
		if got := r.rule("job:loud"); got.Query != `count "all"!` || got.Health != "ok" {
			t.Errorf("%+v", got)
		}
		loud := r.rule("Loud")
		if loud.Query != `too {much="noise"}!` || loud.State != "firing" || len(loud.Alerts) != 1 || loud.Alerts[0].Annotations.Get("summary") != "a at 7" {
			t.Errorf("%+v", loud)
		}
		if told != loud.Query || !asked[loud.Query] || !asked[`count "all"!`] || len(asked) != 2 {
			t.Errorf("told %q, asked %v", told, asked)
		}
	})
}

func TestRulesInAnotherLanguageAreChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yml")
	write(t, file, strings.ReplaceAll(shoutedRules, `too {much="noise"}!`, "quiet"))
	_, _, err := Load([]string{file}, ParserOf(shouted))
	if err == nil || !strings.Contains(err.Error(), "it is not shouted") || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}
