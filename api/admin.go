package api

import (
	"errors"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/prometheus/prometheus/model/timestamp"

	"github.com/hulotte-dev/hulotte/store"
)

// admin guards the endpoints that delete and copy: they are off unless the configuration turns them on.
func (a *api) admin(f jsonHandler) http.Handler {
	return a.sameSite(a.json(func(r *http.Request) (*result, error) {
		if !a.AdminAPI {
			return nil, &apiError{kind: errUnavailable, status: http.StatusForbidden, err: errAdminOff}
		}
		return f(r)
	}))
}

var errAdminOff = errors.New("admin APIs disabled: set server.admin_api to true in the configuration, or HULOTTE_SERVER_ADMIN_API=true, to enable them")

// deleteSeries answers /api/v1/admin/tsdb/delete_series.
func (a *api) deleteSeries(r *http.Request) (*result, error) {
	if len(r.Form["match[]"]) == 0 {
		return nil, badData("no match[] parameter provided")
	}
	start, end, err := timeRange(r)
	if err != nil {
		return nil, err
	}
	sets, err := a.selectors(r)
	if err != nil {
		return nil, badParam("match[]", err)
	}
	d, err := capability[store.SeriesDeleter](a, r, "deleting")
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if err := d.DeleteSeries(r.Context(), timestamp.FromTime(start), timestamp.FromTime(end), set...); err != nil {
			return nil, &apiError{kind: errInternal, err: err}
		}
	}
	return nil, nil
}

// cleanTombstones answers /api/v1/admin/tsdb/clean_tombstones.
func (a *api) cleanTombstones(r *http.Request) (*result, error) {
	d, err := capability[store.SeriesDeleter](a, r, "deleting")
	if err != nil {
		return nil, err
	}
	if err := d.CleanTombstones(); err != nil {
		return nil, &apiError{kind: errInternal, err: err}
	}
	return nil, nil
}

// snapshot answers /api/v1/admin/tsdb/snapshot with the new folder's name.
func (a *api) snapshot(r *http.Request) (*result, error) {
	skipHead := false
	if v := r.Form.Get("skip_head"); v != "" {
		var err error
		if skipHead, err = strconv.ParseBool(v); err != nil {
			return nil, badData("invalid parameter %q: unable to parse boolean: %w", "skip_head", err)
		}
	}
	s, err := capability[store.SeriesSnapshotter](a, r, "snapshots")
	if err != nil {
		return nil, err
	}
	dir, err := s.SnapshotSeries(!skipHead)
	if err != nil {
		return nil, &apiError{kind: errInternal, err: err}
	}
	return &result{data: map[string]string{"name": filepath.Base(dir)}}, nil
}

// capability returns the tenant's series as what the endpoint needs.
func capability[T any](a *api, r *http.Request, what string) (T, error) {
	reader, err := a.reader(r.Context())
	if err != nil {
		var none T
		return none, err
	}
	c, ok := reader.(T)
	if !ok {
		return c, &apiError{kind: errUnavailable, err: errors.New("this tenant's store does not support " + what)}
	}
	return c, nil
}
