package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/nrpe"
	"github.com/hulotte-dev/hulotte/check/passive"
	"github.com/hulotte-dev/hulotte/check/zabbix"
	"github.com/hulotte-dev/hulotte/model"
	pmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// startNRPE answers check_nrpe with the commands of its configuration, and with the states of our own checks.
func (a *App) startNRPE(context.Context) (stopFunc, error) {
	o := a.config.get().NRPEOptions()
	if a.made.checks != nil {
		o.Lookup = a.lookupCheck
	}
	return a.openDoors("NRPE", door{"monitoring.nrpe.listen", cmp.Or(o.Address, o.ConfigFile), func() (stopFunc, error) {
		s, err := nrpe.Listen(o, a.log.With("part", "nrpe"), a.registry)
		if err != nil {
			return nil, err
		}
		return a.stack.run("nrpe", s.Serve), nil
	}})
}

// startPassive takes results from send_nsca, and commands from Nagios' command file.
func (a *App) startPassive(context.Context) (stopFunc, error) {
	e := a.made.checks
	if e == nil {
		return nil, nil
	}
	m := a.config.get().Monitoring
	return a.openDoors("NSCA", door{"monitoring.nsca.listen", m.NSCA.Listen, func() (stopFunc, error) {
		s, err := passive.ListenNSCA(passive.NSCAOptions{
			Address: m.NSCA.Listen, AllowedHosts: m.NSCA.AllowedHosts, Method: m.NSCA.Method, Password: m.NSCA.Password, Submit: e.Submit,
		}, a.log.With("part", "nsca"), a.registry)
		if err != nil {
			return nil, err
		}
		return a.stack.run("nsca", s.Serve), nil
	}}, door{"monitoring.command_file", m.CommandFile, func() (stopFunc, error) {
		f, err := passive.OpenCommandFile(passive.CommandFileOptions{Path: m.CommandFile, Actions: a.externalActions()}, a.log.With("part", "command file"), a.registry)
		if err != nil {
			return nil, err
		}
		stop := a.stack.run("command file", f.Serve)
		return func(ctx context.Context) error { return errors.Join(stop(ctx), f.Close()) }, nil
	}})
}

// externalActions are what Nagios' external commands do.
func (a *App) externalActions() passive.Actions {
	e := a.made.checks
	ids := func(keep func(*check.View) bool) (out []string) {
		for _, v := range e.Views(keep) {
			out = append(out, v.ID)
		}
		return out
	}
	return passive.Actions{
		Submit: e.Submit, Acknowledge: e.Acknowledge, Unacknowledge: e.Unacknowledge,
		AddDowntime: e.AddDowntime, EndDowntime: e.EndDowntime, Downtimes: e.Downtimes, Recheck: e.Recheck, Comment: e.Comment,
		Services: func(host string) []string {
			return ids(func(v *check.View) bool { return v.Spec.Host == host && v.Spec.Name != check.HostCheck })
		},
		Hosts: func(group string) (out []string) {
			for _, h := range e.Hosts() {
				if slices.Contains(h.Groups, group) {
					out = append(out, h.Name)
				}
			}
			return out
		},
		Members: func(group string) []string {
			return ids(func(v *check.View) bool { return slices.Contains(v.Spec.Groups, group) })
		},
	}
}

// startZabbix answers as a Zabbix agent does, and takes the values of zabbix_sender.
func (a *App) startZabbix(context.Context) (stopFunc, error) {
	z := a.config.get().Monitoring.Zabbix
	return a.openDoors("Zabbix", door{"monitoring.zabbix.agent_listen", cmp.Or(z.AgentListen, strings.Join(z.Servers, ",")), func() (stopFunc, error) {
		s, err := zabbix.NewAgent(zabbix.AgentOptions{
			Address: cmp.Or(z.AgentListen, "-"), AllowedHosts: z.AllowedHosts, TLS: a.tlsWhen(z.TLS), Hostname: z.Hostname, Folders: z.Folders, Servers: z.Servers,
		}, a.log.With("part", "zabbix"), a.registry)
		if err != nil {
			return nil, err
		}
		return a.stack.run("zabbix agent", s.Serve), nil
	}}, door{"monitoring.zabbix.trapper_listen", z.TrapperListen, func() (stopFunc, error) {
		o := zabbix.TrapperOptions{
			Address: z.TrapperListen, AllowedHosts: z.AllowedHosts, TLS: a.tlsWhen(z.TLS), Series: a.appendZabbix,
			Target: func(string, string) (zabbix.Target, bool) { return zabbix.Target{}, false },
		}
		if a.made.checks != nil {
			o.Submit, o.Target = a.made.checks.Submit, a.zabbixTarget
		}
		s, err := zabbix.ListenTrapper(o, a.log.With("part", "zabbix"), a.registry)
		if err != nil {
			return nil, err
		}
		return a.stack.run("zabbix trapper", s.Serve), nil
	}})
}

// zabbixTarget finds the check that takes the values of a key.
func (a *App) zabbixTarget(host, key string) (zabbix.Target, bool) {
	t, ok := (*a.made.targets.Load())[[2]string{host, key}]
	return t, ok
}

// appendZabbix keeps the numbers that zabbix_sender sends, as series of one name: keys are no names of metrics.
func (a *App) appendZabbix(ctx context.Context, samples []zabbix.Sample) error {
	app := a.made.local.AppenderV2(ctx)
	var refused []error // such as what is too old; the others are kept
	for _, s := range samples {
		l := labels.FromStrings(pmodel.MetricNameLabel, "zabbix_item_value", "host", s.Host, "key", s.Key, "job", "zabbix")
		if _, err := app.Append(0, l, 0, s.At.UnixMilli(), s.Value, nil, nil, storage.AOptions{}); err != nil {
			refused = append(refused, fmt.Errorf("%s of %s: %w", s.Key, s.Host, err))
		}
	}
	if err := app.Commit(); err != nil {
		return err
	}
	if len(refused) > 0 {
		a.log.Warn("values of Zabbix items were not kept as series", "part", "zabbix", "values", len(refused), "err", refused[0])
	}
	return nil
}

// lookupCheck returns the newest result of a check, by its name on this machine or as host/name; "" is all of them in one.
func (a *App) lookupCheck(name string) (model.CheckResult, bool) {
	if name == "" {
		return a.allChecks(), true
	}
	for _, id := range []string{name, a.config.get().Host.Instance + "/" + name} {
		if v, ok := a.made.checks.View(id); ok {
			return model.CheckResult{Status: min(v.Status, model.Unknown), Output: v.Output, Long: v.Long, Perf: v.Perf, Start: v.LastCheck}, true
		}
	}
	return model.CheckResult{}, false
}

// allChecks is the state of everything in one result: the worst that nobody handles decides.
func (a *App) allChecks() model.CheckResult {
	problems := a.made.checks.Views(func(v *check.View) bool { return v.Problem() && v.Handled == "" })
	if len(problems) == 0 {
		return model.CheckResult{Status: model.OK, Output: "no problem that nobody handles"}
	}
	worst := slices.MaxFunc(problems, func(a, b check.View) int { return cmp.Compare(a.Status.Severity(), b.Status.Severity()) })
	lines := make([]string, len(problems))
	for i, v := range problems {
		lines[i] = fmt.Sprintf("%s %s: %s", v.Status, v.ID, v.Output)
	}
	return model.CheckResult{Status: worst.Status, Output: fmt.Sprintf("%d problems, the first: %s", len(problems), lines[0]), Long: strings.Join(lines, "\n")}
}
