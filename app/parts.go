package app

import (
	"time"

	"github.com/hulotte-dev/hulotte/internal/httpserver"
	"github.com/hulotte-dev/hulotte/internal/lockfile"
)

// made is what the parts have made. A part may use what stands above it in the list.
type made struct {
	lock   *lockfile.Lock
	server *httpserver.Server
}

// parts is everything that runs, in the order in which it starts; it stops in reverse. The listener comes first
// so that probes get an answer while the rest starts, and stops last but for the lock.
func (a *App) parts() []part {
	all := []part{
		{name: "data folder", start: a.startDataDir, stopTimeout: time.Second},
		{name: "listener", start: a.startListener, stopTimeout: 10 * time.Second, reload: a.reloadListener},
	}
	return all
}
