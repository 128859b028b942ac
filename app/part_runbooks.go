package app

import (
	"context"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/explain"
	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/runbook"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// startRunbooks reads the runbooks of folders and follows those on the medium.
func (a *App) startRunbooks(context.Context) (stopFunc, error) {
	l := runbook.NewLibrary(runbook.Options{
		Documents: a.made.medium.documents,
		Wait: func(ctx context.Context) medium.Documents {
			if m := a.made.medium.wait(ctx); m != nil {
				return m.Documents()
			}
			return nil
		},
	}, a.log.With("part", "runbook"))
	l.SetFolders(a.config.get().RunbookFolders())
	a.made.runbooks = l
	return a.stack.run("runbooks", l.Run), nil
}

func (a *App) reloadRunbooks(_, new *config.Config) error {
	a.made.runbooks.SetFolders(new.RunbookFolders())
	return nil
}

func (a *App) runbooks() api.Runbooks {
	if a.made.runbooks == nil { // an agent has none
		return nil
	}
	return a.made.runbooks
}

// runbookURL is where the runbook called like an alert is read; "" when there is none.
func (a *App) runbookURL(alert string) string {
	if _, ok := a.made.runbooks.Get(alert); !ok {
		return ""
	}
	return runbook.URL(a.url(), alert)
}

// runbookOf is the best procedure for an alert; nil when there is none.
func (a *App) runbookOf(x *alert.Alert) *api.RunbookOf {
	books := a.made.runbooks.For(x.Labels, x.Annotations["runbook_url"])
	if len(books) == 0 {
		return nil
	}
	return &api.RunbookOf{ID: books[0].ID, Title: books[0].Title}
}

// addRunbook names the best procedure for an alert that names none, so that who is told of it has it at hand.
func (a *App) addRunbook(labels, annotations map[string]string) {
	if annotations["runbook_url"] != "" {
		return
	}
	if books := a.made.runbooks.For(labels, ""); len(books) > 0 {
		annotations["runbook_url"] = runbook.URL(a.url(), books[0].ID)
	}
}

// stepEvents are what was done for an alert by its runbooks. While the medium is away nobody knows, and the rest of the timeline is shown.
func (a *App) stepEvents(ctx context.Context, fingerprint string) []explain.Event {
	log, err := a.made.runbooks.Log(ctx, fingerprint, time.Time{})
	if err != nil {
		a.log.Debug("cannot tell which steps were done", "alert", fingerprint, "err", err)
		return nil
	}
	out := make([]explain.Event, len(log))
	for i, d := range log {
		text := "Did: " + d.Text
		if !d.Done {
			text = "Not done after all: " + d.Text
		}
		if d.Comment != "" {
			text += " (" + d.Comment + ")"
		}
		out[i] = explain.Event{At: d.At, Type: "step", Text: text, By: d.By}
	}
	return out
}
