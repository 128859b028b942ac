package oncall

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/model"
)

// Page is where a link of a notification leads: it says what is wrong, and takes an acknowledgement. It needs no script and no sign-in.
type Page struct {
	Links  *Links
	Engine *Engine
	Alerts func(keep func(*alert.Alert) bool) []alert.Alert
	// Acknowledge says that alerts are known.
	Acknowledge func(ctx context.Context, fingerprints []string, ack alert.Ack) error
	Home        string // of the pages
	Log         *slog.Logger
}

const maxComment = 500

// ServeHTTP answers GET and POST of ack/TOKEN. GET changes nothing: mail programs follow links by themselves.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Type", "text/html; charset=utf-8")
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		h.Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	token := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	id, contact, err := p.Links.Read(token, time.Now())
	if err != nil {
		p.show(w, statusOf(err), view{Problem: err.Error(), Home: p.Home})
		return
	}
	v := p.view(id, contact)
	if r.Method == http.MethodPost && len(v.open) > 0 {
		r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
		if err := p.acknowledge(r, v.open, contact); err != nil {
			p.Log.Warn("an acknowledgement by a link failed", "contact", contact, "err", err)
			v.Problem = err.Error()
			p.show(w, statusOf(err), v)
			return
		}
		p.show(w, http.StatusOK, p.view(id, contact).acknowledged(contact))
		return
	}
	p.show(w, http.StatusOK, v)
}

func statusOf(err error) int {
	switch model.KindOf(err) {
	case model.NotFound:
		return http.StatusNotFound
	case model.Invalid:
		return http.StatusBadRequest
	case model.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func (p *Page) acknowledge(r *http.Request, fingerprints []string, contact string) error {
	if err := r.ParseForm(); err != nil {
		return model.NewError(model.Invalid, "the form cannot be read")
	}
	comment := strings.TrimSpace(r.PostForm.Get("comment"))
	if len(comment) > maxComment {
		return model.NewError(model.Invalid, "comment: at most 500 bytes are kept")
	}
	if comment == "" {
		comment = "acknowledged from a notification"
	}
	now := time.Now()
	ack := alert.Ack{By: contact, Comment: comment, At: now.UTC()}
	if hours := r.PostForm.Get("for"); hours != "" {
		d, err := time.ParseDuration(hours)
		if err != nil || d < time.Minute || d > 7*24*time.Hour {
			return model.NewError(model.Invalid, "for: write a time such as 1h")
		}
		ack.Until = now.Add(d).UTC()
	}
	return p.Acknowledge(r.Context(), fingerprints, ack)
}

// view is what the page shows.
type view struct {
	Contact string
	Alerts  []alertView
	Problem string
	Done    string
	Home    string
	Open    bool
	open    []string
}

type alertView struct{ Name, Summary, Severity, Since, Known string }

func (p *Page) view(id, contact string) view {
	v := view{Contact: contact, Home: p.Home}
	a, ok := p.Engine.Find(id)
	if !ok {
		v.Done = "It is over: nothing of this is wrong any more."
		return v
	}
	want := map[string]bool{}
	for _, fp := range a.Alerts {
		want[fp] = true
	}
	for _, x := range p.Alerts(func(x *alert.Alert) bool { return want[x.Fingerprint] }) {
		s := alertView{Name: x.Name(), Summary: x.Annotations["summary"], Severity: x.Labels["severity"], Since: x.StartsAt.UTC().Format("2006-01-02 15:04 UTC")}
		if x.Ack != nil {
			s.Known = x.Ack.By + ": " + x.Ack.Comment
		} else {
			v.open = append(v.open, x.Fingerprint)
		}
		v.Alerts = append(v.Alerts, s)
	}
	v.Open = len(v.open) > 0
	if len(v.Alerts) == 0 {
		v.Done = "It is over: nothing of this is wrong any more."
	}
	return v
}

func (v view) acknowledged(contact string) view {
	v.Done, v.Open = "Thank you, "+contact+": the others hear no more of it until it is over.", false
	return v
}

func (p *Page) show(w http.ResponseWriter, status int, v view) {
	w.WriteHeader(status)
	if err := ackPage.Execute(w, v); err != nil {
		p.Log.Debug("the page of an acknowledgement could not be sent", "err", err)
	}
}

var ackPage = template.Must(template.New("ack").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Hulotte: acknowledge</title>
<style>
:root{color-scheme:light dark}body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:40rem}
h1{font-size:1.2rem}li{margin:.6rem 0}.s{font-size:.85rem;opacity:.8}.p{color:#b3261e;font-weight:600}
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.8rem;margin:.3rem 0;border-radius:.5rem;border:1px solid #888}
button{background:#0b57d0;color:#fff;border:0;min-height:3rem}button.w{background:transparent;color:inherit;border:1px solid #888}
</style></head><body><main>
<h1>{{if .Open}}This wants somebody{{else}}Hulotte{{end}}</h1>
{{with .Problem}}<p class="p" role="alert">{{.}}</p>{{end}}{{with .Done}}<p role="status">{{.}}</p>{{end}}
{{with .Alerts}}<ul>{{range .}}<li><strong>{{.Name}}</strong>{{with .Severity}} ({{.}}){{end}}<br>{{.Summary}}<br><span class="s">since {{.Since}}{{with .Known}}; known to {{.}}{{end}}</span></li>{{end}}</ul>{{end}}
{{if .Open}}<form method="post"><label for="c">What you know, or what you do</label><input id="c" name="comment" maxlength="500" autocomplete="off">
<button type="submit">Acknowledge as {{.Contact}}</button><button class="w" type="submit" name="for" value="1h">Acknowledge for one hour</button></form>{{end}}
{{with .Home}}<p><a href="{{.}}alerts">All alerts</a></p>{{end}}
</main></body></html>
`))
