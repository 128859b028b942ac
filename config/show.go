package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// masked stands where a secret would.
const masked = "<secret>"

// Show writes the effective values as YAML, each with a comment that says where it came from, and secrets masked.
// The part of Prometheus follows: in the same document when it is from our own file, so that what Show writes
// could be read again, else in a second one.
func (c *Config) Show(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range c.values() {
		n := k.value.encode()
		if k.Secret {
			mask(n)
		}
		put(root, strings.Split(k.Path, "."), n, c.origins[k.Path].String())
	}
	if err := encode(w, root); err != nil {
		return err
	}
	return c.showProm(w)
}

func (c *Config) showProm(w io.Writer) error {
	root, err := parseYAML([]byte(c.Scrape.String()))
	if err != nil {
		return fmt.Errorf("cannot show the part of Prometheus: %w", err)
	}
	if root == nil {
		return nil
	}
	_, prom := split(root)
	if c.Prometheus.Config != "" {
		fmt.Fprintf(w, "---\n# %s\n", c.Prometheus.Config)
		prom = root
	}
	if len(prom.Content) == 0 {
		return nil
	}
	return encode(w, prom)
}

// put hangs n under a path, making the sections above it.
func put(root *yaml.Node, path []string, n *yaml.Node, comment string) {
	for _, name := range path[:len(path)-1] {
		root = section(root, name)
	}
	key := scalarNode(path[len(path)-1])
	if n.Kind != yaml.ScalarNode && n.Style != yaml.FlowStyle && len(n.Content) > 0 { // it goes over several lines
		key.HeadComment = comment
	} else {
		n.LineComment = comment
	}
	root.Content = append(root.Content, key, n)
}

func section(root *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == name {
			return root.Content[i+1]
		}
	}
	s := &yaml.Node{Kind: yaml.MappingNode}
	root.Content = append(root.Content, scalarNode(name), s)
	return s
}

// mask hides values and keeps names.
func mask(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		*n = *scalarNode(masked)
	}
	for i, m := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			mask(m)
		}
	}
}

func encode(w io.Writer, n *yaml.Node) error {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
