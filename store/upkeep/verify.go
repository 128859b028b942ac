package upkeep

import (
	"context"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Series is the metrics engine, as far as it has to be looked after.
type Series interface {
	// Verify reads every file, calls found for each thing that is wrong and read with what was gone through so far,
	// both from one goroutine.
	Verify(ctx context.Context, found func(where, problem, effect string), read func(file string, files, bytes int64)) error
}

// VerifyAll reads everything that is kept and checks it. series may be nil. It ends the run.
func VerifyAll(a *Active, m medium.Medium, series Series) Run {
	return a.End(verifyAll(a, m, series))
}

func verifyAll(a *Active, m medium.Medium, series Series) error {
	total, err := m.Verify(a.Context(), a.Found, func(s medium.Summary) { a.At("medium", "", sum(s)) })
	if err != nil {
		return err
	}
	c := sum(total)
	a.At("medium", "", c)
	if series == nil {
		return nil
	}
	before := c
	return series.Verify(a.Context(), func(where, problem, effect string) {
		a.Found(medium.Finding{Area: "series", Where: where, Problem: problem, Effect: effect})
	}, func(file string, files, bytes int64) {
		c.Files, c.Bytes = files, before.Bytes+bytes
		a.At("series", file, c)
	})
}
