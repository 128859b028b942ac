package api

import (
	"context"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

func TestNetworkNeighbours(t *testing.T) {
	f := func(n Network, status int, want string) {
		t.Helper()
		h := newTestAPI(t, emptySeries{}, func(o *Options) { o.Network = n })
		got, body := get(t, h, "/api/hulotte/v1/network/neighbours")
		if got != status || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %d with %s", got, body, status, want)
		}
	}
	f(Network{}, 503, "reads no network devices")
	f(Network{Neighbours: func(ctx context.Context) (any, error) {
		return map[string]any{"nodes": []string{model.Tenant(ctx)}, "links": []string{}}, nil
	}}, 200, `{"data":{"links":[],"nodes":["default"]},"status":"success"}`)
}
