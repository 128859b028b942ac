package tail

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

const (
	// fieldTruncated is the field of a record that was cut: how many bytes it had.
	fieldTruncated = "truncated_from_bytes"
	// aheadOfClock is how far in the future the time of a record may be; beyond it, it is taken for wrong.
	aheadOfClock = 5 * time.Minute
	// sampleRecords is by how many records a format is found for good, and wrongRecords after how many in a row that do not fit
	// it is looked for again.
	sampleRecords = 20
	wrongRecords  = 50
)

// split cuts whole lines into r.lines.
func (r *reader) split(f *file, data []byte, at int64) {
	r.lines = r.lines[:0]
	plain := f.in.container == "" && f.encoding == utf8Text
	r.source, r.sourceAt = "", at
	if plain {
		r.source = string(data)
	}
	for from := 0; from < len(data); {
		i, n := f.encoding.lineEnd(data[from:])
		if i < 0 {
			i, n = len(data)-from, 0
		}
		start, end := at+int64(from), at+int64(from+i+n)
		if plain {
			text := strings.TrimSuffix(r.source[from:from+i], "\r")
			r.lines = append(r.lines, r.cut(line{start: start, end: end, text: text}))
		} else {
			r.lines = append(r.lines, r.wrapped(f, data[from:from+i], start, end))
		}
		from += i + n
	}
}

// wrapped makes a line of its bytes: out of its encoding, and out of what the container engine wrapped it in.
func (r *reader) wrapped(f *file, b []byte, start, end int64) line {
	text := strings.TrimSuffix(f.encoding.text(b), "\r")
	l := line{start: start, end: end, text: text}
	switch f.in.container {
	case containerDocker:
		l.docker()
	case containerCRI:
		l.cri()
	}
	return r.cut(l)
}

// cut bounds a line.
func (r *reader) cut(l line) line {
	most := r.t.opts.MaxLine
	if len(l.text) <= most {
		return l
	}
	l.whole = len(l.text)
	l.text = l.text[:runeBoundary(l.text, most)]
	return l
}

// runeBoundary returns the largest place up to n that is not inside a character.
func runeBoundary(s string, n int) int {
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return n
}

// records makes records of r.lines, and moves p.offset to where the first one begins that is not complete: at most to end. The
// last ones are when idle says that nothing was added for long enough, and when last says that nothing will be.
func (r *reader) records(f *file, p *readPiece, end int64, idle, last bool, now time.Time) {
	open := end
	for output := range int8(outputs) {
		g := grouper{r: r, f: f, output: output, now: now, open: -1, last: last}
		g.joiner.When = logformat.When{Now: now, Zone: r.t.opts.Zone}
		lines := r.logical(output, p.done[output])
		if len(lines) == 0 {
			continue
		}
		g.findFormat(lines)
		g.joiner.Format = f.format
		for i := range lines {
			g.add(&lines[i])
		}
		p.done[output] = max(p.done[output], g.finish(idle || last))
		if g.open >= 0 {
			open = min(open, g.open)
		}
		if len(g.out) > 0 {
			g.count()
			r.out = append(r.out, model.Stream{Labels: f.labels[output], Records: g.out})
		}
	}
	p.offset = max(p.offset, open)
	if p.offset == end { // nothing is open: the outputs need no places of their own
		p.done = [outputs]int64{}
	}
}

// logical returns the lines of one output that are not acknowledged yet, with the parts of one put together.
func (r *reader) logical(output int8, done int64) []line {
	var out []line
	joined := false
	for _, l := range r.lines {
		if l.output != output || l.start < done {
			continue
		}
		if last := len(out) - 1; joined && out[last].partial && out[last].whole == 0 {
			out[last].join(l, r.t.opts.MaxRecord)
			continue
		}
		out = append(out, l)
		joined = true
	}
	return out
}

// join puts the next part behind a partial line.
func (l *line) join(next line, most int) {
	if len(l.text)+len(next.text) > most {
		if l.whole == 0 {
			l.whole = len(l.text)
		}
		l.whole += len(next.text)
		next.text = next.text[:max(most-len(l.text), 0)]
	}
	l.text += next.text
	l.end, l.partial = next.end, next.partial
}

// grouper puts the lines of one output together into records.
type grouper struct {
	r      *reader
	f      *file
	output int8
	now    time.Time
	last   bool
	joiner logformat.Joiner

	lines []*line // of the record that is open
	size  int
	open  int64 // where the record begins that is left open at the end; -1 when none is
	ended int64 // where the last record ends that was made
	made  int   // bytes of the records
	out   []model.Record
}

// findFormat looks at the first records of a file.
func (g *grouper) findFormat(lines []line) {
	f := g.f
	if f.in.format != nil {
		f.format, f.sample = f.in.format, sampleRecords
		return
	}
	if f.sample >= sampleRecords {
		return
	}
	texts := make([]string, 0, 100)
	for i := range lines[:min(len(lines), 100)] {
		texts = append(texts, lines[i].text)
	}
	if found := logformat.DetectFile(f.shownPath(), texts); found != nil {
		f.format = found
	}
	f.sample += len(texts)
}

func (g *grouper) begins(text string) bool {
	if re := g.f.in.begin; re != nil {
		return re.MatchString(text)
	}
	return g.joiner.Begins(text)
}

func (g *grouper) add(l *line) {
	if l.partial && !g.last && l.whole == 0 { // its other parts are not there yet; one that is cut already does not wait for them
		g.flush()
		g.leave(l.start)
		return
	}
	if len(g.lines) > 0 && (g.begins(l.text) || g.size+len(l.text)+1 > g.r.t.opts.MaxRecord) {
		g.flush()
	} else if len(g.lines) == 0 {
		g.begins(l.text) // the joiner wants to see every line
	}
	g.lines = append(g.lines, l)
	g.size += len(l.text) + 1
}

func (g *grouper) leave(at int64) {
	if g.open < 0 {
		g.open = at
	}
}

// finish makes or leaves the last record, and returns where the last one ends that was made.
func (g *grouper) finish(all bool) int64 {
	if len(g.lines) == 0 {
		return g.ended
	}
	if all || !g.mayGoOn() {
		g.flush()
	} else {
		g.leave(g.lines[0].start)
	}
	return g.ended
}

// mayGoOn says whether a further line could belong to the record that is open.
func (g *grouper) mayGoOn() bool {
	if g.f.in.begin != nil {
		return true
	}
	return !g.f.format.OneLine(g.lines[len(g.lines)-1].text)
}

// flush makes a record of the lines that were put together.
func (g *grouper) flush() {
	if len(g.lines) == 0 {
		return
	}
	text, whole := g.text()
	g.ended = g.lines[len(g.lines)-1].end
	g.out = append(g.out, g.record(text, whole, g.lines[0].time))
	g.lines, g.size = g.lines[:0], 0
	g.made += len(text)
}

func (f *file) kind() string {
	if f.in.container != "" {
		return "container"
	}
	return "file"
}

// count notes what was made.
func (g *grouper) count() {
	m := g.r.t.metrics
	m.lines.WithLabelValues(g.f.kind()).Add(float64(len(g.out)))
	m.bytes.WithLabelValues(g.f.kind()).Add(float64(g.made))
}

// minFieldRoom is how many fields a record may have without a slice of its own, and fieldRoom for how many memory is taken at once.
const (
	minFieldRoom = 32
	fieldRoom    = 4096
)

// room returns where the fields of the next record go: records of one push share their memory.
func (r *reader) room() []model.Field {
	if cap(r.fields)-len(r.fields) < minFieldRoom {
		r.fields = make([]model.Field, 0, fieldRoom)
	}
	return r.fields[len(r.fields):]
}

// took takes what was appended to room out of it.
func (r *reader) took(fields []model.Field) []model.Field {
	n := len(r.fields)
	if len(fields) > 0 && len(fields) <= cap(r.fields)-n && &fields[0] == &r.fields[:n+1][n] {
		r.fields = r.fields[:n+len(fields)]
	}
	return slices.Clip(fields)
}

// text returns the record's text: as it stands in the file, where that is one piece.
func (g *grouper) text() (text string, whole int) {
	first, last := g.lines[0], g.lines[len(g.lines)-1]
	if len(g.lines) == 1 {
		return first.text, first.whole
	}
	cut := 0
	for _, l := range g.lines {
		if l.whole > 0 {
			cut += l.whole - len(l.text)
		}
	}
	if from := g.r.sourceAt; g.r.source != "" && cut == 0 {
		return g.r.source[first.start-from : int(last.start-from)+len(last.text)], 0
	}
	parts := make([]string, len(g.lines))
	for i, l := range g.lines {
		parts[i] = l.text
	}
	text = strings.Join(parts, "\n")
	if cut > 0 {
		whole = len(text) + cut
	}
	return text, whole
}

// record finds time, level and fields.
func (g *grouper) record(text string, whole int, told int64) model.Record {
	f := g.f
	var p logformat.Parsed
	if f.format != nil {
		p = f.format.Parse(text, g.joiner.When, g.r.room())
		g.judge(p.OK)
	}
	t := told
	if t == 0 {
		t = p.Time
	}
	if t > g.now.Add(aheadOfClock).UnixNano() {
		g.r.t.metrics.badTimes.Inc()
		t = 0
	}
	if t == 0 {
		t = g.now.UnixNano()
	}
	fields := p.Fields
	if g.r.t.opts.NoFields || f.format == nil {
		fields = g.r.room()
	}
	if p.Level != "" {
		fields = append(fields, model.Field{Name: model.FieldLevel, Value: p.Level})
	}
	if whole > 0 {
		g.r.t.metrics.truncated.Inc()
		fields = append(fields, model.Field{Name: fieldTruncated, Value: strconv.Itoa(whole)})
	}
	if len(fields) > 1 {
		fields = model.SortFields(fields)
	}
	return model.Record{Time: f.clock[g.output].next(t), Line: text, Fields: g.r.took(fields)}
}

// judge gives up a format that does not fit any more: another program may write to the file now.
func (g *grouper) judge(fits bool) {
	f := g.f
	if fits {
		f.misses = 0
		return
	}
	if f.misses++; f.misses > wrongRecords && f.in.format == nil {
		f.format, f.sample, f.misses = nil, 0, 0
		g.joiner.Format = nil
	}
}

// The ways in which container engines wrap lines.
const (
	containerDocker = "docker"
	containerCRI    = "cri"
)

// cri unwraps a line of the Kubernetes container runtime interface: "2026-01-02T15:04:05.123456789Z stdout F text". P in place
// of F says that the next line goes on with it. A line that is none stays as it is.
func (l *line) cri() {
	if strings.HasPrefix(l.text, "{") { // the same folder, under Docker
		l.docker()
		return
	}
	stamp, rest, ok1 := strings.Cut(l.text, " ")
	output, rest, ok2 := strings.Cut(rest, " ")
	tags, text, ok3 := strings.Cut(rest, " ")
	if !ok3 { // an empty line may have lost its last space
		tags = rest
	}
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if !ok1 || !ok2 || err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return
	}
	switch output {
	case "stdout":
		l.output = stdout
	case "stderr":
		l.output = stderr
	default:
		return
	}
	tag, _, _ := strings.Cut(tags, ":")
	l.partial = tag == "P"
	l.time, l.text = t.UnixNano(), text
}

// docker unwraps a line of Docker's json-file driver: {"log":"text\n","stream":"stdout","time":"..."}. A text without an end of
// line goes on in the next line.
func (l *line) docker() {
	d, ok := decodeDockerLine(l.text)
	if !ok {
		return
	}
	l.output, l.time = d.output, d.time
	l.partial = !strings.HasSuffix(d.text, "\n")
	l.text = strings.TrimSuffix(strings.TrimSuffix(d.text, "\n"), "\r")
}
