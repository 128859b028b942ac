package api

import (
	"context"
	"net/http"

	"github.com/hulotte-dev/hulotte/alert"
)

// WebPush keeps browsers that want to be told of alerts.
type WebPush interface {
	// PushKey is what a browser subscribes with: the applicationServerKey, in base64url.
	PushKey(ctx context.Context) (string, error)
	Subscribe(ctx context.Context, b alert.Browser) error
	Unsubscribe(ctx context.Context, endpoint string) error
	// Replace is Subscribe for a browser that had another endpoint before; without a person it stays whose it was.
	Replace(ctx context.Context, endpoint string, b alert.Browser) error
	// Browsers are shown without their secrets.
	Browsers(ctx context.Context) ([]alert.Browser, error)
}

func (a *api) webPushRoutes() []route {
	const base = "/api/hulotte/v1/web-push"
	do := func(f func(*http.Request, string) (any, error)) http.Handler {
		return a.sameSite(a.json(func(r *http.Request) (*result, error) {
			if !ours(r.Context()) {
				return nil, errOtherTenant
			}
			if a.WebPush == nil {
				return nil, notServed("web push")
			}
			data, err := f(r, actor(r))
			if err != nil {
				return nil, checkError(err)
			}
			return &result{data: data}, nil
		}))
	}
	return []route{
		{"GET", base, do(a.webPush)},
		{"POST", base + "/subscribe", do(a.webPushSubscribe)},
		{"POST", base + "/unsubscribe", do(a.webPushUnsubscribe)},
	}
}

func (a *api) webPush(r *http.Request, by string) (any, error) {
	key, err := a.WebPush.PushKey(r.Context())
	if err != nil {
		return nil, err
	}
	browsers, err := a.WebPush.Browsers(r.Context())
	if err != nil {
		return nil, err
	}
	return map[string]any{"key": key, "person": by, "browsers": browsers}, nil
}

// webPushSubscribe takes a PushSubscription as a browser writes it: https://w3c.github.io/push-api/#dom-pushsubscription-tojson.
func (a *api) webPushSubscribe(r *http.Request, by string) (any, error) {
	var in struct {
		Subscription struct {
			Endpoint       string   `json:"endpoint"`
			ExpirationTime *float64 `json:"expirationTime"`
			Keys           struct {
				P256DH string `json:"p256dh"`
				Auth   string `json:"auth"`
			} `json:"keys"`
		} `json:"subscription"`
		Replaces string `json:"replaces"` // the endpoint that this browser had before
		Person   string `json:"person"`   // who else sits before the browser; whoever asks when empty
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	s := in.Subscription
	b := alert.Browser{
		Endpoint: s.Endpoint, P256DH: s.Keys.P256DH, Auth: s.Keys.Auth, Person: cutText(in.Person, 100), Agent: cutText(r.UserAgent(), 200), At: a.Now().UTC(),
	}
	if in.Replaces != "" {
		return map[string]string{}, a.WebPush.Replace(r.Context(), in.Replaces, b)
	}
	if b.Person == "" {
		b.Person = by
	}
	return map[string]string{"person": b.Person}, a.WebPush.Subscribe(r.Context(), b)
}

func (a *api) webPushUnsubscribe(r *http.Request, _ string) (any, error) {
	var in struct {
		Endpoint string `json:"endpoint"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	return map[string]any{}, a.WebPush.Unsubscribe(r.Context(), in.Endpoint)
}
