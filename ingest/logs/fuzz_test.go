package logs

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// FuzzPush checks that whatever is pushed comes out in form.
func FuzzPush(f *testing.F) {
	f.Add("job", "a", "ERROR x", "trace.id", "1", "level", "warn")
	f.Add("1\xff", "\xff", "{\"level\":", "", "", "a", "")
	f.Fuzz(func(t *testing.T, ln, lv, line, n1, v1, n2, v2 string) {
		check := func(_ context.Context, streams []model.Stream) (model.Refusals, error) {
			for _, s := range streams {
				inOrderTest(t, s.Labels)
				for _, r := range s.Records {
					inOrderTest(t, r.Fields)
					if len(r.Line) > 20 || !strings.HasPrefix(line, r.Line) {
						t.Fatalf("the line is %q", r.Line)
					}
				}
				for _, l := range s.Labels {
					if !utf8.ValidString(l.Value) {
						t.Fatalf("label %q", l)
					}
				}
			}
			return nil, nil
		}
		sink, _ := newTestSink(Options{Limits: Limits{MaxLine: 20}}, &recorder{})
		sink.sink.to = check
		fields := fieldsOf(n1, v1, n2, v2)
		if _, err := sink.Push(context.Background(), one(fieldsOf(ln, lv, n1, v2), model.Record{Line: line, Fields: fields})); err != nil {
			t.Fatal(err)
		}
	})
}

func inOrderTest(t *testing.T, fields []model.Field) {
	t.Helper()
	for i, f := range fields {
		if f.Value == "" || !validName(f.Name) || i > 0 && fields[i-1].Name >= f.Name {
			t.Fatalf("not in form: %q", fields)
		}
	}
}
