package app

import (
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spans"
)

// spansLink is the way to the spans. It implements store.SpanTenants.
type spansLink struct{ *engineLink[*spans.Store] }

// SpanReader implements store.SpanTenants.
func (l spansLink) SpanReader(tenant string) (store.SpanReader, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.SpanReader(tenant)
}

// SpanWriter implements store.SpanTenants.
func (l spansLink) SpanWriter(tenant string) (store.Spans, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.SpanWriter(tenant)
}

// Names implements store.SpanTenants.
func (l spansLink) Names() []string {
	s, err := l.get()
	if err != nil {
		return nil
	}
	return s.Names()
}

var _ store.SpanTenants = spansLink{}
