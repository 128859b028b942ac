package eventstest

import "testing"

func TestMemory(t *testing.T) {
	Test(t, func(*testing.T) Opened { return Opened{Events: &Memory{}} })
}
