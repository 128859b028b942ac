package hosts

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Num is a figure as it goes over the wire: four significant digits below ten thousand, whole above, and null
// when there is no such figure (NaN and the infinities included), so that a missing figure is never shown as 0.
type Num float64

// None is the figure that is not there.
var None = Num(math.NaN())

// Known tells whether there is a figure.
func (n Num) Known() bool {
	f := float64(n)
	return !math.IsNaN(f) && !math.IsInf(f, 0)
}

// MarshalJSON writes the figure, or null.
func (n Num) MarshalJSON() ([]byte, error) {
	if !n.Known() {
		return []byte("null"), nil
	}
	f := float64(n)
	if math.Abs(f) >= 1e4 {
		return strconv.AppendFloat(nil, math.Round(f), 'f', 0, 64), nil
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 4, 64), 64)
	if err != nil {
		return nil, err
	}
	return strconv.AppendFloat(nil, rounded, 'f', -1, 64), nil
}

// UnmarshalJSON reads a figure; null is None.
func (n *Num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = None
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	*n = Num(f)
	return err
}

// Table is rows in memory and columns on the wire: {"n": rows, "column": [value, ...], ...}. T is a struct
// whose fields have json tags. A column without any value (null, false, "", 0, empty) in any row is left out,
// because most hosts lack most things.
type Table[T any] []T

// MarshalJSON writes the columns in the order of T's fields.
func (t Table[T]) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(`{"n":`)
	out.WriteString(strconv.Itoa(len(t)))
	rows := reflect.ValueOf([]T(t))
	for i, name := range columnNames(reflect.TypeFor[T]()) {
		if name == "" || emptyColumn(rows, i) {
			continue
		}
		out.WriteString(`,"` + name + `":`)
		if err := writeColumn(&out, rows, i); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// columnNames returns the json name of each field, "" for those that stay out.
func columnNames(row reflect.Type) []string {
	names := make([]string, row.NumField())
	for i := range names {
		name, _, _ := strings.Cut(row.Field(i).Tag.Get("json"), ",")
		if name != "-" {
			names[i] = name
		}
	}
	return names
}

func emptyColumn(rows reflect.Value, field int) bool {
	for r := range rows.Len() {
		v := rows.Index(r).Field(field)
		if n, ok := v.Interface().(Num); ok {
			if n.Known() {
				return false
			}
			continue
		}
		if !v.IsZero() {
			return false
		}
	}
	return true
}

func writeColumn(out *bytes.Buffer, rows reflect.Value, field int) error {
	out.WriteByte('[')
	for r := range rows.Len() {
		if r > 0 {
			out.WriteByte(',')
		}
		b, err := json.Marshal(rows.Index(r).Field(field).Interface())
		if err != nil {
			return err
		}
		out.Write(b)
	}
	out.WriteByte(']')
	return nil
}
