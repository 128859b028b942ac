package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/oncall"
)

// OnCall is who is told of what when. It is of the default tenant.
type OnCall interface {
	All(s oncall.Sort) []oncall.Entry
	On(schedule string, at time.Time) (oncall.Shift, bool, error)
	Shifts(schedule string, from, to time.Time) ([]oncall.Shift, error)
	Put(ctx context.Context, s oncall.Sort, name string, value json.RawMessage, by string, version uint64) (uint64, error)
	PutOverride(ctx context.Context, o oncall.Override) (oncall.Override, error)
	Delete(ctx context.Context, s oncall.Sort, name string, version uint64) error
	// Active are the groups of alerts that somebody was told of; Steps says how many steps one has.
	Active() []oncall.Active
	Steps(a *oncall.Active) int
}

func (a *api) oncallRoutes() []route {
	const base = "/api/hulotte/v1/oncall"
	do := func(f func(*http.Request, string) (any, error)) http.Handler {
		return a.sameSite(a.json(func(r *http.Request) (*result, error) { return a.oncallAnswer(r, f) }))
	}
	table := []route{
		{"GET", base, do(a.oncall)},
		{"GET", base + "/calendar", do(a.oncallCalendar)},
		{"GET", base + "/calendar.ics", a.sameSite(http.HandlerFunc(a.oncallICS))},
		{"POST DELETE", base + "/override", do(a.oncallOverride)},
	}
	for _, s := range []oncall.Sort{oncall.Contacts, oncall.Teams, oncall.Schedules, oncall.Escalations} {
		table = append(table, route{"PUT DELETE", base + "/" + string(s), do(func(r *http.Request, by string) (any, error) { return a.editOncall(r, s, by) })})
	}
	return table
}

// oncallAnswer answers for what belongs to the default tenant.
func (a *api) oncallAnswer(r *http.Request, f func(*http.Request, string) (any, error)) (*result, error) {
	if !ours(r.Context()) {
		return nil, errOtherTenant
	}
	if a.OnCall == nil {
		return nil, notServed("who is on call")
	}
	data, err := f(r, actor(r))
	if err != nil {
		return nil, checkError(err)
	}
	return &result{data: data}, nil
}

// oncall answers GET /api/hulotte/v1/oncall.
func (a *api) oncall(*http.Request, string) (any, error) {
	now := a.Now()
	schedules := a.oncallEntries(oncall.Schedules)
	for _, s := range schedules {
		s["now"], s["next"] = a.nowAndNext(s["name"].(string), now)
	}
	active := []map[string]any{}
	names := map[string]string{}
	if a.Alerting != nil {
		for _, x := range a.Alerting.Alerts(func(*alert.Alert) bool { return true }) {
			names[x.Fingerprint] = x.Name()
		}
	}
	for _, x := range a.OnCall.Active() {
		active = append(active, a.activeJSON(&x, names))
	}
	return map[string]any{
		"at": now.UTC(), "contacts": a.oncallEntries(oncall.Contacts), "teams": a.oncallEntries(oncall.Teams), "schedules": schedules,
		"escalations": a.oncallEntries(oncall.Escalations), "active": active,
	}, nil
}

func (a *api) activeJSON(x *oncall.Active, names map[string]string) map[string]any {
	alerts := []map[string]string{}
	for _, fp := range x.Alerts {
		alerts = append(alerts, map[string]string{"fingerprint": fp, "name": names[fp]})
	}
	out := map[string]any{
		"id": x.ID, "team": x.Team, "escalation": x.Escalation, "receiver": x.Receiver, "alerts": alerts, "step": x.Step, "steps": a.OnCall.Steps(x), "round": x.Round,
		"started": x.Started, "told": x.Told, "acked_by": x.AckedBy,
	}
	if !x.NextAt.IsZero() && x.AckedBy == "" {
		out["next_at"] = x.NextAt
	}
	return out
}

// oncallEntries are documents with their fields, and who wrote them when.
func (a *api) oncallEntries(s oncall.Sort) []map[string]any {
	out := []map[string]any{}
	for _, e := range a.OnCall.All(s) {
		fields := map[string]any{}
		if c, ok := e.Value.(oncall.Contact); ok {
			e.Value = c.Public()
		}
		if text, err := json.Marshal(e.Value); err == nil {
			_ = json.Unmarshal(text, &fields) // it was JSON a moment ago
		}
		fields["name"], fields["version"], fields["by"], fields["at"] = e.Name, e.Version, e.By, e.At
		out = append(out, fields)
	}
	return out
}

// nowAndNext are the shifts at this moment and the next ones, of two weeks.
func (a *api) nowAndNext(schedule string, at time.Time) (now, next []map[string]any) {
	now, next = []map[string]any{}, []map[string]any{}
	shifts, err := a.OnCall.Shifts(schedule, at, at.Add(14*24*time.Hour))
	if err != nil {
		return now, next
	}
	for _, s := range shifts {
		x := map[string]any{"contact": s.Contact, "from": s.From, "until": s.To, "layer": s.Layer, "override": s.Override}
		if s.From.Equal(at) {
			now = append(now, x)
		} else if len(next) < 5 {
			next = append(next, x)
		}
	}
	return now, next
}

func (a *api) calendarRange(q url.Values) (schedule string, from, to time.Time, err error) {
	schedule = q.Get("schedule")
	if schedule == "" {
		return "", from, to, badData("schedule: it is missing: the name of one")
	}
	from, to = a.Now(), a.Now().Add(28*24*time.Hour)
	for name, into := range map[string]*time.Time{"from": &from, "to": &to} {
		if text := q.Get(name); text != "" {
			if *into, err = parseTime(text); err != nil {
				return "", from, to, badData("%s: %w", name, err)
			}
		}
	}
	return schedule, from, to, nil
}

// oncallCalendar answers GET /api/hulotte/v1/oncall/calendar.
func (a *api) oncallCalendar(r *http.Request, _ string) (any, error) {
	schedule, from, to, err := a.calendarRange(r.URL.Query())
	if err != nil {
		return nil, err
	}
	shifts, err := a.OnCall.Shifts(schedule, from, to)
	if err != nil {
		return nil, err
	}
	return map[string]any{"shifts": shifts}, nil
}

// oncallICS answers GET /api/hulotte/v1/oncall/calendar.ics: the shifts of a schedule, or of one contact, as calendars subscribe to (RFC 5545).
func (a *api) oncallICS(w http.ResponseWriter, r *http.Request) {
	if a.OnCall == nil || !ours(r.Context()) {
		a.writeError(w, notServed("who is on call"))
		return
	}
	q := r.URL.Query()
	schedule, from, to, err := a.calendarRange(q)
	if err == nil && q.Get("to") == "" {
		to = from.Add(90 * 24 * time.Hour)
	}
	var shifts []oncall.Shift
	if err == nil {
		shifts, err = a.OnCall.Shifts(schedule, from, to)
	}
	if err != nil {
		a.writeError(w, checkError(err))
		return
	}
	const stamp = "20060102T150405Z"
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Hulotte//on call//EN", "X-WR-CALNAME:" + icsText("On call: "+schedule)}
	for _, s := range shifts {
		if only := q.Get("contact"); only != "" && s.Contact != only {
			continue
		}
		lines = append(lines, "BEGIN:VEVENT", icsText(fmt.Sprintf("UID:%s-%d-%s@hulotte", schedule, s.From.Unix(), s.Contact)), "DTSTAMP:"+a.Now().UTC().Format(stamp),
			"DTSTART:"+s.From.UTC().Format(stamp), "DTEND:"+s.To.UTC().Format(stamp), "SUMMARY:"+icsText(s.Contact+" is on call ("+schedule+")"), "END:VEVENT")
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	_, _ = w.Write([]byte(strings.Join(append(lines, "END:VCALENDAR", ""), "\r\n"))) // the reader may be gone
}

// icsText escapes what is a text in a calendar (RFC 5545, 3.3.11).
func icsText(s string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`, "\r", "").Replace(s)
}

// editOncall answers PUT and DELETE of a contact, a team, a schedule or an escalation. The body has its fields, its name, and the version
// that was read.
func (a *api) editOncall(r *http.Request, s oncall.Sort, by string) (any, error) {
	var in map[string]json.RawMessage
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	var name string
	var version uint64
	for field, into := range map[string]any{"name": &name, "version": &version} {
		if in[field] != nil {
			if err := json.Unmarshal(in[field], into); err != nil {
				return nil, badData("%q: %w", field, err)
			}
		}
	}
	if name == "" {
		return nil, badData(`"name" is missing`)
	}
	if r.Method == http.MethodDelete {
		return map[string]any{}, a.OnCall.Delete(r.Context(), s, name, version)
	}
	for _, field := range []string{"version", "by", "at", "now", "next"} { // what the answer of GET has besides
		delete(in, field)
	}
	value, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	v, err := a.OnCall.Put(r.Context(), s, name, value, by, version)
	return map[string]any{"name": name, "version": v}, err
}

// oncallOverride answers POST and DELETE /api/hulotte/v1/oncall/override.
func (a *api) oncallOverride(r *http.Request, by string) (any, error) {
	if r.Method == http.MethodDelete {
		var in struct {
			ID string `json:"id"`
		}
		if err := readBody(r, &in); err != nil {
			return nil, err
		}
		return map[string]any{}, a.OnCall.Delete(r.Context(), oncall.Overrides, in.ID, 0)
	}
	var in struct {
		Schedule string    `json:"schedule"`
		Contact  string    `json:"contact"`
		From     time.Time `json:"from"`
		To       time.Time `json:"to"`
		Comment  string    `json:"comment"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	o, err := a.OnCall.PutOverride(r.Context(), oncall.Override{Schedule: in.Schedule, Contact: in.Contact, From: in.From, To: in.To, By: by, Comment: in.Comment})
	return map[string]any{"override": o}, err
}
