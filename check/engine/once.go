package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// RunOnce asks a check that need not be declared, once and now, and keeps nothing of it. The error says what is wrong with the
// spec; whatever goes wrong with the asking is in the result. A prober that ignores its time limit is left behind.
func (e *Engine) RunOnce(ctx context.Context, host check.Host, spec check.Spec) (model.CheckResult, error) {
	if spec.Host == "" {
		spec.Host = host.Name
	}
	if spec.Name == "" {
		spec.Name = spec.Kind
	}
	spec = withDefaults(spec)
	if err := e.checkSpec(&spec); err != nil {
		return model.CheckResult{}, invalid(err)
	}
	p, err := e.prepare(&host, &spec)
	if err != nil {
		return model.CheckResult{}, invalid(err)
	}
	if p.prober == nil {
		return model.CheckResult{}, invalid(fmt.Errorf("check %q is passive: it is never asked", spec.ID()))
	}
	timeout := time.Duration(spec.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan model.CheckResult, 1) // never closed: who left does not read it
	start := time.Now()
	go func() {
		r, _ := probe(ctx, p.prober)
		done <- r
	}()
	select {
	case r := <-done:
		return complete(r, start, time.Now()), nil
	case <-ctx.Done():
	}
	grace := time.NewTimer(abandonAfter)
	defer grace.Stop()
	select {
	case r := <-done:
		return complete(r, start, time.Now()), nil
	case <-grace.C:
		return abandonedResult(timeout, start), nil
	}
}

// abandonAfter is how long after its time limit a prober may still take to clean up.
const abandonAfter = time.Second

// probe asks, and turns a panic into an answer.
func probe(ctx context.Context, p check.Prober) (r model.CheckResult, panicked any) {
	defer func() {
		if panicked = recover(); panicked != nil {
			r = model.CheckResult{
				Status: model.Unknown, Output: fmt.Sprintf("the check itself failed: %v", panicked), Long: string(debug.Stack()),
			}
		}
	}()
	return p.Probe(ctx), nil
}

// complete fills in what a prober left out.
func complete(r model.CheckResult, start, end time.Time) model.CheckResult {
	if r.Start.IsZero() {
		r.Start = start
	}
	if r.Duration == 0 {
		r.Duration = end.Sub(start)
	}
	if r.Status < model.OK || r.Status > model.Unknown {
		r.Output = fmt.Sprintf("the check answered with a status that does not exist (%s): %s", r.Status, r.Output)
		r.Status = model.Unknown
	}
	return r
}

func abandonedResult(timeout time.Duration, start time.Time) model.CheckResult {
	return model.CheckResult{
		Status: model.Unknown, Start: start, Duration: timeout,
		Output: fmt.Sprintf("the check itself hangs: it did not end %s after its time limit of %s", abandonAfter, timeout),
	}
}
