package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/internal/suggest"
)

// Duration is a time.Duration that is written as people write it: "90s", "1m30s", "1d".
type Duration time.Duration

// MarshalText writes "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads Go's form, and Prometheus' ("1d", "2w").
func (d *Duration) UnmarshalText(text []byte) error {
	if v, err := time.ParseDuration(string(text)); err == nil {
		*d = Duration(v)
		return nil
	}
	v, err := model.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 30s, 5m or 1d", text)
	}
	*d = Duration(v)
	return nil
}

// Decode reads a kind's options into a struct with json tags. Unknown names are errors, so that a typing error is not silently a default.
func Decode(options json.RawMessage, into any) error {
	if len(options) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(options))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return nil
	}
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) && typed.Field != "" {
		return fmt.Errorf("the option %s is a %s, where a %s is meant", typed.Field[strings.LastIndexByte(typed.Field, '.')+1:], typed.Value, typed.Type)
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	quoted, unknown := strings.CutPrefix(text, "unknown field ")
	if !unknown {
		return fmt.Errorf("options: %s", text)
	}
	names := optionNames(reflect.TypeOf(into))
	if meant := suggest.Closest(strings.Trim(quoted, `"`), names); meant != "" {
		return fmt.Errorf("there is no option %s: did you mean %q?", quoted, meant)
	}
	return fmt.Errorf("there is no option %s: there are %s", quoted, strings.Join(names, ", "))
}

// optionNames are the names that a struct of options knows.
func optionNames(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for f := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(f).Tag.Get("json"), ",")
		switch {
		case t.Field(f).Anonymous && name == "":
			names = append(names, optionNames(t.Field(f).Type)...)
		case name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}
