package probe

import (
	"encoding/json"
	"errors"
)

// text is an option that is a text, and looks like a number: `ip: 4`, `codes: [200]`, `min_tls_version: 1.3` mean what they say.
type text string

// UnmarshalJSON reads a text as it is, and a number or a truth as it was written.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if len(data) > 0 && data[0] == '"' || string(data) == "null" {
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = text(s)
		return nil
	}
	var n json.Number
	var b bool
	if json.Unmarshal(data, &n) != nil && json.Unmarshal(data, &b) != nil {
		return errors.New("a text is meant, not a list or an object")
	}
	*t = text(data)
	return nil
}
