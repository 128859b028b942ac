package services

import (
	"fmt"
	"strconv"

	dto "github.com/prometheus/client_model/go"
)

// A query asks a database and says what its columns are.
type query struct {
	about string // for errors
	text  string
	// since and before bound the server's version for which it is; 0 is no bound.
	since, before int
	labels        []string // columns that are labels, first in the text
	columns       []column // then those that are values
	optional      bool     // that it is refused is no news: the right for it is often not given
}

// column is a value and the families it goes to.
type column struct {
	names []string
	typ   dto.MetricType
	help  string
}

func gaugeOf(help string, names ...string) column {
	return column{names, dto.MetricType_GAUGE, help}
}

func counterOf(help string, names ...string) column {
	return column{names, dto.MetricType_COUNTER, help}
}

// forVersion says whether the query is for that version of the server.
func (q *query) forVersion(v int) bool {
	return v >= q.since && (q.before == 0 || v < q.before)
}

// add adds one row as text; nil is NULL.
func (q *query) add(f *families, row [][]byte) error {
	if len(row) != len(q.labels)+len(q.columns) {
		return fmt.Errorf("%s: a row has %d columns, not %d", q.about, len(row), len(q.labels)+len(q.columns))
	}
	var pairs []string
	for i, l := range q.labels {
		pairs = append(pairs, l, string(row[i]))
	}
	for i, c := range q.columns {
		text := row[len(q.labels)+i]
		if text == nil {
			continue
		}
		v, err := sqlNumber(string(text))
		if err != nil {
			continue
		}
		for _, name := range c.names {
			f.of(c.typ, name, c.help, v, pairs...)
		}
	}
	return nil
}

// sqlNumber reads a number or a truth value.
func sqlNumber(text string) (float64, error) {
	switch text {
	case "t", "true":
		return 1, nil
	case "f", "false":
		return 0, nil
	}
	return strconv.ParseFloat(text, 64)
}
