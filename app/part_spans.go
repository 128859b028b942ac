package app

import (
	"context"

	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// startSpans opens the store of spans.
func (a *App) startSpans(context.Context) (stopFunc, error) {
	a.made.spans = &spanstest.Tenants{}
	return nil, nil
}
