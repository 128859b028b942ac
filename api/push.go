package api

import "net/http"

// Endpoint is a way in that another part serves. Its handler finds the tenant in the request's context.
type Endpoint struct {
	Methods string // with spaces between them; "" is all, and the handler decides
	Path    string // as http.ServeMux has it, without a method
	Handler http.Handler
}

// pushRoutes are the ways in of logs, as they were given.
func (a *api) pushRoutes() []route {
	var table []route
	for _, e := range a.Push {
		table = append(table, route{e.Methods, e.Path, a.sameSite(a.forTenant(e.Handler))})
	}
	return table
}

// forTenant puts the tenant into the context of a request.
func (a *api) forTenant(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := withTenant(r)
		if err != nil {
			a.writeError(w, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}
