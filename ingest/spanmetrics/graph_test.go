package spanmetrics

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

func TestCalls(t *testing.T) {
	const sec = time.Second
	type sent struct {
		service string
		span    model.Span
	}
	f := func(name string, spans []sent, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			for _, back := range []bool{false, true} {
				l := newLab(t, Options{})
				for i := range spans {
					if back {
						i = len(spans) - 1 - i
					}
					l.Observe("default", group(spans[i].service, spans[i].span))
				}
				l.giveUp()
				l.write()
				got := map[string]bool{}
				for _, m := range []string{"total", "failed_total", "server_seconds", "client_seconds"} {
					name := "traces_service_graph_request_" + m
					for key, v := range l.store.last(`"` + name + `"`) {
						if m != "failed_total" || v > 0 {
							got[fmt.Sprint(m, strings.Replace(key, `__name__="`+name+`", `, "", 1), " ", v)] = true
						}
					}
				}
				wanted := map[string]bool{}
				for _, w := range want {
					wanted[w] = true
				}
				if !maps.Equal(got, wanted) {
					t.Errorf("got %v\nwant %v", got, wanted)
				}
			}
		})
	}
	f("a call of two services", []sent{
		{"front", span(1, 2, 1, model.SpanClient, "GET", 2*sec, "server.address", "10.0.0.7")},
		{"back", failed(span(1, 3, 2, model.SpanServer, "GET /", sec))},
	}, `total{client="front", server="back"} 1`, `failed_total{client="front", server="back"} 1`, `client_seconds{client="front", server="back"} 1`, `server_seconds{client="front", server="back"} 1`)
	f("a service that calls itself", []sent{
		{"a", span(1, 2, 1, model.SpanClient, "GET", sec)}, {"a", span(1, 3, 2, model.SpanServer, "GET /", sec)},
	}, `total{client="a", server="a"} 1`, `client_seconds{client="a", server="a"} 1`, `server_seconds{client="a", server="a"} 1`)
	f("a database", []sent{
		{"a", span(1, 2, 1, model.SpanClient, "SELECT", sec, "db.system.name", "postgresql", "db.namespace", "orders", "server.address", "db1")},
	}, `total{client="a", connection_type="database", server="orders", virtual_node="server"} 1`, `client_seconds{client="a", connection_type="database", server="orders", virtual_node="server"} 1`, `server_seconds{client="a", connection_type="database", server="orders", virtual_node="server"} 1`)
	f("somebody outside", []sent{
		{"a", failed(span(1, 2, 1, model.SpanClient, "POST", sec, "url.full", "https://api.example.org:8443/v1?x=1"))},
	}, `total{client="a", connection_type="virtual_node", server="api.example.org", virtual_node="server"} 1`, `failed_total{client="a", connection_type="virtual_node", server="api.example.org", virtual_node="server"} 1`, `client_seconds{client="a", connection_type="virtual_node", server="api.example.org", virtual_node="server"} 1`, `server_seconds{client="a", connection_type="virtual_node", server="api.example.org", virtual_node="server"} 1`)
	f("a person", []sent{
		{"a", span(1, 1, 0, model.SpanServer, "GET /", sec)},
	}, `total{client="user", connection_type="virtual_node", server="a", virtual_node="client"} 1`, `server_seconds{client="user", connection_type="virtual_node", server="a", virtual_node="client"} 1`)
	f("one message, two who take it", []sent{
		{"a", span(1, 2, 1, model.SpanProducer, "send", sec, "messaging.destination.name", "orders")},
		{"b", span(1, 3, 2, model.SpanConsumer, "take", sec, "messaging.destination.name", "orders")},
		{"c", span(1, 4, 2, model.SpanConsumer, "take", sec, "messaging.destination.name", "orders")},
	}, `total{client="a", connection_type="messaging_system", server="b"} 1`, `client_seconds{client="a", connection_type="messaging_system", server="b"} 1`, `server_seconds{client="a", connection_type="messaging_system", server="b"} 1`,
		`total{client="a", connection_type="messaging_system", server="c"} 1`, `client_seconds{client="a", connection_type="messaging_system", server="c"} 1`, `server_seconds{client="a", connection_type="messaging_system", server="c"} 1`)
	f("a queue, both sides in traces of their own", []sent{
		{"a", span(1, 2, 1, model.SpanProducer, "send", sec, "messaging.system", "kafka", "messaging.destination.name", "orders")},
		{"b", span(2, 3, 0, model.SpanConsumer, "take", sec, "messaging.system", "kafka", "messaging.destination.name", "orders")},
	}, `total{client="a", connection_type="messaging_system", server="orders", virtual_node="server"} 1`, `client_seconds{client="a", connection_type="messaging_system", server="orders", virtual_node="server"} 1`, `server_seconds{client="a", connection_type="messaging_system", server="orders", virtual_node="server"} 1`,
		`total{client="orders", connection_type="messaging_system", server="b", virtual_node="client"} 1`, `server_seconds{client="orders", connection_type="messaging_system", server="b", virtual_node="client"} 1`)
	f("sides that nobody knows", []sent{
		{"a", span(1, 2, 1, model.SpanClient, "GET", sec)}, {"b", span(2, 3, 9, model.SpanServer, "GET /", sec)}, {"b", span(3, 3, 9, model.SpanInternal, "x", sec)},
	})
}

func TestPeers(t *testing.T) {
	f := func(wantName string, want connection, attributes ...string) {
		t.Helper()
		if name, over := peerOf(span(1, 1, 1, 0, "", 0, attributes...).Attributes); name != wantName || over != want {
			t.Errorf("peerOf(%q) = %q, %v, want %q, %v", attributes, name, over, wantName, want)
		}
	}
	f("", direct)
	f("pay", direct, "server.address", "10.0.0.1", "peer.service", "pay")
	f("pay", database, "db.system", "mysql", "peer.service", "pay")
	f("shop", database, "db.system", "mysql", "db.name", "shop")
	f("redis", database, "db.namespace", "3", "db.system.name", "redis")
	f("mysql", database, "db.system", "mysql", "net.peer.name", "db1")
	f("db1", direct, "net.peer.name", "db1", "net.peer.ip", "10.0.0.9")
	f("kafka", messaging, "messaging.system", "kafka", "server.address", "k1")
	f("10.0.0.9", direct, "network.peer.address", "10.0.0.9", "url.full", "%zz")
	f("::1", direct, "http.url", "http://[::1]:80/")
	f("", direct, "http.url", "http://x/"+strings.Repeat("y", maxURL))
	if name, _ := peerOf([]model.Attribute{{Key: "peer.service", Value: model.Int64(3)}}); name != "" {
		t.Errorf("a number is the name %q", name)
	}
}

// sentSpan is a span with who sent it.
type sentSpan struct {
	service string
	model.Span
}

// randomTraces makes traces in which services call each other, databases, queues and strangers. A client's call has at most one server.
func randomTraces(r *rand.Rand, traces int) (out []sentSpan) {
	services := []string{"a", "b", "c", "d", "e"}
	for i := range traces {
		trace := model.TraceID{0: 1, 14: byte(i >> 8), 15: byte(i)}
		id := uint16(0)
		var grow func(parent model.SpanID, kind model.SpanKind, depth int)
		grow = func(parent model.SpanID, kind model.SpanKind, depth int) {
			id++
			service := services[r.IntN(len(services))]
			s := sentSpan{service, span(0, byte(id), 0, kind, fmt.Sprint("op", r.IntN(4)), time.Duration(r.IntN(1e9)))}
			s.TraceID, s.Parent, s.Status = trace, parent, model.SpanStatus(r.IntN(3))
			s.ID[6] = byte(id >> 8)
			if kind == model.SpanConsumer {
				s.Attributes = append(s.Attributes, model.Attribute{Key: "messaging.destination.name", Value: model.TextValue("topic")})
			}
			out = append(out, s)
			if depth == 0 {
				return
			}
			for range r.IntN(3) {
				id++
				c := sentSpan{service, span(0, byte(id), 0, model.SpanClient, fmt.Sprint("call", r.IntN(3)), time.Duration(r.IntN(1e9)))}
				c.TraceID, c.Parent, c.Status = trace, s.ID, model.SpanStatus(r.IntN(3))
				c.ID[6] = byte(id >> 8)
				switch r.IntN(6) {
				case 0:
					c.Attributes = append(c.Attributes, model.Attribute{Key: "db.system", Value: model.TextValue("mysql")})
				case 1:
					c.Attributes = append(c.Attributes, model.Attribute{Key: "server.address", Value: model.TextValue("elsewhere")})
				case 2: // nothing is known of the other side
				case 3:
					c.Kind = model.SpanProducer
					c.Attributes = append(c.Attributes, model.Attribute{Key: "messaging.destination.name", Value: model.TextValue("topic")})
					for range r.IntN(3) {
						grow(c.ID, model.SpanConsumer, depth-1)
					}
				default:
					grow(c.ID, model.SpanServer, depth-1)
				}
				out = append(out, c)
			}
		}
		kind, parent := model.SpanServer, model.SpanID{}
		switch r.IntN(4) {
		case 0:
			kind = model.SpanConsumer
		case 1:
			parent = model.SpanID{1} // of somebody who is not heard
		}
		grow(parent, kind, 3)
	}
	return out
}

// naive computes the counters from all spans at once.
func naive(spans []sentSpan) (counts map[string]float64, unpaired float64) {
	counts = map[string]float64{}
	type id struct {
		trace model.TraceID
		span  model.SpanID
	}
	clients, met := map[id]sentSpan{}, map[id]bool{}
	for _, s := range spans {
		counts[fmt.Sprint("calls ", s.service, s.Name, s.Kind, s.Status)]++
		counts[fmt.Sprint("ns ", s.service, s.Name, s.Kind, s.Status)] += float64(s.Duration)
		if s.Kind == model.SpanClient || s.Kind == model.SpanProducer {
			clients[id{s.TraceID, s.ID}] = s
		}
	}
	count := func(client, server, over string, failed bool) {
		counts["requests "+client+" "+server+" "+over]++
		if failed {
			counts["failed "+client+" "+server+" "+over]++
		}
	}
	for _, s := range spans {
		if s.Kind != model.SpanServer && s.Kind != model.SpanConsumer {
			continue
		}
		c, ok := clients[id{s.TraceID, s.Parent}]
		bad := s.Status == model.StatusError
		switch {
		case ok:
			met[id{c.TraceID, c.ID}] = true
			over := ""
			if c.Kind == model.SpanProducer {
				over = "messaging_system"
			}
			count(c.service, s.service, over, bad || c.Status == model.StatusError)
		case s.Kind == model.SpanConsumer:
			count("topic", s.service, "messaging_system", bad)
		case s.Parent.IsZero():
			count("user", s.service, "virtual_node", bad)
		default:
			unpaired++
		}
	}
	for key, c := range clients {
		bad := c.Status == model.StatusError
		switch {
		case met[key]:
		case len(c.Attributes) == 0:
			unpaired++
		case c.Attributes[0].Key == "db.system":
			count(c.service, "mysql", "database", bad)
		case c.Kind == model.SpanProducer:
			count(c.service, "topic", "messaging_system", bad)
		default:
			count(c.service, "elsewhere", "virtual_node", bad)
		}
	}
	return counts, unpaired
}

// TestCountsAreThoseOfAllSpansAtOnce sends random traces in random order and parts, with writings in between.
func TestCountsAreThoseOfAllSpansAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		spans := randomTraces(r, 60)
		want, unpaired := naive(spans)
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		l := newLab(t, Options{})
		for i := 0; i < len(spans); {
			var groups []model.SpanGroup
			for n := r.IntN(30) + 1; n > 0 && i < len(spans); n, i = n-1, i+1 {
				groups = append(groups, group(spans[i].service, spans[i].Span)...)
			}
			l.Observe("default", groups)
			if r.IntN(5) == 0 {
				l.write()
			}
		}
		l.giveUp()
		l.write()
		got := map[string]float64{}
		for _, n := range l.tenant("default").list() {
			for k, o := range n.operations {
				got[fmt.Sprint("calls ", n.name, k.name, k.kind, k.status)] = float64(o.spans.count)
				got[fmt.Sprint("ns ", n.name, k.name, k.kind, k.status)] = o.spans.sum * 1e9
			}
			for k, c := range n.calls {
				name := n.name + " " + k.server.name + " " + connectionNames[k.over]
				got["requests "+name] += float64(c.requests)
				if c.failed > 0 {
					got["failed "+name] += float64(c.failed)
				}
			}
		}
		for key := range maps.Keys(want) {
			if d := got[key] - want[key]; d > 1 || d < -1 || d != 0 && !strings.HasPrefix(key, "ns ") {
				t.Errorf("seed %d: %s is %v, want %v", seed, key, got[key], want[key])
			}
		}
		if len(got) != len(want) {
			t.Errorf("seed %d: %d counters, want %d", seed, len(got), len(want))
		}
		if n := l.ownCounter("hulotte_span_metrics_unpaired_spans_total"); n != unpaired {
			t.Errorf("seed %d: %v spans without another side, want %v", seed, n, unpaired)
		}
	}
}
