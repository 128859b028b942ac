package scrape

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// notYet lists what a prometheus.yml may hold that Hulotte takes without acting on it, in the order of
// Prometheus' documentation.
var notYet = [...]struct{ key, text string }{
	{"global.query_log_file", "queries are not logged to a file; this key has no effect."},
	{"global.query_max_series", "queries are bounded by the query section of Hulotte's own configuration; this key has no effect."},
	{"global.query_max_samples_read", "queries are bounded by the query section of Hulotte's own configuration; this key has no effect."},
	{"global.query_max_duration", "queries are bounded by the query section of Hulotte's own configuration; this key has no effect."},
	{"runtime.gogc", "the garbage collector is set by the environment variable GOGC; this key has no effect."},
	{"runtime.log_level", "the log level is set by log.level in Hulotte's own configuration; this key has no effect."},
	{"storage.tsdb", "retention and out-of-order ingestion are set by storage.series in Hulotte's own configuration; this section has no effect."},
	{"storage.exemplars", "the number of exemplars kept is set by storage.series in Hulotte's own configuration; this section has no effect."},
	{"tracing", "Hulotte does not send traces of itself; this section has no effect."},
	{"otlp", "metrics are not received over OTLP yet; this section has no effect."},
	{"remote_read", "series of other systems are not read yet; queries answer from Hulotte's own store only."},
}

// sectionWarnings returns a warning for each part of text that has no effect.
func sectionWarnings(text []byte) []Warning {
	root := parse(text)
	var found []Warning
	for _, n := range notYet {
		if line := lineOf(root, strings.Split(n.key, ".")); line > 0 {
			found = append(found, Warning{Key: n.key, Line: line, Text: n.text})
		}
	}
	return found
}

// fileWarnings returns a warning for each pattern of scrape_config_files that matches no file.
func fileWarnings(text []byte, unmatched []string) []Warning {
	var found []Warning
	for _, pattern := range unmatched {
		const key = "scrape_config_files"
		line := lineOf(parse(text), []string{key})
		found = append(found, Warning{Key: key, Line: line, Text: pattern + " matches no file."})
	}
	return found
}

// parse returns the top of a text that Prometheus' own decoder has accepted. Should this one not take it, the
// top is empty, and only hints are lost.
func parse(text []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return &yaml.Node{}
	}
	return doc.Content[0]
}

// lineOf returns the line of the key at path, or 0 when there is none or it has no value.
func lineOf(n *yaml.Node, path []string) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return 0
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value != path[0] || value.Tag == "!!null" {
			continue
		}
		if len(path) == 1 {
			return key.Line
		}
		return lineOf(value, path[1:])
	}
	return 0
}
