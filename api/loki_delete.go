package api

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store"
)

// lokiDeletionByMethod lists deletions (GET), takes one (POST, PUT) and forgets one (DELETE).
func (a *api) lokiDeletionByMethod() http.Handler {
	list, take, forget := a.loki(a.lokiDeletions), a.lokiDeletion(a.lokiDelete), a.lokiDeletion(a.lokiCancelDeletion)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost, http.MethodPut:
			take.ServeHTTP(w, r)
		case http.MethodDelete:
			forget.ServeHTTP(w, r)
		default:
			list.ServeHTTP(w, r)
		}
	})
}

// lokiDeletion guards what deletes: it is off unless the configuration turns it on, and no other site's page may ask for it.
func (a *api) lokiDeletion(f lokiHandler) http.Handler {
	return a.sameSite(a.loki(func(r *http.Request) (lokiAnswer, error) {
		if !a.AdminAPI {
			return nil, &apiError{kind: errUnavailable, status: http.StatusForbidden, err: errNoDeletion}
		}
		return f(r)
	}))
}

var errNoDeletion = errors.New("deletion is not available: set server.admin_api to true in the configuration, or HULOTTE_SERVER_ADMIN_API=true, to allow it")

// deleter returns the tenant's records as what can delete.
func (a *api) deleter(r *http.Request) (store.EventDeleter, error) {
	e, err := a.events(r)
	if err != nil {
		return nil, err
	}
	d, ok := e.(store.EventDeleter)
	if !ok {
		return nil, &apiError{kind: errUnavailable, err: errors.New("the store of log records cannot delete")}
	}
	return d, nil
}

// lokiDelete takes a deletion: the records that a selector with line filters finds from start on and before end. They are
// hidden at once and removed later.
func (a *api) lokiDelete(r *http.Request) (lokiAnswer, error) {
	text, e, err := a.logExpr(r)
	if err != nil {
		return nil, err
	}
	d := store.EventDeletion{Query: text, Created: a.Now().UnixNano()}
	if d.Selection, err = deletionSelection(e); err != nil {
		return nil, err
	}
	start, end, err := a.deletionRange(r)
	if err != nil {
		return nil, err
	}
	d.Start, d.End = start.UnixNano(), end.UnixNano()
	to, err := a.deleter(r)
	if err != nil {
		return nil, err
	}
	d, err = to.DeleteRecords(r.Context(), d)
	if err != nil {
		return nil, err
	}
	a.log.Info("records of a selection are deleted", "tenant", model.Tenant(r.Context()), "query", text, "start", start, "end", end, "id", d.ID)
	return lokiNoContent{}, nil
}

// deletionRange needs a start: nobody deletes everything by leaving something out.
func (a *api) deletionRange(r *http.Request) (start, end time.Time, err error) {
	if r.Form.Get("start") == "" {
		return start, end, badParam("start", errors.New("it is missing: the time from which on records are deleted"))
	}
	if start, err = a.lokiTimeParam(r, "start", start); err != nil {
		return start, end, err
	}
	now := a.Now()
	if end, err = a.lokiTimeParam(r, "end", now); err != nil {
		return start, end, err
	}
	switch {
	case end.After(now):
		err = badParam("end", errors.New("it is in the future: only what is there can be deleted"))
	case !start.Before(end):
		err = badData("end timestamp must not be before or equal to start time")
	}
	return start, end, err
}

// deletionSelection is a query as the store keeps it. What it cannot keep is refused: it would delete more than was asked for.
func deletionSelection(e *logql.LogExpr) (s store.DeletionSelection, err error) {
	narrows := false
	for _, m := range e.Matchers {
		narrows = narrows || !m.Matches("")
		s.Matchers = append(s.Matchers, store.DeletionMatcher{Name: m.Name, Type: m.Type.String(), Value: m.Value})
	}
	if !narrows {
		return s, badParam("query", errors.New(`a deletion needs a matcher that does not match the empty string, such as {job="web"} or {job=~".+"}`))
	}
	for _, stage := range e.Stages {
		f, ok := stage.(*logql.LineFilter)
		if !ok {
			return s, badParam("query", fmt.Errorf("records can be deleted by labels and by the line filters |= != |~ !~: take away %s", cutText(stage.String(), 100)))
		}
		filters, err := deletionFilters(f)
		if err != nil {
			return s, err
		}
		s.Filters = append(s.Filters, filters...)
	}
	return s, nil
}

// deletionFilters is a line filter as the store keeps it. Alternatives of a positive one become one regular expression; each of a
// negative one has to hold, and is a filter of its own.
func deletionFilters(f *logql.LineFilter) (out []store.DeletionFilter, err error) {
	pattern := f.Op == logql.LinePattern || f.Op == logql.LineNotPattern
	var either []string
	for _, alternative := range f.Alternatives {
		if alternative.Func != "" || pattern {
			return nil, badParam("query", fmt.Errorf("records can be deleted by labels and by the line filters |= != |~ !~ with a text: take away %s", cutText(f.String(), 100)))
		}
		out = append(out, store.DeletionFilter{Op: string(f.Op), Text: alternative.Text})
		if f.Op == logql.LineContains {
			alternative.Text = regexp.QuoteMeta(alternative.Text)
		}
		either = append(either, "(?:"+alternative.Text+")")
	}
	if len(out) > 1 && !f.Op.Negative() {
		return []store.DeletionFilter{{Op: string(logql.LineMatches), Text: strings.Join(either, "|")}}, nil
	}
	return out, nil
}

// deletionJSON is a deletion in Loki's words. Times are whole seconds.
type deletionJSON struct {
	ID      string `json:"request_id"`
	Start   int64  `json:"start_time"`
	End     int64  `json:"end_time"`
	Query   string `json:"query"`
	Status  string `json:"status"` // received, processed
	Created int64  `json:"created_at"`
}

// lokiDeletions lists the deletions, the newest first.
func (a *api) lokiDeletions(r *http.Request) (lokiAnswer, error) {
	d, err := a.deleter(r)
	if err != nil {
		return nil, err
	}
	list, err := d.Deletions(r.Context())
	if err != nil {
		return nil, err
	}
	out := make([]deletionJSON, 0, len(list))
	for _, d := range list {
		status := "received"
		if d.Done {
			status = "processed"
		}
		out = append(out, deletionJSON{d.ID, d.Start / 1e9, d.End / 1e9, d.Query, status, d.Created / 1e9})
	}
	return lokiJSON{out}, nil
}

// lokiCancelDeletion forgets a deletion: what is not removed yet is seen again.
func (a *api) lokiCancelDeletion(r *http.Request) (lokiAnswer, error) {
	id := r.Form.Get("request_id")
	if id == "" {
		return nil, badParam("request_id", errors.New("it is missing or empty"))
	}
	d, err := a.deleter(r)
	if err != nil {
		return nil, err
	}
	if err := d.CancelDeletion(r.Context(), id); err != nil {
		return nil, err
	}
	return lokiNoContent{}, nil
}

// lokiNoContent is success without a body.
type lokiNoContent struct{}

func (lokiNoContent) writeTo(*jsonWriter) error { return nil }
