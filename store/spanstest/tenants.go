package spanstest

import (
	"maps"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/store"
)

// Tenants is a Memory for each tenant. Its zero value is empty and ready for use.
type Tenants struct {
	mu     sync.Mutex
	byName map[string]*Memory
}

// SpanReader implements store.SpanTenants.
func (t *Tenants) SpanReader(name string) (store.SpanReader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.byName[name]; m != nil {
		return m, nil
	}
	return &Memory{}, nil
}

// SpanWriter implements store.SpanTenants.
func (t *Tenants) SpanWriter(name string) (store.Spans, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName == nil {
		t.byName = map[string]*Memory{}
	}
	if t.byName[name] == nil {
		t.byName[name] = &Memory{}
	}
	return t.byName[name], nil
}

// Names implements store.SpanTenants.
func (t *Tenants) Names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.byName))
}
