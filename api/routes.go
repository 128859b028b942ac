package api

import (
	"fmt"
	"net/http"
	"strings"
)

// route is one line of the table of endpoints. Methods are separated by spaces; GET serves HEAD too.
type route struct {
	methods string
	path    string
	handle  http.Handler
}

// routes returns the handler that finds an endpoint by its path. The table is the whole API.
func (a *api) routes() http.Handler {
	const get, getPost, post, postPut = "GET", "GET POST", "POST", "POST PUT"
	table := []route{
		{getPost, "/api/v1/query", a.json(a.query)},
		{getPost, "/api/v1/query_range", a.json(a.queryRange)},
		{getPost, "/api/v1/series", a.json(a.series)},
		{getPost, "/api/v1/labels", a.json(a.labelNames)},
		{get, "/api/v1/label/{name}/values", a.json(a.labelValues)},
	}
	mux := http.NewServeMux()
	for _, r := range table {
		a.mount(mux, r)
	}
	mux.Handle("/api/", a.json(unknownPath))
	if a.UI != nil {
		mux.Handle("/", a.UI)
	}
	return mux
}

// mount registers a route, and the answers to a browser's preflight and to a method that it does not have.
func (a *api) mount(mux *http.ServeMux, r route) {
	for m := range strings.FieldsSeq(r.methods) {
		mux.Handle(m+" "+r.path, a.measured(r.path, a.cors(r.handle)))
	}
	allow := strings.Join(strings.Fields(r.methods), ", ")
	mux.Handle(r.path, a.cors(a.json(func(req *http.Request) (*result, error) {
		return nil, &apiError{
			kind:   errBadData,
			status: http.StatusMethodNotAllowed,
			allow:  allow,
			err:    fmt.Errorf("method %s is not allowed here: use %s", req.Method, allow),
		}
	})))
}

func unknownPath(r *http.Request) (*result, error) {
	return nil, &apiError{kind: errNotFound, err: fmt.Errorf("no such endpoint: %s", cutText(r.URL.Path, 200))}
}
