package app

import (
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/events"
)

// eventsLink is the way to the log records. It implements store.EventTenants.
type eventsLink struct{ *engineLink[*events.Store] }

// EventReader implements store.EventTenants.
func (l eventsLink) EventReader(tenant string) (store.EventReader, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.EventReader(tenant)
}

// EventWriter implements store.EventTenants.
func (l eventsLink) EventWriter(tenant string) (store.Events, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.EventWriter(tenant)
}

// Names implements store.EventTenants.
func (l eventsLink) Names() []string {
	s, err := l.get()
	if err != nil {
		return nil
	}
	return s.Names()
}

var _ store.EventTenants = eventsLink{}
