package app

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/cluster"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/cassandra"
	"github.com/hulotte-dev/hulotte/store/series"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// StorageInfo is what GET /api/hulotte/v1/storage answers.
type StorageInfo struct {
	Medium MediumInfo       `json:"medium"`
	Series SeriesInfo       `json:"series"`
	Nodes  []cluster.Status `json:"nodes"`
	// Run goes on now; Runs have ended, the newest first, and RunsProblem says why older ones may be missing.
	Run         *upkeep.Run  `json:"run"`
	Runs        []upkeep.Run `json:"runs"`
	RunsProblem string       `json:"runs_problem,omitempty"`
}

// MediumInfo is about the medium.
type MediumInfo struct {
	Type   string       `json:"type"`
	Place  string       `json:"place"`
	Health MediumHealth `json:"health"`
	// Durability says in words when a write is acknowledged, and MayLose for how long a power cut can take it back.
	Durability     string  `json:"durability"`
	MayLoseSeconds float64 `json:"may_lose_seconds"`
	FreeBytes      *int64  `json:"free_bytes"` // of a local one
	// Contents were counted at Counted; Partial tells that there was not the time to count all.
	Contents        *ContentsInfo `json:"contents"`
	ContentsProblem string        `json:"contents_problem,omitempty"`
	Hosts           []HostInfo    `json:"hosts"` // of a cluster
	// Cluster is how the keyspace is kept, nil for other media.
	Cluster *ClusterInfo `json:"cluster"`
}

// ContentsInfo counts what is on the medium.
type ContentsInfo struct {
	Journals      []JournalInfo `json:"journals"` // at most maxJournals
	JournalsTotal int           `json:"journals_total"`
	JournalBytes  int64         `json:"journal_bytes"`
	Blobs         int64         `json:"blobs"`
	BlobBytes     int64         `json:"blob_bytes"`
	Documents     int64         `json:"documents"`
	DocumentBytes int64         `json:"document_bytes"`
	Kinds         int           `json:"kinds"`
	Partial       bool          `json:"partial"`
	Counted       time.Time     `json:"counted"`
}

// JournalInfo is one journal.
type JournalInfo struct {
	Name  string          `json:"name"`
	Next  medium.Position `json:"next"`
	Bytes int64           `json:"bytes"`
}

// ClusterInfo is about a keyspace.
type ClusterInfo struct {
	Keyspace    string            `json:"keyspace"`
	Datacenter  string            `json:"datacenter"`
	Copies      map[string]string `json:"copies"` // by data centre, as the keyspace has it
	Consistency string            `json:"consistency"`
	Schema      int               `json:"schema"` // the version of its tables
}

// HostInfo is a host of a cluster, as this process sees it.
type HostInfo struct {
	Address    string `json:"address"`
	Datacenter string `json:"datacenter"`
	Rack       string `json:"rack"`
	Version    string `json:"version"`
	Up         bool   `json:"up"`
}

// SeriesInfo is about the metrics engine.
type SeriesInfo struct {
	Place          string   `json:"place"`
	Bytes          int64    `json:"bytes"`
	FreeBytes      *int64   `json:"free_bytes"`
	Tenants        []string `json:"tenants"`
	Durability     string   `json:"durability"`
	MayLoseSeconds float64  `json:"may_lose_seconds"`
}

// maxJournals and maxTenantsListed bound the answer.
const (
	maxJournals      = 100
	maxTenantsListed = 100
)

const (
	// contentsAge is how old the counts may be: counting reads every document and the name of every blob.
	contentsAge = time.Minute
	// contentsTimeout and maxCounted bound what counting costs.
	contentsTimeout = 5 * time.Second
	maxCounted      = 100_000
)

// storageOverview gathers it, and keeps what is not cheap for a while.
type storageOverview struct {
	app *App

	mu       sync.Mutex // held while counting: one at a time
	contents *ContentsInfo
	cluster  *ClusterInfo
	problem  string
}

func newStorageOverview(a *App) *storageOverview { return &storageOverview{app: a} }

func (o *storageOverview) get(ctx context.Context) StorageInfo {
	a := o.app
	c := a.config.get()
	out := StorageInfo{Medium: o.medium(ctx, c), Series: seriesOverview(a, c), Nodes: a.made.member.Nodes(), Run: a.made.keeper.Current()}
	ctx, cancel := context.WithTimeout(ctx, contentsTimeout)
	defer cancel()
	runs, err := a.made.keeper.Runs(ctx)
	if err != nil {
		out.RunsProblem = err.Error()
	}
	out.Runs = append([]upkeep.Run{}, runs...)
	return out
}

func (o *storageOverview) medium(ctx context.Context, c *config.Config) MediumInfo {
	conf := c.Storage.Medium
	place := MediumPlace{Medium: conf, DataDir: c.DataDir}
	out := MediumInfo{Type: conf.Type, Place: place.String(), Health: o.app.made.medium.health()}
	out.Durability, out.MayLoseSeconds = mediumDurability(conf)
	if conf.Type == config.MediumLocal {
		out.FreeBytes = freeBytes(config.MediumDir(c.DataDir))
	}
	m, err := o.app.made.medium.get()
	if err != nil {
		return out // Health says why
	}
	out.Contents, out.Cluster, out.ContentsProblem = o.count(ctx, m)
	out.Hosts = clusterHosts(bareMedium(m))
	return out
}

func mediumDurability(m config.Medium) (text string, mayLose float64) {
	if m.Type == config.MediumCassandra {
		return fmt.Sprintf("A write is acknowledged when the replicas that consistency %s asks for have it; the loss of fewer hosts loses nothing.", m.Cassandra.Consistency), 0
	}
	if m.Local.Sync == config.SyncInterval {
		return fmt.Sprintf("A write is acknowledged when the operating system has it, and is on the disk within %s: a power cut may take back that much; the death of this process nothing.", durationText(m.Local.SyncInterval)),
			m.Local.SyncInterval.Seconds()
	}
	return "Every acknowledged write is on the disk.", 0
}

func seriesOverview(a *App, c *config.Config) SeriesInfo {
	s := c.Storage.Series
	dir := c.SeriesOptions().Dir
	names := a.made.store.Names()
	out := SeriesInfo{Place: dir, Bytes: a.made.store.DiskBytes(), FreeBytes: freeBytes(dir), Tenants: names[:min(len(names), maxTenantsListed)]}
	switch {
	case s.SyncCommits:
		out.Durability = "Every acknowledged sample is on the disk."
	case s.SyncInterval > 0:
		out.MayLoseSeconds = s.SyncInterval.Seconds()
		out.Durability = fmt.Sprintf("Acknowledged samples are on the disk within %s: a power cut may take back that much; the death of this process nothing.", durationText(s.SyncInterval))
	default:
		out.MayLoseSeconds = -1
		out.Durability = "When acknowledged samples reach the disk is left to the operating system: a power cut may take back what it has not written; the death of this process nothing."
	}
	return out
}

// durationText writes "100 ms" and "1 s".
func durationText(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

func freeBytes(dir string) *int64 {
	n, err := series.FreeBytes(dir)
	if err != nil {
		return nil
	}
	return &n
}

// count counts what is on the medium, unless that was done a short while ago.
func (o *storageOverview) count(ctx context.Context, m medium.Medium) (*ContentsInfo, *ClusterInfo, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.contents != nil && time.Since(o.contents.Counted) < contentsAge {
		return o.contents, o.cluster, o.problem
	}
	ctx, cancel := context.WithTimeout(ctx, contentsTimeout)
	defer cancel()
	out, err := countContents(ctx, m)
	if err == nil {
		o.cluster, err = clusterPlace(ctx, bareMedium(m))
	}
	o.problem = ""
	if err != nil {
		out.Partial, o.problem = true, err.Error()
	}
	o.contents = out
	return o.contents, o.cluster, o.problem
}

func countContents(ctx context.Context, m medium.Medium) (*ContentsInfo, error) {
	out := &ContentsInfo{Counted: time.Now().UTC(), Journals: []JournalInfo{}}
	journals, err := m.Journals().List(ctx)
	if err != nil {
		return out, err
	}
	out.JournalsTotal = len(journals)
	for _, j := range journals {
		out.JournalBytes += j.Bytes
		if len(out.Journals) < maxJournals {
			out.Journals = append(out.Journals, JournalInfo{Name: j.Name, Next: j.Next, Bytes: j.Bytes})
		}
	}
	for b, err := range m.Blobs().List(ctx, "") {
		if err != nil {
			return out, err
		}
		if out.Blobs == maxCounted {
			out.Partial = true
			break
		}
		out.Blobs++
		out.BlobBytes += b.Size
	}
	return out, countDocuments(ctx, m.Documents(), out)
}

func countDocuments(ctx context.Context, docs medium.Documents, out *ContentsInfo) error {
	kinds, err := docs.Kinds(ctx)
	if err != nil {
		return err
	}
	out.Kinds = len(kinds)
	for _, kind := range kinds {
		for d, err := range docs.List(ctx, kind, "") {
			if err != nil {
				return err
			}
			if out.Documents == maxCounted {
				out.Partial = true
				return nil
			}
			out.Documents++
			out.DocumentBytes += int64(len(d.Value))
		}
	}
	return nil
}

// clusterHosts lists the hosts of a cluster, as the driver sees them; nil for other media.
func clusterHosts(m medium.Medium) []HostInfo {
	c, ok := m.(*cassandra.Medium)
	if !ok {
		return nil
	}
	var out []HostInfo
	for _, h := range c.Hosts() {
		out = append(out, HostInfo{Address: h.Address, Datacenter: h.Datacenter, Rack: h.Rack, Version: h.Version, Up: h.Up})
	}
	return out
}

// clusterPlace says how a cluster keeps what is on it; nil for other media.
func clusterPlace(ctx context.Context, m medium.Medium) (*ClusterInfo, error) {
	c, ok := m.(*cassandra.Medium)
	if !ok {
		return nil, nil
	}
	p, err := c.Place(ctx)
	if err != nil {
		return nil, err
	}
	copies := maps.Clone(p.Replication)
	delete(copies, "class")
	return &ClusterInfo{Keyspace: p.Keyspace, Datacenter: p.Datacenter, Copies: copies, Consistency: p.Consistency, Schema: p.Schema}, nil
}
