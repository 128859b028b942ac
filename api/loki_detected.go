package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/query/fields"
	"github.com/hulotte-dev/hulotte/query/logql"
)

// How many records and fields Loki looks at unless told otherwise.
const (
	defaultDetectLines  = 1000
	defaultDetectFields = 1000
)

// detect looks at some records of a log query.
func (a *api) detect(r *http.Request, sel logSelection, lines int, o fields.Options) (*fields.Detector, logSample, error) {
	if a.Logs.LogQL == nil {
		return nil, logSample{}, errNoLogs
	}
	d := fields.New(o)
	s, err := a.sample(r.Context(), sel.text, sel.start, sel.end, lines, func(l labels.Labels, e logql.Entry) error {
		d.Add(fields.Record{Stream: l, Line: e.Line, Metadata: e.Structured, Parsed: e.Parsed})
		return nil
	})
	return d, s, err
}

// lokiDetect reads the parameters of both questions about detected fields.
func (a *api) lokiDetect(r *http.Request, o fields.Options) ([]fields.Field, int, error) {
	sel, err := a.logSelection(r)
	if err != nil {
		return nil, 0, err
	}
	lines, err := wholeParam(r, "line_limit", defaultDetectLines, 1, a.Logs.Limits.MaxSample)
	if err != nil {
		return nil, 0, err
	}
	limit, err := wholeParam(r, "limit", defaultDetectFields, 1, a.Limits.AnswerItems)
	if err != nil {
		return nil, 0, err
	}
	d, _, err := a.detect(r, sel, lines, o)
	if err != nil {
		return nil, 0, err
	}
	return d.Fields(), limit, nil
}

type detectedField struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int64    `json:"cardinality"`
	Parsers     []string `json:"parsers"` // null for what is stored with the record
	JSONPath    []string `json:"jsonPath,omitempty"`
}

// lokiDetectedFields answers which fields records have besides their labels:
// {"fields":[{"label":"a","type":"int","cardinality":2,"parsers":["json"],"jsonPath":["a"]},...],"limit":1000}.
func (a *api) lokiDetectedFields(r *http.Request) (lokiAnswer, error) {
	found, limit, err := a.lokiDetect(r, fields.Options{})
	if err != nil {
		return nil, err
	}
	list := []*detectedField{}
	for _, f := range found {
		if f.Source == fields.Label {
			continue
		}
		at := slices.IndexFunc(list, func(d *detectedField) bool { return d.Label == f.Name })
		if at < 0 {
			at = len(list)
			list = append(list, &detectedField{Label: f.Name, Type: string(f.Type)})
		}
		d := list[at]
		d.Cardinality = max(d.Cardinality, f.Cardinality)
		d.Parsers = append(d.Parsers, parsersOf(f.Source, r.Form.Get("query"))...)
		if f.JSONPath != nil {
			d.JSONPath = f.JSONPath
		}
	}
	return lokiJSON{map[string]any{"fields": list[:min(len(list), limit)], "limit": limit}}, nil
}

// parsersOf names the parser of LogQL that makes a field. One that the query has made is the query's own.
func parsersOf(s fields.Source, query string) []string {
	switch s {
	case fields.JSON, fields.Logfmt:
		return []string{string(s)}
	case fields.Parsed:
		for _, p := range []string{"json", "logfmt", "regexp", "pattern", "unpack"} {
			if strings.Contains(strings.ReplaceAll(query, " ", ""), "|"+p) {
				return []string{p}
			}
		}
	}
	return nil
}

// lokiDetectedValues answers with the values of one detected field: {"values":["a",...],"limit":1000}.
func (a *api) lokiDetectedValues(r *http.Request) (lokiAnswer, error) {
	found, limit, err := a.lokiDetect(r, fields.Options{Only: r.PathValue("name"), MaxValues: 10_000})
	if err != nil {
		return nil, err
	}
	set := map[string]struct{}{}
	for _, f := range found {
		for _, v := range f.Values {
			set[v.Value] = struct{}{}
		}
	}
	values := a.sortedSet(set)
	return lokiJSON{map[string]any{"values": values[:min(len(values), limit)], "limit": limit}}, nil
}
