package hosts

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"golang.org/x/sync/errgroup"
)

// rateWindow holds two samples even when the interval is one minute and one sample comes late; irate takes the
// last two in it, so that a 10 s interval is shown as fresh as it is.
const rateWindow = "150s"

// slowWindow is what rules look at: long enough that a burst is not a problem.
const slowWindow = "5m"

// parallelQueries keeps one page from taking all of the engine's slots.
const parallelQueries = 4

// reading is the state of all hosts in scope at one time, filled in stages. A stage writes fields that no other
// stage of the same step touches, so that stages run side by side without a lock.
type reading struct {
	src   Source
	at    time.Time
	scope scope
	// past is set while gone hosts are read: gauges are then the last values within keep, rates do not exist.
	past  bool
	keep  time.Duration
	hosts map[string]*Host // by instance
}

// stage fills in some fields of the reading's hosts.
type stage func(ctx context.Context, r *reading) error

// run executes stages side by side.
func (r *reading) run(ctx context.Context, stages ...stage) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelQueries)
	for _, s := range stages {
		g.Go(func() error { return s(ctx, r) })
	}
	return g.Wait()
}

// host finds the host that a series is about: nil when it is not in the reading, or comes from another job
// than the host's own, which would count its figures twice.
func (r *reading) host(l labels.Labels) *Host {
	h := r.hosts[l.Get(instanceLabel)]
	if h == nil || h.Job != l.Get(jobLabel) {
		return nil
	}
	return h
}

// gauges evaluates a selector of gauges.
func (r *reading) gauges(ctx context.Context, selector string) (promql.Vector, error) {
	if r.past {
		selector = fmt.Sprintf("last_over_time(%s[%s])", selector, promDuration(r.keep))
	}
	return r.src.vector(ctx, selector, r.at)
}

// rates evaluates the present rate of a counter, summed by labels. A host that is gone has none.
func (r *reading) rates(ctx context.Context, counter string, by ...string) (promql.Vector, error) {
	return r.summed(ctx, "irate", rateWindow, counter, by)
}

// slowRates is rates over five minutes.
func (r *reading) slowRates(ctx context.Context, counter string, by ...string) (promql.Vector, error) {
	return r.summed(ctx, "rate", slowWindow, counter, by)
}

func (r *reading) summed(ctx context.Context, function, window, counter string, by []string) (promql.Vector, error) {
	if r.past {
		return nil, nil
	}
	by = append([]string{jobLabel, instanceLabel}, by...)
	expr := fmt.Sprintf("sum by (%s) (%s(%s[%s]))", strings.Join(by, ","), function, counter, window)
	return r.src.vector(ctx, expr, r.at)
}

// each calls f for the samples of known hosts; a query that failed stops it.
func (r *reading) each(v promql.Vector, f func(h *Host, l labels.Labels, value Num)) {
	for _, s := range v {
		if h := r.host(s.Metric); h != nil && s.H == nil {
			f(h, s.Metric, Num(s.F))
		}
	}
}

// gaugeStage is a stage that reads one selector of gauges.
func gaugeStage(selector func(scope) string, f func(h *Host, l labels.Labels, value Num)) stage {
	return func(ctx context.Context, r *reading) error {
		v, err := r.gauges(ctx, selector(r.scope))
		if err != nil {
			return err
		}
		r.each(v, f)
		return nil
	}
}

// rateStage is a stage that reads the present rate of one counter.
func rateStage(counter string, by []string, f func(h *Host, l labels.Labels, value Num)) stage {
	return func(ctx context.Context, r *reading) error {
		v, err := r.rates(ctx, r.scope.of(counter), by...)
		if err != nil {
			return err
		}
		r.each(v, f)
		return nil
	}
}

// slowRateStage is a stage that reads the rate of one counter over five minutes.
func slowRateStage(counter string, by []string, f func(h *Host, l labels.Labels, value Num)) stage {
	return func(ctx context.Context, r *reading) error {
		v, err := r.slowRates(ctx, r.scope.of(counter), by...)
		if err != nil {
			return err
		}
		r.each(v, f)
		return nil
	}
}

// promDuration writes a duration as PromQL reads it.
func promDuration(d time.Duration) string {
	return fmt.Sprintf("%dms", d.Milliseconds())
}

// sorted returns the hosts, worst first.
func (r *reading) sorted() []*Host {
	list := make([]*Host, 0, len(r.hosts))
	for _, h := range r.hosts {
		list = append(list, h)
	}
	sort.Slice(list, func(i, j int) bool { return worse(list[i], list[j]) })
	return list
}

// worse orders hosts: by severity, then by how many things are that bad, then by name.
func worse(a, b *Host) bool {
	if a.Status != b.Status {
		return a.Status.rank() > b.Status.rank()
	}
	na, nb := a.countWorst(), b.countWorst()
	if na != nb {
		return na > nb
	}
	if a.Name != b.Name {
		return a.Name < b.Name
	}
	return a.Instance < b.Instance
}

func (h *Host) countWorst() int {
	n := 0
	for _, reason := range h.Reasons {
		if reason.Severity == h.Status {
			n++
		}
	}
	return n
}
