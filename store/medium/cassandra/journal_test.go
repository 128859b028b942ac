package cassandra

import (
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

// suiteOptions give a busy machine time.
var suiteOptions = mediumtest.Options{Timeout: 5 * time.Minute, Rounds: 60}

// place opens the same keyspace each time.
func place[T any](t *testing.T, get func(*Medium) T) mediumtest.Place[T] {
	o := testOptions(t)
	return func(t *testing.T) (T, func() error) {
		m, err := Open(t.Context(), o, testLog(t), nil)
		check(t, err)
		return get(m), m.Close
	}
}

func TestJournals(t *testing.T) {
	mediumtest.Journals(t, place(t, func(m *Medium) medium.Journals { return m.Journals() }), suiteOptions)
}
