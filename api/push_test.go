package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

func TestPushEndpoints(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.URL.Path, " ", model.Tenant(r.Context()))
	})
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) {
		o.Push = []Endpoint{{"POST", "/in/push", echo}, {"", "/all/", echo}}
	})
	f := func(method, path, tenant string, status int, want string) {
		t.Helper()
		w := do(t, h, method, path, "", model.TenantHeader, tenant)
		if w.Code != status || want != "" && w.Body.String() != want {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
	f("POST", "/in/push", "a", 200, "POST /in/push a")
	f("PUT", "/all/x/y", "b", 200, "PUT /all/x/y b")
	f("GET", "/in/push", "a", 405, "")
	f("POST", "/in/push", "a/b", 400, "")
}
