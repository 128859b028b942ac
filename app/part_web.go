package app

import (
	"net/http"
	"net/url"

	"github.com/hulotte-dev/hulotte/web"
)

// newUI is the user interface under the path that browsers see: that of the external URL where there is one, since a proxy in between
// may have taken it off, else the prefix that everything is served under.
func (a *App) newUI() (http.Handler, error) {
	s := a.config.get().Server
	base := s.Prefix()
	if u, err := url.Parse(s.ExternalURL); err == nil && s.ExternalURL != "" {
		base = u.Path
	}
	return web.Handler(web.Options{BasePath: base})
}
