package query

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func sample(v float64, labels ...string) Sample {
	s := Sample{Value: v}
	for i := 0; i+1 < len(labels); i += 2 {
		s.Labels = append(s.Labels, model.Field{Name: labels[i], Value: labels[i+1]})
	}
	return s
}

func TestKinds(t *testing.T) {
	var asked, tenant string
	var answer []Sample
	var fail error
	ask := func(ctx context.Context, query string, at time.Time) ([]Sample, error) {
		asked, tenant = query, model.Tenant(ctx)
		if time.Since(at) > time.Minute {
			t.Error(at)
		}
		return answer, fail
	}
	kinds := Kinds(Options{PromQL: ask, LogQL: ask, ParsePromQL: func(q string) error {
		if q == "(" {
			return errors.New("a parenthesis is open")
		}
		return nil
	}})
	f := func(kind int, options, want string, samples ...Sample) model.CheckResult {
		t.Helper()
		answer = samples
		p, err := kinds[kind].New(check.Params{Options: json.RawMessage(options)})
		if err != nil {
			t.Fatal(err)
		}
		r := p.Probe(t.Context())
		if r.Output != want || !strings.Contains(want, " "+r.Status.String()+" - ") {
			t.Errorf("%s: %v %q, want %q", options, r.Status, r.Output, want)
		}
		return r
	}
	r := f(0, `{"query":"up","critical":"1:"}`, `PROMQL CRITICAL - up{job="b"} = 0 (2 numbers: 1 CRITICAL, 0 UNKNOWN, 0 WARNING, 1 OK)`, sample(1, "__name__", "up", "job", "a"), sample(0, "__name__", "up", "job", "b"))
	if len(r.Perf) != 2 || r.Perf[0].Label != `up{job="b"}` || r.Perf[0].Crit != "1:" || r.Long != "CRITICAL: up{job=\"b\"} = 0\nOK: up{job=\"a\"} = 1" {
		t.Errorf("%+v", r)
	}
	f(0, `{"query":"x","warning":5,"unit":"ms","label":"job"}`, "PROMQL WARNING - b = 7ms", sample(7, "job", "b"))
	f(0, `{"query":"1+1"}`, "PROMQL OK - value = 2", sample(2))
	f(0, `{"query":"x","warning":5}`, "PROMQL UNKNOWN - value = NaN", sample(math.NaN()))
	f(0, `{"query":"x"}`, "PROMQL UNKNOWN - the answer is empty")
	f(0, `{"query":"x","empty":"ok","tenant":"acme"}`, "PROMQL OK - the answer is empty")
	if tenant != "acme" {
		t.Error(tenant)
	}
	f(1, `{"query":"{app=\"a\"} |= \"error\"","count_over":"5m","critical":10}`, "LOGQL CRITICAL - lines = 12", sample(12))
	if asked != `sum(count_over_time({app="a"} |= "error" [300s]))` {
		t.Error(asked)
	}
	f(1, `{"query":"{a=\"b\"}","count_over":"5m","critical":"1:"}`, "LOGQL CRITICAL - lines = 0")
	f(0, `{"query":"x"}`, "PROMQL UNKNOWN - the answer has 10001 numbers, the most is 10000: write topk() or an aggregation", make([]Sample, maxSamples+1)...)
	fail = errors.New("the store is away")
	f(0, `{"query":"x"}`, "PROMQL UNKNOWN - the store is away")

	bad := func(kind int, options, want string) {
		t.Helper()
		if _, err := kinds[kind].New(check.Params{Options: json.RawMessage(options)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", options, err)
		}
	}
	bad(0, `{}`, "query: missing")
	bad(0, `{"query":"("}`, "query: a parenthesis is open")
	bad(0, `{"query":"x","empty":"PENDING"}`, "empty:")
	bad(0, `{"query":"x","tenant":"a/b"}`, "tenant:")
	bad(0, `{"query":"x","count_over":"5m"}`, "count_over")
	bad(1, `{"query":"x","count_over":"1ms"}`, "count_over:")
	if len(Kinds(Options{})) != 0 {
		t.Error("a kind without a function is offered")
	}
}
