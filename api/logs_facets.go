package api

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/fields"
)

// What a page shows unless it asks for more.
const (
	defaultFacetLines  = 20_000
	defaultFacets      = 100
	defaultFacetValues = 10
	maxFacetValues     = 1000
)

type facetsJSON struct {
	Facets []facetJSON `json:"facets"`
	logSample
	Stats statsJSON `json:"stats"`
}

// facetJSON is a label or field with its most frequent values.
type facetJSON struct {
	Name        string       `json:"name"`
	Source      string       `json:"source"`
	Type        string       `json:"type"`
	Count       int64        `json:"count"`       // records that have it
	Cardinality int64        `json:"cardinality"` // different values
	Exact       bool         `json:"exact"`       // the counts are, for the records that were looked at
	Values      []facetValue `json:"values"`
	Min         *float64     `json:"min,omitempty"`
	Max         *float64     `json:"max,omitempty"`
	JSONPath    []string     `json:"jsonPath,omitempty"`
	Filter      facetFilter  `json:"filter"`
}

type facetValue struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// facetFilter says what a query needs before it can ask for the field.
type facetFilter struct {
	Parser string `json:"parser"` // a stage, such as "| json"; "" for none
}

// logFacets answers /logs/facets: the labels and fields of what a query finds, each with its most frequent values.
func (a *api) logFacets(r *http.Request) (*result, error) {
	sel, err := a.logSelection(r)
	if err != nil {
		return nil, err
	}
	p, err := a.facetParams(r)
	if err != nil {
		return nil, err
	}
	d, sample, err := a.detect(r, sel, p.lines, fields.Options{Only: p.field, MaxValues: maxFacetValues})
	if err != nil {
		return nil, err
	}
	found := d.Fields()
	slices.SortStableFunc(found, func(a, b fields.Field) int { return cmp.Compare(facetRank(a), facetRank(b)) })
	out := facetsJSON{Facets: []facetJSON{}, logSample: sample, Stats: logStatsJSON(sample.stats)}
	for _, f := range found {
		if len(out.Facets) == p.facets {
			break
		}
		if p.source == "" || p.source == string(f.Source) {
			out.Facets = append(out.Facets, p.facet(f))
		}
	}
	return &result{data: out}, nil
}

// facetRank brings the level to the front of what is stored with records; sources keep their order.
func facetRank(f fields.Field) int {
	switch {
	case f.Source == fields.Label:
		return 0
	case f.Name == model.FieldLevel:
		return 1
	case f.Source == fields.Metadata:
		return 2
	}
	return 3
}

type facetParams struct {
	lines, facets, values int
	field, source, search string
}

func (a *api) facetParams(r *http.Request) (p facetParams, err error) {
	if p.lines, err = wholeParam(r, "lines", defaultFacetLines, 1, a.Logs.Limits.MaxSample); err != nil {
		return p, err
	}
	if p.facets, err = wholeParam(r, "fields", defaultFacets, 1, 1000); err != nil {
		return p, err
	}
	if p.values, err = wholeParam(r, "limit", defaultFacetValues, 1, maxFacetValues); err != nil {
		return p, err
	}
	p.search, p.source = r.Form.Get("search"), r.Form.Get("source")
	if p.source != "" && !slices.Contains([]string{"label", "metadata", "json", "logfmt", "parsed"}, p.source) {
		return p, badParam("source", errors.New("use label, metadata, json, logfmt or parsed"))
	}
	p.field, err = fieldParam(r, "field", "")
	return p, err
}

func (p facetParams) facet(f fields.Field) facetJSON {
	out := facetJSON{
		Name: f.Name, Source: string(f.Source), Type: string(f.Type), Count: f.Count, Cardinality: f.Cardinality, Exact: f.Exact,
		Values: []facetValue{}, JSONPath: f.JSONPath,
	}
	for _, v := range f.Values {
		if len(out.Values) == p.values {
			break
		}
		if p.search == "" || containsFold(v.Value, p.search) {
			out.Values = append(out.Values, facetValue(v))
		}
	}
	switch f.Type {
	case fields.Int, fields.Float, fields.Duration, fields.Bytes:
		out.Min, out.Max = &f.Min, &f.Max
	}
	switch f.Source {
	case fields.JSON, fields.Logfmt:
		out.Filter.Parser = "| " + string(f.Source)
	}
	return out
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
