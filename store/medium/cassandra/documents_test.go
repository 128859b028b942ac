package cassandra

import (
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

func TestDocuments(t *testing.T) {
	o := testOptions(t)
	mediumtest.Documents(t, func(t *testing.T) (medium.Documents, func() error) {
		m, err := Open(t.Context(), o, testLog(t), nil)
		check(t, err)
		return m.Documents(), m.Close
	}, mediumtest.Options{Rounds: 100})
}
