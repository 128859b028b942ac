package cassandra

import (
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

// suiteOptions give a busy machine time.
var suiteOptions = mediumtest.Options{Timeout: 5 * time.Minute, Rounds: 60}

// soundKeyspace is shared by tests that want all in it to be sound, and leave it so.
var soundKeyspace = sync.OnceValue(newKeyspace)

func inSoundKeyspace(o *Options) { o.Keyspace = soundKeyspace() }

// place opens the same keyspace each time.
func place[T any](t *testing.T, get func(*Medium) T) mediumtest.Place[T] {
	o := testOptions(t)
	inSoundKeyspace(&o)
	return func(t *testing.T) (T, func() error) {
		m, err := Open(t.Context(), o, testLog(t), nil)
		check(t, err)
		return get(m), m.Close
	}
}
