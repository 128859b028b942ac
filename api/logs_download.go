package api

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/query/logql"
)

const defaultDownload = 100_000

// logDownload answers /logs/download: a file of what a log query finds, written while it is found.
func (a *api) logDownload() http.Handler {
	return a.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prepared, err := a.prepare(w, r)
		if err != nil {
			a.writeError(w, err)
			return
		}
		d, err := a.download(prepared)
		if err != nil {
			a.writeError(w, logsError(prepared.Context(), err))
			return
		}
		ctx, cancel := context.WithTimeout(prepared.Context(), a.Logs.Limits.Timeout)
		defer cancel()
		err = d.run(ctx, w)
		switch {
		case err == nil:
		case d.started:
			a.log.Debug("a download broke off", "error", err)
			panic(http.ErrAbortHandler) // nobody shall take a part for the whole
		default:
			h := w.Header()
			h.Del("Content-Disposition")
			a.writeError(w, logsError(ctx, err))
		}
	}))
}

// download is a file on its way.
type download struct {
	api     *api
	query   logql.Request
	format  logFormat
	name    string
	started bool
}

// logFormat writes entries one after the other.
type logFormat interface {
	contentType() string
	header(w io.Writer) error
	entry(dst []byte, l labels.Labels, e *logql.Entry) []byte
}

func (a *api) download(r *http.Request) (*download, error) {
	if a.Logs.Events == nil || a.Logs.LogQL == nil {
		return nil, errNoLogs
	}
	sel, err := a.logSelection(r)
	if err != nil {
		return nil, err
	}
	d := &download{api: a, query: logql.Request{Query: sel.text, Start: sel.start, End: sel.end, Direction: logql.Forward, Categorize: true}}
	if d.query.Limit, err = wholeParam(r, "limit", defaultDownload, 1, a.Logs.Limits.MaxDownload); err != nil {
		return nil, err
	}
	if r.Form.Get("direction") != "" {
		if d.query.Direction, err = lokiDirection(r); err != nil {
			return nil, err
		}
	}
	d.format, err = a.logFormat(r, sel)
	d.name = "logs-" + sel.start.UTC().Format("20060102T150405Z") + "-" + sel.end.UTC().Format("20060102T150405Z")
	return d, err
}

func (a *api) logFormat(r *http.Request, sel logSelection) (logFormat, error) {
	switch f := r.Form.Get("format"); f {
	case "", "ndjson":
		return &ndjsonFormat{}, nil
	case "text":
		stamps, err := switchParam(r, "timestamps", false)
		return &textFormat{stamps}, err
	case "csv":
		columns, err := targetLabels(r.Form["fields"], 100)
		if err == nil && len(columns) == 0 {
			columns, err = a.labelColumns(r, sel)
		}
		return newCSVFormat(columns), err
	}
	return nil, badParam("format", apiText("use ndjson, text or csv"))
}

// labelColumns are the labels of the selected streams.
func (a *api) labelColumns(r *http.Request, sel logSelection) ([]string, error) {
	e, err := a.events(r)
	if err != nil {
		return nil, err
	}
	found, err := e.Streams(r.Context(), sel.start.UnixNano(), sel.end.UnixNano(), sel.expr.Matchers...)
	if err != nil {
		return nil, err
	}
	names := map[string]struct{}{}
	for _, s := range found {
		s.Labels.Range(func(l labels.Label) { names[l.Name] = struct{}{} })
	}
	return a.sortedSet(names), nil
}

// run writes the file. What has gathered goes out in pieces, so that a file of any size needs little memory.
func (d *download) run(ctx context.Context, w http.ResponseWriter) error {
	extension, _, _ := strings.Cut(strings.TrimPrefix(d.format.contentType(), "text/"), ";")
	switch extension {
	case "plain":
		extension = "log"
	case "application/x-ndjson":
		extension = "ndjson"
	}
	w.Header().Set("Content-Type", d.format.contentType())
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+"."+extension+`"`)
	buf := make([]byte, 0, flushSize+flushSize/4)
	send := func() error {
		if !d.started {
			d.started = true
			if err := d.format.header(w); err != nil {
				return err
			}
		}
		_, err := w.Write(buf)
		buf = buf[:0]
		return err
	}
	_, err := d.api.scanLogs(ctx, d.query, func(l labels.Labels, e logql.Entry) error {
		buf = d.format.entry(buf, l, &e)
		if len(buf) < flushSize {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}

func appendRFC3339(dst []byte, ns int64) []byte {
	return time.Unix(0, ns).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000000Z07:00")
}

// ndjsonFormat writes {"time":"...","line":"...","stream":{...},"metadata":{...},"parsed":{...}} a line.
type ndjsonFormat struct{}

func (ndjsonFormat) contentType() string    { return "application/x-ndjson" }
func (ndjsonFormat) header(io.Writer) error { return nil }

func (ndjsonFormat) entry(dst []byte, l labels.Labels, e *logql.Entry) []byte {
	dst = append(dst, `{"time":"`...)
	dst = appendRFC3339(dst, e.Time)
	dst = append(dst, `","line":`...)
	dst = appendString(dst, e.Line)
	dst = append(dst, `,"stream":`...)
	dst = appendLabels(dst, l)
	dst = append(dst, `,"metadata":`...)
	dst = appendLabels(dst, e.Structured)
	dst = append(dst, `,"parsed":`...)
	dst = appendLabels(dst, e.Parsed)
	return append(dst, '}', '\n')
}

// textFormat writes the lines as they came.
type textFormat struct{ stamps bool }

func (*textFormat) contentType() string    { return "text/plain; charset=utf-8" }
func (*textFormat) header(io.Writer) error { return nil }

func (f *textFormat) entry(dst []byte, _ labels.Labels, e *logql.Entry) []byte {
	if f.stamps {
		dst = append(appendRFC3339(dst, e.Time), ' ')
	}
	return append(append(dst, e.Line...), '\n')
}

// csvFormat writes RFC 4180 with a line of names.
type csvFormat struct {
	columns []string
	row     []string
	out     sliceWriter
	csv     *csv.Writer
}

type sliceWriter struct{ buf []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.buf = append(s.buf, p...)
	return len(p), nil
}

func newCSVFormat(columns []string) *csvFormat {
	f := &csvFormat{columns: columns, row: make([]string, len(columns)+2)}
	f.csv = csv.NewWriter(&f.out)
	return f
}

func (*csvFormat) contentType() string { return "text/csv; charset=utf-8" }

func (f *csvFormat) header(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(slices.Concat([]string{"time", "line"}, f.columns)); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

func (f *csvFormat) entry(dst []byte, l labels.Labels, e *logql.Entry) []byte {
	f.row[0], f.row[1] = string(appendRFC3339(nil, e.Time)), cell(e.Line)
	for i, name := range f.columns {
		f.row[i+2] = cell(entryValue(l, e, name))
	}
	f.out.buf = dst
	_ = f.csv.Write(f.row) // it only fills a slice
	f.csv.Flush()
	return f.out.buf
}

// entryValue is a field by its name: what the query made, else what is stored, else the stream's label.
func entryValue(l labels.Labels, e *logql.Entry, name string) string {
	return cmp.Or(e.Parsed.Get(name), e.Structured.Get(name), l.Get(name))
}

// cell keeps spreadsheets from taking a text for a formula.
func cell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "'" + s
		}
	}
	return s
}
