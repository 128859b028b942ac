package check

import (
	"encoding/json"
	"testing"
)

func TestDecode(t *testing.T) {
	type inner struct {
		Port int `json:"port"`
	}
	type options struct {
		inner
		Interval Duration `json:"interval"`
	}
	f := func(text, want string) {
		t.Helper()
		var o options
		got := ""
		if err := Decode(json.RawMessage(text), &o); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f("", "")
	f(`{"port":1,"interval":"1d"}`, "")
	f(`{"prt":1}`, `there is no option "prt": did you mean "port"?`)
	f(`{"colour":1}`, `there is no option "colour": there are port, interval`)
	f(`{"port":"x"}`, "the option port is a string, where a int is meant")
	f(`{"interval":"soon"}`, `options: "soon" is no duration: write it like 30s, 5m or 1d`)
	f(`[]`, "options: cannot unmarshal array into Go value of type check.options")
}

func TestDuration(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.MarshalText(); err != nil || string(got) != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f("90s", "1m30s")
	f("1d", "24h0m0s")
	f("1m30s", "1m30s")
	f("2w", "336h0m0s")
}
