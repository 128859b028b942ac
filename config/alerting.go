package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/alert/manager"
)

// Alerting is who is told of alerts.
type Alerting struct {
	Enabled   bool
	File      string
	Retention time.Duration
	Watchdog  Watchdog
	// Config is what File says, or the blocks below alerting.
	Config *manager.Config

	global, route, receivers, inhibitRules, timeIntervals, muteTimeIntervals, templates yaml.Node
}

// Watchdog is a URL that is called as long as alerting works.
type Watchdog struct {
	URL      string
	Interval time.Duration
}

func alertingKeys(a *Alerting) []Key {
	block := func(name string, n *yaml.Node, doc string) Key {
		return Key{Path: "alerting." + name, value: alertingBlock{declaration{n, name}}, Live: true, Doc: doc}
	}
	return []Key{
		{Path: "alerting.enabled", value: boolean(&a.Enabled), Default: "true",
			Doc: "Whether alerts are held, grouped and told: [alerting.md](alerting.md)."},
		{Path: "alerting.config", value: text(&a.File), Live: true,
			Doc: "An `alertmanager.yml`, taken as it is. Its receivers may have our own kinds besides: [alerting.md](alerting.md). The keys below are its blocks; they stand here, or in that file."},
		block("global", &a.global, "Alertmanager's block `global`."),
		block("route", &a.route, "Alertmanager's block `route`: who is told of what. Without it everything is shown on the pages, and nobody is told."),
		block("receivers", &a.receivers, "Alertmanager's block `receivers`."),
		block("inhibit_rules", &a.inhibitRules, "Alertmanager's block `inhibit_rules`."),
		block("time_intervals", &a.timeIntervals, "Alertmanager's block `time_intervals`."),
		block("mute_time_intervals", &a.muteTimeIntervals, "Alertmanager's block of that name, which `time_intervals` replaces."),
		block("templates", &a.templates, "Alertmanager's block `templates`: files of templates; `*` is allowed in their names."),
		{Path: "alerting.retention", value: duration(&a.Retention), Default: "5d",
			Doc: "How long silences that ended, and what was told, are remembered. It must be longer than every `repeat_interval`."},
		{Path: "alerting.watchdog.url", value: httpURL(&a.Watchdog.URL), Secret: true,
			Doc: "A URL that is called as long as rules are evaluated and alerts are held, so that somebody else hears when Hulotte does not work any more (healthchecks.io, another Hulotte's heartbeat)."},
		{Path: "alerting.watchdog.interval", value: duration(&a.Watchdog.Interval), Default: "1m",
			Doc: "The time between two calls."},
	}
}

// alertingBlock is a declaration that is shown without what may be a secret: of receivers and of what holds for all of them, only names.
type alertingBlock struct{ declaration }

func (v alertingBlock) encode() *yaml.Node {
	n := copyNode(v.declaration.encode())
	if v.name == "global" || v.name == "receivers" {
		hideValues(n)
	}
	return n
}

func copyNode(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		out.Content[i] = copyNode(child)
	}
	return &out
}

func hideValues(n *yaml.Node) {
	for i, child := range n.Content {
		switch {
		case child.Kind != yaml.ScalarNode:
			hideValues(child)
		case n.Kind == yaml.SequenceNode, i%2 == 1 && n.Content[i-1].Value != "name":
			child.SetString(masked)
		}
	}
}

// blocks are those of an alertmanager.yml that stand below alerting.
func (a *Alerting) blocks() map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	for name, n := range map[string]*yaml.Node{
		"global": &a.global, "route": &a.route, "receivers": &a.receivers, "inhibit_rules": &a.inhibitRules,
		"time_intervals": &a.timeIntervals, "mute_time_intervals": &a.muteTimeIntervals, "templates": &a.templates,
	} {
		if n.Kind != 0 {
			out[name] = n
		}
	}
	return out
}

// loadAlerting reads who is told; file is the text of our own configuration.
func (c *Config) loadAlerting() Errors {
	a := &c.Alerting
	blocks := a.blocks()
	switch {
	case a.File != "" && len(blocks) > 0:
		return Errors{c.origins["alerting.config"].errorAt("alerting.config", "names a file, and blocks of it stand below alerting too: choose one")}
	case a.File != "":
		path := c.relative(a.File)
		content, err := readFile(path)
		if err == nil {
			a.Config, err = manager.ReadConfig(content, filepath.Dir(path))
		}
		return alertingErrors(path, err)
	case len(blocks) == 0:
		var err error
		a.Config, err = manager.ReadConfig([]byte(manager.DefaultConfig), "")
		return alertingErrors("", err)
	}
	content, err := c.alertingText(blocks)
	if err == nil {
		a.Config, err = manager.ReadConfig(content, filepath.Dir(c.File))
	}
	return alertingErrors(c.File, err)
}

// alertingText is an alertmanager.yml made of the blocks, each in the line where it stands in our file, so that errors name the right ones.
func (c *Config) alertingText(blocks map[string]*yaml.Node) ([]byte, error) {
	var lines []string
	if c.File != "" {
		content, err := readFile(c.File)
		if err != nil {
			return nil, err
		}
		lines = strings.Split(string(content), "\n")
	}
	out := make([]string, len(lines))
	root := &yaml.Node{Kind: yaml.MappingNode}
	inPlace := true
	for name, n := range blocks {
		inPlace = copyBlock(out, lines, c.origins["alerting."+name], name) && inPlace
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, n)
	}
	if !inPlace { // from the environment, or in braces
		return yaml.Marshal(root)
	}
	return []byte(strings.Join(out, "\n")), nil
}

// copyBlock copies the lines of a key and what is below it; it returns false when they hold something else too.
func copyBlock(to, from []string, o origin, name string) bool {
	if o.file == "" || o.line < 1 || o.line > len(from) {
		return false
	}
	first := from[o.line-1]
	key := strings.TrimLeft(first, " ")
	if !strings.HasPrefix(key, name+":") {
		return false
	}
	indent := len(first) - len(key)
	to[o.line-1] = first
	for i := o.line; i < len(from); i++ {
		text := strings.TrimLeft(from[i], " ")
		deep := len(from[i]) - len(text)
		if text != "" && (deep < indent || deep == indent && !strings.HasPrefix(text, "- ")) {
			break
		}
		to[i] = from[i]
	}
	return true
}

var errorLine = regexp.MustCompile(`line (\d+): `)

// alertingErrors splits what Alertmanager's reader says into errors with lines.
func alertingErrors(file string, err error) Errors {
	if err == nil {
		return nil
	}
	var all Errors
	if errors.As(err, &all) {
		return all
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n")
	for line := range strings.SplitSeq(text, "\n") {
		e := Error{File: file, Key: "alerting", Text: strings.TrimSpace(line)}
		if m := errorLine.FindStringSubmatch(line); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Text = strings.Replace(e.Text, m[0], "", 1)
		}
		e.Text = noGoTypes.ReplaceAllString(e.Text, "")
		all = append(all, e)
	}
	return all
}

// noGoTypes finds what the reader says of its own types.
var noGoTypes = regexp.MustCompile(` in type [a-zA-Z.]+`)

func (c *Config) validateAlerting(fail func(key, text string)) {
	if w := c.Alerting.Watchdog; w.URL != "" && w.Interval < time.Second {
		fail("alerting.watchdog.interval", fmt.Sprintf("is %s: it must be at least 1s", formatDuration(w.Interval)))
	}
}
