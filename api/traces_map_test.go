package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// invalidRange is an error that says what it is, as the package behind does.
type invalidRange struct{ error }

func (invalidRange) Invalid() bool { return true }

func TestServiceMap(t *testing.T) {
	f := func(m ServiceMap, query string, status int, want string) {
		t.Helper()
		h := newTestAPI(t, emptySeries{}, func(o *Options) {
			o.ServiceMap = m
			o.Now = func() time.Time { return time.Unix(10_000, 0) }
		})
		got, body := get(t, h, "/api/hulotte/v1/traces/map"+query)
		if got != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %d with %s", query, got, body, status, want)
		}
	}
	echo := func(ctx context.Context, from, to time.Time) (any, error) {
		return fmt.Sprint(model.Tenant(ctx), " ", from.Unix(), " ", to.Unix()), nil
	}
	f(nil, "", 503, "no map of services")
	f(echo, "", 200, `"default 6400 10000"`)
	f(echo, "?start=100&end=200", 200, `"default 100 200"`)
	f(echo, "?end=8000", 200, `"default 4400 8000"`)
	f(echo, "?start=yesterday", 400, "start")
	f(echo, "?end=-1", 400, "end")
	f(func(context.Context, time.Time, time.Time) (any, error) {
		return nil, invalidRange{errors.New("the range is backwards")}
	}, "", 400, "backwards")
}
