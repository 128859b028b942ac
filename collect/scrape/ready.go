package scrape

import (
	"errors"
	"sync/atomic"

	promscrape "github.com/prometheus/prometheus/scrape"
)

// Ready hands Prometheus' scrape manager to its remote write, which starts first and asks it for metadata later.
// The zero value has none yet.
type Ready struct{ manager atomic.Pointer[Manager] }

// Set gives the manager.
func (r *Ready) Set(m *Manager) { r.manager.Store(m) }

var errNotReady = errors.New("the scrape manager has not started yet")

// Get implements remote.ReadyScrapeManager.
func (r *Ready) Get() (*promscrape.Manager, error) {
	if m := r.manager.Load(); m != nil {
		return m.scrapes, nil
	}
	return nil, errNotReady
}
