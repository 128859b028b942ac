package model

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Status is the answer of a check, numbered as the exit codes of Nagios plugins.
type Status int8

// The answers. Pending is that of a check that was never asked. A host is up when its check is OK.
const (
	OK Status = iota
	Warning
	Critical
	Unknown
	Pending
)

var statusNames = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN", "PENDING"}

// String returns the word that operators know.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return fmt.Sprintf("STATUS(%d)", int8(s))
	}
	return statusNames[s]
}

// Severity orders answers by how much they want a person: CRITICAL, UNKNOWN, WARNING, PENDING, OK are 4 to 0.
func (s Status) Severity() int {
	switch s {
	case Critical:
		return 4
	case Unknown:
		return 3
	case Warning:
		return 2
	case Pending:
		return 1
	}
	return 0
}

// MarshalText writes the word.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word, in any case.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if strings.EqualFold(name, string(text)) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no status: use OK, WARNING, CRITICAL, UNKNOWN or PENDING", text)
}

// CheckResult is one answer to a check.
type CheckResult struct {
	Status Status
	// Output is the line that people see first, without a line break; Long is what followed it.
	Output string
	Long   string
	Perf   []Perf
	// Metrics are further series, such as probe_http_status_code. The engine adds the labels host, check and instance.
	Metrics []CheckMetric
	// Start is when the question was asked, Duration how long the answer took. The engine sets those that are zero.
	Start    time.Time
	Duration time.Duration
}

// Perf is one item of performance data, as the Monitoring Plugins Development Guidelines define it:
// 'label'=value[unit];[warn];[crit];[min];[max].
type Perf struct {
	Label string  `json:"label"`
	Value float64 `json:"value"` // NaN when the plugin could not tell ("U"); written as null
	Unit  string  `json:"unit,omitempty"`
	// Warn and Crit are ranges as the guidelines write them: "80", "10:", "~:5", "@10:20".
	Warn string   `json:"warn,omitempty"`
	Crit string   `json:"crit,omitempty"`
	Min  *float64 `json:"min,omitempty"`
	Max  *float64 `json:"max,omitempty"`
}

// MarshalJSON writes a value that could not be told as null: JSON has no NaN.
func (p Perf) MarshalJSON() ([]byte, error) {
	type plain Perf
	out := struct {
		plain
		Value *float64 `json:"value"`
	}{plain: plain(p)}
	if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
		out.Value = &p.Value
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Perf) UnmarshalJSON(data []byte) error {
	type plain Perf
	in := struct {
		*plain
		Value *float64 `json:"value"`
	}{plain: (*plain)(p)}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	p.Value = math.NaN()
	if in.Value != nil {
		p.Value = *in.Value
	}
	return nil
}

// CheckMetric is one sample of a gauge that a check measured.
type CheckMetric struct {
	Name, Help string
	Labels     []Field // sorted by name
	Value      float64
}
