package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

func (a *api) rulesFor(r *http.Request) Rules {
	if ours(r.Context()) {
		return a.Rules
	}
	return noRules{}
}

type ruleGroupJSON struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`    // in the order of the file
	Interval       float64   `json:"interval"` // seconds, as all durations here
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

type alertingRuleJSON struct {
	State          string        `json:"state"`
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Duration       float64       `json:"duration"`
	KeepFiringFor  float64       `json:"keepFiringFor"`
	Labels         labels.Labels `json:"labels"`
	Annotations    labels.Labels `json:"annotations"`
	Alerts         []alertJSON   `json:"alerts"` // null when they are excluded
	Health         string        `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

type recordingRuleJSON struct {
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Labels         labels.Labels `json:"labels"`
	Health         string        `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

type alertJSON struct {
	Labels          labels.Labels `json:"labels"`
	Annotations     labels.Labels `json:"annotations"`
	State           string        `json:"state"`
	ActiveAt        *time.Time    `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
	Value           string        `json:"value"`
}

type rulesJSON struct {
	Groups    []ruleGroupJSON `json:"groups"`
	NextToken string          `json:"groupNextToken,omitempty"`
}

// ruleFilter is what a request to /api/v1/rules selects.
type ruleFilter struct {
	names, groups, files []string
	sets                 [][]*labels.Matcher
	kind                 string // "", alert or record
	withoutAlerts        bool
	limit                int    // groups on one page; 0 means all
	token                string // the first group of the page
}

// rules answers /api/v1/rules.
func (a *api) rules(r *http.Request) (*result, error) { return a.answerRules(r, a.rulesFor(r)) }

func (a *api) answerRules(r *http.Request, from Rules) (*result, error) {
	f, err := a.ruleFilter(r)
	if err != nil {
		return nil, err
	}
	out := rulesJSON{Groups: []ruleGroupJSON{}}
	found := f.token == ""
	for _, g := range from.Groups() {
		token := groupToken(g)
		if !found && token != f.token {
			continue
		}
		found = true
		page := f.group(g)
		if len(page.Rules) == 0 {
			continue
		}
		if f.limit > 0 && len(out.Groups) == f.limit {
			out.NextToken = token
			break
		}
		out.Groups = append(out.Groups, page)
	}
	if !found {
		return nil, badParam("group_next_token", fmt.Errorf("invalid group_next_token '%v'. were rule groups changed?", cutText(f.token, 100)))
	}
	return &result{data: out}, nil
}

func (a *api) ruleFilter(r *http.Request) (ruleFilter, error) {
	f := ruleFilter{
		names: r.Form["rule_name[]"], groups: r.Form["rule_group[]"], files: r.Form["file[]"],
		kind: strings.ToLower(r.Form.Get("type")),
	}
	var err error
	if f.sets, err = a.selectors(r); err != nil {
		return f, badData("%w", err)
	}
	if f.kind != "" && f.kind != "alert" && f.kind != "record" {
		return f, badParam("type", fmt.Errorf("not supported value %q", cutText(f.kind, 100)))
	}
	if v := strings.ToLower(r.Form.Get("exclude_alerts")); v != "" {
		if f.withoutAlerts, err = strconv.ParseBool(v); err != nil {
			return f, badParam("exclude_alerts", fmt.Errorf("error converting exclude_alerts: %w", err))
		}
	}
	f.limit, f.token, err = pageParams(r)
	return f, err
}

func pageParams(r *http.Request) (limit int, token string, err error) {
	text, token := r.Form.Get("group_limit"), r.Form.Get("group_next_token")
	if text == "" {
		if token != "" {
			return 0, "", badParam("group_next_token", errors.New("group_limit needs to be present in order to paginate over the groups"))
		}
		return 0, "", nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, "", badParam("group_limit", fmt.Errorf("group_limit needs to be a valid number: %w", err))
	}
	if n <= 0 {
		return 0, "", badParam("group_limit", errors.New("group_limit needs to be greater than 0"))
	}
	return int(n), token, nil
}

// groupToken names a group in a page's token. It is the same as Prometheus', so that it survives a change of server.
func groupToken(g RuleGroup) string {
	sum := sha256.Sum256([]byte(g.File + ";" + g.Name))
	return hex.EncodeToString(sum[:])
}

// group returns the group with the rules that the filter selects; a group that it does not select has none.
func (f ruleFilter) group(g RuleGroup) ruleGroupJSON {
	out := ruleGroupJSON{
		Name: g.Name, File: g.File, Interval: g.Interval.Seconds(), Limit: g.Limit, Rules: []any{},
		EvaluationTime: g.EvaluationTime.Seconds(), LastEvaluation: g.LastEvaluation,
	}
	if !oneOf(f.groups, g.Name) || !oneOf(f.files, g.File) {
		return out
	}
	for _, rule := range g.Rules {
		if f.selects(rule) {
			out.Rules = append(out.Rules, rule.json(f.withoutAlerts))
		}
	}
	return out
}

func (f ruleFilter) selects(r Rule) bool {
	if f.kind == "alert" && !r.Alerting || f.kind == "record" && r.Alerting {
		return false
	}
	if !oneOf(f.names, r.Name) {
		return false
	}
	return len(f.sets) == 0 || slices.ContainsFunc(f.sets, func(set []*labels.Matcher) bool { return matchesAll(r.Labels, set) })
}

// oneOf says whether name is in the list; an empty list allows every name.
func oneOf(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

func (r Rule) json(withoutAlerts bool) any {
	if !r.Alerting {
		return recordingRuleJSON{
			Name: r.Name, Query: r.Query, Labels: r.Labels, Health: r.Health, LastError: r.LastError,
			EvaluationTime: r.EvaluationTime.Seconds(), LastEvaluation: r.LastEvaluation, Type: "recording",
		}
	}
	out := alertingRuleJSON{
		State: r.State, Name: r.Name, Query: r.Query, Duration: r.For.Seconds(), KeepFiringFor: r.KeepFiringFor.Seconds(),
		Labels: r.Labels, Annotations: r.Annotations, Health: r.Health, LastError: r.LastError,
		EvaluationTime: r.EvaluationTime.Seconds(), LastEvaluation: r.LastEvaluation, Type: "alerting",
	}
	if !withoutAlerts {
		out.Alerts = alertsJSON(nil, r.Alerts)
		if out.Alerts == nil {
			out.Alerts = []alertJSON{}
		}
	}
	return out
}

// alertsJSON appends alerts to dst.
func alertsJSON(dst []alertJSON, alerts []Alert) []alertJSON {
	for _, al := range alerts {
		active := al.ActiveAt
		out := alertJSON{
			Labels: al.Labels, Annotations: al.Annotations, State: al.State, ActiveAt: &active,
			Value: strconv.FormatFloat(al.Value, 'e', -1, 64),
		}
		if since := al.KeepFiringSince; !since.IsZero() {
			out.KeepFiringSince = &since
		}
		dst = append(dst, out)
	}
	return dst
}

// alerts answers /api/v1/alerts: every alert that is pending or firing.
func (a *api) alerts(r *http.Request) (*result, error) { return answerAlerts(a.rulesFor(r)) }

func answerAlerts(from Rules) (*result, error) {
	list := []alertJSON{}
	for _, g := range from.Groups() {
		for _, rule := range g.Rules {
			list = alertsJSON(list, rule.Alerts)
		}
	}
	return &result{data: map[string][]alertJSON{"alerts": list}}, nil
}
