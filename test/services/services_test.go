package services

import (
	"testing"
)

// Every service starts, answers, stops and starts again on the same port.
func TestEveryService(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			s := Start(t, name)
			s.Stop()
			if err := s.connects(); err == nil {
				t.Errorf("%s still answers at %s", name, s.Addr)
			}
			s.Start()
		})
	}
}
