package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/model"
)

type browsers []alert.Browser

func (*browsers) PushKey(context.Context) (string, error) { return "BKey", nil }
func (b *browsers) Subscribe(_ context.Context, one alert.Browser) error {
	if one.Endpoint == "" {
		return model.NewError(model.Invalid, "endpoint is no URL")
	}
	*b = append(*b, one)
	return nil
}
func (b *browsers) Unsubscribe(_ context.Context, endpoint string) error {
	*b = browsers{{Endpoint: "without " + endpoint}}
	return nil
}
func (b *browsers) Replace(_ context.Context, endpoint string, one alert.Browser) error {
	*b = browsers{{Endpoint: endpoint + " becomes " + one.Endpoint}}
	return nil
}
func (b *browsers) Browsers(context.Context) ([]alert.Browser, error) { return *b, nil }

func TestWebPush(t *testing.T) {
	var kept browsers
	h := newTestAPI(t, emptySeries{}, func(o *Options) { o.WebPush = &kept })
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		r := httptest.NewRequest(method, "/api/hulotte/v1/web-push"+path, strings.NewReader(body))
		r.Header.Set("X-Hulotte-User", "Anna")
		r.Header.Set("User-Agent", "Firefox")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", method, path, body, w.Code, w.Body, status, want)
		}
	}
	const subscription = `{"subscription":{"endpoint":"https://push.example/1","expirationTime":null,"keys":{"p256dh":"P","auth":"A"}}}`
	f("POST", "/subscribe", subscription, http.StatusOK, `{"person":"Anna"}`)
	f("POST", "/subscribe", strings.Replace(subscription, `}}}`, `}},"person":"Bob"}`, 1), http.StatusOK, `{"person":"Bob"}`)
	f("POST", "/subscribe", `{"subscription":{}}`, http.StatusBadRequest, "endpoint is no URL")
	f("POST", "/subscribe", `{"endpoint":"x"}`, http.StatusBadRequest, "the body is not what is meant here")
	if len(kept) != 2 || kept[0].Endpoint != "https://push.example/1" || kept[0].P256DH != "P" || kept[0].Auth != "A" || kept[0].Agent != "Firefox" || kept[0].At.IsZero() {
		t.Errorf("kept %+v", kept)
	}
	f("GET", "", "", http.StatusOK, `"key":"BKey"`)
	f("POST", "/unsubscribe", `{"endpoint":"https://push.example/1"}`, http.StatusOK, "success")
	f("GET", "", "", http.StatusOK, "without https://push.example/1")
	f("POST", "/subscribe", strings.Replace(subscription, `}}}`, `}},"replaces":"https://push.example/0"}`, 1), http.StatusOK, "success")
	f("GET", "", "", http.StatusOK, "https://push.example/0 becomes https://push.example/1")
	h = newTestAPI(t, emptySeries{}, func(*Options) {})
	f("GET", "", "", http.StatusNotFound, "web push is not served by this process")
}
