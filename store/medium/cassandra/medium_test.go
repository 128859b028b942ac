package cassandra

import (
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

// TestMedium is the whole suite on three nodes with three copies.
func TestMedium(t *testing.T) {
	mediumtest.Medium(t, place(t, func(m *Medium) medium.Medium { return m }), suiteOptions)
}
