package discovery

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// settings are what the labels of a container, or the annotations of a pod, ask for. Whoever may start a container may
// write them, so they can only say less than nothing about this machine: which of the container's own ports and paths are
// asked, under which name, or that it is left alone. Commands, files and addresses elsewhere are refused.
type settings struct {
	disabled, enabled  bool
	noCheck, noMetrics bool
	ignore             []int
	port               int
	path               string // of the check
	name, job          string
	scrape, scrapeTLS  bool
	scrapePort         int
	scrapePath         string
	notes              []string // about what was taken and refused
}

func (s *settings) scrapeScheme() string {
	if s.scrapeTLS {
		return "https"
	}
	return "http"
}

func (s *settings) scrapePathOr(usual string) string {
	if s.scrapePath != "" {
		return s.scrapePath
	}
	return usual
}

// asksFor says whether labels ask to watch a container that the catalogue does not know.
func (s *settings) asksFor() bool {
	return !s.disabled && (s.enabled || s.scrape || s.port != 0)
}

// maxNotes bounds the sentences about labels of one container.
const maxNotes = 10

// readLabels takes the labels that are on the safe list. Prefixes are hulotte. and, for those who come from there,
// glouton.; Kubernetes' annotations may have annotation. before them.
func readLabels(labels map[string]string) settings {
	var s settings
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		value := labels[label]
		name := strings.TrimPrefix(label, "annotation.")
		if err := s.take(name, value); err != nil && len(s.notes) < maxNotes {
			s.notes = append(s.notes, fmt.Sprintf("The label %s of its container is refused: %s.", quote(label), err))
		}
	}
	return s
}

// take takes one label. Labels of others are no errors.
func (s *settings) take(name, value string) error {
	for _, prefix := range []string{"hulotte.", "glouton."} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return s.takeOwn(rest, value)
		}
	}
	if rest, ok := strings.CutPrefix(name, "prometheus.io/"); ok {
		return s.takePrometheus(rest, value)
	}
	return nil
}

func (s *settings) takeOwn(name, value string) (err error) {
	if p, ok := strings.CutPrefix(name, "check.ignore.port."); ok { // one a label: glouton's form
		name, value = "ignore_ports", ifTrue(value, p)
	}
	switch name {
	case "enable":
		var on bool
		on, err = parseBool(value)
		s.enabled, s.disabled = err == nil && on, err == nil && !on
	case "check.enable":
		var on bool
		on, err = parseBool(value)
		s.noCheck = err == nil && !on
	case "metrics.enable":
		var on bool
		on, err = parseBool(value)
		s.noMetrics = err == nil && !on
	case "ignore_ports":
		for _, text := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
			p, err := parsePort(text)
			if err != nil {
				return err
			}
			if len(s.ignore) < 64 {
				s.ignore = append(s.ignore, p)
			}
		}
	case "port", "check.port":
		s.port, err = parsePort(value)
	case "check.path":
		s.path, err = parsePath(value)
	case "name":
		s.name, err = parseName(value)
	case "job":
		s.job, err = parseName(value)
	default:
		err = fmt.Errorf("a container may not set that: only enable, check.enable, metrics.enable, ignore_ports, port, check.path, name and job")
	}
	return err
}

func ifTrue(value, then string) string {
	if on, err := parseBool(value); err == nil && on {
		return then
	}
	return ""
}

func (s *settings) takePrometheus(name, value string) (err error) {
	switch name {
	case "scrape":
		s.scrape, err = parseBool(value)
	case "port":
		s.scrapePort, err = parsePort(value)
	case "path":
		s.scrapePath, err = parsePath(value)
	case "scheme":
		if value != "http" && value != "https" {
			return fmt.Errorf("%s is neither http nor https", quote(value))
		}
		s.scrapeTLS = value == "https"
	}
	return err
}

func parseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(value))
}

func parsePort(value string) (int, error) {
	p, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16)
	if err != nil || p == 0 {
		return 0, fmt.Errorf("%s is no port: it is a number from 1 to 65535", quote(value))
	}
	return int(p), nil
}

// parsePath takes the path of a page: nothing that could name another address.
func parsePath(value string) (string, error) {
	if !strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//") || strings.ContainsAny(value, "\\ \t\r\n") || clean(value) != value || len(value) > 256 {
		return "", fmt.Errorf("%s is no path: write it like /healthz", quote(value))
	}
	return value, nil
}

func parseName(value string) (string, error) {
	if !validKind.MatchString(value) {
		return "", fmt.Errorf("%s is no name: use small letters, digits, _ and -", quote(value))
	}
	return value, nil
}
