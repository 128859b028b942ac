package nagios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check"
)

// YAML writes the hosts, checks and periods as a file that monitoring.files can name. Warnings stand above, as comments.
func (r Result) YAML() ([]byte, error) {
	checks := map[string][]check.Spec{}
	for _, s := range r.Specs {
		checks[s.Host] = append(checks[s.Host], s)
	}
	var hosts yaml.Node
	hosts.Kind = yaml.SequenceNode
	for _, h := range r.Hosts {
		n, err := hostNode(h, checks[h.Name])
		if err != nil {
			return nil, err
		}
		hosts.Content = append(hosts.Content, n)
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	set(root, "hosts", &hosts)
	if len(r.Periods) > 0 {
		periods := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range slices.Sorted(maps.Keys(r.Periods)) {
			n, err := node(r.Periods[name])
			if err != nil {
				return nil, err
			}
			set(periods, name, n)
		}
		set(root, "periods", periods)
	}
	var out bytes.Buffer
	for _, w := range r.Warnings {
		fmt.Fprintf(&out, "# %s\n", lineBreaks.ReplaceAllString(w.String(), " "))
	}
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

// lineBreaks are what ends a comment in YAML.
var lineBreaks = regexp.MustCompile("[\r\n\u0085\u2028\u2029]+")

func hostNode(h check.Host, specs []check.Spec) (*yaml.Node, error) {
	h.Source = ""
	n, err := node(h)
	if err != nil {
		return nil, err
	}
	own := scalar("none") // or it would get the usual one
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, s := range specs {
		c, err := checkNode(s)
		if err != nil {
			return nil, err
		}
		if s.Name == check.HostCheck {
			own = c
			continue
		}
		list.Content = append(list.Content, c)
	}
	set(n, "check", own)
	if len(list.Content) > 0 {
		set(n, "checks", list)
	}
	return n, nil
}

// checkNode is a check below its host, with the kind as a key.
func checkNode(s check.Spec) (*yaml.Node, error) {
	options := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	if len(s.Options) > 0 {
		var err error
		if options, err = node(s.Options); err != nil {
			return nil, err
		}
	}
	kind, host, name := s.Kind, s.Host, s.Name
	s.Kind, s.Options, s.Source, s.Host = "", nil, "", ""
	n, err := node(s)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"host", "kind"} {
		drop(n, key)
	}
	if kind == "passive" || kind == "heartbeat" { // the kind says it, and the first by the same name
		drop(n, "passive")
	}
	if name == check.HostCheck && host != "" {
		drop(n, "name")
	}
	out := &yaml.Node{Kind: yaml.MappingNode}
	if len(n.Content) >= 2 && n.Content[0].Value == "name" {
		out.Content, n.Content = slices.Clone(n.Content[:2]), n.Content[2:]
	}
	set(out, kind, options)
	out.Content = append(out.Content, n.Content...)
	return out, nil
}

// node is what encoding/json makes of a value, as YAML.
func node(v any) (*yaml.Node, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	plain(doc.Content[0], "")
	return doc.Content[0], nil
}

var zeroSeconds = regexp.MustCompile(`^(?:(\d+h)0m|(\d+h\d+m|\d+m))0s$`)

// plain takes the style of JSON away. Lists of arguments stay on one line.
func plain(n *yaml.Node, key string) {
	n.Style = 0
	if n.Kind == yaml.SequenceNode && key != "depends_on" && key != "times" {
		n.Style = yaml.FlowStyle
	}
	switch key {
	case "interval", "retry_interval", "timeout", "freshness":
		n.Value = zeroSeconds.ReplaceAllString(n.Value, "$1$2")
	}
	for i, c := range n.Content {
		under := ""
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			under = n.Content[i-1].Value
		}
		plain(c, under)
	}
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func set(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, scalar(key), value)
}

func drop(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}
