package traceql

import (
	"strings"
	"unicode"

	"github.com/hulotte-dev/hulotte/store"
)

// The intrinsic fields that a span has by the trace that it is in; the store does not know them.
const (
	traceDuration = "traceDuration" // IntValue: nanoseconds from the first start to the last end
	rootName      = "rootName"
	rootService   = "rootServiceName"
	childCount    = "childCount"
	nestedLeft    = "nestedSetLeft"
	nestedRight   = "nestedSetRight"
	nestedParent  = "nestedSetParent"
)

// intrinsic tells of a name in queries.
type intrinsic struct {
	name string // of the SpanField
	kind Type
}

// intrinsics are the names that queries use.
var intrinsics = map[string]intrinsic{
	"name": {store.IntrinsicName, TextType}, "span:name": {store.IntrinsicName, TextType},
	"status": {store.IntrinsicStatus, StatusType}, "span:status": {store.IntrinsicStatus, StatusType},
	"statusMessage": {store.IntrinsicStatusMessage, TextType}, "span:statusMessage": {store.IntrinsicStatusMessage, TextType},
	"kind": {store.IntrinsicKind, KindType}, "span:kind": {store.IntrinsicKind, KindType},
	"duration": {store.IntrinsicDuration, DurationType}, "span:duration": {store.IntrinsicDuration, DurationType},
	"span:id": {store.IntrinsicSpanID, TextType}, "span:parentID": {store.IntrinsicParentID, TextType},
	"childCount": {childCount, NumberType}, "span:childCount": {childCount, NumberType},
	"traceDuration": {traceDuration, DurationType}, "trace:duration": {traceDuration, DurationType},
	"rootName": {rootName, TextType}, "trace:rootName": {rootName, TextType},
	"rootServiceName": {rootService, TextType}, "trace:rootService": {rootService, TextType},
	"trace:id":   {store.IntrinsicTraceID, TextType},
	"event:name": {store.IntrinsicEvent, TextType}, "event:timeSinceStart": {store.IntrinsicEventSince, DurationType},
	"link:traceID": {store.IntrinsicLinkTrace, TextType}, "link:spanID": {store.IntrinsicLinkSpan, TextType},
	"instrumentation:name": {store.IntrinsicScopeName, TextType}, "instrumentation:version": {store.IntrinsicScopeVersion, TextType},
	"nestedSetLeft": {nestedLeft, NumberType}, "nestedSetRight": {nestedRight, NumberType}, "nestedSetParent": {nestedParent, NumberType},
}

// intrinsicTypes are the types by the name of the SpanField.
var intrinsicTypes = func() map[string]Type {
	types := map[string]Type{}
	for _, x := range intrinsics {
		types[x.name] = x.kind
	}
	return types
}()

// attributeScopes are the words before the dot of an attribute.
var attributeScopes = map[string]store.SpanScope{
	"span": store.OnSpan, "resource": store.OnResource, "event": store.OnEvent, "link": store.OnLink, "instrumentation": store.OnScope,
}

var scopeWords = map[store.SpanScope]string{
	store.OnSpan: "span", store.OnResource: "resource", store.OnEvent: "event", store.OnLink: "link", store.OnScope: "instrumentation",
}

// Type returns what the field's values are.
func (f *Field) Type() Type {
	if f.Scope != store.IntrinsicScope {
		return AnyType
	}
	return intrinsicTypes[f.Name]
}

// ofTrace says whether the whole trace must be known.
func (f *Field) ofTrace() bool {
	if f.Parent {
		return true
	}
	if f.Scope != store.IntrinsicScope {
		return false
	}
	switch f.Name {
	case traceDuration, rootName, rootService, childCount, nestedLeft, nestedRight, nestedParent:
		return true
	}
	return false
}

// manyValued says whether a span may have several values.
func (f *Field) manyValued() bool {
	switch f.Scope {
	case store.OnEvent, store.OnLink:
		return true
	case store.IntrinsicScope:
		return strings.HasPrefix(f.Name, "event:") || strings.HasPrefix(f.Name, "link:")
	}
	return false
}

// newAttribute returns the field of an attribute.
func newAttribute(scope store.SpanScope, name string, parent bool) *Field {
	f := &Field{SpanField: store.SpanField{Scope: scope, Name: name}, Parent: parent}
	quoted := attributeText(name)
	switch word := scopeWords[scope]; {
	case parent && word == "":
		f.Text = "parent." + quoted
		if first, _, _ := strings.Cut(name, "."); intrinsics[name].name != "" || attributeScopes[first] != 0 {
			f.Text = "parent." + quoteText(name)
		}
	case parent:
		f.Text = "parent." + word + "." + quoted
	default:
		f.Text = word + "." + quoted
	}
	return f
}

// newIntrinsic returns the field of an intrinsic by its name in queries, or nil.
func newIntrinsic(text string, parent bool) *Field {
	x, ok := intrinsics[text]
	if !ok {
		return nil
	}
	f := &Field{SpanField: store.SpanField{Scope: store.IntrinsicScope, Name: x.name}, Parent: parent, Text: text}
	if parent {
		f.Text = "parent." + text
	}
	return f
}

// isAttributeRune says whether an attribute's name may have the character without quotes. The signs of arithmetic that names have too
// (- and /) belong to the name: arithmetic has blanks around them.
func isAttributeRune(r rune) bool {
	return !unicode.IsSpace(r) && unicode.IsPrint(r) && r != unicode.ReplacementChar && !strings.ContainsRune("{}()=~!<>&|^,+*%\"`\\'", r)
}

// attributeText writes a name, in quotes when it needs them.
func attributeText(name string) string {
	if name == "" || name[0] == '.' || name[0] >= '0' && name[0] <= '9' || strings.ContainsFunc(name, func(r rune) bool { return !isAttributeRune(r) }) {
		return quoteText(name)
	}
	return name
}
