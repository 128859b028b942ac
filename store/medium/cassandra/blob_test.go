package cassandra

import (
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

func TestBlobs(t *testing.T) {
	mediumtest.Blobs(t, place(t, func(m *Medium) medium.Blobs { return m.Blobs() }), suiteOptions)
}
