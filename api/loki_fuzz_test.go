package api

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

// Whatever is asked is answered: with JSON, or with an error that says so. The deletions among it hide lines of one tenant.
func FuzzLokiRequests(f *testing.F) {
	h := newLogsAPI(f, withAdmin, someLines...)
	common := "query=" + url.QueryEscape(`{app="web"} |= "GET"`) + "&start=1767225000&end=1767225600000000000&limit=10&step=15&direction=forward"
	for path, more := range map[string]string{
		"query": "&time=1767225600", "query_range": "&interval=1s&encoding_flags=categorize-labels", "labels": "&since=1h", "label/app/values": "", "series": "&match[]={}",
		"index/stats": "", "index/volume": "&targetLabels=app,env&aggregateBy=labels", "index/volume_range": "&aggregateBy=series", "detected_labels": "",
		"detected_fields": "&line_limit=5", "detected_field/x/values": "", "patterns": "", "format_query": "", "delete": "&request_id=1", "tail": "&delay_for=2", "rules": "",
	} {
		f.Add("GET", "/loki/api/v1/"+path, common+more, "default")
	}
	for _, path := range []string{"histogram", "facets", "patterns", "context", "download"} {
		f.Add("POST", "/api/hulotte/v1/logs/"+path, common+"&by=level&buckets=7&field=status&time=1767225550000000000&format=csv&fields=app", "default")
	}
	f.Add("POST", "/loki/api/v1/delete", common, "red")
	f.Add("DELETE", "/loki/api/v1/delete", "request_id=1", "red")
	f.Fuzz(func(t *testing.T, method, path, form, tenant string) {
		if !strings.HasPrefix(path, "/") || len(form) > 2000 {
			return
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(form))
		r.Method, r.URL = method, &url.URL{Path: path, RawQuery: form}
		r.Header.Set("Content-Type", formType)
		r.Header.Set(model.TenantHeader, tenant)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 503 {
			t.Errorf("%s %s?%s: %d %s", method, path, form, w.Code, w.Body)
		}
		if w.Code == 200 && strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s?%s: no JSON: %s", method, path, form, w.Body)
		}
	})
}

func FuzzLokiTimes(f *testing.F) {
	for _, s := range []string{"0", "1767225600", "1767225600000000001", "1767225600.5", "1e9", "-1e300", "NaN", "2026-01-01T00:00:00.5Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "5m", "1.5h", "-3s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := lokiTime(s); err == nil && (v.Year() < minNanoYear-1 || v.Year() > maxNanoYear+1) {
			t.Errorf("%q is %v, which nanoseconds cannot say", s, v)
		}
		_, _ = lokiDuration(s)
	})
}
