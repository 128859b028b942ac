// Package kinds is the list of all kinds of checks, for whoever needs them together: the process that runs them, and the
// configuration that knows their names.
package kinds

import (
	"cmp"
	"slices"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/local"
	"github.com/hulotte-dev/hulotte/check/nrpe"
	"github.com/hulotte-dev/hulotte/check/passive"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/check/probe"
	"github.com/hulotte-dev/hulotte/check/query"
	"github.com/hulotte-dev/hulotte/check/zabbix"
)

// Options are what some kinds need from the process.
type Options struct {
	Query  query.Options
	Runner *plugin.Runner // of commands; a new one when nil
}

// All returns every kind, sorted by name.
func All(o Options) []check.Kind {
	if o.Runner == nil {
		o.Runner = plugin.NewRunner()
	}
	all := slices.Concat(
		local.Kinds(local.Options{Runner: o.Runner}),
		nrpe.Kinds(),
		passive.Kinds(),
		plugin.Kinds(plugin.Options{Runner: o.Runner}),
		probe.Kinds(probe.Options{}),
		query.Kinds(o.Query),
		zabbix.Kinds(),
	)
	slices.SortFunc(all, func(a, b check.Kind) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
