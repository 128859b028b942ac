package logql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/store"
)

// errSample is the error label of a sample whose value is no number.
const errSample = "SampleExtractionErr"

// sampler takes the samples from the rows of batches. It belongs to one goroutine and reuses its buffers.
type sampler struct {
	op     string
	unwrap *Unwrap
	post   []*condition
	// errorsOnly says that the filters behind unwrap look at nothing but the error labels, as __error__="" does.
	errorsOnly bool

	values   []float64
	selected []uint64
	dict     []float64
	dictErr  []error
}

func newSampler(a *RangeAggregation) (*sampler, error) {
	s := &sampler{op: a.Op, unwrap: a.Range.Unwrap, errorsOnly: true}
	if s.unwrap == nil {
		return s, nil
	}
	for _, f := range s.unwrap.Filters {
		p, err := compileCondition(f)
		if err != nil {
			return nil, err
		}
		s.post = append(s.post, p)
		for _, name := range p.names(nil) {
			s.errorsOnly = s.errorsOnly && (name == labelError || name == labelErrorDetails)
		}
	}
	return s, nil
}

// names are the labels that it looks at.
func (s *sampler) names() []string {
	if s.unwrap == nil {
		return nil
	}
	names := []string{s.unwrap.Label}
	for _, p := range s.post {
		names = p.names(names)
	}
	return names
}

// failedRow is the error labels of a row that makes the query fail.
type failedRow struct {
	row          int
	err, details string
}

// take returns which rows are samples, and their values: nil where every row counts as one. failed is the first row that has an error.
func (s *sampler) take(r columnar) (selected []uint64, values []float64, failed *failedRow) {
	selected = r.Selected()
	errs := r.Column(labelError)
	if s.unwrap == nil {
		if s.op == "bytes_rate" || s.op == "bytes_over_time" {
			values = s.sizes(r, selected)
		}
		return selected, values, firstError(r, &errs, selected)
	}
	s.selected = append(s.selected[:0], selected...)
	failed = s.unwrapRows(r, &errs)
	return s.selected, s.values, failed
}

func firstError(r columnar, errs *store.Column, selected []uint64) (failed *failedRow) {
	if errs.Absent() {
		return nil
	}
	details := r.Column(labelErrorDetails)
	eachBit(selected, r.Len(), func(i int) {
		if failed == nil && errs.Value(i) != "" {
			failed = &failedRow{i, strings.Clone(errs.Value(i)), strings.Clone(details.Value(i))}
		}
	})
	return failed
}

func (s *sampler) grow(n int) {
	if cap(s.values) < n {
		s.values = make([]float64, n)
	}
	s.values = s.values[:n]
}

func (s *sampler) sizes(r columnar, selected []uint64) []float64 {
	s.grow(r.Len())
	lengths := r.LineLengths()
	eachBit(selected, r.Len(), func(i int) { s.values[i] = float64(lengths[i]) })
	return s.values
}

// unwrapRows fills values and takes rows that are no samples out of selected.
func (s *sampler) unwrapRows(r columnar, errs *store.Column) (failed *failedRow) {
	c := r.Column(s.unwrap.Label)
	v := &rowView{r: r, errs: errs, details: r.Column(labelErrorDetails), columns: map[string]store.Column{}}
	clean := s.errorsOnly && v.passes(s.post)
	if c.Numbers != nil && c.Missing == nil && s.unwrap.Conversion == "" && errs.Absent() && clean {
		s.values = append(s.values[:0], c.Numbers...)
		return nil
	}
	s.grow(r.Len())
	s.convertDict(&c)
	eachBit(s.selected, r.Len(), func(i int) {
		v.row, v.err, v.detail = i, errs.Value(i), ""
		if v.err == "" && !c.Has(i) {
			clearBit(s.selected, i)
			return
		}
		var err error
		if s.values[i], err = s.value(&c, i); err != nil && v.err == "" {
			v.err, v.detail = errSample, err.Error()
		}
		if v.err == "" && clean {
			return
		}
		if !v.passes(s.post) {
			clearBit(s.selected, i)
		} else if v.err != "" && failed == nil {
			failed = &failedRow{i, strings.Clone(v.err), strings.Clone(v.get(labelErrorDetails))}
		}
	})
	return failed
}

// convertDict converts the values of a dictionary once.
func (s *sampler) convertDict(c *store.Column) {
	s.dict, s.dictErr = s.dict[:0], s.dictErr[:0]
	for _, text := range c.Dict {
		v, err := s.convert(text)
		s.dict = append(s.dict, v)
		s.dictErr = append(s.dictErr, err)
	}
}

// value returns the number of row i.
func (s *sampler) value(c *store.Column, i int) (float64, error) {
	switch {
	case !c.Has(i):
		return 0, nil
	case c.Codes != nil:
		return s.dict[c.Codes[i]], s.dictErr[c.Codes[i]]
	case c.Dict != nil:
		return s.dict[0], s.dictErr[0]
	case c.Numbers != nil && s.unwrap.Conversion == "":
		return c.Numbers[i], nil
	}
	return s.convert(c.Value(i))
}

// convert reads the number in a label.
func (s *sampler) convert(text string) (float64, error) {
	switch s.unwrap.Conversion {
	case "duration", "duration_seconds":
		d, err := parseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("cannot read %q as a duration: %w", shorten(text), err)
		}
		return d.Seconds(), nil
	case "bytes":
		n, err := parseBytes(text)
		if err != nil {
			return 0, fmt.Errorf("cannot read %q as bytes: %w", shorten(text), err)
		}
		return float64(n), nil
	}
	return strconv.ParseFloat(text, 64)
}

// rowView is the labels of one row behind unwrap.
type rowView struct {
	r           columnar
	errs        *store.Column
	details     store.Column
	columns     map[string]store.Column
	row         int
	err, detail string
}

func (v *rowView) get(name string) string {
	switch name {
	case labelError:
		return v.err
	case labelErrorDetails:
		if v.detail == "" && v.err != "" {
			return v.details.Value(v.row)
		}
		return v.detail
	}
	c, ok := v.columns[name]
	if !ok {
		c = v.r.Column(name)
		v.columns[name] = c
	}
	return c.Value(v.row)
}

// passes applies the filters behind unwrap.
func (v *rowView) passes(filters []*condition) bool {
	for _, c := range filters {
		if !v.passesOne(c) {
			return false
		}
	}
	return true
}

// passesOne applies a condition. One that cannot be applied makes the row one with an error.
func (v *rowView) passesOne(c *condition) bool {
	if c.test == nil {
		if pass := v.passesOne(c.left); pass != c.and {
			return pass
		}
		return v.passesOne(c.right)
	}
	value := v.get(c.name)
	pass, details := c.test(value, value != "")
	if details != "" && v.err == "" {
		v.err, v.detail = errLabelFilter, details
	}
	return pass
}
