package logql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// threeApps has an app a with a record every second that counts v=1, 2, ..., one b with v=10, 20, ... every two seconds and one c whose
// v is no number.
func threeApps(t *testing.T) *eventstest.Memory {
	t.Helper()
	m := &eventstest.Memory{}
	stream := func(app string, every int, v func(i int) string) model.Stream {
		s := model.Stream{Labels: []model.Field{{Name: "app", Value: app}}}
		for i := every; i <= 10; i += every {
			s.Records = append(s.Records, model.Record{
				Time: int64(i) * 1e9, Line: "four",
				Fields: []model.Field{{Name: "v", Value: v(i)}, {Name: "level", Value: []string{"info", "warn"}[i/every%2]}},
			})
		}
		return s
	}
	_, err := m.AppendRecords(context.Background(), []model.Stream{
		stream("a", 1, func(i int) string { return fmt.Sprint(i) }),
		stream("b", 2, func(i int) string { return fmt.Sprint(i * 5) }),
		stream("c", 5, func(i int) string { return "x" }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func answerOf(t *testing.T, query string, start, end, step, maxSeries int) (string, error) {
	t.Helper()
	expr, err := Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	m := &metricEval{reader: threeApps(t), compile: rawPipeline, stats: func(store.EventStats) {}}
	req := &Request{Start: time.Unix(int64(start), 0), End: time.Unix(int64(end), 0), Step: time.Duration(step) * time.Second}
	r, err := m.evaluate(context.Background(), expr.(MetricExpr), req, maxSeries)
	var out []string
	switch {
	case err != nil:
		return "", err
	case r.Scalar != nil:
		return fmt.Sprintf("%v @%d", r.Scalar.V, r.Scalar.T), nil
	case r.Vector != nil:
		for _, s := range r.Vector {
			out = append(out, fmt.Sprintf("%s %v", s.Metric, s.F))
		}
	default:
		for _, s := range r.Matrix {
			line := s.Metric.String()
			for _, p := range s.Floats {
				line += fmt.Sprintf(" %v@%d", p.F, p.T/1000)
			}
			out = append(out, line)
		}
	}
	return strings.Join(out, "; "), nil
}

func TestMetricInstant(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		got, err := answerOf(t, query, 10, 10, 0, 0)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", query, got, err, want)
		}
	}
	f(`1 + 2 * 3 ^ 2`, "19 @10000")
	f(`1 > 2`, "0 @10000")
	f(`vector(3)`, "{} 3")
	f(`2 - vector(3)`, "{} -1")
	f(`vector(3) > 2`, "{} 3")
	f(`4 > vector(3)`, "{} 3")
	f(`vector(3) > bool 4`, "{} 0")
	f(`vector(3) > 4`, "")
	f(`sum by (app) (count_over_time({app=~".+"}[4s]))`, `{app="a"} 4; {app="b"} 2; {app="c"} 1`)
	f(`sum by (app, level) (count_over_time({app=~"a|b"}[4s]))`, `{app="a", level="info"} 2; {app="a", level="warn"} 2; {app="b", level="info"} 1; {app="b", level="warn"} 1`)
	f(`sum without (v) (count_over_time({app=~"a|b"}[4s]))`, `{app="a", level="info"} 2; {app="a", level="warn"} 2; {app="b", level="info"} 1; {app="b", level="warn"} 1`)
	f(`sum(bytes_over_time({app="a"}[4s]))`, "{} 16")
	f(`sum(bytes_rate({app="a"}[4s]))`, "{} 4")
	f(`sum by (app) (sum_over_time({app=~"a|b"} | unwrap v [4s]))`, `{app="a"} 34; {app="b"} 90`)
	f(`quantile_over_time(0.5, {app=~"a|b"} | unwrap v [4s]) by (app)`, `{app="a"} 8.5; {app="b"} 45`)
	f(`sum_over_time({app="c"} | unwrap v | __error__="" [10s])`, "")
	f(`topk(1, sum by (app) (count_over_time({app=~".+"}[4s])))`, `{app="a"} 4`)
	f(`topk(2, sum by (app) (count_over_time({app=~".+"}[4s])))`, `{app="a"} 4; {app="b"} 2`)
	f(`bottomk(2, sum by (app) (count_over_time({app=~".+"}[4s])))`, `{app="c"} 1; {app="b"} 2`)
	f(`approx_topk(1, sum by (app) (count_over_time({app=~".+"}[4s])))`, `{app="a"} 4`)
	f(`topk by (level) (1, sum by (app, level) (count_over_time({app=~"a|b"}[4s])))`, `{app="a", level="info"} 2; {app="a", level="warn"} 2`)
	f(`sort(sum by (app) (count_over_time({app=~".+"}[4s])))`, `{app="c"} 1; {app="b"} 2; {app="a"} 4`)
	f(`sort_desc(sum by (app) (count_over_time({app=~".+"}[4s])))`, `{app="a"} 4; {app="b"} 2; {app="c"} 1`)
	f(`absent_over_time({app="d", x=~"y"}[4s])`, `{app="d"} 1`)
	f(`absent_over_time({app="a"}[4s])`, ``)
	f(`label_replace(sum by (app) (count_over_time({app="a"}[4s])), "x", "<$1>", "app", "(.*)")`, `{app="a", x="<a>"} 4`)
	f(`label_replace(sum by (app) (count_over_time({app="a"}[4s])), "app", "", "app", ".*")`, `{} 4`)
	f(`label_replace(sum by (app) (count_over_time({app="a"}[4s])), "x", "y", "app", "b")`, `{app="a"} 4`)
	f(`sum by (app) (count_over_time({app=~"a|b"}[4s])) / on () group_left () sum(count_over_time({app=~"a|b"}[8s]))`, `{app="a"} 0.3333333333333333; {app="b"} 0.16666666666666666`)
	f(`sum(count_over_time({app="a"}[4s])) * on () group_right () sum by (app) (count_over_time({app=~"a|b"}[4s]))`, `{app="a"} 16; {app="b"} 8`)
	f(`sum by (level) (count_over_time({app="b"}[4s])) * on (level) group_left (app) sum by (level, app) (count_over_time({app="a"}[4s]))`,
		`{app="a", level="info"} 2; {app="a", level="warn"} 2`)
}

func TestMetricRange(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		got, err := answerOf(t, query, 0, 10, 5, 0)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", query, got, err, want)
		}
	}
	f(`2`, "{} 2@0 2@5 2@10")
	f(`sum by (app) (count_over_time({app=~".+"}[5s]))`, `{app="a"} 5@5 5@10; {app="b"} 2@5 3@10; {app="c"} 1@5 1@10`)
	f(`topk(1, sum by (app) (sum_over_time({app=~"a|b"} | unwrap v [5s])))`, `{app="b"} 30@5 120@10`)
	f(`sort_desc(sum by (app) (count_over_time({app=~"a|b"}[5s])))`, `{app="a"} 5@5 5@10; {app="b"} 2@5 3@10`)
	f(`absent_over_time({app="a"}[5s])`, `{app="a"} 1@0`)
	f(`sum(count_over_time({app="a"}[5s])) / sum(count_over_time({app="a"}[5s]))`, `{} 1@5 1@10`)
	f(`sum(count_over_time({app="a"}[5s] offset 5s))`, `{} 5@10`)
}

func TestMetricErrors(t *testing.T) {
	f := func(query, want string, kind model.Kind) {
		t.Helper()
		_, err := answerOf(t, query, 10, 10, 0, 2)
		if err == nil || !strings.HasPrefix(err.Error(), want) || model.KindOf(err) != kind {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
	f(`sum_over_time({app="c"} | unwrap v [10s])`, `pipeline error: 'SampleExtractionErr' for series: '{__error__="SampleExtractionErr", `+
		`__error_details__="strconv.ParseFloat: parsing \"x\": invalid syntax", app="c", level="warn", v="x"}'.`+"\n", model.Invalid)
	f(`sum by (app) (count_over_time({app=~".+"}[4s]))`, "maximum number of series (2) reached for a single query", model.Limit)
	f(`sum by (app, level) (count_over_time({app="a"}[4s])) / on (app) sum by (app, level) (count_over_time({app="a"}[4s]))`,
		"multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)", model.Invalid)
	f(`label_replace(sum by (app) (count_over_time({app=~".+"}[4s])), "app", "same", "app", ".*")`, "label_replace makes two series of the labels", model.Invalid)
	f(`sum(1)`, "sum takes series, not a number", model.Invalid)
}

func TestMetricMemoryIsBounded(t *testing.T) {
	expr, err := Parse(`quantile_over_time(0.5, {app="a"} | unwrap v [10s])`)
	if err != nil {
		t.Fatal(err)
	}
	m := &metricEval{reader: threeApps(t), compile: rawPipeline, stats: func(store.EventStats) {}, steps: steps{start: 10e9, count: 1}}
	m.meter.limit = 5
	if _, err := m.eval(context.Background(), expr.(MetricExpr)); !errors.Is(err, errTooMuch) {
		t.Errorf("%v", err)
	}
}
