//go:build !linux

package host

import (
	"log/slog"

	"github.com/prometheus/node_exporter/collector"
)

type entry struct {
	on  bool
	new func(*slog.Logger) (collector.Collector, error)
}

// catalogue is empty: Hulotte collects its host's metrics on Linux only.
func catalogue(Options) map[string]entry { return nil }

func systemdRuns(string) bool { return false }
