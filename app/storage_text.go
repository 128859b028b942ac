package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// String returns it for people, a line a fact.
func (i StorageInfo) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	m := i.Medium
	line("medium", "%s, %s", m.Type, m.Place)
	if m.Health.Healthy {
		line("health", "works, since %s", m.Health.Since.Format(time.RFC3339))
	} else {
		line("health", "does not work, since %s: %s", m.Health.Since.Format(time.RFC3339), m.Health.Problem)
	}
	line("durability", "%s", m.Durability)
	if c := m.Contents; c != nil {
		line("journals", "%d, %d bytes", c.JournalsTotal, c.JournalBytes)
		line("blobs", "%d, %d bytes", c.Blobs, c.BlobBytes)
		line("documents", "%d of %d kinds, %d bytes", c.Documents, c.Kinds, c.DocumentBytes)
	}
	if m.FreeBytes != nil {
		line("free", "%d bytes", *m.FreeBytes)
	}
	if c := m.Cluster; c != nil {
		line("keyspace", "%s, copies %v, consistency %s, tables of version %d", c.Keyspace, c.Copies, c.Consistency, c.Schema)
	}
	for _, h := range m.Hosts {
		line("host", "%s %s, %s %s, Cassandra %s", h.Address, map[bool]string{true: "up", false: "DOWN"}[h.Up], h.Datacenter, h.Rack, h.Version)
	}
	line("series", "%d bytes of %d tenants, %s", i.Series.Bytes, len(i.Series.Tenants), i.Series.Place)
	for _, n := range i.Nodes {
		line("node", "%s %s, %s %s, %s", n.ID, n.State, n.Role, n.Version, n.Address)
	}
	for _, kind := range []upkeep.RunKind{upkeep.Verify, upkeep.Backup} {
		line("last "+string(kind), "%s", i.last(kind))
	}
	return b.String()
}

func (i StorageInfo) last(kind upkeep.RunKind) string {
	for _, r := range i.Runs {
		if r.Kind == kind && r.Ended != nil {
			text := fmt.Sprintf("%s, %s", r.Ended.Format(time.RFC3339), r.State)
			if r.FindingsTotal > 0 {
				text += fmt.Sprintf(", %d findings", r.FindingsTotal)
			}
			if r.Error != "" {
				text += ": " + r.Error
			}
			return text
		}
	}
	return "never"
}
