package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize is far above any file that people write or generate, and far below what would hurt.
const maxFileSize = 16 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if len(b) > maxFileSize {
		return nil, fmt.Errorf("the configuration is bigger than %s", formatSize(maxFileSize))
	}
	return b, nil
}

// loadFile reads the text of c.File into c.
func (c *Config) loadFile(t *table, text []byte) Errors {
	root, err := parseYAML(text)
	if err != nil {
		return Errors{yamlError(c.File, err)}
	}
	if root == nil {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		return Errors{{File: c.File, Line: root.Line, Text: "the file is " + nodeKind(root) + ": write keys, such as server:"}}
	}
	errs := duplicates(c.File, "", root)
	own, prom := split(root)
	errs = append(errs, t.decodeSection("", own)...)
	_ = prom
	return errs
}

// parseYAML returns the one document of a text, nil when it is empty.
func parseYAML(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("line %d: a second document begins: one file holds one document", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, nil
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (?:.* line (\d+)|)`)

// yamlError takes the line out of an error of the YAML library.
func yamlError(file string, err error) Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	e := Error{File: file, Text: "is not YAML: " + text}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		_, e.Text, _ = strings.Cut(text, ": ")
		e.Text = "is not YAML: " + e.Text
	}
	return e
}

// promBlocks are the top-level keys that have Prometheus' meaning.
var promBlocks = map[string]bool{
	"global": true, "scrape_configs": true, "scrape_config_files": true, "rule_files": true, "remote_write": true,
}

// split parts the top level into our own keys and those of Prometheus.
func split(root *yaml.Node) (own, prom *yaml.Node) {
	a, b := *root, *root
	a.Content, b.Content = nil, nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		to := &a
		if promBlocks[root.Content[i].Value] {
			to = &b
		}
		to.Content = append(to.Content, root.Content[i], root.Content[i+1])
	}
	return &a, &b
}

// duplicates finds keys that stand twice in one mapping: the second would silently win.
func duplicates(file, section string, n *yaml.Node) Errors {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var errs Errors
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		path := join(section, name.Value)
		if line, twice := seen[name.Value]; twice {
			errs = append(errs, Error{File: file, Line: name.Line, Key: path, Text: fmt.Sprintf("stands twice: it is in line %d already", line)})
		}
		seen[name.Value] = name.Line
		errs = append(errs, duplicates(file, path, n.Content[i+1])...)
	}
	return errs
}
