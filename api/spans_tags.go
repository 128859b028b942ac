package api

import (
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// tagEquals is the condition that Jaeger's and Zipkin's searches mean by a tag with its value as text: an attribute of the span, its resource,
// its scope or one of its events that is the text, or the number or truth that the text is. Tags that both make of what
// OpenTelemetry has fields for are asked of those.
func tagEquals(key, value string) *store.SpanFilter {
	attribute := anyAttribute(key, value)
	intrinsic := func(name string, v model.Value) *store.SpanFilter {
		field := store.SpanField{Scope: store.IntrinsicScope, Name: name}
		return &store.SpanFilter{Any: []*store.SpanFilter{{Field: field, Op: store.Equal, Value: v}, attribute}}
	}
	switch key {
	case "error":
		failed := func(v model.Value) *store.SpanFilter {
			return &store.SpanFilter{Any: []*store.SpanFilter{
				{Field: store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicStatus}, Op: store.Equal, Value: v}, anyAttribute(key, "true"),
			}}
		}(model.Int64(int64(model.StatusError)))
		switch strings.ToLower(value) {
		case "true":
			return failed
		case "false":
			return &store.SpanFilter{Not: failed}
		}
		return intrinsic(store.IntrinsicStatusMessage, model.TextValue(value)) // Zipkin's text of what went wrong
	case "span.kind":
		if kind, ok := model.ParseSpanKind(strings.ToLower(value)); ok {
			return intrinsic(store.IntrinsicKind, model.Int64(int64(kind)))
		}
	case "otel.status_code":
		if status, ok := model.ParseSpanStatus(strings.ToLower(value)); ok {
			return intrinsic(store.IntrinsicStatus, model.Int64(int64(status)))
		}
	case "otel.status_description":
		return intrinsic(store.IntrinsicStatusMessage, model.TextValue(value))
	case "otel.scope.name", "otel.library.name":
		return intrinsic(store.IntrinsicScopeName, model.TextValue(value))
	case "otel.scope.version", "otel.library.version":
		return intrinsic(store.IntrinsicScopeVersion, model.TextValue(value))
	case "event", "message":
		return intrinsic(store.IntrinsicEvent, model.TextValue(value))
	}
	return attribute
}

// tagScopes are where tags are looked for.
var tagScopes = []store.SpanScope{store.OnSpan, store.OnResource, store.OnScope, store.OnEvent}

func anyAttribute(key, value string) *store.SpanFilter {
	values := []model.Value{model.TextValue(value)}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		values = append(values, model.Int64(n)) // compares with fractions too
	} else if x, err := strconv.ParseFloat(value, 64); err == nil {
		values = append(values, model.Float64(x))
	} else if value == "true" || value == "false" {
		values = append(values, model.Boolean(value == "true"))
	}
	out := &store.SpanFilter{}
	for _, scope := range tagScopes {
		for _, v := range values {
			out.Any = append(out.Any, &store.SpanFilter{Field: store.SpanField{Scope: scope, Name: key}, Op: store.Equal, Value: v})
		}
	}
	return out
}
