package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// pushSet is the pushes on disk, ready to be sent, so that making them costs nothing while something is measured.
type pushSet struct {
	files        []string
	spans, bytes int
	start, end   time.Time
	trace        string // the id of one trace in the middle
}

// corpus makes traces of a shop of twenty services within the hour before now: five to fifteen spans each, a fiftieth of which fail with an exception; every
// span has an address of its peer and of its request, and a user, with many different values.
type corpus struct {
	rand *rand.Rand
	at   time.Time
	step time.Duration
}

const services = 20

var operations = [...]string{"GET /cart", "POST /cart", "GET /item/{id}", "POST /checkout", "SELECT orders", "UPDATE stock", "publish orders", "consume orders", "GET /user/{id}", "charge"}

func writePushes(ctx context.Context, o options, dir string) (*pushSet, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	p := &pushSet{end: time.Now().Truncate(time.Second)}
	p.start = p.end.Add(-time.Hour)
	c := corpus{rand: rand.New(rand.NewPCG(1, 2)), at: p.start, step: 59 * time.Minute / time.Duration(o.traces)} //nolint:gosec // repeatable on purpose
	for made := 0; made < o.traces && ctx.Err() == nil; {
		out := ptrace.NewTraces()
		groups := map[int]ptrace.SpanSlice{}
		for range min(o.perPush, o.traces-made) {
			id := c.trace(out, groups)
			if made++; made == o.traces/2 {
				p.trace = id.String()
			}
		}
		body, err := ptraceotlp.NewExportRequestFromTraces(out).MarshalProto()
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, fmt.Sprintf("%06d", len(p.files)))
		if err := os.WriteFile(file, body, 0o600); err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
		p.spans += out.SpanCount()
		p.bytes += len(body)
	}
	return p, ctx.Err()
}

// trace adds a trace: a root, and spans whose parents are among those before them.
func (c *corpus) trace(out ptrace.Traces, groups map[int]ptrace.SpanSlice) (id pcommon.TraceID) {
	c.fill(id[:])
	c.at = c.at.Add(c.step)
	n := 5 + c.rand.IntN(11)
	ids, starts, durations := make([]pcommon.SpanID, n), make([]time.Time, n), make([]time.Duration, n)
	for i := range n {
		c.fill(ids[i][:])
		service := c.rand.IntN(services)
		starts[i], durations[i] = c.at, time.Duration(float64(20*time.Millisecond)*(0.2+c.rand.ExpFloat64()*float64(1+service%5)))
		parent := -1
		if i > 0 {
			parent = c.rand.IntN(i)
			starts[i] = starts[parent].Add(time.Duration(c.rand.Float64() * 0.3 * float64(durations[parent])))
			durations[i] = time.Duration(float64(durations[parent]) * (0.1 + 0.6*c.rand.Float64()))
		}
		s := c.group(out, groups, service).AppendEmpty()
		s.SetTraceID(id)
		s.SetSpanID(ids[i])
		if parent >= 0 {
			s.SetParentSpanID(ids[parent])
		}
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(starts[i]))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(starts[i].Add(durations[i])))
		c.details(s, service, starts[i].Add(durations[i]))
	}
	return id
}

func (c *corpus) details(s ptrace.Span, service int, end time.Time) {
	op := c.rand.IntN(len(operations))
	s.SetName(operations[op])
	s.SetKind(ptrace.SpanKind(1 + op%5))
	a := s.Attributes()
	a.PutStr("http.method", [...]string{"GET", "POST"}[op%2])
	a.PutStr("http.route", operations[op])
	a.PutStr("http.url", fmt.Sprintf("https://shop.example/%s/%d", operations[op][:3], c.rand.IntN(50_000)))
	a.PutStr("user.id", fmt.Sprintf("u-%d", c.rand.IntN(20_000)))
	a.PutStr("net.peer.ip", fmt.Sprintf("10.%d.%d.%d", service, c.rand.IntN(16), c.rand.IntN(256)))
	status := int64(200)
	if c.rand.IntN(50) == 0 {
		status = 500
		s.Status().SetCode(ptrace.StatusCodeError)
		e := s.Events().AppendEmpty()
		e.SetName("exception")
		e.SetTimestamp(pcommon.NewTimestampFromTime(end))
		e.Attributes().PutStr("exception.type", "TimeoutError")
		e.Attributes().PutStr("exception.message", fmt.Sprintf("no answer from 10.0.0.%d within %d ms", c.rand.IntN(20), 100+c.rand.IntN(900)))
	}
	a.PutInt("http.status_code", status)
}

func (c *corpus) group(out ptrace.Traces, groups map[int]ptrace.SpanSlice, service int) ptrace.SpanSlice {
	if g, ok := groups[service]; ok {
		return g
	}
	rs := out.ResourceSpans().AppendEmpty()
	a := rs.Resource().Attributes()
	a.PutStr("service.name", serviceName(service))
	a.PutStr("service.version", fmt.Sprintf("1.%d.0", service%4))
	a.PutStr("host.name", fmt.Sprintf("node-%d", service%6))
	a.PutStr("telemetry.sdk.language", [...]string{"go", "python", "java"}[service%3])
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("shop/instrumentation")
	ss.Scope().SetVersion("0.4.2")
	groups[service] = ss.Spans()
	return ss.Spans()
}

func serviceName(i int) string { return fmt.Sprintf("svc-%02d", i) }

func (c *corpus) fill(b []byte) {
	for i := range b {
		b[i] = byte(c.rand.Uint32())
	}
}
