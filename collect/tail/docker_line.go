package tail

import (
	"encoding/json"
	"time"
)

// dockerLine is a line of Docker's json-file driver, or of the stream of its API.
type dockerLine struct {
	text   string
	time   int64 // nanoseconds since the epoch
	output int8

	// Of the stream alone:
	last  int64 // the time of its last part
	whole int   // bytes that it had, when it was cut; else 0
}

func decodeDockerLine(text string) (d dockerLine, ok bool) {
	if len(text) == 0 || text[0] != '{' {
		return d, false
	}
	var raw struct {
		Log    *string `json:"log"`
		Stream string  `json:"stream"`
		Time   string  `json:"time"`
	}
	if json.Unmarshal([]byte(text), &raw) != nil || raw.Log == nil {
		return d, false
	}
	t, err := time.Parse(time.RFC3339Nano, raw.Time)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return d, false
	}
	d.text, d.time, d.output = *raw.Log, t.UnixNano(), stdout
	if raw.Stream == "stderr" {
		d.output = stderr
	}
	return d, true
}
