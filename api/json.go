package api

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"
)

// The kinds of data that are written without reflection. Everything else goes through encoding/json.
type (
	queryData struct {
		value parser.Value
		stats stats.QueryStats // nil when not asked for
	}
	labelSets  []labels.Labels
	stringList []string
	exemplars  []exemplar.QueryResult
)

// flushSize is how much JSON is gathered before it goes on to compression and the network: large enough that
// the calls do not count, small enough that an answer of gigabytes needs no gigabytes.
const flushSize = 64 << 10

// initialSize holds most answers that are not query results.
const initialSize = 4 << 10

// jsonWriter appends JSON to a buffer and hands it on in pieces. The bytes are those that Prometheus sends,
// except that text which is not UTF-8 becomes U+FFFD instead of invalid JSON.
type jsonWriter struct {
	to      io.Writer
	buf     []byte
	err     error // the first error of to; nothing is written after it
	started bool  // whether anything was handed on
	grid    grid
}

// grid remembers how the timestamps of a range query's steps are written: every series has the same ones.
type grid struct {
	times []int64
	text  []byte // one text behind the other
	ends  []int  // where each text ends
	next  int    // the step expected next
}

// maxGrid bounds the memory of a grid; range queries have at most 11,000 steps unless told otherwise.
const maxGrid = 11_001

// append writes the timestamp ms.
func (g *grid) append(dst []byte, ms int64) []byte {
	for g.next < len(g.times) && g.times[g.next] < ms {
		g.next++
	}
	i := g.next
	if i < len(g.times) && g.times[i] == ms {
		start := 0
		if i > 0 {
			start = g.ends[i-1]
		}
		g.next++
		return append(dst, g.text[start:g.ends[i]]...)
	}
	if i == len(g.times) && i < maxGrid {
		g.times = append(g.times, ms)
		g.text = appendTimestamp(g.text, ms)
		g.ends = append(g.ends, len(g.text))
		g.next++
	}
	return appendTimestamp(dst, ms)
}

func newJSONWriter(to io.Writer) *jsonWriter {
	return &jsonWriter{to: to, buf: make([]byte, 0, initialSize)}
}

// flush hands on what is left and returns the first error.
func (w *jsonWriter) flush() error {
	if w.err == nil && len(w.buf) > 0 {
		w.started = true
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// breathe hands on what has gathered when it is enough.
func (w *jsonWriter) breathe() error {
	if len(w.buf) >= flushSize {
		return w.flush()
	}
	return w.err
}

func (w *jsonWriter) raw(s string) { w.buf = append(w.buf, s...) }

// htmlSafeString writes s as encoding/json does: with <, >, & escaped.
func (w *jsonWriter) htmlSafeString(s string) {
	b, err := json.Marshal(s)
	if err != nil { // cannot happen for a string
		b = []byte(`""`)
	}
	w.buf = append(w.buf, b...)
}

// stringsField writes a field with a list, or nothing when the list is empty.
func (w *jsonWriter) stringsField(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.raw(name)
	w.raw(`[`)
	for i, s := range list {
		if i > 0 {
			w.raw(`,`)
		}
		w.htmlSafeString(s)
	}
	w.raw(`]`)
}

// appendData writes the data of a response.
func appendData(w *jsonWriter, data any) error {
	switch d := data.(type) {
	case queryData:
		return appendQueryData(w, d)
	case labelSets:
		return appendList(w, d, func(l labels.Labels) { w.buf = appendLabels(w.buf, l) })
	case stringList:
		return appendList(w, d, w.htmlSafeString)
	case exemplars:
		return appendList(w, d, w.exemplarSeries)
	}
	b, err := marshal(data)
	if err != nil {
		return err
	}
	w.buf = append(w.buf, b...)
	return w.breathe()
}

func appendList[T any](w *jsonWriter, list []T, one func(T)) error {
	w.raw(`[`)
	for i, v := range list {
		if i > 0 {
			w.raw(`,`)
		}
		one(v)
		if err := w.breathe(); err != nil {
			return err // the client is gone
		}
	}
	w.raw(`]`)
	return nil
}

func appendQueryData(w *jsonWriter, d queryData) error {
	w.raw(`{"resultType":"`)
	w.raw(string(d.value.Type()))
	w.raw(`","result":`)
	if err := appendValue(w, d.value); err != nil {
		return err
	}
	if d.stats != nil {
		b, err := marshal(d.stats)
		if err != nil {
			return err
		}
		w.raw(`,"stats":`)
		w.buf = append(w.buf, b...)
	}
	w.raw(`}`)
	return nil
}

func appendValue(w *jsonWriter, v parser.Value) error {
	switch v := v.(type) {
	case promql.Matrix:
		return appendList(w, v, w.series)
	case promql.Vector:
		return appendList(w, v, w.sample)
	}
	b, err := marshal(v) // scalars and strings
	if err != nil {
		return err
	}
	w.buf = append(w.buf, b...)
	return nil
}

// series writes {"metric":{...},"values":[[t,"v"],...],"histograms":[[t,{...}],...]}; a list that is empty is left out.
func (w *jsonWriter) series(s promql.Series) {
	w.raw(`{"metric":`)
	w.buf = appendLabels(w.buf, s.Metric)
	if len(s.Floats) > 0 {
		w.floats(s.Floats)
	}
	for i, p := range s.Histograms {
		w.raw(listStart(i, `,"histograms":[`))
		w.buf = appendHistogramPoint(w.buf, p.T, p.H)
		if w.breathe() != nil {
			return
		}
	}
	if len(s.Histograms) > 0 {
		w.raw(`]`)
	}
	w.raw(`}`)
}

// floats writes the points of one series, which are the bulk of most answers.
func (w *jsonWriter) floats(points []promql.FPoint) {
	w.raw(`,"values":[`)
	w.grid.next = 0
	for i, p := range points {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, '[')
		w.buf = w.grid.append(w.buf, p.T)
		w.buf = append(w.buf, ',')
		w.buf = appendFloat(w.buf, p.F)
		w.buf = append(w.buf, ']')
		if len(w.buf) >= flushSize && w.flush() != nil {
			return
		}
	}
	w.raw(`]`)
}

func listStart(i int, field string) string {
	if i == 0 {
		return field
	}
	return `,`
}

// sample writes {"metric":{...},"value":[t,"v"]}, or "histogram" instead of "value".
func (w *jsonWriter) sample(s promql.Sample) {
	w.raw(`{"metric":`)
	w.buf = appendLabels(w.buf, s.Metric)
	if s.H != nil {
		w.raw(`,"histogram":`)
		w.buf = appendHistogramPoint(w.buf, s.T, s.H)
	} else {
		w.raw(`,"value":`)
		w.buf = appendFloatPoint(w.buf, promql.FPoint{T: s.T, F: s.F})
	}
	w.raw(`}`)
}

// exemplarSeries writes {"seriesLabels":{...},"exemplars":[{"labels":{...},"value":"v","timestamp":t},...]}.
func (w *jsonWriter) exemplarSeries(q exemplar.QueryResult) {
	w.raw(`{"seriesLabels":`)
	w.buf = appendLabels(w.buf, q.SeriesLabels)
	w.raw(`,"exemplars":[`)
	for i, e := range q.Exemplars {
		if i > 0 {
			w.raw(`,`)
		}
		w.raw(`{"labels":`)
		w.buf = appendLabels(w.buf, e.Labels)
		w.raw(`,"value":`)
		w.buf = appendFloat(w.buf, e.Value)
		w.raw(`,"timestamp":`)
		w.buf = appendTimestamp(w.buf, e.Ts)
		w.raw(`}`)
	}
	w.raw(`]}`)
}

func appendFloatPoint(dst []byte, p promql.FPoint) []byte {
	dst = append(dst, '[')
	dst = appendTimestamp(dst, p.T)
	dst = append(dst, ',')
	dst = appendFloat(dst, p.F)
	return append(dst, ']')
}

func appendHistogramPoint(dst []byte, t int64, h *histogram.FloatHistogram) []byte {
	dst = append(dst, '[')
	dst = appendTimestamp(dst, t)
	dst = append(dst, ',')
	dst = appendHistogram(dst, h)
	return append(dst, ']')
}

// appendTimestamp writes milliseconds as seconds with the decimals that are needed.
func appendTimestamp(dst []byte, ms int64) []byte {
	if ms < 0 {
		dst = append(dst, '-')
		ms = -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	return dst
}

const (
	// maxPlainInt is below where the shortest form of a float may differ from its digits as an integer: every
	// integer up to 2^53 is its own shortest form.
	maxPlainInt = 1 << 53
	// maxThousandths is below where a number of thousandths has at most 15 digits. Different decimals of at
	// most 15 digits are different floats, so the one that is found is the shortest there is.
	maxThousandths = 1e15
)

// appendFloat writes a value in quotes: JSON's numbers have no NaN and no infinities.
func appendFloat(dst []byte, f float64) []byte {
	dst = append(dst, '"')
	abs := math.Abs(f)
	switch {
	case abs < maxPlainInt && f == math.Trunc(f) && (f != 0 || !math.Signbit(f)):
		dst = strconv.AppendInt(dst, int64(f), 10) // counters and sizes: several times faster than a float
	case abs >= 0.001 && abs*1000 < maxThousandths:
		dst = appendDecimal(dst, f)
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	default:
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	return append(dst, '"')
}

// appendDecimal writes a float that is no integer. Measured values often have no more than three decimals, and
// those are much cheaper to write as an integer with a point in it.
func appendDecimal(dst []byte, f float64) []byte {
	n := int64(math.Round(f * 1000))
	if float64(n)/1000 != f { // the division rounds correctly, so equality proves the decimal
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendInt(dst, n/1000, 10)
	frac := n % 1000
	dst = append(dst, '.', byte('0'+frac/100))
	if frac%100 == 0 {
		return dst
	}
	dst = append(dst, byte('0'+frac/10%10))
	if frac%10 == 0 {
		return dst
	}
	return append(dst, byte('0'+frac%10))
}

// appendHistogram writes {"count":"c","sum":"s","buckets":[[bounds,"lower","upper","count"],...]} with the
// buckets that are not empty; bounds says which ends are inclusive (0 upper, 1 lower, 2 none, 3 both).
func appendHistogram(dst []byte, h *histogram.FloatHistogram) []byte {
	dst = append(dst, `{"count":`...)
	dst = appendFloat(dst, h.Count)
	dst = append(dst, `,"sum":`...)
	dst = appendFloat(dst, h.Sum)
	first := true
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		if first {
			dst = append(dst, `,"buckets":[`...)
			first = false
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, '[', boundsDigit(b.LowerInclusive, b.UpperInclusive), ',')
		dst = appendFloat(dst, b.Lower)
		dst = append(dst, ',')
		dst = appendFloat(dst, b.Upper)
		dst = append(dst, ',')
		dst = appendFloat(dst, b.Count)
		dst = append(dst, ']')
	}
	if !first {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func boundsDigit(lower, upper bool) byte {
	switch {
	case lower && upper:
		return '3'
	case lower:
		return '1'
	case upper:
		return '0'
	}
	return '2'
}

func appendLabels(dst []byte, l labels.Labels) []byte {
	dst = append(dst, '{')
	first := true
	l.Range(func(l labels.Label) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendString(dst, l.Name)
		dst = append(dst, ':')
		dst = appendString(dst, l.Value)
	})
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// appendString writes s in quotes, escaping what JSON must have escaped and nothing else.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if _, size := utf8.DecodeRuneInString(s[i:]); size > 1 {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			i++
			start = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
}
