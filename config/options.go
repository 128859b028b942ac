package config

import (
	"path/filepath"

	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/host"
	"github.com/hulotte-dev/hulotte/collect/process"
	"github.com/hulotte-dev/hulotte/ingest/remotewrite"
	"github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/store/series"
)

// off turns 0, which stands for "none" in the file, into the negative number that Options take for it: their own
// 0 is the default.
func off[T ~int | ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// SeriesOptions are those of the metrics engine.
func (c *Config) SeriesOptions() series.Options {
	s := c.Storage.Series
	return series.Options{
		Dir:              filepath.Join(c.DataDir, "series"),
		RetentionTime:    s.RetentionTime,
		RetentionBytes:   s.RetentionSize,
		OutOfOrderWindow: off(s.OutOfOrderWindow),
		MaxExemplars:     off(s.MaxExemplars),
		MaxTenants:       s.MaxTenants,
		MaxSeries:        s.MaxSeries,
		SyncInterval:     off(s.SyncInterval),
		SyncCommits:      s.SyncCommits,
		MinFreeBytes:     off(s.MinFreeSize),
	}
}

// HostOptions are those of the host's metrics.
func (c *Config) HostOptions() host.Options {
	h := c.Host
	return host.Options{
		ProcFS: h.ProcFS, SysFS: h.SysFS, RootFS: h.RootFS, UdevData: h.UdevData,
		Enable: h.EnableCollectors, Disable: h.DisableCollectors,
		TextfileDirectories: h.TextfileDirectories,
		MountPointsExclude:  h.MountPointsExclude, FSTypesExclude: h.FSTypesExclude,
		NetDevExclude: h.InterfacesExclude, DisksExclude: h.DisksExclude,
		UnitsInclude: h.UnitsInclude, UnitsExclude: h.UnitsExclude,
		Timeout: h.Timeout,
	}
}

// ProcessOptions are those of the host's processes.
func (c *Config) ProcessOptions() process.Options {
	h := c.Host
	return process.Options{ProcFS: h.ProcFS, RootFS: h.RootFS, MaxGroups: h.Processes.MaxGroups, MaxProcesses: h.Processes.MaxProcesses}
}

// ContainerOptions are those of the host's containers.
func (c *Config) ContainerOptions() container.Options {
	h := c.Host
	o := container.Options{
		ProcFS: h.ProcFS, SysFS: h.SysFS, RootFS: h.RootFS,
		Sockets: h.Containers.Sockets, Labels: h.Containers.Labels, MaxContainers: h.Containers.MaxContainers,
	}
	if !h.Containers.AskEngines {
		o.Sockets = []string{}
	}
	return o
}

// RemoteWriteLimits are those of what arrives through remote write.
func (c *Config) RemoteWriteLimits() remotewrite.Limits {
	l := c.Ingest.RemoteWrite
	return remotewrite.Limits{
		MaxCompressed:   min(l.MaxCompressedSize, c.Server.MaxBodySize),
		MaxUncompressed: l.MaxUncompressedSize,
		MaxInFlight:     l.MaxInFlightSize,
		CacheBytes:      l.CacheSize,
		MaxSamples:      l.MaxSamples,
		MaxLabels:       l.MaxLabels,
		ReadTimeout:     c.Server.ReadTimeout,
	}
}

// QueryOptions are those of the PromQL engine.
func (c *Config) QueryOptions() promql.Options {
	q := c.Query
	return promql.Options{
		Timeout:           q.Timeout,
		MaxSamples:        q.MaxSamples,
		LookbackDelta:     q.LookbackDelta,
		MaxConcurrent:     q.MaxConcurrent,
		MaxQueued:         q.MaxQueued,
		SlowQuery:         off(q.SlowQuery),
		ActiveQueriesFile: filepath.Join(c.DataDir, "queries.active"),
	}
}
