package logformat

import (
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// Format is one format of log lines. It never changes, and its methods may be called at the same time.
type Format struct {
	// Name is how the configuration calls it, such as nginx_access. Service is what writes it, "" when that may be anything.
	// Title is for people.
	Name, Service, Title string
	// Files are globs of where it is found when nobody has changed that.
	Files []string

	kind     string // pattern, json, logfmt or plain
	rank     int    // among formats that fit equally well, the higher one is meant
	patterns []pattern
	layouts  []layout
	levels   map[string]string
	none     string // a value that stands for no value
	follow   follow
	keys     jsonKeys
	zone     string // "utc": times without a zone are in UTC
}

// Parsed is what a record tells. Its strings are parts of the line.
type Parsed struct {
	OK bool // the record is of the format
	// Time is in nanoseconds since the epoch, 0 without one.
	Time int64
	// Level is one of model.Levels, "" when the format has none or this record does not tell.
	Level string
	// Message is the text for people, "" when it is the whole line.
	Message string
	// Fields are those that a query could not find by itself: none for JSON and logfmt, which the query languages parse. Sorted by
	// name; the names are OpenTelemetry's semantic conventions with "_" for ".".
	Fields []model.Field
}

// Parse reads one record, which may have several lines. fields is where its fields are appended to; it may be nil.
func (f *Format) Parse(line string, when When, fields []model.Field) Parsed {
	switch f.kind {
	case kindNameJSON:
		return f.parseJSON(line, when, fields)
	case kindNameLogfmt:
		return f.parseLogfmt(line, when, fields)
	case kindNamePlain:
		return Parsed{}
	}
	c := capture{f: f, when: when, Parsed: Parsed{Fields: fields}}
	for i := range f.patterns {
		if f.patterns[i].match(line, &c) {
			c.OK = true
			c.Fields = model.SortFields(c.Fields)
			return c.Parsed
		}
		c.Parsed = Parsed{Fields: fields[:0]}
	}
	return Parsed{}
}

// matches says whether a line is the first, or the only one, of a record of the format.
func (f *Format) matches(line string, when When) bool {
	switch f.kind {
	case kindNameJSON, kindNameLogfmt:
		return f.Parse(line, when, nil).OK
	}
	c := dryCapture{f: f, when: when}
	for i := range f.patterns {
		if f.patterns[i].match(line, &c) {
			return true
		}
	}
	return false
}

// timeOf reads a time at the beginning of s, by the first layout that fits.
func (f *Format) timeOf(s string, when When) (ns int64, n int, ok bool) {
	if f.zone == "utc" && when.Zone == nil {
		when.Zone = utc
	}
	for i := range f.layouts {
		c, used, good := f.layouts[i].scan(s)
		if !good {
			continue
		}
		if ns, ok = c.time(f.layouts[i], when); ok {
			return ns, used, true
		}
	}
	return 0, 0, false
}

// levelOf turns the format's own words into levels.
func (f *Format) levelOf(word string) string {
	if l, ok := f.levels[word]; ok {
		return l
	}
	return LevelOf(word)
}

// statusField is the status of an answer over HTTP, by which a line of an access log is as grave as what it tells of.
const statusField = "http_response_status_code"

func levelOfStatus(code string) string {
	if len(code) != 3 {
		return ""
	}
	switch code[0] {
	case '1', '2', '3':
		return "info"
	case '4':
		return "warn"
	case '5':
		return "error"
	}
	return ""
}

// capture collects what a pattern finds.
type capture struct {
	Parsed
	f    *Format
	when When
}

func (c *capture) time(s string) (n int, ok bool) {
	c.Time, n, ok = c.f.timeOf(s, c.when)
	return n, ok
}

func (c *capture) level(word string) bool {
	c.Level = c.f.levelOf(word)
	return c.Level != ""
}

func (c *capture) field(name, value string) {
	if name == statusField && c.Level == "" {
		c.Level = levelOfStatus(value)
	}
	if name == "message" {
		c.Message = value
		return
	}
	if value == "" || value == c.f.none {
		return
	}
	if name == fieldCode { // a word that is both a level and a value
		c.Level = c.f.levelOf(value)
		return
	}
	c.Fields = append(c.Fields, model.Field{Name: name, Value: value})
}

// fieldCode names a capture whose value is looked up as a level and which need not be one.
const fieldCode = "level_code"

// dryCapture only looks whether a pattern fits.
type dryCapture struct {
	f    *Format
	when When
}

func (c *dryCapture) time(s string) (n int, ok bool) {
	_, n, ok = c.f.timeOf(s, c.when)
	return n, ok
}
func (c *dryCapture) level(word string) bool { return c.f.levelOf(word) != "" }
func (c *dryCapture) field(_, _ string)      {}

// jsonKeys are where a JSON or logfmt record has its time, level and message; the first key that is there counts.
type jsonKeys struct {
	time, level, message map[string]bool
	need                 []string // keys without which a line is not of the format
}

// parseJSON reads the outermost object of a line.
func (f *Format) parseJSON(line string, when When, fields []model.Field) Parsed {
	line = strings.TrimSpace(line)
	if line == "" || line[0] != '{' {
		return Parsed{}
	}
	p := Parsed{Fields: fields}
	s := jsonScanner{text: line, at: 1}
	missing := len(f.keys.need)
	for {
		key, value, kind := s.next()
		if kind == jsonEnd {
			break
		}
		for _, k := range f.keys.need {
			if k == key {
				missing--
			}
		}
		f.takeKey(&p, key, value, kind, when)
	}
	if s.open || s.at != len(line) || missing > 0 {
		return Parsed{}
	}
	p.OK = true
	p.Fields = model.SortFields(p.Fields)
	return p
}

func (f *Format) takeKey(p *Parsed, key, value string, kind jsonKind, when When) {
	switch {
	case kind == jsonArray:
	case kind == jsonObject:
		if f.keys.time[key] && p.Time == 0 { // {"t":{"$date":"..."}}, as MongoDB has it
			inner := jsonScanner{text: value}
			if k, v, kind := inner.next(); kind == jsonString && k == "$date" {
				p.Time = f.jsonTime(v, when)
			}
		}
	case p.Time == 0 && f.keys.time[key]:
		p.Time = f.jsonTime(value, when)
	case p.Level == "" && f.keys.level[key]:
		p.Level = f.levelOf(value)
	case p.Message == "" && f.keys.message[key]:
		p.Message = value
	case key == model.FieldTraceID || key == "traceId" || key == "traceID" || key == "trace.id":
		if isHex(value, 32) {
			p.Fields = append(p.Fields, model.Field{Name: model.FieldTraceID, Value: value})
		}
	case key == model.FieldSpanID || key == "spanId" || key == "spanID" || key == "span.id":
		if isHex(value, 16) {
			p.Fields = append(p.Fields, model.Field{Name: model.FieldSpanID, Value: value})
		}
	}
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range n {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// jsonTime reads a whole value as a time: one of the layouts, or seconds, milliseconds, microseconds or nanoseconds since the epoch.
func (f *Format) jsonTime(value string, when When) int64 {
	if ns, n, ok := f.timeOf(value, when); ok && n == len(value) {
		return ns
	}
	ns, _ := epochTime(value)
	return ns
}

// epochTime reads seconds (which may have a fraction and an exponent), milliseconds, microseconds or nanoseconds, told apart by their
// size: from 2001 to 2286 the four have 10, 13, 16 and 19 digits.
func epochTime(s string) (ns int64, ok bool) {
	var v int64
	n := 0
	for n < len(s) && n < 19 && s[n] >= '0' && s[n] <= '9' {
		v = 10*v + int64(s[n]-'0')
		n++
	}
	unit, known := map[int]int64{10: 1e9, 13: 1e6, 16: 1e3, 19: 1}[n]
	if !known || v < 0 || v > 9_223_372_036_854_775_807/unit {
		return 0, false
	}
	ns = v * unit
	if n == len(s) {
		return ns, true
	}
	nano, used := fraction(s[n:])
	if s[n] != '.' || n+used != len(s) {
		if rest := s[n:]; n == 10 || used == 0 || n+used != len(rest) {
			return 0, false
		}
	}
	return ns + int64(nano)*unit/1_000_000_000, true
}

// parseLogfmt reads key=value pairs. A line is logfmt when it begins with a pair and has at least two.
func (f *Format) parseLogfmt(line string, when When, fields []model.Field) Parsed {
	p := Parsed{Fields: fields}
	pairs := 0
	for rest := strings.TrimSpace(line); rest != ""; {
		key, value, after, ok := nextPair(rest)
		if !ok {
			if pairs == 0 {
				return Parsed{}
			}
			rest = after
			continue
		}
		pairs++
		f.takeKey(&p, key, value, jsonString, when)
		rest = after
	}
	p.OK = pairs >= 2 && (p.Time != 0 || p.Level != "" || p.Message != "")
	if !p.OK {
		return Parsed{}
	}
	p.Fields = model.SortFields(p.Fields)
	return p
}

// nextPair cuts the next pair off; ok is false when the next word is none.
func nextPair(s string) (key, value, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] > ' ' && s[i] != '=' && s[i] != '"' {
		i++
	}
	key = s[:i]
	if i == 0 || i == len(s) || s[i] != '=' {
		if i < len(s) {
			i++
		}
		return "", "", strings.TrimLeft(s[i:], " \t\r\n"), false
	}
	s = s[i+1:]
	if strings.HasPrefix(s, `"`) {
		end := stringEnd(s, 1)
		if end < 0 {
			return key, s[1:], "", true
		}
		return key, s[1:end], strings.TrimLeft(s[end+1:], " \t\r\n"), true
	}
	end := strings.IndexAny(s, " \t\r\n")
	if end < 0 {
		return key, s, "", true
	}
	return key, s[:end], strings.TrimLeft(s[end:], " \t\r\n"), true
}

// OneLine says whether no further line can belong to a record that ends in this line, so that nobody has to wait for one. f may
// be nil.
func (f *Format) OneLine(line string) bool {
	if f == nil {
		return false
	}
	switch {
	case f.follow == followNever:
		return true
	case f.kind == kindNameJSON || f.kind == kindNameLogfmt:
		return f.Parse(line, When{}, nil).OK
	}
	return false
}
