package syslog

import (
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// message is what a text says of itself. Its strings lie in the text.
type message struct {
	facility, severity int
	time               time.Time // zero: it does not say
	host, app          string
	procID, msgID      string
	fields             []model.Field // structured data
	line               string
}

// What a message without a priority has (RFC 3164, 4.3.3).
const (
	defaultFacility = 1 // user
	defaultSeverity = 5 // notice
	mostPriority    = 191
)

// parse reads a message in either format. What is in none of them is a line: nothing is ever refused.
func (p *parser) parse(text string, received time.Time) message {
	m := message{facility: defaultFacility, severity: defaultSeverity}
	rest := m.readPriority(text)
	if after, ok := strings.CutPrefix(rest, "1 "); ok && len(rest) < len(text) {
		if p.rfc5424(&m, after) {
			return m
		}
		m = message{facility: m.facility, severity: m.severity}
	}
	p.rfc3164(&m, rest, received)
	return m
}

// readPriority reads <8 * facility + severity>.
func (m *message) readPriority(text string) string {
	if !strings.HasPrefix(text, "<") {
		return text
	}
	end := strings.IndexByte(text[:min(len(text), 5)], '>')
	if end < 2 {
		return text
	}
	pri, err := strconv.ParseUint(text[1:end], 10, 8)
	if err != nil || pri > mostPriority {
		return text
	}
	m.facility, m.severity = int(pri/8), int(pri%8)
	return text[end+1:]
}

// rfc5424 reads what is behind the version (RFC 5424, 6):
//
//	timestamp SP hostname SP app-name SP procid SP msgid SP structured-data [SP message]
//
// where each may be "-". It answers false when it is something else.
func (p *parser) rfc5424(m *message, text string) bool {
	var words [5]string
	for i := range words {
		word, rest, ok := strings.Cut(text, " ")
		if !ok || word == "" {
			return false
		}
		if word != "-" {
			words[i] = word
		}
		text = rest
	}
	if words[0] != "" {
		t, err := time.Parse(time.RFC3339Nano, words[0])
		if err != nil {
			return false
		}
		m.time = t
	}
	m.host, m.app, m.procID, m.msgID = words[1], words[2], words[3], words[4]
	rest, ok := m.structured(text)
	if !ok {
		return false
	}
	m.line = strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff")
	return true
}

// maxFields bounds the parameters that are taken; the limit of fields (ingest.logs.max_fields) is below it.
const maxFields = 1000

// structured reads "-" or elements of the form [id name="value" ...], in whose values ", \ and ] stand behind a \.
func (m *message) structured(text string) (rest string, ok bool) {
	if after, ok := strings.CutPrefix(text, "-"); ok {
		return after, after == "" || after[0] == ' '
	}
	if !strings.HasPrefix(text, "[") {
		return text, false
	}
	for strings.HasPrefix(text, "[") {
		end := strings.IndexAny(text, " ]")
		if end < 2 {
			return text, false
		}
		id := text[1:end]
		for text = text[end:]; strings.HasPrefix(text, " "); {
			if text, ok = m.parameter(id, strings.TrimLeft(text, " ")); !ok {
				return text, false
			}
		}
		if !strings.HasPrefix(text, "]") {
			return text, false
		}
		text = text[1:]
	}
	return text, text == "" || text[0] == ' '
}

func (m *message) parameter(id, text string) (string, bool) {
	name, rest, ok := strings.Cut(text, `="`)
	if !ok || name == "" || strings.ContainsAny(name, " ]\"") || len(m.fields) >= maxFields {
		return text, false
	}
	end, escaped := 0, false
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if end >= len(rest) {
		return text, false
	}
	value := rest[:end]
	if escaped {
		value = parameterEscapes.Replace(value)
	}
	m.fields = append(m.fields, model.Field{Name: id + "_" + name, Value: value})
	return rest[end+1:], true
}

// parameterEscapes are the only ones: a \ before anything else stands for itself.
var parameterEscapes = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\]`, `]`)

// parser knows what messages leave out.
type parser struct{ zone *time.Location }

// rfc3164 reads what devices and daemons send that is not RFC 5424, as far as it is there:
//
//	timestamp SP hostname SP tag[pid]: message
//
// The timestamp is "Jan  2 15:04:05" of RFC 3164, also with a year, fraction or zone, or that of RFC 3339; the host may be missing, as from
// local programs; some devices put a number before and a colon behind the timestamp.
func (p *parser) rfc3164(m *message, text string, received time.Time) {
	m.line = text
	rest := sequence(text)
	t, rest, ok := p.timestamp(rest, received)
	if !ok {
		m.tag(text)
		return
	}
	m.time = t
	rest = strings.TrimLeft(strings.TrimPrefix(rest, ":"), " ")
	m.line = rest
	word, after, ok := strings.Cut(rest, " ")
	if ok && isHost(word) && after != "" {
		m.host = word
		rest = after
		m.line = after
	}
	m.tag(rest)
}

// sequence leaves out the number of a message that Cisco's devices send, and the mark of a clock that is not set.
func sequence(text string) string {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	if i > 0 && strings.HasPrefix(text[i:], ": ") {
		text = text[i+2:]
	}
	return strings.TrimLeft(text, "*. ")
}

// isHost says whether a word may be a host's name or address and no tag.
func isHost(word string) bool {
	if word == "" || len(word) > 255 || strings.HasSuffix(word, ":") {
		return false
	}
	return !strings.ContainsAny(word, "[]()\"'=,;<>{}|%/\\")
}

// tag reads "program[pid]: " or "program: ".
func (m *message) tag(text string) {
	end := strings.IndexAny(text[:min(len(text), 128)], ": [")
	if end <= 0 || text[end] == ' ' || strings.ContainsAny(text[:end], "<>{}\"'=,;()") {
		return
	}
	rest := text[end:]
	pid := ""
	if rest[0] == '[' {
		var ok bool
		if pid, rest, ok = strings.Cut(rest[1:], "]"); !ok || len(pid) > 64 {
			return
		}
	}
	rest, ok := strings.CutPrefix(rest, ":")
	if !ok || rest != "" && rest[0] != ' ' {
		return
	}
	m.app, m.procID, m.line = text[:end], pid, strings.TrimPrefix(rest, " ")
}

// layouts are the timestamps that are not RFC 3339's.
var layouts = [...]string{
	"Jan _2 15:04:05.999999999 MST", "Jan _2 15:04:05.999999999", "Jan _2 2006 15:04:05.999999999", "2006 Jan _2 15:04:05.999999999",
	"Jan _2 15:04:05 2006", "2006-01-02 15:04:05.999999999",
}

// timestamp reads the timestamp at the beginning.
func (p *parser) timestamp(text string, received time.Time) (time.Time, string, bool) {
	word, rest, _ := strings.Cut(text, " ")
	if t, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(word, ":")); err == nil {
		return t, rest, true
	}
	if len(text) < len("Jan _2 15:04:05") || !mayBeTime(text) {
		return time.Time{}, text, false
	}
	best, end := time.Time{}, 0
	for _, layout := range layouts {
		for _, n := range wordEnds(text, strings.Count(layout, " ")+strings.Count(layout, "_")) {
			t, err := time.ParseInLocation(layout, strings.TrimSuffix(text[:n], ":"), p.zone)
			if err == nil && n > end && plausibleZone(layout, text[:n]) {
				best, end = t, n
			}
		}
	}
	if end == 0 {
		return time.Time{}, text, false
	}
	if best.Year() == 0 {
		best = p.withYear(best, received)
	}
	return best, strings.TrimPrefix(text[end:], " "), true
}

// mayBeTime is a cheap look.
func mayBeTime(text string) bool {
	c := text[0]
	return strings.IndexByte("JFMASOND12", c) >= 0
}

// plausibleZone says whether the word behind the clock is a zone and not a host in capitals.
func plausibleZone(layout, text string) bool {
	if !strings.HasSuffix(layout, " MST") {
		return true
	}
	zone := strings.TrimSuffix(text[strings.LastIndexByte(text, ' ')+1:], ":")
	return zone == "UTC" || zone == "GMT"
}

// wordEnds are the places where the first words of a text end, of at least as many as about has.
func wordEnds(text string, about int) []int {
	var out []int
	for i := range min(len(text), 64) {
		if text[i] == ' ' && i > 0 && text[i-1] != ' ' {
			out = append(out, i)
			if len(out) > about {
				break
			}
		}
	}
	if len(text) <= 64 {
		out = append(out, len(text))
	}
	return out
}

// withYear gives a time the year that brings it nearest to when it was received.
func (p *parser) withYear(t, received time.Time) time.Time {
	year := received.In(p.zone).Year()
	var best time.Time
	for y := year - 1; y <= year+1; y++ {
		at := time.Date(y, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
		if at.Month() == t.Month() && (best.IsZero() || received.Sub(at).Abs() < received.Sub(best).Abs()) { // not the 29th of February of another year
			best = at
		}
	}
	return best
}

// The names of facilities and severities (RFC 5424, 6.2.1), as rsyslog writes them.
var (
	facilities = [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	severities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)
