package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

var errBusyStorage = model.NewError(model.Conflict, "another one is under way")

func storageAPI(t *testing.T, s Storage) http.Handler {
	t.Helper()
	return newTestAPI(t, emptySeries{}, func(o *Options) { o.Storage = s })
}

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const storagePath = "/api/hulotte/v1/storage"

func TestStorageEndpoints(t *testing.T) {
	var began string
	h := storageAPI(t, Storage{
		Overview: func(context.Context) (any, error) { return map[string]string{"type": "local"}, nil },
		Verify: func(_ context.Context, by string, tell func(any) error) error {
			began = by
			return errors.Join(tell(map[string]int{"n": 1}), tell(map[string]int{"n": 2}))
		},
		StartVerify: func(string) (any, error) { return "started", nil },
		Stop:        func(string) (any, error) { return nil, model.NewError(model.NotFound, "nothing is under way") },
		Backup: func(_ context.Context, _ string, o BackupRequest) (Download, error) {
			return Download{ID: "r1", Name: "b.tar", Type: "application/x-tar", Write: func(w io.Writer) error {
				_, err := fmt.Fprint(w, o)
				return err
			}}, nil
		},
	})
	f := func(method, path string, status int, want string, header ...string) {
		t.Helper()
		if w := ask(h, method, storagePath+path, header...); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s: %d %s, want %d with %s", method, path, w.Code, w.Body, status, want)
		}
	}
	f("GET", "", 200, `{"type":"local"}`)
	f("GET", "/series", 404, "the statistics of this store")
	f("POST", "/verify", 200, "{\"n\":1}\n{\"n\":2}\n", "Authorization", "Basic YWxpY2U6eA==")
	if !strings.HasPrefix(began, "alice at ") {
		t.Errorf("who asked: %q", began)
	}
	f("POST", "/verify?detach=true", 200, `"started"`)
	f("POST", "/verify?detach=maybe", 400, `\"detach\"`)
	f("GET", "/verify", 405, "use POST")
	f("POST", "/stop", 404, "nothing is under way")
	f("GET", "/backup", 200, "{false false}")
	f("GET", "/backup?compress=1&config=true", 200, "{true true}")
	f("GET", "/backup?compress=x", 400, `\"compress\"`)
	f("HEAD", "/backup", 200, "")
	// Other tenants' eyes, and other sites' pages.
	for _, p := range []string{"", "/backup"} {
		f("GET", p, 403, "all tenants", model.TenantHeader, "other")
	}
	f("POST", "/verify", 403, "all tenants", model.TenantHeader, "other")
	f("POST", "/stop", 403, "all tenants", model.TenantHeader, "other")
	f("POST", "/verify", 403, "another site", "Sec-Fetch-Site", "cross-site")
	f("GET", "/backup", 403, "another site", "Sec-Fetch-Site", "cross-site")
	w := ask(h, "GET", storagePath+"/backup")
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="b.tar"` || w.Header().Get("Hulotte-Run") != "r1" {
		t.Errorf("headers of a backup: %v", w.Header())
	}
}

func TestStorageThatIsBusyOrAway(t *testing.T) {
	f := func(err error, status int) {
		t.Helper()
		h := storageAPI(t, Storage{
			Overview:    func(context.Context) (any, error) { return nil, err },
			Verify:      func(context.Context, string, func(any) error) error { return err },
			StartVerify: func(string) (any, error) { return nil, err },
			Stop:        func(string) (any, error) { return nil, err },
			Backup:      func(context.Context, string, BackupRequest) (Download, error) { return Download{}, err },
		})
		for _, one := range []string{"GET ", "POST /verify", "POST /verify?detach=1", "POST /stop", "GET /backup"} {
			method, path, _ := strings.Cut(one, " ")
			if w := ask(h, method, storagePath+path); w.Code != status || !strings.Contains(w.Body.String(), err.Error()) {
				t.Errorf("%s with %v: %d %s, want %d", one, err, w.Code, w.Body, status)
			}
		}
	}
	f(errBusyStorage, 409)
	f(model.NewError(model.Unavailable, "the cluster is away"), 503)
	f(model.NewError(model.Invalid, "no"), 400)
}

func TestStorageThatIsNotServed(t *testing.T) {
	h := storageAPI(t, Storage{})
	for _, one := range []string{"GET ", "POST /verify", "POST /stop", "GET /backup"} {
		method, path, _ := strings.Cut(one, " ")
		if w := ask(h, method, storagePath+path); w.Code != 404 || !strings.Contains(w.Body.String(), "not served") {
			t.Errorf("%s: %d %s", one, w.Code, w.Body)
		}
	}
}

// A backup that fails on the way breaks the connection.
func TestBackupThatFailsIsNotTakenForWhole(t *testing.T) {
	h := storageAPI(t, Storage{Backup: func(context.Context, string, BackupRequest) (Download, error) {
		return Download{Name: "b.tar", Type: "application/x-tar", Write: func(w io.Writer) error {
			_, err := w.Write([]byte("half"))
			return errors.Join(err, errors.New("disk gone"))
		}}, nil
	}})
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Get(s.URL + storagePath + "/backup")
	if err != nil {
		return // broken before the header was out
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("half a backup looks whole: %q", body)
	}
}
