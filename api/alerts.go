package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/explain"
)

// Alerting is what is wrong, who is told, and what people do about it. It is that of the default tenant.
type Alerting interface {
	// Alerts returns what is raised and has not resolved, and what waits to fire, that keep keeps; nil keeps all.
	Alerts(keep func(*alert.Alert) bool) []alert.Alert
	// Alert returns one, for some time also after it has resolved.
	Alert(fingerprint string) (alert.Alert, bool)
	// Rules finds the rule of an alert, when there is one. The function that it returns is used for one request.
	Rules() func(*alert.Alert) *AlertRule
	Explain(labels map[string]string) explain.Explanation
	Timeline(ctx context.Context, a *alert.Alert) ([]explain.Event, error)
	// Runbook is the procedure for an alert; nil when there is none.
	Runbook(a *alert.Alert) *RunbookOf
	// Tells says whether anybody is told of anything.
	Tells() bool
	Routing() explain.Routing
	Receivers() []explain.Receiver
	Deliveries(f explain.Filter) []alert.Delivery
	Test(ctx context.Context, receiver string, labels map[string]string) ([]alert.Delivery, error)
	Acknowledge(ctx context.Context, fingerprints []string, ack alert.Ack) error
	Unacknowledge(ctx context.Context, fingerprints []string, by, comment string) error
	// Noise says what each rule told in a time, and whether anybody did anything.
	Noise(ctx context.Context, from, to time.Time) ([]explain.Noise, error)
}

// AlertRule is the rule that raised an alert.
type AlertRule struct {
	Group         string            `json:"group"`
	Name          string            `json:"name"`
	File          string            `json:"file"`
	Query         string            `json:"query"`
	For           model.Duration    `json:"for"`
	KeepFiringFor model.Duration    `json:"keep_firing_for"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

// RunbookOf names a procedure.
type RunbookOf struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

const (
	defaultDeliveries = 100
	maxDeliveries     = 5000
	maxNoiseDays      = 90
	defaultNoiseDays  = 7
	maxPreviewed      = 500 // alerts that a preview of a silence names; all are counted
	maxAlertLabels    = 100 // labels of a request
	maxLabelBytes     = 16 << 10
)

func (a *api) alertRoutes() []route {
	const base = "/api/hulotte/v1/"
	get := func(f func(*http.Request) (any, error)) http.Handler { return a.alertJSON(f) }
	do := func(f func(*http.Request, string) (any, error)) http.Handler {
		return a.sameSite(a.alertJSON(func(r *http.Request) (any, error) { return f(r, actor(r)) }))
	}
	return []route{
		{"GET", base + "alerts", get(a.alertList)},
		{"GET", base + "alert", get(a.alertDetail)},
		{"GET", base + "alert/explain", get(a.alertExplain)},
		{"GET", base + "alerts/noise", get(a.alertNoise)},
		{"GET", base + "routing", get(func(*http.Request) (any, error) { return a.Alerting.Routing(), nil })},
		{"GET", base + "receivers", get(a.receivers)},
		{"GET", base + "deliveries", get(a.deliveries)},
		{"POST", base + "alerts/ack", do(a.ackAlerts)},
		{"POST", base + "alerts/unack", do(a.unackAlerts)},
		{"POST", base + "silences/preview", do(a.previewSilence)},
		{"POST", base + "receivers/test", do(a.testReceiver)},
	}
}

// alertJSON answers whoever may ask about alerts.
func (a *api) alertJSON(f func(*http.Request) (any, error)) http.Handler {
	return a.json(func(r *http.Request) (*result, error) {
		if !ours(r.Context()) {
			return nil, errOtherTenant
		}
		if a.Alerting == nil {
			return nil, notServed("alerting")
		}
		data, err := f(r)
		if err != nil {
			return nil, checkError(err)
		}
		return &result{data: data}, nil
	})
}

// alertView is an alert as lists have it: no list is null.
type alertView struct {
	alert.Alert
	Annotations map[string]string `json:"annotations"`
	SilencedBy  []string          `json:"silenced_by"`
	InhibitedBy []string          `json:"inhibited_by"`
	MutedBy     []string          `json:"muted_by"`
	Receivers   []string          `json:"receivers"`
	Rule        *ruleRef          `json:"rule,omitempty"`
}

type ruleRef struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	File  string `json:"file"`
}

func viewOf(x *alert.Alert, rule func(*alert.Alert) *AlertRule) alertView {
	v := alertView{
		Alert: *x, Annotations: x.Annotations, SilencedBy: emptyList(x.SilencedBy), InhibitedBy: emptyList(x.InhibitedBy), MutedBy: emptyList(x.MutedBy), Receivers: emptyList(x.Receivers),
	}
	if v.Annotations == nil {
		v.Annotations = map[string]string{}
	}
	if rule != nil {
		if r := rule(x); r != nil {
			v.Rule = &ruleRef{Group: r.Group, Name: r.Name, File: r.File}
		}
	}
	return v
}

// alertList answers GET /api/hulotte/v1/alerts.
func (a *api) alertList(r *http.Request) (any, error) {
	keep, err := alertFilter(r)
	if err != nil {
		return nil, err
	}
	limit, err := countParam(r, "limit", 0)
	if err != nil {
		return nil, err
	}
	counts := map[string]int{"active": 0, "suppressed": 0, "acknowledged": 0, "pending": 0}
	found := a.Alerting.Alerts(func(x *alert.Alert) bool {
		if word := stateWord(x); word != string(alert.Resolved) {
			counts[word]++
		}
		return keep(x)
	})
	urgent := make([]int, len(found))
	order := make([]int, len(found))
	for i := range found {
		urgent[i], order[i] = urgencyOf(&found[i]), i
	}
	slices.SortFunc(order, func(i, j int) int {
		x, y := &found[i], &found[j]
		return cmp.Or(cmp.Compare(urgent[i], urgent[j]), y.StartsAt.Compare(x.StartsAt), strings.Compare(x.Fingerprint, y.Fingerprint))
	})
	if limit > 0 && limit < len(order) {
		order = order[:limit]
	}
	rules := a.Alerting.Rules()
	views := make([]alertView, len(order))
	for n, i := range order {
		views[n] = viewOf(&found[i], rules)
	}
	return map[string]any{"at": a.Now().UTC(), "counts": counts, "told": a.Alerting.Tells(), "total": len(found), "alerts": views}, nil
}

// stateWord is an alert's place among the counts: one that is acknowledged is not counted as suppressed besides.
func stateWord(x *alert.Alert) string {
	if x.Ack != nil {
		return "acknowledged"
	}
	return string(x.State)
}

// urgencyOf orders alerts: those that nobody handles first, then pending ones, then those that are handled, each by severity.
func urgencyOf(x *alert.Alert) int {
	group := 0
	switch {
	case x.State == alert.Pending:
		group = 1
	case x.State != alert.Active || x.Ack != nil:
		group = 2
	}
	return group*10 + severityRank(x.Labels["severity"])
}

// severityRank knows the words that rules use; the label is not of our making.
func severityRank(word string) int {
	switch strings.ToLower(word) {
	case "critical", "crit", "page", "fatal", "emergency", "disaster", "error", "high":
		return 0
	case "warning", "warn", "major", "average", "medium", "ticket":
		return 1
	case "unknown", "":
		return 2
	case "minor", "low", "info", "information", "notice":
		return 3
	case "none":
		return 5
	}
	return 4
}

// alertFilter reads what a list of alerts is asked to hold.
func alertFilter(r *http.Request) (func(*alert.Alert) bool, error) {
	var states []string
	for _, text := range r.Form["state"] {
		for word := range strings.SplitSeq(text, ",") {
			if !slices.Contains([]string{"active", "suppressed", "acknowledged", "pending"}, word) {
				return nil, badParam("state", fmt.Errorf("%q is none of active, suppressed, acknowledged and pending", cutText(word, 40)))
			}
			states = append(states, word)
		}
	}
	texts := r.Form["matcher"]
	if len(texts) > maxAlertLabels {
		return nil, badParam("matcher", fmt.Errorf("there are %d: at most %d", len(texts), maxAlertLabels))
	}
	matches, err := explain.Matchers(texts)
	if err != nil {
		return nil, badParam("matcher", err)
	}
	q := strings.ToLower(r.Form.Get("q"))
	return func(x *alert.Alert) bool {
		return (len(states) == 0 || slices.Contains(states, stateWord(x))) && matches(x.Labels) && (q == "" || holds(x.Labels, q) || holds(x.Annotations, q))
	}, nil
}

// holds says whether any value holds a text, in lower case, or any label=value is it.
func holds(set map[string]string, text string) bool {
	for name, value := range set {
		if strings.Contains(strings.ToLower(value), text) || strings.Contains(text, "=") && strings.ToLower(name+"="+value) == text {
			return true
		}
	}
	return false
}

// alertDetail answers GET /api/hulotte/v1/alert.
func (a *api) alertDetail(r *http.Request) (any, error) {
	fingerprint := r.Form.Get("fingerprint")
	if fingerprint == "" {
		return nil, badData(`"fingerprint" is missing: the 16 hexadecimal digits of an alert`)
	}
	x, ok := a.Alerting.Alert(fingerprint)
	if !ok {
		return nil, &apiError{kind: errNotFound, err: fmt.Errorf("there is no alert %q: it has resolved, or never was", cutText(fingerprint, 40))}
	}
	rules := a.Alerting.Rules()
	out := map[string]any{
		"at": a.Now().UTC(), "alert": viewOf(&x, rules), "explanation": a.Alerting.Explain(x.Labels),
		"deliveries": told(a.Alerting.Deliveries(explain.Filter{Fingerprint: fingerprint, Limit: defaultDeliveries})),
	}
	events, err := a.Alerting.Timeline(r.Context(), &x)
	if err != nil {
		return nil, err
	}
	out["timeline"] = emptyList(events)
	if rule := rules(&x); rule != nil {
		out["rule"] = rule
	}
	if book := a.Alerting.Runbook(&x); book != nil {
		out["runbook"] = book
	}
	return out, nil
}

// told are deliveries without null lists.
func told(all []alert.Delivery) []alert.Delivery {
	out := make([]alert.Delivery, len(all))
	for i, d := range all {
		d.Alerts = emptyList(d.Alerts)
		out[i] = d
	}
	return out
}

// alertExplain answers GET /api/hulotte/v1/alert/explain.
func (a *api) alertExplain(r *http.Request) (any, error) {
	set, err := labelParams(r)
	if err != nil {
		return nil, err
	}
	return a.Alerting.Explain(set), nil
}

// labelParams reads parameters label=name=value.
func labelParams(r *http.Request) (map[string]string, error) {
	set := map[string]string{}
	for _, text := range r.Form["label"] {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, badParam("label", fmt.Errorf("%q is no name=value", cutText(text, 100)))
		}
		if old, twice := set[name]; twice && old != value {
			return nil, badParam("label", fmt.Errorf("%s is there twice", cutText(name, 100)))
		}
		set[name] = value
	}
	return set, validLabels(set)
}

func validLabels(set map[string]string) error {
	if len(set) == 0 {
		return badData(`"label" is missing: give the labels of an alert, such as label=alertname=DiskFull&label=host=db1`)
	}
	if len(set) > maxAlertLabels {
		return badData("there are %d labels: at most %d", len(set), maxAlertLabels)
	}
	for name, value := range set {
		if !model.UTF8Validation.IsValidLabelName(name) || !model.LabelValue(value).IsValid() {
			return badData("the label %q is not valid UTF-8", cutText(name, 100))
		}
		if len(name)+len(value) > maxLabelBytes {
			return badData("the label %q is longer than %d bytes", cutText(name, 100), maxLabelBytes)
		}
	}
	return nil
}

// alertNoise answers GET /api/hulotte/v1/alerts/noise.
func (a *api) alertNoise(r *http.Request) (any, error) {
	days, err := countParam(r, "days", defaultNoiseDays)
	if err != nil {
		return nil, err
	}
	if days < 1 || days > maxNoiseDays {
		return nil, badParam("days", fmt.Errorf("%d is not between 1 and %d", days, maxNoiseDays))
	}
	to := a.Now()
	from := to.AddDate(0, 0, -days)
	rules, err := a.Alerting.Noise(r.Context(), from, to)
	if err != nil {
		return nil, err
	}
	return map[string]any{"from": from.UTC(), "to": to.UTC(), "rules": emptyList(rules)}, nil
}

// receivers answers GET /api/hulotte/v1/receivers.
func (a *api) receivers(*http.Request) (any, error) {
	return map[string]any{"at": a.Now().UTC(), "told": a.Alerting.Tells(), "receivers": emptyList(a.Alerting.Receivers())}, nil
}

// deliveries answers GET /api/hulotte/v1/deliveries.
func (a *api) deliveries(r *http.Request) (any, error) {
	failed, err := boolParam(r, "failed")
	if err != nil {
		return nil, err
	}
	limit, err := countParam(r, "limit", defaultDeliveries)
	if err != nil {
		return nil, err
	}
	since, err := timeParam(r, "since", time.Time{})
	if err != nil {
		return nil, err
	}
	if limit == 0 || limit > maxDeliveries {
		limit = maxDeliveries
	}
	all := a.Alerting.Deliveries(explain.Filter{
		Receiver: r.Form.Get("receiver"), Fingerprint: r.Form.Get("fingerprint"), Failed: failed, Since: since, Limit: limit,
	})
	return map[string]any{"at": a.Now().UTC(), "deliveries": told(all)}, nil
}
