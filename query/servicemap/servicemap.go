// Package servicemap answers who calls whom, how often, with what success and how fast, and where each stands on a map. It reads the series of
// span metrics and service graphs (ingest/spanmetrics, or OpenTelemetry's connectors) through PromQL, and keeps nothing.
package servicemap

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Map is who calls whom. Nodes ascend by name, edges by their ends and kind.
type Map struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
	// Omitted is how many nodes are left out as there are more than MaxNodes: those that are asked least.
	Omitted int `json:"omitted"`
}

// The kinds of nodes.
const (
	Service  = "service"
	Database = "database"
	Queue    = "queue"
	External = "external" // it sends no spans of its own, and is none of the others
)

// Node is a service, or something that services call or are called by.
type Node struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// X and Y are its middle in pixels; it is 168 wide and 52 high.
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Rate   float64 `json:"rate"`   // of what it is asked, a second
	Errors float64 `json:"errors"` // the share of it that failed, 0 to 1
	P95    Seconds `json:"p95"`
}

// Edge is the calls of one node to another over one kind of connection.
type Edge struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	Kind   string  `json:"kind"` // connection_type: "", messaging_system, database or virtual_node
	Rate   float64 `json:"rate"` // of calls, a second
	Errors float64 `json:"errors"`
	P95    Seconds `json:"p95"`
}

// Seconds is a duration; NaN, which is null in JSON, is one that is not known.
type Seconds float64

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) {
		return []byte("null"), nil
	}
	return fmt.Appendf(nil, "%g", float64(s)), nil
}

// MaxNodes is how many nodes a map has at most: more than anybody can look at.
const MaxNodes = 1000

// MaxRange is the longest range of a map.
const MaxRange = 400 * 24 * time.Hour

// Query evaluates PromQL at a time for the tenant of the context.
type Query func(ctx context.Context, expr string, at time.Time) (promql.Vector, error)

// invalid is an error that says by a method what kind it is, so that the API tells kinds apart without importing us.
type invalid string

func (e invalid) Error() string { return string(e) }
func (e invalid) Invalid() bool { return true }

// Of returns the map of what happened between two times.
func Of(ctx context.Context, query Query, from, to time.Time) (*Map, error) {
	switch span := to.Sub(from); {
	case span <= 0:
		return nil, invalid(fmt.Sprintf("the range ends at %d, before it starts at %d", to.Unix(), from.Unix()))
	case span > MaxRange:
		return nil, invalid(fmt.Sprintf("the range is %s long: at most %s are allowed", span, MaxRange))
	}
	r := &reading{ctx: ctx, query: query, at: to, span: to.Sub(from)}
	services, err := r.services()
	if err != nil {
		return nil, err
	}
	edges, err := r.edges()
	if err != nil {
		return nil, err
	}
	answers, err := r.answers()
	if err != nil {
		return nil, err
	}
	return assemble(services, edges, answers), nil
}

// measured is how something goes.
type measured struct {
	rate, failed float64 // a second
	p95          Seconds
	answers      bool // the rate is of what it was asked; if not, it only runs by itself
}

func (m *measured) share() float64 {
	if m.rate <= 0 {
		return 0
	}
	return min(1, max(0, m.failed/m.rate))
}

// link is the identity of an edge as the series have it.
type link struct{ from, to, over, virtual string }

// assemble puts the map together.
func assemble(services map[string]*measured, links map[link]*measured, answers map[string]Seconds) *Map {
	kinds := kindsOf(services, links)
	nodes := map[string]*Node{}
	for name, kind := range kinds {
		nodes[name] = &Node{Name: name, Kind: kind, P95: Seconds(math.NaN())}
	}
	edges := merged(links)
	for name, n := range nodes {
		total := measured{p95: answers[name]}
		if s := services[name]; s != nil && s.answers {
			total = *s
		} else {
			for _, e := range edges {
				if e.To == name {
					total.rate += e.Rate
					total.failed += e.Rate * e.Errors
				}
			}
			if _, ok := answers[name]; !ok {
				total.p95 = Seconds(math.NaN())
			}
		}
		n.Rate, n.Errors, n.P95 = total.rate, total.share(), total.p95
	}
	m := &Map{Nodes: []Node{}, Edges: []Edge{}}
	kept := busiest(nodes)
	m.Omitted = len(nodes) - len(kept)
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		m.Nodes = append(m.Nodes, *kept[name])
	}
	for _, e := range edges {
		if kept[e.From] != nil && kept[e.To] != nil {
			m.Edges = append(m.Edges, e)
		}
	}
	m.place()
	return m
}

// busiest returns the MaxNodes nodes that are asked most.
func busiest(nodes map[string]*Node) map[string]*Node {
	if len(nodes) <= MaxNodes {
		return nodes
	}
	list := slices.SortedFunc(maps.Values(nodes), func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Name, b.Name))
	})
	out := map[string]*Node{}
	for _, n := range list[:MaxNodes] {
		out[n.Name] = n
	}
	return out
}

// merged returns the edges, sorted. Those that differ only in which side sends no spans become one.
func merged(links map[link]*measured) []Edge {
	type id struct{ from, to, over string }
	of := map[id]*measured{}
	for _, l := range slices.SortedFunc(maps.Keys(links), compareLinks) {
		m, k := links[l], id{l.from, l.to, l.over}
		have := of[k]
		if have == nil {
			of[k] = &measured{rate: m.rate, failed: m.failed, p95: m.p95}
			continue
		}
		if m.rate > have.rate || math.IsNaN(float64(have.p95)) { // of two, that of the most calls
			have.p95 = m.p95
		}
		have.rate += m.rate
		have.failed += m.failed
	}
	out := make([]Edge, 0, len(of))
	for k, m := range of {
		out = append(out, Edge{From: k.from, To: k.to, Kind: k.over, Rate: m.rate, Errors: m.share(), P95: m.p95})
	}
	slices.SortFunc(out, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func compareLinks(a, b link) int {
	return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.over, b.over), cmp.Compare(a.virtual, b.virtual))
}

// userNode is the caller whom nobody knows, as the service-graph connector names it.
const userNode = "user"

// kindsOf tells what each node is. Whoever sends spans is a service; the rest is what it is called over.
func kindsOf(services map[string]*measured, links map[link]*measured) map[string]string {
	kinds := map[string]string{}
	for name := range services {
		kinds[name] = Service
	}
	rank := map[string]int{Service: 3, Database: 2, Queue: 1, External: 0}
	is := func(name, kind string) {
		if have, ok := kinds[name]; !ok || rank[kind] > rank[have] {
			kinds[name] = kind
		}
	}
	for l := range links {
		from, to := Service, Service
		switch missingSide(l) {
		case "client":
			from = kindOver(l.over)
		case "server":
			to = kindOver(l.over)
		}
		is(l.from, from)
		is(l.to, to)
	}
	return kinds
}

// missingSide is which side of an edge sends no spans: "client", "server" or "". Where the label is not there, the rest tells.
func missingSide(l link) string {
	switch {
	case l.virtual != "":
		return l.virtual
	case l.over == "database":
		return "server"
	case l.over == "virtual_node" && l.from == userNode:
		return "client"
	case l.over == "virtual_node":
		return "server"
	}
	return ""
}

func kindOver(over string) string {
	switch over {
	case "database":
		return Database
	case "messaging_system":
		return Queue
	}
	return External
}

// place gives the nodes their places.
func (m *Map) place() {
	number := map[string]int{}
	for i := range m.Nodes {
		number[m.Nodes[i].Name] = i
	}
	calls := make([][2]int, len(m.Edges))
	for i, e := range m.Edges {
		calls[i] = [2]int{number[e.From], number[e.To]}
	}
	for i, p := range layout(len(m.Nodes), calls) {
		m.Nodes[i].X, m.Nodes[i].Y = p.x, p.y
	}
}

// reading asks for the series of one map.
type reading struct {
	ctx   context.Context
	query Query
	at    time.Time
	span  time.Duration
}

const (
	// shortest is what a rate needs to see two samples of series that are written every 15 to 30 seconds.
	shortest = time.Minute
	// Histograms cost some fifty times as much to read as numbers. Of ranges longer than longRange they are read for sampled at samplings times,
	// evenly spread.
	longRange = 24 * time.Hour
	samplings = 24
	sampled   = time.Hour
)

// over returns the expression of the rate of counters over the range, summed by labels.
func (r *reading) over(selector, by string) string {
	window := max(r.span, shortest)
	return fmt.Sprintf("sum by (%s) (rate(%s[%dms]))", by, selector, window.Milliseconds())
}

// overHistograms does the same for histograms.
func (r *reading) overHistograms(selector, by string) string {
	if r.span <= longRange {
		return r.over(selector, by)
	}
	step := (r.span / samplings).Milliseconds()
	return fmt.Sprintf("avg_over_time(sum by (%s) (rate(%s[%dms]))[%dms:%dms])", by, selector, sampled.Milliseconds(), step*samplings, step)
}

const (
	calls     = "traces_span_metrics_calls_total"
	durations = "traces_span_metrics_duration"
	requests  = "traces_service_graph_request"
	answering = `span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"`
	ends      = "client, server, connection_type, virtual_node"
)

// quantile is the 95th percentile of a histogram of durations: native, or classic in seconds or milliseconds, as the connectors may make them.
func (r *reading) quantile(name, matchers, by string) string {
	q := func(inner string) string { return "histogram_quantile(0.95, " + inner + ")" }
	return q(r.overHistograms(name+"_seconds{"+matchers+"}", by)) + " or " + q(r.overHistograms(name+"_seconds_bucket{"+matchers+"}", by+", le")) + " or " +
		q(r.overHistograms(name+"_milliseconds_bucket{"+matchers+"}", by+", le")) + " / 1000"
}

// each asks and calls f with what is there and a number.
func (r *reading) each(expr string, f func(l labels.Labels, value float64)) error {
	v, err := r.query(r.ctx, expr, r.at)
	if err != nil {
		return err
	}
	for _, s := range v {
		if s.H == nil && !math.IsNaN(s.F) && !math.IsInf(s.F, 0) {
			f(s.Metric, s.F)
		}
	}
	return nil
}

// services are those that sent spans, with what they answered.
func (r *reading) services() (map[string]*measured, error) {
	out := map[string]*measured{}
	of := func(l labels.Labels) *measured { return out[l.Get("service_name")] }
	err := r.each(r.over(calls, "service_name"), func(l labels.Labels, v float64) {
		if v > 0 {
			out[l.Get("service_name")] = &measured{p95: Seconds(math.NaN())}
		}
	})
	if err != nil {
		return nil, err
	}
	err = r.each(r.over(calls+"{"+answering+"}", "service_name"), func(l labels.Labels, v float64) {
		if m := of(l); m != nil && v > 0 {
			m.rate, m.answers = v, true
		}
	})
	if err != nil {
		return nil, err
	}
	err = r.each(r.over(calls+"{"+answering+`,status_code="STATUS_CODE_ERROR"}`, "service_name"), func(l labels.Labels, v float64) {
		if m := of(l); m != nil {
			m.failed = v
		}
	})
	if err != nil {
		return nil, err
	}
	return out, r.each(r.quantile(durations, answering, "service_name"), func(l labels.Labels, v float64) {
		if m := of(l); m != nil {
			m.p95 = Seconds(v)
		}
	})
}

// edges are the calls that there were.
func (r *reading) edges() (map[link]*measured, error) {
	out := map[link]*measured{}
	of := func(l labels.Labels) link {
		return link{l.Get("client"), l.Get("server"), l.Get("connection_type"), l.Get("virtual_node")}
	}
	err := r.each(r.over(requests+"_total", ends), func(l labels.Labels, v float64) {
		if k := of(l); v > 0 && k.from != "" && k.to != "" {
			out[k] = &measured{rate: v, p95: Seconds(math.NaN())}
		}
	})
	if err != nil {
		return nil, err
	}
	err = r.each(r.over(requests+"_failed_total", ends), func(l labels.Labels, v float64) {
		if m := out[of(l)]; m != nil {
			m.failed = v
		}
	})
	if err != nil {
		return nil, err
	}
	// As the caller has it, and where there is no caller as the called has.
	for _, side := range []string{"_server", "_client"} {
		err := r.each(r.quantile(requests+side, "", ends), func(l labels.Labels, v float64) {
			if m := out[of(l)]; m != nil {
				m.p95 = Seconds(v)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// answers is how long those took who are called, by name.
func (r *reading) answers() (map[string]Seconds, error) {
	out := map[string]Seconds{}
	return out, r.each(r.quantile(requests+"_server", "", "server"), func(l labels.Labels, v float64) {
		out[l.Get("server")] = Seconds(v)
	})
}
