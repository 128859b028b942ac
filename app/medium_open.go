package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/cassandra"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// MediumPlace says where a medium is: in which folder, or on which cluster.
type MediumPlace struct {
	Medium  config.Medium
	DataDir string // the medium of type local is below it
}

// String is how people name the place.
func (p MediumPlace) String() string {
	if p.Medium.Type == config.MediumCassandra {
		c := p.Medium.Cassandra
		return "cassandra://" + strings.Join(c.Addresses, ",") + "/" + c.Keyspace
	}
	return config.MediumDir(p.DataDir)
}

// OpenMedium opens a medium. A local one that is read only must be there, and nothing in it is changed. node names this
// process to others on the medium.
func OpenMedium(ctx context.Context, p MediumPlace, readOnly bool, node string, log *slog.Logger, reg prometheus.Registerer) (medium.Medium, error) {
	if p.Medium.Type == config.MediumCassandra {
		m, err := cassandra.Open(ctx, p.Medium.CassandraOptions(node), log, reg)
		if err != nil {
			return nil, err // not m: a nil pointer in an interface is not nil
		}
		return m, nil
	}
	o := p.Medium.LocalOptions(p.DataDir)
	o.ReadOnly = readOnly
	if readOnly {
		if _, err := os.Stat(o.Dir); err != nil {
			return nil, fmt.Errorf("cannot open the medium: %w", err)
		}
	} else if err := os.MkdirAll(filepath.Dir(o.Dir), 0o750); err != nil {
		return nil, fmt.Errorf("cannot open the medium: %w", err)
	}
	m, err := local.Open(o, log, reg)
	if err != nil {
		return nil, err
	}
	return m, nil
}
