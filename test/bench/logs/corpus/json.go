package corpus

import (
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// jsonStream is a pod of an application. A request writes some lines with one trace id.
type jsonStream struct {
	index  int
	labels []model.Field
	trace  []byte
	left   int // lines of the trace that are still to come
	region string
}

var (
	regions = []string{"eu-west-1", "us-east-1", "ap-south-1"}
	loggers = []string{"http.server", "db.pool", "cache.client", "auth.session", "queue.consumer", "payment.gateway"}
	methods = []string{"GET", "GET", "GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH"}
	paths   = []string{"/api/v1/orders/", "/api/v1/users/", "/api/v1/products/", "/api/v2/carts/", "/api/v2/payments/", "/api/v1/invoices/", "/internal/jobs/"}
)

// messages are by frequency; # is a number, @ a host.
var messages = []string{
	"request completed", "request completed", "request completed", "request started", "cache hit", "cache miss for key product:#",
	"query took # rows", "session refreshed", "published # messages to orders.events", "acquired connection from pool after # us",
	"order #  accepted for processing", "retrying call to @ attempt #", "user preferences loaded", "feature flag checkout_v2 evaluated to true",
	"slow query detected: # ms on table orders", "connection reset by peer while reading from @", "upstream timed out after # ms",
	"payment declined: insufficient funds", "token expired, refreshing", "circuit breaker opened for @",
}

func newJSONStream(i int) jsonStream {
	service, pod := "svc-"+two(i/5), "svc-"+two(i/5)+"-"+strconv.FormatUint(uint64(i)*2654435761%0xfffff+0x100000, 36)
	return jsonStream{index: i, region: regions[i%len(regions)], labels: []model.Field{
		{Name: "app", Value: service}, {Name: "job", Value: "app"}, {Name: "namespace", Value: "prod"}, {Name: "pod", Value: pod},
	}}
}

func (c *Corpus) appendJSON(s *jsonStream, at time.Time) {
	if s.left == 0 {
		s.left = 1 + c.r.IntN(6)
		start := len(c.buf)
		c.hex(32)
		s.trace = append(s.trace[:0], c.buf[start:]...)
		c.buf = c.buf[:start]
	}
	s.left--
	status, level := c.outcome()
	c.text(`{"ts":"`)
	c.buf = at.AppendFormat(c.buf, "2006-01-02T15:04:05.000Z07:00")
	c.text(`","level":"`, level, `","logger":"`, c.skewed(loggers), `","msg":"`)
	c.message(level)
	c.text(`","trace_id":"`, string(s.trace), `","span_id":"`)
	c.hex(16)
	c.text(`","method":"`, c.pick(methods), `","path":"`, c.skewed(paths))
	c.number(c.r.IntN(1_000_000))
	c.text(`","status":`, status, `,"latency_ms":`)
	c.decimal(c.r.ExpFloat64()*40+0.5, 2)
	c.text(`,"user_id":"u`)
	c.number(10000 + c.r.IntN(500_000))
	c.text(`","region":"`, s.region, `"}`)
}

func (c *Corpus) outcome() (status, level string) {
	switch n := c.r.IntN(1000); {
	case n < 8:
		return "500", "error"
	case n < 12:
		return "503", "error"
	case n < 40:
		return "404", "warn"
	case n < 60:
		return "400", "warn"
	case n < 150:
		return "201", "info"
	case n < 300:
		return "200", "debug"
	}
	return "200", "info"
}

func (c *Corpus) message(level string) {
	m := c.skewed(messages[:15])
	if level == "error" {
		m = c.pick(messages[15:])
	}
	for i := range len(m) {
		switch m[i] {
		case '#':
			c.number(int(c.r.ExpFloat64() * 300))
		case '@':
			c.text("db-")
			c.number(c.r.IntN(12))
			c.text(".internal:5432")
		default:
			c.buf = append(c.buf, m[i])
		}
	}
}
