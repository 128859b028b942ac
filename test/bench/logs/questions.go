package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/test/bench/peer"
)

// question is one thing that people ask of logs.
type question struct {
	name    string
	instant bool
	limit   int
	logQL   func(p *pushSet) string
	// logsQL returns the query and the endpoint that answers it.
	logsQL func(p *pushSet) (query, path string)
}

// questions are the classes that are compared.
var questions = []question{
	{"needle: a trace id, field not named", false, 10,
		func(p *pushSet) string { return fmt.Sprintf("{job=~\".+\"} |= `%s`", p.needle) },
		// VictoriaLogs 1.26 cannot search all fields: the field is named for it.
		func(p *pushSet) (string, string) { return fmt.Sprintf("trace_id:=%q", p.needle), "query" }},
	{"needle: not there", false, 10,
		func(*pushSet) string { return "{job=~\".+\"} |= `ffffffffdeadbeefffffffffdeadbeef`" },
		func(*pushSet) (string, string) { return `trace_id:="ffffffffdeadbeefffffffffdeadbeef"`, "query" }},
	{"phrase: count of `connection reset`", true, 0,
		func(p *pushSet) string { return count(p, "|= `connection reset`") },
		func(*pushSet) (string, string) {
			return `msg:"connection reset" OR _msg:"connection reset" | stats count() n`, "query"
		}},
	{"substring: count of `onnection rese`", true, 0,
		func(p *pushSet) string { return count(p, "|= `onnection rese`") },
		func(*pushSet) (string, string) {
			return `msg:~"onnection rese" OR _msg:~"onnection rese" | stats count() n`, "query"
		}},
	{"regex: count of backend=10\\.9\\.1\\.1[0-9]:", true, 0,
		func(p *pushSet) string { return count(p, "|~ `backend=10\\.9\\.1\\.1[0-9]:`") },
		func(*pushSet) (string, string) {
			return `_msg:~"backend=10\\.9\\.1\\.1[0-9]:" | stats count() n`, "query"
		}},
	{"lines by level per 5 m", false, 0,
		func(*pushSet) string { return `sum by (level) (count_over_time({job="app"} | json [5m]))` },
		func(*pushSet) (string, string) {
			return `{job="app"} | stats by (level) count() n`, "stats_query_range"
		}},
	{"p95 of a parsed field by service per 5 m", false, 0,
		func(*pushSet) string {
			return `quantile_over_time(0.95, {job="app"} | json | unwrap latency_ms [5m]) by (app)`
		},
		func(*pushSet) (string, string) {
			return `{job="app"} | stats by (app) quantile(0.95, latency_ms) n`, "stats_query_range"
		}},
	{"last 100 of a stream", false, 100,
		func(p *pushSet) string { return p.stream },
		func(p *pushSet) (string, string) { return p.stream + " | sort by (_time desc) limit 100", "query" }},
	{"bytes by job per 5 m", false, 0,
		func(*pushSet) string { return `sum by (job) (bytes_over_time({job=~".+"}[5m]))` },
		// VictoriaLogs no longer has the text of a JSON line: lines are counted, which is less work.
		func(*pushSet) (string, string) { return `* | stats by (job) count() n`, "stats_query_range" }},
	{"top 10 users with status >= 500", true, 0,
		func(p *pushSet) string {
			return fmt.Sprintf(`topk(10, sum by (user_id) (count_over_time({job="app"} | json | status >= 500 [%s])))`, p.span())
		},
		func(*pushSet) (string, string) {
			return `{job="app"} status:>=500 | stats by (user_id) count() n | sort by (n desc) limit 10`, "query"
		}},
}

func count(p *pushSet, filter string) string {
	return fmt.Sprintf("sum(count_over_time({job=~\".+\"} %s [%s]))", filter, p.span())
}

// askAll asks every system every question, in turns, and prints medians.
func askAll(ctx context.Context, o options, systems []*system, p *pushSet) error {
	fmt.Print("| question |")
	for _, s := range systems {
		fmt.Printf(" %s wall ms | CPU ms | found |", s.Name)
	}
	fmt.Printf("\n|---|%s\n", strings.Repeat("---|---|---|", len(systems)))
	for _, q := range questions {
		fmt.Printf("| %s |", q.name)
		walls, cpus, found := make([][]float64, len(systems)), make([][]float64, len(systems)), make([]string, len(systems))
		for range o.rounds {
			for i, s := range systems {
				before := s.Usage().CPU
				begin := time.Now()
				text, err := ask(ctx, s.ask(s.Base, q, p))
				if err != nil {
					return fmt.Errorf("%s, %q: %w", s.Name, q.name, err)
				}
				walls[i] = append(walls[i], time.Since(begin).Seconds()*1000)
				cpus[i] = append(cpus[i], (s.Usage().CPU-before)*1000)
				found[i] = summary(text)
			}
		}
		for i := range systems {
			fmt.Printf(" %.1f | %.0f | %s |", peer.Median(walls[i]), peer.Mean(cpus[i]), found[i])
		}
		fmt.Println()
	}
	return nil
}

func ask(ctx context.Context, r *http.Request) ([]byte, error) {
	answer, err := http.DefaultClient.Do(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.500s", answer.Status, text)
	}
	return text, err
}

// summary says in a few characters what was found, so that a person sees whether the systems agree: the number of series
// or lines, and the sum of all values of numbers.
func summary(text []byte) string {
	var a struct {
		Data struct {
			ResultType string
			Result     []struct {
				Value  []any
				Values [][]any
			}
		}
	}
	if json.Unmarshal(text, &a) == nil && a.Data.ResultType != "" {
		points, sum := 0, 0.0
		for _, r := range a.Data.Result {
			if r.Value != nil {
				r.Values = append(r.Values, r.Value)
			}
			points += len(r.Values)
			for _, v := range r.Values {
				var x float64
				if _, err := fmt.Sscan(fmt.Sprint(v[1]), &x); err == nil && a.Data.ResultType != "streams" {
					sum += x
				}
			}
		}
		if a.Data.ResultType == "streams" {
			return fmt.Sprintf("%d lines", points)
		}
		return fmt.Sprintf("%d series, %d points, sum %.6g", len(a.Data.Result), points, sum)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	sum := 0.0
	for _, l := range lines {
		var row struct{ N string }
		var x float64
		if json.Unmarshal(l, &row) == nil {
			if _, err := fmt.Sscan(row.N, &x); err == nil {
				sum += x
			}
		}
	}
	if sum > 0 {
		return fmt.Sprintf("%d rows, sum %.6g", len(lines), sum)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return "0 lines"
	}
	return fmt.Sprintf("%d lines", len(lines))
}
