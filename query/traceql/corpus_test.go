package traceql

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// corpusBase is time 0s of the corpus.
var corpusBase = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// serviceAttributes are of the resources of the corpus.
var serviceAttributes = map[string][]model.Attribute{
	"frontend": {{Key: "cluster", Value: model.TextValue("eu")}, {Key: "deployment.environment", Value: model.TextValue("production")}, {Key: "service.version", Value: model.TextValue("1.2.0")}},
	"cart":     {{Key: "cluster", Value: model.TextValue("eu")}, {Key: "deployment.environment", Value: model.TextValue("production")}},
	"checkout": {{Key: "cluster", Value: model.TextValue("us")}, {Key: "deployment.environment", Value: model.TextValue("production")}},
	"payment":  {{Key: "cluster", Value: model.TextValue("us")}, {Key: "deployment.environment", Value: model.TextValue("staging")}},
	"catalog":  {{Key: "cluster", Value: model.TextValue("us")}, {Key: "replicas", Value: model.Int64(3)}},
}

// corpusReader reads testdata/corpus.txt.
type corpusReader struct {
	t      *testing.T
	trace  byte
	at     int64
	spans  byte
	open   []*model.Span // by depth
	groups map[string]*model.SpanGroup
	names  []string
}

func readCorpus(t *testing.T) []model.SpanGroup {
	t.Helper()
	text, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := &corpusReader{t: t, groups: map[string]*model.SpanGroup{}}
	var ready []func()
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] != ' ':
			var at string
			if _, err := fmt.Sscanf(line, "trace %x at %s", &r.trace, &at); err != nil {
				t.Fatal(line, err)
			}
			r.at, r.spans, r.open = int64(r.duration(at)), 0, nil
		default:
			ready = append(ready, r.span(line))
		}
	}
	for _, f := range ready {
		f()
	}
	var out []model.SpanGroup
	for _, name := range r.names {
		out = append(out, *r.groups[name])
	}
	return out
}

func (r *corpusReader) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// span reads one line, and returns what puts the span into its group when all parents are known.
func (r *corpusReader) span(line string) func() {
	text := strings.TrimLeft(line, " ")
	depth := (len(line)-len(text))/2 - 1
	parts := strings.Split(text, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	service, name := parts[0], parts[1]
	r.spans++
	s := &model.Span{TraceID: model.TraceID{15: r.trace}, ID: model.SpanID{6: r.trace, 7: r.spans}, Name: name}
	s.Kind, _ = model.ParseSpanKind(parts[2])
	s.Start, s.Duration = corpusBase+r.at+int64(r.duration(parts[3])), int64(r.duration(parts[4]))
	s.Status, _ = model.ParseSpanStatus(parts[5])
	if s.Status == model.StatusError {
		s.Message = name + " failed"
	}
	if depth > 0 {
		s.Parent = r.open[depth-1].ID
	}
	r.open = append(r.open[:depth], s)
	if word, rest, ok := strings.Cut(service, " "); ok {
		service = rest
		switch word {
		case "orphan":
			s.Parent = model.SpanID{0: 0xff, 7: r.trace}
		case "cycle":
			s.Parent = model.SpanID{6: r.trace, 7: r.spans + 1}
		case "itself":
			s.Parent = s.ID
		case "same":
			s.ID = model.SpanID{6: r.trace, 7: r.spans - 1}
		}
	}
	for rest := parts[6]; rest != ""; {
		rest = strings.TrimSpace(r.attribute(s, rest))
	}
	if r.groups[service] == nil {
		resource := &model.Resource{Attributes: append([]model.Attribute{{Key: "service.name", Value: model.TextValue(service)}}, serviceAttributes[service]...)}
		r.groups[service] = &model.SpanGroup{Resource: resource, Scope: &model.Scope{Name: "lib/" + service, Version: "0.9", Attributes: []model.Attribute{{Key: "lang", Value: model.TextValue("go")}}}}
		r.names = append(r.names, service)
	}
	return func() { r.groups[service].Spans = append(r.groups[service].Spans, *s) }
}

// attribute reads one attribute, event or link from the beginning of text and returns the rest.
func (r *corpusReader) attribute(s *model.Span, text string) string {
	word, rest, _ := strings.Cut(text, " ")
	switch text[0] {
	case '!':
		s.Events = append(s.Events, model.SpanEvent{Time: s.Start + 2e6, Name: word[1:], Attributes: []model.Attribute{{Key: "exception.message", Value: model.TextValue(s.Name + " went wrong")}}},
			model.SpanEvent{Time: s.Start + 5e6, Name: "retry"})
		return rest
	case '~':
		n, err := strconv.Atoi(word[1:])
		if err != nil {
			r.t.Fatal(err)
		}
		s.Links = append(s.Links, model.SpanLink{TraceID: model.TraceID{15: byte(n)}, SpanID: model.SpanID{6: byte(n), 7: 1}, Attributes: []model.Attribute{{Key: "opentracing.ref_type", Value: model.TextValue("follows_from")}}})
		return rest
	}
	key, value, _ := strings.Cut(text, "=")
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		key, _ = strconv.Unquote(quoted)
		value = text[len(quoted)+1:]
	}
	if quoted, err := strconv.QuotedPrefix(value); err == nil {
		plain, _ := strconv.Unquote(quoted)
		s.Attributes = append(s.Attributes, model.Attribute{Key: key, Value: model.TextValue(plain)})
		return value[len(quoted):]
	}
	word, rest, _ = strings.Cut(value, " ")
	v := model.Boolean(word == "true")
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		v = model.Int64(n)
	} else if x, err := strconv.ParseFloat(word, 64); err == nil {
		v = model.Float64(x)
	}
	s.Attributes = append(s.Attributes, model.Attribute{Key: key, Value: v})
	return rest
}
