package events

import (
	"slices"
	"time"
)

// tenantLocked returns the tenant, made when it is new.
func (s *Store) tenantLocked(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = newTenant(s, name)
		s.tenants[name] = t
	}
	return t
}

// Names implements store.EventTenants.
func (s *Store) Names() []string {
	found := map[string]bool{}
	for _, p := range s.blocks.Partitions("") {
		found[p.Tenant] = true
	}
	for _, h := range s.headList() {
		for _, p := range h.all("") {
			found[p.key.tenant] = true
		}
	}
	out := make([]string, 0, len(found))
	for name := range found {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// tenant is the records of one tenant. It implements store.Events and store.EventDeleter.
type tenant struct {
	s      *Store
	name   string
	active *activeStreams
	recent *recentRecords // nil when duplicates are kept
}

func newTenant(s *Store, name string) *tenant {
	t := &tenant{s: s, name: name, active: newActiveStreams()}
	if s.o.DropDuplicates {
		t.recent = newRecentRecords(s.seed, s.o.DuplicateWindow)
	}
	return t
}

// now is the clock; tests run in a bubble of testing/synctest.
func now() time.Time { return time.Now() }
