package spanmetrics

import (
	"net/url"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// connection is what a call goes over: the label connection_type of the service-graph connector.
type connection uint8

const (
	direct connection = iota // the label is absent
	messaging
	database
	virtual // the other side sends no spans
)

var connectionNames = [...]string{"", "messaging_system", "database", "virtual_node"}

// UserNode is the caller of a service that nobody called who sends spans, as the service-graph connector names it.
const UserNode = "user"

// side is which end of a call is no service that sends spans.
type side uint8

const (
	neither side = iota
	clientSide
	serverSide
)

var sideNames = [...]string{"", "client", "server"}

// callKey tells the calls of one client apart.
type callKey struct {
	server *node
	over   connection
	alone  side
}

// seriesOfCall is how many series a pair has at most: requests, failures, durations as the client and the server have them.
const seriesOfCall = 4

// call is the calls of one client to one server.
type call struct {
	key              callKey
	requests, failed uint64
	client, server   durations // as each side measured them
	born             int64     // from when on it counts, milliseconds since the epoch
	touched          int64     // milliseconds since the epoch
	out              [seriesOfCall]series
}

// half is one side of a call: a span that waits for the other's.
type half struct {
	node     *node
	peer     *node // what it says of the other side, if that sends no spans; nil: nothing
	over     connection
	client   bool // it is the side that called
	paired   bool // the other side has come already: one message may have many consumers
	failed   bool
	start    int64 // nanoseconds since the epoch
	duration int64 // nanoseconds
	span     model.SpanID
	next     *half // more servers of one client that has not come yet
}

// observeCall takes part of a call: a client's span is paired with the server's span whose parent it is.
func (t *tenant) observeCall(n *node, s *model.Span, now int64) {
	h := half{node: n, failed: s.Status == model.StatusError, start: s.Start, duration: s.Duration, span: s.ID}
	key := halfKey{tenant: t, trace: s.TraceID, span: s.ID}
	switch s.Kind {
	case model.SpanClient, model.SpanProducer:
		h.client = true
	case model.SpanServer, model.SpanConsumer:
		key.span = s.Parent
	default:
		return
	}
	if s.Kind == model.SpanProducer || s.Kind == model.SpanConsumer {
		h.over = messaging
	}
	if s.TraceID.IsZero() {
		return
	}
	if !h.client && s.Parent.IsZero() {
		t.alone(key.trace, t.describe(h, s, now), now)
		return
	}
	// Most calls are paired here, and what the span says of the other side need not be looked for.
	if s.Kind != model.SpanProducer && t.meet(key, &h, false, now) {
		return
	}
	h = t.describe(h, s, now)
	if h.client && h.over == database { // databases send no spans: nobody will come
		t.alone(key.trace, h, now)
		return
	}
	t.meet(key, &h, true, now)
}

// meet pairs h with the other side if that has come already, and says whether it has. Otherwise h waits for it, if it shall.
func (t *tenant) meet(key halfKey, h *half, wait bool, now int64) bool {
	other, how := t.metrics.pending.meet(key, h, wait)
	switch how {
	case full:
		t.metrics.own.dropped.Inc()
	case met:
		for o := &other; o != nil; o = o.next {
			t.pair(key.trace, h, o, now)
		}
	}
	return how == met
}

// describe fills in what the span says of the other side.
func (t *tenant) describe(h half, s *model.Span, now int64) half {
	if s.Kind == model.SpanServer {
		if s.Parent.IsZero() {
			h.peer, h.over = t.peer(UserNode, now), virtual
		}
		return h
	}
	name, over := peerOf(s.Attributes)
	if h.over != messaging {
		h.over = over
	}
	if name != "" {
		h.peer = t.peer(name, now)
	}
	return h
}

// pair counts a call of which both sides are known.
func (t *tenant) pair(trace model.TraceID, a, b *half, now int64) {
	client, server := a, b
	if b.client {
		client, server = b, a
	}
	over := direct
	if client.over == messaging || server.over == messaging {
		over = messaging
	}
	n := client.node
	n.touch(now)
	server.node.touch(now)
	n.mu.Lock()
	defer n.mu.Unlock()
	c := t.call(n, callKey{server: server.node, over: over}, now)
	c.count(client.failed || server.failed, now)
	c.client.observe(client.duration, client.start, trace, client.span)
	c.server.observe(server.duration, server.start, trace, server.span)
}

// alone counts a call of which only one side sends spans, if that side says who the other is.
func (t *tenant) alone(trace model.TraceID, h half, now int64) {
	if h.peer == nil {
		t.metrics.own.unpaired.Inc()
		return
	}
	over := h.over
	if over == direct {
		over = virtual
	}
	client, server, missing := h.node, h.peer, serverSide
	if !h.client {
		client, server, missing = h.peer, h.node, clientSide
	}
	client.touch(now)
	server.touch(now)
	client.mu.Lock()
	defer client.mu.Unlock()
	c := t.call(client, callKey{server, over, missing}, now)
	c.count(h.failed, now)
	// The service-graph connector gives a database the time that its client measured; here that holds for all that send no spans of their own.
	c.server.observe(h.duration, h.start, trace, h.span)
	if h.client {
		c.client.observe(h.duration, h.start, trace, h.span)
	}
}

// call returns the calls of a client by their key. It is called with the client's mu held.
func (t *tenant) call(n *node, k callKey, now int64) *call {
	if c := n.calls[k]; c != nil {
		return c
	}
	if !t.reserve(seriesOfCall) {
		t.metrics.own.overflowed.Inc()
		k.server = t.overflow(now)
		if c := n.calls[k]; c != nil {
			return c
		}
		t.series.Add(seriesOfCall) // there are few: a client has at most one a connection and side
	}
	c := &call{key: k, born: t.born.Load()}
	n.calls[k] = c
	return c
}

func (c *call) count(failed bool, now int64) {
	c.requests++
	if failed {
		c.failed++
	}
	c.touched = now
}

// peer attributes, by what tells most of the other side. The older names are those of OpenTelemetry's conventions before 1.21, and of Jaeger's and Zipkin's libraries.
const (
	ofPeer = iota // peer.service: a person has named it
	ofDatabase
	ofDatabaseSystem
	ofDestination
	ofMessagingSystem
	ofAddress
	ofHost
	ofURL
	ofSocket
	peerRanks
)

// peerOf returns how a span names the other side of its call, "" when it does not, and what the call goes over.
func peerOf(attributes []model.Attribute) (name string, over connection) {
	var found [peerRanks]string
	for i := range attributes {
		a := &attributes[i]
		if a.Value.Kind != model.StringValue || a.Value.Text == "" {
			continue
		}
		if rank, ok := peerRank(a.Key); ok && found[rank] == "" {
			found[rank] = a.Value.Text
		}
	}
	switch {
	case found[ofDatabase] != "" || found[ofDatabaseSystem] != "":
		over = database
		if isNumber(found[ofDatabase]) { // Redis numbers its databases
			found[ofDatabase] = found[ofDatabaseSystem]
		}
	case found[ofDestination] != "" || found[ofMessagingSystem] != "":
		over = messaging
	}
	for rank, name := range found {
		if rank == ofURL {
			name = hostOf(name)
		}
		if name != "" {
			return name, over
		}
	}
	return "", over
}

func peerRank(key string) (int, bool) {
	switch key {
	case "peer.service":
		return ofPeer, true
	case "db.namespace", "db.name":
		return ofDatabase, true
	case "db.system.name", "db.system":
		return ofDatabaseSystem, true
	case "messaging.destination.name", "messaging.destination":
		return ofDestination, true
	case "messaging.system":
		return ofMessagingSystem, true
	case "server.address", "net.peer.name":
		return ofAddress, true
	case "peer.hostname", "http.host":
		return ofHost, true
	case "url.full", "http.url":
		return ofURL, true
	case "network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.address":
		return ofSocket, true
	}
	return 0, false
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// hostOf returns the host of a URL, "" when there is none.
func hostOf(text string) string {
	if text == "" || len(text) > maxURL {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// maxURL bounds the time that reading a URL takes.
const maxURL = 4096
