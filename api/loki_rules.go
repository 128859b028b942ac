package api

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"

	promodel "github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// logRulesFor returns the rule groups in LogQL.
func (a *api) logRulesFor(r *http.Request) Rules {
	if a.Logs.Rules != nil && ours(r.Context()) {
		return a.Logs.Rules
	}
	return noRules{}
}

// lokiGroup is a rule group as it is configured.
type lokiGroup struct {
	Name     string            `yaml:"name"`
	Interval promodel.Duration `yaml:"interval,omitempty"`
	Limit    int               `yaml:"limit,omitempty"`
	Rules    []lokiRule        `yaml:"rules"`
}

type lokiRule struct {
	Record        string            `yaml:"record,omitempty"`
	Alert         string            `yaml:"alert,omitempty"`
	Expr          string            `yaml:"expr"`
	For           promodel.Duration `yaml:"for,omitempty"`
	KeepFiringFor promodel.Duration `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:"labels,omitempty"`
	Annotations   map[string]string `yaml:"annotations,omitempty"`
}

// lokiRules lists the rule groups in LogQL by namespace, as YAML; a namespace is the name of a file of rules without its
// extension. The files are the configuration: nothing is changed here.
func (a *api) lokiRules(r *http.Request) (lokiAnswer, error) {
	spaces := map[string][]lokiGroup{}
	for _, g := range a.logRulesFor(r).Groups() {
		space := strings.TrimSuffix(filepath.Base(g.File), filepath.Ext(g.File))
		spaces[space] = append(spaces[space], lokiGroupOf(g))
	}
	if len(spaces) == 0 {
		return nil, &apiError{kind: errNotFound, err: errors.New("no rule groups found")}
	}
	return lokiYAML{spaces}, nil
}

func lokiGroupOf(g RuleGroup) lokiGroup {
	out := lokiGroup{Name: g.Name, Interval: promodel.Duration(g.Interval), Limit: g.Limit, Rules: []lokiRule{}}
	for _, r := range g.Rules {
		rule := lokiRule{Record: r.Name, Expr: r.Query, Labels: r.Labels.Map()}
		if r.Alerting {
			rule.Record, rule.Alert = "", r.Name
			rule.For, rule.KeepFiringFor = promodel.Duration(r.For), promodel.Duration(r.KeepFiringFor)
			rule.Annotations = r.Annotations.Map()
		}
		out.Rules = append(out.Rules, rule)
	}
	return out
}

// lokiConfig answers /config with what clients look for in it: the limits, and that patterns are there.
func (a *api) lokiConfig(*http.Request) (lokiAnswer, error) {
	limits, err := yamlOfJSON(a.lokiLimits())
	if err != nil {
		return nil, err
	}
	return lokiYAML{map[string]any{
		"limits_config":    limits,
		"pattern_ingester": map[string]bool{"enabled": true},
		"auth_enabled":     false, // a request without a tenant is the default tenant's
	}}, nil
}

// yamlOfJSON gives a value the names that it has in JSON.
func yamlOfJSON(v any) (any, error) {
	b, err := marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	return out, yaml.Unmarshal(b, &out) // JSON is YAML
}

// lokiYAML is any value as YAML.
type lokiYAML struct{ v any }

func (y lokiYAML) writeTo(w *jsonWriter) error {
	b, err := yaml.Marshal(y.v)
	w.buf = append(w.buf, b...)
	return err
}
