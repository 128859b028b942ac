package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/hulotte-dev/hulotte/model"
)

// Storage answers what people ask about where everything rests, and looks after it. It concerns all tenants, so
// that only the default one gets an answer. A nil function answers that the thing is not there. An error of kind
// model.Conflict, such as a run while another one goes on, becomes 409.
type Storage struct {
	// Overview returns everything about the medium that is cheap to tell.
	Overview func(ctx context.Context) (any, error)
	// Verify reads everything and checks it. tell gets each step; its error ends the run, and so does ctx. Before
	// anything was told an error says why it did not begin.
	Verify func(ctx context.Context, by string, tell func(any) error) error
	// StartVerify begins to verify, and returns the run, which Overview tells about from then on.
	StartVerify func(by string) (any, error)
	// Stop breaks off the run that goes on, and returns it; an error of kind model.NotFound when there is none.
	Stop func(by string) (any, error)
	// Backup prepares a backup.
	Backup func(ctx context.Context, by string, o BackupRequest) (Download, error)
}

// BackupRequest is what a backup is asked to be.
type BackupRequest struct {
	Compress   bool // zstd
	WithConfig bool // add the configuration in force, without secrets
}

// Download is a file that is made while it is sent.
type Download struct {
	ID   string // of the run
	Name string // for whoever saves it
	Type string // media type
	// Write makes it. It is called once.
	Write func(w io.Writer) error
}

func (a *api) storageRoutes() []route {
	const base = "/api/hulotte/v1/storage"
	return []route{
		{"GET", base, a.json(a.storage)},
		{"GET", base + "/series", a.json(a.seriesStorage)},
		{"POST", base + "/verify", a.sameSite(http.HandlerFunc(a.storageVerify))},
		{"POST", base + "/stop", a.sameSite(a.json(a.storageStop))},
		{"GET", base + "/backup", http.HandlerFunc(a.storageBackup)},
	}
}

var errOtherTenant = &apiError{kind: errNotFound, status: http.StatusForbidden, err: errors.New("this concerns the data of all tenants: ask as the default one")}

// storage answers /api/hulotte/v1/storage.
func (a *api) storage(r *http.Request) (*result, error) {
	if !ours(r.Context()) {
		return nil, errOtherTenant
	}
	if a.Storage.Overview == nil {
		return nil, notServed("the storage")
	}
	data, err := a.Storage.Overview(r.Context())
	if err != nil {
		return nil, storageError(err)
	}
	return &result{data: data}, nil
}

// storageVerify answers POST /api/hulotte/v1/storage/verify with one line of JSON a step, until it is done or the
// client leaves; with detach=true it begins and answers with the run.
func (a *api) storageVerify(w http.ResponseWriter, r *http.Request) {
	r, by, err := a.admitStorage(w, r, a.Storage.Verify != nil && a.Storage.StartVerify != nil)
	if err != nil {
		a.writeError(w, err)
		return
	}
	detach, err := boolParam(r, "detach")
	if err != nil {
		a.writeError(w, err)
		return
	}
	if detach {
		run, err := a.Storage.StartVerify(by)
		if err != nil {
			a.writeError(w, storageError(err))
			return
		}
		a.writeResult(w, r, &result{data: run})
		return
	}
	out := &jsonLines{w: w, control: http.NewResponseController(w)}
	if err := a.Storage.Verify(r.Context(), by, out.write); err != nil && !out.begun {
		a.writeError(w, storageError(err))
	}
}

// storageStop answers POST /api/hulotte/v1/storage/stop.
func (a *api) storageStop(r *http.Request) (*result, error) {
	if !ours(r.Context()) {
		return nil, errOtherTenant
	}
	if a.Storage.Stop == nil {
		return nil, notServed("the storage")
	}
	run, err := a.Storage.Stop(caller(r))
	if err != nil {
		return nil, storageError(err)
	}
	return &result{data: run}, nil
}

// storageBackup answers GET /api/hulotte/v1/storage/backup with an archive. When something fails on the way the
// connection breaks, so that nobody takes a part for the whole.
func (a *api) storageBackup(w http.ResponseWriter, r *http.Request) {
	r, by, err := a.admitStorage(w, r, a.Storage.Backup != nil)
	if err == nil && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		err = &apiError{kind: errBadData, status: http.StatusForbidden, err: errCrossSite}
	}
	var o BackupRequest
	if err == nil {
		o.Compress, err = boolParam(r, "compress")
	}
	if err == nil {
		o.WithConfig, err = boolParam(r, "config")
	}
	if err != nil {
		a.writeError(w, err)
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	d, err := a.Storage.Backup(r.Context(), by, o)
	if err != nil {
		a.writeError(w, storageError(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", d.Type)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.Name))
	h.Set("Cache-Control", "no-store")
	h.Set("Hulotte-Run", d.ID)
	if err := d.Write(w); err != nil {
		panic(http.ErrAbortHandler) // whoever wrote it has logged why
	}
}

// admitStorage checks a request whose answer is no JSON, and returns who asks.
func (a *api) admitStorage(w http.ResponseWriter, r *http.Request, served bool) (_ *http.Request, by string, _ error) {
	r, err := a.prepare(w, r)
	switch {
	case err != nil:
		return r, "", err
	case !ours(r.Context()):
		return r, "", errOtherTenant
	case !served:
		return r, "", notServed("the storage")
	}
	return r, caller(r), nil
}

// caller says who asks, for the log and the record: the user who has logged in, and from where.
func caller(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok {
		return cutText(user, 100) + " at " + r.RemoteAddr
	}
	return r.RemoteAddr
}

func boolParam(r *http.Request, name string) (bool, error) {
	s := r.Form.Get(name)
	if s == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		return false, badParam(name, fmt.Errorf("%q is neither true nor false", cutText(s, 40)))
	}
	return v, nil
}

// storageError gives an error of the storage its place.
func storageError(err error) error {
	switch model.KindOf(err) {
	case model.Conflict:
		return &apiError{kind: errUnavailable, status: http.StatusConflict, err: err}
	case model.Unavailable:
		return &apiError{kind: errUnavailable, err: err}
	case model.NotFound:
		return &apiError{kind: errNotFound, err: err}
	case model.Invalid:
		return &apiError{kind: errBadData, err: err}
	}
	return executionError(err)
}

// jsonLines writes one JSON value a line, and sends each at once.
type jsonLines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (l *jsonLines) write(v any) error {
	if !l.begun {
		l.begun = true
		h := l.w.Header()
		h.Set("Content-Type", "application/x-ndjson")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // nginx would hold lines back
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := l.w.Write(append(b, '\n')); err != nil {
		return err
	}
	return l.control.Flush()
}
