package services

import (
	"embed"
	"fmt"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// The tables say under which name a service's value goes. A line is:
//
//	key type[*factor] name[{label="value",...}] [help]
//
// key is what the service calls it, type is gauge, counter or untyped, factor turns the service's unit into the name's. Without help, the
// key is told. Lines that begin with # are comments.
//
//go:embed names/*.txt
var tables embed.FS

// name is one line of a table.
type name struct {
	key    string
	typ    dto.MetricType
	factor float64
	name   string
	labels []string
	help   string
}

// table holds names by key. A key may stand for several names.
type table map[string][]name

// mustTable reads an embedded table. A test reads them all.
func mustTable(file string) table {
	text, err := tables.ReadFile("names/" + file + ".txt")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	t, err := parseTable(string(text))
	if err != nil {
		panic("BUG: names/" + file + ".txt: " + err.Error())
	}
	return t
}

func parseTable(text string) (table, error) {
	t := table{}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		n, err := parseName(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		t[n.key] = append(t[n.key], n)
	}
	return t, nil
}

func parseName(line string) (name, error) {
	var n name
	key, rest, _ := strings.Cut(line, " ")
	typ, rest, ok := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok {
		return n, fmt.Errorf("%q has no name", line)
	}
	n.key, n.factor = key, 1
	if t, factor, ok := strings.Cut(typ, "*"); ok {
		v, err := strconv.ParseFloat(factor, 64)
		if err != nil {
			return n, err
		}
		typ, n.factor = t, v
	}
	switch typ {
	case "gauge":
		n.typ = dto.MetricType_GAUGE
	case "counter":
		n.typ = dto.MetricType_COUNTER
	case "untyped":
		n.typ = dto.MetricType_UNTYPED
	default:
		return n, fmt.Errorf("%q is no type", typ)
	}
	n.name, n.help, _ = strings.Cut(strings.TrimSpace(rest), " ")
	if metric, labels, ok := strings.Cut(n.name, "{"); ok {
		n.name = metric
		for _, pair := range strings.Split(strings.TrimSuffix(labels, "}"), ",") {
			l, v, _ := strings.Cut(pair, "=")
			v, err := strconv.Unquote(v)
			if err != nil {
				return n, fmt.Errorf("label %q: %w", pair, err)
			}
			n.labels = append(n.labels, l, v)
		}
	}
	if n.help = strings.TrimSpace(n.help); n.help == "" {
		n.help = "The service's " + key + "."
	}
	return n, nil
}

// add adds the value that the service calls key, with further labels; false when the table does not have it.
func (t table) add(f *families, key string, v float64, pairs ...string) bool {
	names, ok := t[key]
	for _, n := range names {
		f.of(n.typ, n.name, n.help, v*n.factor, append(n.labels[:len(n.labels):len(n.labels)], pairs...)...)
	}
	return ok
}

func gaugeName(key, metric, help string) name {
	return name{key: key, typ: dto.MetricType_GAUGE, factor: 1, name: metric, help: help}
}

func counterName(key, metric, help string) name {
	return name{key: key, typ: dto.MetricType_COUNTER, factor: 1, name: metric, help: help}
}
