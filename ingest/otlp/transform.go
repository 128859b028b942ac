package otlp

import (
	"fmt"

	"github.com/hulotte-dev/hulotte/model"
)

// SpansOfJSON reads a file of OTLP/JSON ({"resourceSpans":[…]}) without keeping it. What is made of it takes at most about limit bytes of
// memory. The strings are not those of text, which may be changed afterwards.
func SpansOfJSON(text []byte, limit int64) ([]model.SpanGroup, error) {
	reserve := func(n int64) error {
		if limit -= n; limit < 0 {
			return fmt.Errorf("the spans take too much memory: send fewer of them")
		}
		return nil
	}
	if err := reserve(2 * int64(len(text))); err != nil {
		return nil, err
	}
	message, err := fromJSON(make([]byte, 0, len(text)), text, jsonExportTraces)
	if err != nil {
		return nil, err
	}
	d := spanDecoder{reserve: reserve}
	if err := each(message, requestResources, d.resource); err != nil {
		return nil, err
	}
	if len(d.refused) > 0 {
		return nil, fmt.Errorf("%d spans are not taken: %s", d.refused[0].Count, d.refused[0].Text)
	}
	return d.groups, nil
}
