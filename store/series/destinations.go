package series

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"

	"github.com/hulotte-dev/hulotte/model"
)

// destinations are where the default tenant's samples are sent besides being stored: the remote_write section of a
// prometheus.yml, by Prometheus' own client, which follows the write-ahead log.
type destinations struct {
	log *slog.Logger
	reg prometheus.Registerer
	dir string // the default tenant's

	mu      sync.Mutex // held while the configuration changes
	storage atomic.Pointer[remote.Storage]
}

// flushDeadline is how long Close waits for what is on its way to a destination: less than Prometheus' minute, because
// service managers kill after 90 seconds, and closing the tenants comes behind it.
const flushDeadline = 10 * time.Second

// ApplyRemoteWrite sends the default tenant's samples to the remote_write destinations of conf from now on, and to
// no others. Of conf only global.external_labels and remote_write count. Destinations that stay the same go on
// undisturbed. A destination that is away is tried again until it is back; what it has missed is read from the
// write-ahead log, which goes back two to three hours. As in Prometheus, after a restart of this process a
// destination gets what is new, not what it has missed before.
func (db *DB) ApplyRemoteWrite(conf *config.Config) error {
	d := &db.destinations
	d.mu.Lock()
	defer d.mu.Unlock()
	rs := d.storage.Load()
	if rs == nil {
		if len(conf.RemoteWriteConfigs) == 0 {
			return nil
		}
		startTime := func() (int64, error) { return 0, nil } // it is asked for by remote reads only
		rs = remote.NewStorage(d.log, d.reg, startTime, d.dir, flushDeadline, nil, false)
	}
	only := &config.Config{GlobalConfig: conf.GlobalConfig}
	for _, c := range conf.RemoteWriteConfigs {
		withoutMetadata := *c
		// In 1.0 the metadata would come from Prometheus' scrape manager, which is not here.
		withoutMetadata.MetadataConfig.Send = false
		only.RemoteWriteConfigs = append(only.RemoteWriteConfigs, &withoutMetadata)
	}
	err := rs.ApplyConfig(only)
	d.storage.Store(rs)
	if err != nil {
		return fmt.Errorf("cannot apply remote_write: %w", err)
	}
	return nil
}

// Notify tells the destinations that there is something new in the write-ahead log. It is a wlog.WriteNotified.
func (d *destinations) Notify() {
	if rs := d.storage.Load(); rs != nil {
		rs.Notify()
	}
}

func (d *destinations) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if rs := d.storage.Swap(nil); rs != nil {
		return rs.Close()
	}
	return nil
}

func (d *destinations) init(opts Options, log *slog.Logger, reg prometheus.Registerer) {
	d.log, d.reg = log.With("part", "remote_write"), reg
	d.dir = filepath.Join(opts.Dir, model.DefaultTenant)
}
