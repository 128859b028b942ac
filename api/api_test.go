package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/store"
)

// clock is "now" of every test: 2026-01-01 00:00 UTC.
var clock = time.Unix(1767225600, 0).UTC()

// testTenants serves one store per tenant.
type testTenants map[string]store.Series

func (t testTenants) Reader(name string) (store.Series, error) {
	if s, ok := t[name]; ok {
		return s, nil
	}
	return emptySeries{}, nil
}
func (t testTenants) Writer(name string) (store.Series, error) { return t.Reader(name) }
func (t testTenants) Names() []string                          { return nil }

// emptySeries is a tenant that nobody has written to.
type emptySeries struct{ store.Series }

func (emptySeries) Querier(int64, int64) (storage.Querier, error) { return storage.NoopQuerier(), nil }
func (emptySeries) ChunkQuerier(int64, int64) (storage.ChunkQuerier, error) {
	return storage.NoopChunkedQuerier(), nil
}

// loadSeries returns a store that holds what the load commands say (promqltest's language), from time 0.
func loadSeries(t testing.TB, load string) store.Series {
	t.Helper()
	s := promqltest.LoadedStorage(t, load)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newEngine(t testing.TB, o promql.Options) *promql.Engine {
	t.Helper()
	e, err := promql.New(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// newTestAPI returns the API over the series of the default tenant. change may adapt the options.
func newTestAPI(t testing.TB, series store.Series, change func(*Options)) http.Handler {
	t.Helper()
	e := newEngine(t, promql.Options{})
	o := Options{
		Tenants: testTenants{"default": series},
		Engine:  e,
		Parser:  e.Parser(),
		Now:     func() time.Time { return clock },
	}
	if change != nil {
		change(&o)
	}
	return New(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// get returns the status and body of a GET.
func get(t testing.TB, h http.Handler, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w.Code, w.Body.String()
}

// post returns the status and body of a POST of a form.
func post(t testing.TB, h http.Handler, path, form string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const threeSeries = `
load 1m
  up{job="node",instance="a"} 1x10
  up{job="node",instance="b"} 0x10
  requests_total{job="web"} 0+60x10
`

func TestQueries(t *testing.T) {
	h := newTestAPI(t, loadSeries(t, threeSeries), nil)
	f := func(path, form, want string) {
		t.Helper()
		for _, method := range []string{"GET", "POST"} {
			var code int
			var body string
			if method == "GET" {
				code, body = get(t, h, path+"?"+form)
			} else {
				code, body = post(t, h, path, form)
			}
			if code != http.StatusOK || body != want {
				t.Errorf("%s %s?%s\n got %d %s\nwant 200 %s", method, path, form, code, body, want)
			}
		}
	}
	q := url.QueryEscape
	f("/api/v1/query", "query="+q(`sort_by_label(up, "instance")`)+"&time=120",
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"a","job":"node"},"value":[120,"1"]},{"metric":{"__name__":"up","instance":"b","job":"node"},"value":[120,"0"]}]}}`)
	f("/api/v1/query", "query="+q(`sort_by_label(up, "instance")`)+"&time=120&limit=1",
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"a","job":"node"},"value":[120,"1"]}]},"warnings":["results truncated due to limit"]}`)
	f("/api/v1/query", "query=1.5&time=1970-01-01T00:02:00.5Z",
		`{"status":"success","data":{"resultType":"scalar","result":[120.5,"1.5"]}}`)
	f("/api/v1/query", "query="+q(`"a"`)+"&time=0",
		`{"status":"success","data":{"resultType":"string","result":[0,"a"]}}`)
	f("/api/v1/query_range", "query="+q("rate(requests_total[2m])")+"&start=180&end=240&step=60",
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"web"},"values":[[180,"1"],[240,"1"]]}]}}`)
	f("/api/v1/query_range", "query=nothing&start=180&end=240&step=1m",
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	f("/api/v1/series", "match[]=up&match[]=nothing&start=0&end=600",
		`{"status":"success","data":[{"__name__":"up","instance":"a","job":"node"},{"__name__":"up","instance":"b","job":"node"}]}`)
	f("/api/v1/labels", "start=0&end=600",
		`{"status":"success","data":["__name__","instance","job"]}`)
	f("/api/v1/labels", "match[]=up&match[]=requests_total&limit=2",
		`{"status":"success","data":["__name__","instance"],"warnings":["results truncated due to limit"]}`)
}
