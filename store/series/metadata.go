package series

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/metadata"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store"
)

const (
	metadataFile    = "metadata.json"
	metadataVersion = 1

	// maxMetadataPerMetric bounds the different answers kept of one metric: more than a few means that its
	// help text holds data, and nobody reads ten.
	maxMetadataPerMetric = 4
	// maxMetadataText bounds a help text or unit kept, in bytes, so that the file stays below some megabytes.
	maxMetadataText = 2048
	// metadataSaveInterval is how much of what is new a crash may lose; scrapes tell it again anyway.
	metadataSaveInterval = 30 * time.Second
	// metadataSeenStep is how coarsely "last seen" is kept: a finer one would rewrite the file for nothing.
	metadataSeenStep = 24 * time.Hour
)

// metadataLog keeps what the metrics of a tenant are (type, help, unit): in memory, bounded, and in a small file.
// tsdb can write metadata to its log but not give it back.
type metadataLog struct {
	path string
	max  int
	keep time.Duration // entries not seen for so long are dropped when the file is written
	log  *slog.Logger

	mu      sync.Mutex // no I/O under it
	entries map[string][]metadataEntry
	dropped uint64
	dirty   bool
	saved   time.Time
}

// metadataEntry is one answer for a metric. Seen is in seconds since the epoch, rounded down to a day.
type metadataEntry struct {
	Type model.MetricType `json:"type"`
	Help string           `json:"help,omitempty"`
	Unit string           `json:"unit,omitempty"`
	Seen int64            `json:"seen"`
}

type metadataDocument struct {
	Version int                        `json:"version"`
	Metrics map[string][]metadataEntry `json:"metrics"`
}

// openMetadataLog reads the file at path. A file that is missing or cannot be read starts empty: it is worth a
// warning, not a refusal to start.
func openMetadataLog(path string, limit int, keep time.Duration, log *slog.Logger) *metadataLog {
	m := &metadataLog{path: path, max: limit, keep: keep, log: log, entries: make(map[string][]metadataEntry)}
	if err := m.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("cannot read the metrics' metadata: starting without", "file", path, "err", err)
	}
	return m
}

func (m *metadataLog) load() error {
	raw, err := os.ReadFile(m.path)
	if err != nil {
		return err
	}
	var doc metadataDocument
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	if doc.Version != metadataVersion {
		return fmt.Errorf("version %d of the file is not known (this program writes %d)", doc.Version, metadataVersion)
	}
	if doc.Metrics != nil {
		m.entries = doc.Metrics
	}
	return nil
}

// note keeps what the metric is and returns the metric's name as it is kept, which never aliases the caller's
// memory (storage.AOptions forbids to keep MetricFamilyName).
func (m *metadataLog) note(metric string, md metadata.Metadata) string {
	e := metadataEntry{
		Type: md.Type, Help: cut(md.Help), Unit: cut(md.Unit),
		Seen: time.Now().Truncate(metadataSeenStep).Unix(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	entries, ok := m.entries[metric]
	metric = strings.Clone(metric)
	if !ok && len(m.entries) >= m.max {
		m.dropped++
		return metric
	}
	if slices.Contains(entries, e) {
		return metric // also when it is not in front: sources that disagree would turn the list all the time
	}
	m.entries[metric] = withEntry(entries, e)
	m.dirty = true
	return metric
}

// withEntry returns a new list with e in front and at most maxMetadataPerMetric others. The old list is left as
// it is: a reader may hold it.
func withEntry(entries []metadataEntry, e metadataEntry) []metadataEntry {
	e.Help, e.Unit = strings.Clone(e.Help), strings.Clone(e.Unit)
	next := []metadataEntry{e}
	for _, old := range entries {
		if len(next) < maxMetadataPerMetric && (old.Type != e.Type || old.Help != e.Help || old.Unit != e.Unit) {
			next = append(next, old)
		}
	}
	return next
}

func cut(s string) string {
	if len(s) <= maxMetadataText {
		return s
	}
	return strings.ToValidUTF8(s[:maxMetadataText], "")
}

// list returns what is known, as store.MetadataReader says.
func (m *metadataLog) list(metric string, limit, limitPerMetric int) []store.MetricMetadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := []string{metric}
	if metric == "" {
		names = sortedNames(m.entries)
	}
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	var out []store.MetricMetadata
	for _, name := range names {
		for i, e := range m.entries[name] {
			if limitPerMetric > 0 && i >= limitPerMetric {
				break
			}
			out = append(out, store.MetricMetadata{
				Metric:   name,
				Metadata: metadata.Metadata{Type: e.Type, Help: e.Help, Unit: e.Unit},
			})
		}
	}
	return out
}

func (m *metadataLog) counts() (metrics int, dropped uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries), m.dropped
}

func sortedNames(entries map[string][]metadataEntry) []string {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// saveWhenDue writes the file when there is something new and the last write is some time ago.
func (m *metadataLog) saveWhenDue(now time.Time) {
	m.mu.Lock()
	due := m.dirty && now.Sub(m.saved) >= metadataSaveInterval
	m.mu.Unlock()
	if !due {
		return
	}
	if err := m.save(); err != nil {
		m.log.Warn("cannot write the metrics' metadata: it stays in memory", "err", err)
	}
}

// save writes the file when there is something new.
func (m *metadataLog) save() error {
	m.mu.Lock()
	if !m.dirty {
		m.mu.Unlock()
		return nil
	}
	m.dropUnseen(time.Now().Add(-max(m.keep, metadataSeenStep) - metadataSeenStep))
	raw, err := json.Marshal(metadataDocument{Version: metadataVersion, Metrics: m.entries})
	m.dirty, m.saved = false, time.Now()
	m.mu.Unlock()
	if err == nil {
		err = vfs.WriteFile(vfs.OS{}, m.path, raw, 0o640)
	}
	if err != nil {
		m.mu.Lock()
		m.dirty = true
		m.mu.Unlock()
		return fmt.Errorf("cannot write %s: %w", m.path, err)
	}
	return nil
}

// dropUnseen forgets the answers not seen since oldest, with mu held.
func (m *metadataLog) dropUnseen(oldest time.Time) {
	for name, entries := range m.entries {
		kept := slices.DeleteFunc(slices.Clone(entries), func(e metadataEntry) bool { return e.Seen < oldest.Unix() })
		if len(kept) == 0 {
			delete(m.entries, name)
		} else {
			m.entries[name] = kept
		}
	}
}
