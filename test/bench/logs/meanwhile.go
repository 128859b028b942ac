package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// asked is how long questions took that were asked while lines came in, by the question's name.
type asked struct {
	walls  map[string][]float64 // milliseconds, ascending
	failed int
}

// startAsking asks meanwhile, when that is wanted, until what it returns is called.
func (o options) startAsking(ctx context.Context, s *system, p *pushSet) (stop func() asked) {
	if !o.asking {
		return func() asked { return asked{} }
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan asked, 1)
	go func() { answers <- askMeanwhile(ctx, s, p) }()
	return func() asked {
		cancel()
		return <-answers
	}
}

// askMeanwhile asks all questions in turns, one every tenth of a second, until ctx ends.
func askMeanwhile(ctx context.Context, s *system, p *pushSet) asked {
	a := asked{walls: map[string][]float64{}}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			for _, w := range a.walls {
				slices.Sort(w)
			}
			return a
		case <-time.After(100 * time.Millisecond):
		}
		q := questions[i%len(questions)]
		begin := time.Now()
		_, err := ask(ctx, s.ask(s.Base, q, p))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			a.failed++
		default:
			a.walls[q.name] = append(a.walls[q.name], time.Since(begin).Seconds()*1000)
		}
	}
}

func printAsked(rows []ingestRow) {
	if rows[0].asked.walls == nil {
		return
	}
	fmt.Print("While the lines came in, wall ms, median (most) of how many:\n\n| question |")
	for _, r := range rows {
		fmt.Printf(" %s, %d failed |", r.name, r.asked.failed)
	}
	fmt.Print("\n|---|")
	for range rows {
		fmt.Print("---|")
	}
	fmt.Println()
	for _, q := range questions {
		fmt.Printf("| %s |", q.name)
		for _, r := range rows {
			if w := r.asked.walls[q.name]; len(w) > 0 {
				fmt.Printf(" %.1f (%.1f) of %d |", w[len(w)/2], w[len(w)-1], len(w))
			} else {
				fmt.Print(" none |")
			}
		}
		fmt.Println()
	}
	fmt.Println()
}
