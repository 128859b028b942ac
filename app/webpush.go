package app

import "github.com/hulotte-dev/hulotte/api"

// webPush keeps browsers that want to be told of alerts.
func (a *App) webPush() api.WebPush {
	if a.made.notifier == nil {
		return nil // and not a nil inside an interface
	}
	return a.made.notifier
}
