package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/test/bench/peer"
)

// question is one thing that people ask of traces: what it asks a system for, "" when that cannot answer it.
type question struct {
	name string
	path func(s *system, p *pushSet) string
}

var questions = []question{
	{"trace by id", func(s *system, p *pushSet) string { return s.jaeger + "/traces/" + p.trace }},
	{"trace by id: not there", func(s *system, _ *pushSet) string { return s.jaeger + "/traces/00000000deadbeef00000000deadbeef" }},
	{"search: service, tag, duration", search("tags", `{"http.status_code":"500"}`, "minDuration", "60ms")},
	{"search: service, operation", search("operation", "POST /checkout")},
	{"search: one user", search("tags", `{"user.id":"u-17"}`)},
	{"search: a user that is not there", search("tags", `{"user.id":"nobody"}`)},
	{"services", func(s *system, _ *pushSet) string { return s.jaeger + "/services" }},
	{"p95 by service per 5 m", func(s *system, p *pushSet) string {
		if s.p95 == nil {
			return ""
		}
		return s.p95(p)
	}},
}

// search returns a search for traces of the service svc-03, twenty of them, in Jaeger's HTTP API, with more parameters.
func search(more ...string) func(*system, *pushSet) string {
	return func(s *system, p *pushSet) string {
		v := url.Values{"service": {serviceName(3)}, "limit": {"20"}, "start": {strconv.FormatInt(p.start.UnixMicro(), 10)}, "end": {strconv.FormatInt(p.end.UnixMicro(), 10)}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return s.jaeger + "/traces?" + v.Encode()
	}
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
				path := q.path(s, p)
				if path == "" {
					continue
				}
				before, begin := s.Usage().CPU, time.Now()
				answer, err := ask(ctx, s.Base+path)
				if err != nil {
					return fmt.Errorf("%s, %q: %w", s.Name, q.name, err)
				}
				walls[i] = append(walls[i], time.Since(begin).Seconds()*1000)
				cpus[i] = append(cpus[i], (s.Usage().CPU-before)*1000)
				found[i] = summary(answer)
			}
		}
		for i := range systems {
			if walls[i] == nil {
				fmt.Print(" – | – | – |")
				continue
			}
			fmt.Printf(" %.1f | %.0f | %s |", peer.Median(walls[i]), peer.Mean(cpus[i]), found[i])
		}
		fmt.Println()
	}
	return nil
}

func ask(ctx context.Context, to string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s: %.500s", answer.Status, text)
	}
	return text, err
}

// summary says in a few characters what was found, so that a person sees whether the systems agree.
func summary(text []byte) string {
	var a struct {
		Data   json.RawMessage
		Series []json.RawMessage
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Sprintf("%d bytes", len(text))
	}
	if a.Series != nil {
		return fmt.Sprintf("%d series", len(a.Series))
	}
	var traces []struct{ Spans []struct{} }
	var names []string
	var result struct{ Result []json.RawMessage }
	switch {
	case json.Unmarshal(a.Data, &traces) == nil:
		spans := 0
		for _, t := range traces {
			spans += len(t.Spans)
		}
		return fmt.Sprintf("%d traces, %d spans", len(traces), spans)
	case json.Unmarshal(a.Data, &names) == nil:
		return fmt.Sprintf("%d names", len(names))
	case json.Unmarshal(a.Data, &result) == nil:
		return fmt.Sprintf("%d series", len(result.Result))
	}
	return fmt.Sprintf("%d bytes", len(text))
}
