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

// loadFile reads the text of c.File into c, and returns what is left for Prometheus' code.
func (c *Config) loadFile(t *table, text []byte) (promSource, Errors) {
	src := promSource{file: c.File}
	root, err := parseYAML(text)
	if err != nil {
		return src, Errors{yamlError(c.File, err)}
	}
	if root == nil {
		return src, nil
	}
	if root.Kind != yaml.MappingNode {
		return src, Errors{{File: c.File, Line: root.Line, Text: "the file is " + nodeKind(root) + ": write keys, such as server:"}}
	}
	own, prom := split(root)
	for i := 0; i < len(prom.Content); i += 2 {
		src.blocks = append(src.blocks, prom.Content[i])
	}
	if len(src.blocks) > 0 {
		if root.Style&yaml.FlowStyle != 0 {
			return src, Errors{{File: c.File, Line: root.Line, Text: "the file is one pair of braces: write each top-level key on a line of its own"}}
		}
		src.text = promText(text, root)
	}
	return src, append(duplicates(c.File, "", root), t.decodeSection("", own)...)
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
