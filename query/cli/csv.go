package cli

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
)

// writeCSV writes one line a point (RFC 4180): a column for each label, the time, and the value as the server
// wrote it. A native histogram has its count and sum in columns of their own.
func writeCSV(w io.Writer, all []series) error {
	columns := labelColumns(all)
	histograms := slices.ContainsFunc(all, func(s series) bool {
		return slices.ContainsFunc(s.points, func(p point) bool { return p.histogram != nil })
	})
	out := csv.NewWriter(w)
	header := append(slices.Clone(columns), "time", "value")
	if histograms {
		header = append(header, "count", "sum")
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for _, s := range all {
		for _, p := range s.points {
			row := make([]string, 0, len(header))
			for _, c := range columns {
				row = append(row, s.labels[c])
			}
			row = append(row, p.time().UTC().Format("2006-01-02T15:04:05.000Z"), p.text)
			if histograms {
				row = append(row, histogramColumns(p.histogram)...)
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func histogramColumns(h *histogram) []string {
	if h == nil {
		return []string{"", ""}
	}
	return []string{h.Count, h.Sum}
}

// labelColumns returns the names of all labels of any series, sorted, the metric's name first.
func labelColumns(all []series) []string {
	names := map[string]bool{}
	for _, s := range all {
		for k := range s.labels {
			names[k] = true
		}
	}
	return slices.SortedFunc(maps.Keys(names), compareNames)
}
