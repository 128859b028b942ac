// Package corpus makes the log lines that the benchmarks of logs push, the same ones for the same seed: 45 % JSON of
// applications, 40 % nginx access lines with timings, 15 % syslog, over six hours.
package corpus

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// The size of the whole corpus, and when it is.
const (
	Lines    = 5_000_000
	Streams  = 200
	Seed     = 42
	Duration = 6 * time.Hour
)

// Start is the time of the first line.
var Start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// Corpus makes lines, one after the other, ascending in time.
type Corpus struct {
	r       *rand.Rand
	step    int64
	time    int64
	json    []jsonStream
	nginx   []nginxStream
	syslog  []syslogStream
	urls    []string
	clients []string
	buf     []byte
}

// Entry is one line.
type Entry struct {
	Stream int           // numbered from 0
	Labels []model.Field // sorted by name; the same for the same stream
	Time   int64         // nanoseconds
	Line   []byte        // until the next call of Next
}

// New makes a corpus whose first lines lines fill six hours. Of the streams, half are pods that write JSON (five for each service), 40 % nginx, 10 % syslog.
func New(seed uint64, streams, lines int) *Corpus {
	c := &Corpus{r: rand.New(rand.NewPCG(seed, seed)), step: int64(Duration) / int64(max(lines, 1)), time: Start.UnixNano()}
	for i := range max(streams/2, 1) {
		c.json = append(c.json, newJSONStream(i))
	}
	for i := range max(streams*2/5, 1) {
		c.nginx = append(c.nginx, newNginxStream(len(c.json)+i, i))
	}
	for i := range max(streams/10, 1) {
		c.syslog = append(c.syslog, newSyslogStream(len(c.json)+len(c.nginx)+i, i))
	}
	for range 400 {
		c.urls = append(c.urls, c.url())
	}
	for range 5000 {
		c.clients = append(c.clients, c.address("10."))
	}
	return c
}

// Next makes the next line.
func (c *Corpus) Next() Entry {
	c.time += c.r.Int64N(2 * c.step)
	at := time.Unix(0, c.time).UTC()
	c.buf = c.buf[:0]
	e := Entry{Time: c.time}
	switch kind := c.r.IntN(100); {
	case kind < 45:
		s := &c.json[c.r.IntN(len(c.json))]
		e.Stream, e.Labels = s.index, s.labels
		c.appendJSON(s, at)
	case kind < 85:
		s := &c.nginx[c.r.IntN(len(c.nginx))]
		e.Stream, e.Labels = s.index, s.labels
		c.appendNginx(at)
	default:
		s := &c.syslog[c.r.IntN(len(c.syslog))]
		e.Stream, e.Labels = s.index, s.labels
		c.appendSyslog(s, at)
	}
	e.Line = c.buf
	return e
}

func (c *Corpus) text(parts ...string) {
	for _, p := range parts {
		c.buf = append(c.buf, p...)
	}
}

func (c *Corpus) number(n int) { c.buf = strconv.AppendInt(c.buf, int64(n), 10) }

// decimal appends x with digits behind the point.
func (c *Corpus) decimal(x float64, digits int) {
	c.buf = strconv.AppendFloat(c.buf, x, 'f', digits, 64)
}

func (c *Corpus) hex(digits int) {
	const hexadecimal = "0123456789abcdef"
	for range digits {
		c.buf = append(c.buf, hexadecimal[c.r.IntN(16)])
	}
}

func (c *Corpus) pick(list []string) string { return list[c.r.IntN(len(list))] }

// skewed picks the first ones more often.
func (c *Corpus) skewed(list []string) string {
	return list[min(int(c.r.ExpFloat64()*float64(len(list))/4), len(list)-1)]
}

func (c *Corpus) address(prefix string) string {
	return prefix + strconv.Itoa(c.r.IntN(256)) + "." + strconv.Itoa(c.r.IntN(256)) + "." + strconv.Itoa(c.r.IntN(256))
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
