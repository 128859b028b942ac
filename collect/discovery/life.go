package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// life knows the services from scan to scan. It has no clock and does no I/O.
type life struct {
	inactiveAfter, shortLived time.Duration
	max                       int

	records map[string]*record // by ID
	dropped int                // services above max, in the last update
}

// record is what is kept about a service.
type record struct {
	Service Service   `json:"service"`
	Base    string    `json:"base"`  // what its replicas have in common
	Key     string    `json:"key"`   // of its first process
	First   time.Time `json:"first"` // when it was met

	told bool      // systemd was asked why it is gone
	lost time.Time // when it gave up the port that it is asked on; zero while it has it
}

// sighting is a service that a scan saw.
type sighting struct {
	service Service
	base    string
	key     string
}

// replacedAfter is when a replica that is gone while others of it run is inactive: it was taken away, not lost.
const replacedAfter = 5 * time.Minute

// forgottenAfter is for how long an inactive service is remembered.
const forgottenAfter = 30 * 24 * time.Hour

func newLife(inactiveAfter, shortLived time.Duration, limit int) *life {
	return &life{inactiveAfter: inactiveAfter, shortLived: shortLived, max: limit, records: map[string]*record{}}
}

// update takes what a scan saw and says whether anything changed that others want to know.
func (l *life) update(now time.Time, seen []sighting) (changed bool) {
	l.dropped = 0
	here := map[string]string{} // by kind and key, the ID
	for _, s := range seen {
		here[s.service.Kind+"\x00"+s.key] = s.service.ID
		changed = l.see(now, s) || changed
	}
	bases := map[string]bool{}
	for _, r := range l.records {
		if r.Service.Seen.Equal(now) && r.Service.State == Running {
			bases[r.Service.Kind+"\x00"+r.Base] = true
		}
	}
	for id, r := range l.records {
		if r.Service.Seen.Equal(now) {
			continue
		}
		other, renamed := here[r.Service.Kind+"\x00"+r.Key]
		if l.miss(now, r, renamed && other != id, bases[r.Service.Kind+"\x00"+r.Base]) {
			changed = true
		}
	}
	return changed
}

// see takes one service that is running.
func (l *life) see(now time.Time, s sighting) (changed bool) {
	s.service.State, s.service.Since, s.service.Seen = Running, now, now
	r := l.records[s.service.ID]
	if r == nil {
		if len(l.records) >= l.max && !l.makeRoom() {
			l.dropped++
			return false
		}
		l.records[s.service.ID] = &record{Service: s.service, Base: s.base, Key: s.key, First: now}
		return true
	}
	if r.Service.State == Running {
		s.service.Since = r.Service.Since
	}
	changed = !alike(&r.Service, &s.service)
	r.Service, r.Base, r.Key, r.told = s.service, s.base, s.key, false
	return changed
}

// miss takes one service that was not seen.
func (l *life) miss(now time.Time, r *record, renamed, replicas bool) (changed bool) {
	s := &r.Service
	born := r.First
	if !s.Started.IsZero() && s.Started.Before(born) {
		born = s.Started
	}
	switch {
	case renamed, s.State == Running && s.Seen.Sub(born) < l.shortLived, s.State == Inactive && now.Sub(s.Since) > forgottenAfter:
		delete(l.records, s.ID)
		return true
	case s.State == Running:
		s.State, s.Since, s.PIDs = Gone, now, nil
		s.Why = append(slices.Clone(s.Why), goneWhy(s))
		return true
	case s.State == Gone && (now.Sub(s.Since) >= l.inactiveAfter || replicas && now.Sub(s.Since) >= replacedAfter):
		s.State, s.Since = Inactive, now
		return true
	}
	return false
}

func goneWhy(s *Service) string {
	return fmt.Sprintf("Its processes are gone; they were seen last at %s.", s.Seen.UTC().Format(time.RFC3339))
}

// makeRoom forgets the service that is inactive or gone for the longest time.
func (l *life) makeRoom() bool {
	var oldest *record
	for _, r := range l.records {
		if r.Service.State != Running && (oldest == nil || r.Service.Since.Before(oldest.Service.Since)) {
			oldest = r
		}
	}
	if oldest != nil {
		delete(l.records, oldest.Service.ID)
	}
	return oldest != nil
}

// forget drops a service that is not running.
func (l *life) forget(id string) bool {
	r := l.records[id]
	if r == nil || r.Service.State == Running {
		return false
	}
	delete(l.records, id)
	return true
}

// alike says whether two sights of a service differ in its processes only.
func alike(a, b *Service) bool {
	x, y := *a, *b
	for _, s := range []*Service{&x, &y} {
		s.PIDs, s.Seen, s.Since = nil, time.Time{}, time.Time{}
	}
	return reflect.DeepEqual(x, y)
}

// services returns all, by ID.
func (l *life) services() []Service {
	out := make([]Service, 0, len(l.records))
	for _, id := range slices.Sorted(maps.Keys(l.records)) {
		out = append(out, l.records[id].Service)
	}
	return out
}

// byKey finds a running service by its kind and first process; nil when there is none.
func (l *life) byKey(kind, key string) *record {
	for _, r := range l.records {
		if r.Key == key && r.Service.Kind == kind && r.Service.State == Running {
			return r
		}
	}
	return nil
}

// known says whether there is, or was, a service of that kind and name.
func (l *life) known(kind, base string) bool {
	for _, r := range l.records {
		if r.Service.Kind == kind && r.Base == base {
			return true
		}
	}
	return false
}

// byPort finds a service of this machine, whatever became of it, by its kind, its unit and its port; nil when there is none.
func (l *life) byPort(kind, unit string, port int) *record {
	if unit != "" {
		unit += ".service"
	}
	for _, id := range slices.Sorted(maps.Keys(l.records)) {
		r := l.records[id]
		if s := &r.Service; s.Kind == kind && s.Container == nil && s.Unit == unit && s.Address.Port == port {
			return r
		}
	}
	return nil
}

// slots returns, for each container with a service, the name of its instance: it keeps that while it runs.
func (l *life) slots() map[string]string {
	out := map[string]string{}
	for _, r := range l.records {
		if s := &r.Service; s.State == Running && s.Container != nil {
			out[slotKey(s.Kind, s.Container.ID, r.Base)] = s.Instance
		}
	}
	return out
}

func slotKey(kind, container, base string) string {
	return strings.Join([]string{kind, container, base}, "\x00")
}

// document is what is kept over a restart.
type document struct {
	Version  int       `json:"version"` // documentVersion
	Services []*record `json:"services"`
}

const documentVersion = 1

func (l *life) encode() ([]byte, error) {
	d := document{Version: documentVersion, Services: []*record{}}
	for _, id := range slices.Sorted(maps.Keys(l.records)) {
		d.Services = append(d.Services, l.records[id])
	}
	return json.Marshal(d)
}

// decode takes what was kept. What it has already stays.
func (l *life) decode(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("what is kept of the discovered services cannot be read: %w", err)
	}
	if d.Version != documentVersion {
		return fmt.Errorf("what is kept of the discovered services has version %d, and this program reads version %d", d.Version, documentVersion)
	}
	for _, r := range d.Services {
		if r == nil || r.Service.ID == "" || l.records[r.Service.ID] != nil || len(l.records) >= l.max {
			continue
		}
		if s := r.Service.State; s != Running && s != Gone && s != Inactive {
			continue
		}
		l.records[r.Service.ID] = r
	}
	return nil
}
