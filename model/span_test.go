package model

import "testing"

func TestSpanIDs(t *testing.T) {
	f := func(text, trace, span string) {
		t.Helper()
		id, err := ParseTraceID(text)
		if got := id.String(); got != trace && (err == nil || trace != "") {
			t.Errorf("ParseTraceID(%q) = %s, %v", text, got, err)
		}
		short, err := ParseSpanID(text)
		if got := short.String(); got != span && (err == nil || span != "") {
			t.Errorf("ParseSpanID(%q) = %s, %v", text, got, err)
		}
	}
	f("", "", "")
	f("1", "00000000000000000000000000000001", "0000000000000001")
	f("ABcdef0123456789", "0000000000000000abcdef0123456789", "abcdef0123456789")
	f("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef", "")
	f("0123456789abcdef0123456789abcdef0", "", "")
	f("xyz", "", "")
}
