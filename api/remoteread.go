package api

import "net/http"

func (a *api) newRemoteRead() http.Handler { return http.NotFoundHandler() }
