package api

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/traceql"
	"github.com/hulotte-dev/hulotte/store"
)

// maxTagNames bounds the names of an answer.
const maxTagNames = 10_000

// tempoScopes are the scopes of attributes by the names that Tempo has for them, in the order of its answers.
var tempoScopes = []struct {
	name  string
	scope store.SpanScope
}{
	{"resource", store.OnResource}, {"span", store.OnSpan}, {"event", store.OnEvent}, {"link", store.OnLink}, {"instrumentation", store.OnScope},
}

// tempoIntrinsics are the fields that every span or trace has, as queries call them.
var tempoIntrinsics = []string{
	"duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind", "link:spanID", "link:traceID", "name",
	"rootName", "rootServiceName", "span:duration", "span:id", "span:kind", "span:name", "span:parentID", "span:status", "span:statusMessage", "status",
	"statusMessage", "trace:duration", "trace:id", "trace:rootName", "trace:rootService", "traceDuration",
}

// tagNames returns the names of attributes by scope: of the scope that is asked for, or of all.
func (a *api) tagNames(r *http.Request, spans store.SpanReader) (map[string][]string, error) {
	start, end, err := a.tempoRange(r, 0)
	if err != nil {
		return nil, err
	}
	limit, err := wholeParam(r, "limit", maxTagNames, 0, maxTagNames)
	if err != nil {
		return nil, err
	}
	want := r.Form.Get("scope")
	known := want == "" || want == "none" || want == "intrinsic" || slices.ContainsFunc(tempoScopes, func(s struct {
		name  string
		scope store.SpanScope
	}) bool {
		return s.name == want
	})
	if !known {
		return nil, badData("parameter 'scope': %q is no scope: use span, resource, event, link, instrumentation, intrinsic or none", cutText(want, 40))
	}
	fields, err := spans.SpanFields(r.Context(), start, end, limit)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, f := range fields {
		for _, s := range tempoScopes {
			if s.scope == f.Scope && (want == "" || want == "none" || want == s.name) {
				out[s.name] = append(out[s.name], f.Name)
			}
		}
	}
	if want == "" || want == "none" || want == "intrinsic" {
		out["intrinsic"] = tempoIntrinsics
	}
	return out, nil
}

// tempoTags answers /api/v2/search/tags: names by scope.
func (a *api) tempoTags(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	names, err := a.tagNames(r, spans)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"scopes":[`)
		first := true
		write := func(scope string) error {
			if len(names[scope]) == 0 {
				return nil
			}
			if !first {
				w.raw(`,`)
			}
			first = false
			w.raw(`{"name":"` + scope + `","tags":`)
			err := appendList(w, names[scope], func(s string) { writeName(w, s) })
			w.raw(`}`)
			return err
		}
		for _, s := range tempoScopes {
			if err := write(s.name); err != nil {
				return err
			}
		}
		if err := write("intrinsic"); err != nil {
			return err
		}
		w.raw(`],"metrics":{}}`)
		return nil
	}, nil
}

// tempoTagsV1 answers /api/search/tags: names without their scopes.
func (a *api) tempoTagsV1(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	byScope, err := a.tagNames(r, spans)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, list := range byScope {
		names = append(names, list...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return func(w *jsonWriter) error {
		w.raw(`{"tagNames":`)
		err := appendList(w, names, func(s string) { writeName(w, s) })
		w.raw(`,"metrics":{}}`)
		return err
	}, nil
}

// tagField returns the field that a name in a path means: as queries write it, or an attribute of any scope.
func tagField(name string) (*traceql.Field, error) {
	for _, text := range []string{name, "." + strconv.Quote(name)} {
		q, err := traceql.Parse("{} | select(" + text + ")")
		if err != nil || len(q.Pipeline.Stages) != 2 {
			continue
		}
		if s, ok := q.Pipeline.Stages[1].(*traceql.Select); ok && len(s.Fields) == 1 {
			return s.Fields[0], nil
		}
	}
	return nil, badData("%q is no tag: write it as in a query, such as resource.service.name", cutText(name, 100))
}

// tagValues returns the values of a field among the spans that q selects.
func (a *api) tagValues(r *http.Request, spans store.SpanReader) (*traceql.Field, []store.SpanValueInfo, error) {
	field, err := tagField(r.PathValue("tag"))
	if err != nil {
		return nil, nil, err
	}
	start, end, err := a.tempoRange(r, 0)
	if err != nil {
		return nil, nil, err
	}
	limit, err := wholeParam(r, "limit", maxNames, 0, maxNames)
	if err != nil {
		return nil, nil, err
	}
	of, filter := storedField(field)
	// What is typed is often no query yet: then it narrows nothing.
	if q, err := traceql.Parse(r.Form.Get("q")); err == nil {
		filter = allOf(filter, q.Filter())
	}
	values, err := spans.SpanValues(r.Context(), of, start, end, filter, limit)
	return field, values, err
}

// storedField is the field that holds what a field says: the names of a trace's root are those of spans without a parent.
func storedField(f *traceql.Field) (store.SpanField, *store.SpanFilter) {
	root := &store.SpanFilter{Field: store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicParentID}, Op: store.Absent}
	switch f.Text {
	case "rootName", "trace:rootName":
		return fieldName, root
	case "rootServiceName", "trace:rootService":
		return fieldService, root
	}
	return f.SpanField, nil
}

// tempoValues answers /api/v2/search/tag/{tag}/values: values with their types.
func (a *api) tempoValues(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	field, values, err := a.tagValues(r, spans)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"tagValues":`)
		err := appendList(w, values, func(v store.SpanValueInfo) {
			kind, text := tagValue(field, v.Value)
			w.raw(`{"type":"` + kind + `","value":`)
			w.buf = appendString(w.buf, text)
			w.raw(`}`)
		})
		w.raw(`,"metrics":{}}`)
		return err
	}, nil
}

// tempoValuesV1 answers /api/search/tag/{tag}/values: values as text.
func (a *api) tempoValuesV1(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	field, values, err := a.tagValues(r, spans)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"tagValues":`)
		err := appendList(w, values, func(v store.SpanValueInfo) {
			_, text := tagValue(field, v.Value)
			w.buf = appendString(w.buf, text)
		})
		w.raw(`,"metrics":{}}`)
		return err
	}, nil
}

// tagValue is the type that Tempo calls a value of the field, and the value as queries write it, without quotes.
func tagValue(f *traceql.Field, v model.Value) (kind, text string) {
	switch f.Type() {
	case traceql.StatusType:
		return "keyword", model.SpanStatus(v.Bits).String() //nolint:gosec // a status
	case traceql.KindType:
		return "keyword", model.SpanKind(v.Bits).String() //nolint:gosec // a kind
	case traceql.DurationType:
		return "duration", strconv.FormatInt(v.Bits, 10) + "ns"
	}
	switch v.Kind {
	case model.IntValue:
		return "int", strconv.FormatInt(v.Bits, 10)
	case model.FloatValue:
		x, _ := v.Float()
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return "float", strings.TrimPrefix(strconv.FormatFloat(x, 'g', -1, 64), "+")
		}
		return "float", strconv.FormatFloat(x, 'g', -1, 64)
	case model.BoolValue:
		return "bool", strconv.FormatBool(v.Bits != 0)
	}
	return "string", v.Text
}
