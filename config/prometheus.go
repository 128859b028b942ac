package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/collect/scrape"
	"github.com/hulotte-dev/hulotte/rule"
	"go.yaml.in/yaml/v3"
)

// promBlocks are the top-level keys that have Prometheus' meaning and are read by Prometheus' own code.
var promBlocks = []string{"global", "scrape_configs", "scrape_config_files", "rule_files", "remote_write"}

// split parts the top level into our own keys and those of Prometheus.
func split(root *yaml.Node) (own, prom *yaml.Node) {
	a, b := *root, *root
	a.Content, b.Content = nil, nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		to := &a
		if isPromBlock(root.Content[i].Value) {
			to = &b
		}
		to.Content = append(to.Content, root.Content[i], root.Content[i+1])
	}
	return &a, &b
}

func isPromBlock(name string) bool {
	for _, b := range promBlocks {
		if b == name {
			return true
		}
	}
	return false
}

// promText is the text with every block that is not Prometheus' made empty, so that the lines keep their numbers.
func promText(text []byte, root *yaml.Node) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i := 0; i+1 < len(root.Content); i += 2 {
		if isPromBlock(root.Content[i].Value) {
			continue
		}
		end := len(lines)
		if i+2 < len(root.Content) {
			end = root.Content[i+2].Line - 1
		}
		for j := root.Content[i].Line - 1; j < end && j < len(lines); j++ {
			lines[j] = nil
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// loadProm reads the Prometheus part: out of prometheus.config when that is set, else out of our own file.
func (c *Config) loadProm(own promSource) Errors {
	src := own
	if name := c.Prometheus.Config; name != "" {
		if len(own.blocks) > 0 {
			first := own.blocks[0]
			return Errors{{File: c.File, Line: first.Line, Key: first.Value, Text: "stands beside prometheus.config (" +
				c.origins["prometheus.config"].String() + "): keep the blocks of Prometheus in one of the two files"}}
		}
		text, err := readFile(name)
		if err != nil {
			return Errors{c.origins["prometheus.config"].errorAt("prometheus.config", err.Error())}
		}
		src = promSource{file: name, text: text}
	}
	parsed, warnings, err := scrape.Load(src.text, src.file)
	if err != nil {
		return promErrors(src, err)
	}
	c.Scrape = parsed
	for _, w := range warnings {
		c.Warnings = append(c.Warnings, Error{File: src.file, Line: w.Line, Key: w.Key, Text: w.Text})
	}
	return c.checkRules(src)
}

// checkRules reads the rule files now, so that a faulty one is refused together with the rest. What evaluates them
// reads them again.
func (c *Config) checkRules(src promSource) Errors {
	files, warnings, err := rule.Load(c.Scrape.Prometheus().RuleFiles, c.QueryOptions().NewParser())
	if err != nil {
		var errs Errors
		for line := range strings.SplitSeq(err.Error(), "\n") {
			errs = append(errs, Error{Text: line})
		}
		return errs
	}
	c.ruleGroups, c.rules = files.Counts()
	for _, w := range warnings {
		c.Warnings = append(c.Warnings, Error{File: src.file, Text: w})
	}
	return nil
}

// Summary says in a line what was read.
func (c *Config) Summary() string {
	file := c.File
	if file == "" {
		file = "no file"
	}
	if c.Prometheus.Config != "" {
		file += " and " + c.Prometheus.Config
	}
	return fmt.Sprintf("%s: good (%d keys set, %d scrape jobs, %d rules in %d groups, %d warnings)",
		file, len(c.origins), len(c.Scrape.Prometheus().ScrapeConfigs), c.rules, c.ruleGroups, len(c.Warnings))
}

// promSource is the text that Prometheus' code reads.
type promSource struct {
	file   string
	text   []byte
	blocks []*yaml.Node // the keys of its blocks, in a file of ours
}

// noFile is what relative paths are meant from when there is no file: the working directory.
func noFile() promSource {
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	return promSource{file: filepath.Join(dir, "(no file)")}
}

var promLine = regexp.MustCompile(`^\s*line (\d+): (.*)$`)

// promErrors parts an error of Prometheus' loader, which has a line for everything that is wrong.
func promErrors(src promSource, err error) Errors {
	var errs Errors
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimPrefix(line, src.file+": ")
		e := Error{File: src.file, Text: strings.TrimSpace(line)}
		if m := promLine.FindStringSubmatch(line); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
			e.Text = m[2]
		}
		if n := locate(src.text, e.Text); n > e.Line { // nearer to the value than the block that it stands in
			e.Line = n
		}
		if strings.Contains(e.Text, "not a valid duration string") {
			e.Text += ": write whole numbers with units, such as 30s, 5m or 1h30m"
		}
		if e.Text != "" {
			errs = append(errs, e)
		}
	}
	return errs
}
