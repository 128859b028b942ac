package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

// systemd tells the states of systemd's units under the names of node_exporter's collector of that name.
//
// That one asks the bus for two properties or three of each service, socket and timer at each scrape: hundreds of calls
// through the bus daemon to process 1. This asks for the list of units, which is one call, and for properties of a unit
// only when it is new, when its state has changed, or once a minute in turn. Restarts of services and their start times,
// which are off there for their cost, so come with it.
type systemd struct {
	connect func(context.Context) (*dbus.Conn, error)
	timeout time.Duration
	include *regexp.Regexp
	exclude *regexp.Regexp
	descs   systemdDescs

	busy  sync.Mutex // held by one Update at a time; guards what follows
	round uint64
	units map[string]*unit
}

// unit is what is known of one unit.
type unit struct {
	state  string // ActiveState and SubState together
	asked  uint64 // the round in which its properties were asked for
	seen   uint64 // the last round that listed it
	kind   string // the property Type of a service
	values []unitValue
}

// unitValue is one property of a unit as a metric.
type unitValue struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value float64
}

const (
	askEvery = 6      // rounds: a minute at 10 s
	maxUnits = 10_000 // that are told of
	maxAsked = 400    // units whose properties are asked for in a round
)

type systemdDescs struct {
	state, units, version, virtualization, running             *prometheus.Desc
	restarts, started, trigger, accepted, connections, refused *prometheus.Desc
}

func newSystemdDescs() systemdDescs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("node_systemd_"+name, help, labels, nil)
	}
	return systemdDescs{
		state:          desc("unit_state", "State of a unit: 1 for the one it is in.", "name", "state", "type"),
		units:          desc("units", "Units by state.", "state"),
		version:        desc("version", "Version of systemd.", "version"),
		virtualization: desc("virtualization_info", "Virtualization that systemd detected.", "virtualization_type"),
		running:        desc("system_running", "Whether the system is up with no unit failed."),
		restarts:       desc("service_restart_total", "Restarts of a service by systemd.", "name"),
		started:        desc("unit_start_time_seconds", "When a service became active, seconds since the epoch; 0 when it is not.", "name"),
		trigger:        desc("timer_last_trigger_seconds", "When a timer fired last, seconds since the epoch.", "name"),
		accepted:       desc("socket_accepted_connections_total", "Connections that a socket unit accepted.", "name"),
		connections:    desc("socket_current_connections", "Open connections of a socket unit.", "name"),
		refused:        desc("socket_refused_connections_total", "Connections that a socket unit refused.", "name"),
	}
}

func newSystemd(opts Options) func(*slog.Logger) (collector.Collector, error) {
	return func(*slog.Logger) (collector.Collector, error) {
		include, err1 := regexp.Compile("^(?:" + opts.UnitsInclude + ")$")
		exclude, err2 := regexp.Compile("^(?:" + opts.UnitsExclude + ")$")
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &systemd{
			connect: dbus.NewWithContext, timeout: opts.Timeout * 3 / 4, include: include, exclude: exclude,
			descs: newSystemdDescs(), units: map[string]*unit{},
		}, nil
	}
}

// unitStates are the states that node_exporter tells of.
var unitStates = [...]string{"active", "activating", "deactivating", "inactive", "failed"}

// Update implements collector.Collector.
func (s *systemd) Update(ch chan<- prometheus.Metric) error {
	if !s.busy.TryLock() {
		return errors.New("the last round still waits for the bus")
	}
	defer s.busy.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("cannot reach systemd through the system bus: %w", err)
	}
	defer conn.Close()
	list, err := conn.ListUnitsContext(ctx)
	if err != nil {
		return fmt.Errorf("cannot list systemd's units: %w", err)
	}
	s.round++
	s.manager(conn, ch)
	s.list(ctx, conn, list, ch)
	for name, u := range s.units {
		if u.seen != s.round {
			delete(s.units, name)
		}
	}
	return ctx.Err()
}

// manager tells of systemd itself. A property that it does not have is left out.
func (s *systemd) manager(conn *dbus.Conn, ch chan<- prometheus.Metric) {
	if v, err := conn.GetManagerProperty("Version"); err == nil {
		version := strings.Trim(v, `"`)
		ch <- prometheus.MustNewConstMetric(s.descs.version, prometheus.GaugeValue, versionNumber(version), valid(version))
	}
	if v, err := conn.GetManagerProperty("Virtualization"); err == nil {
		kind := strings.Trim(v, `"`)
		if kind == "" {
			kind = "none"
		}
		ch <- prometheus.MustNewConstMetric(s.descs.virtualization, prometheus.GaugeValue, 1, valid(kind))
	}
	if v, err := conn.GetManagerProperty("SystemState"); err == nil {
		running := 0.0
		if v == `"running"` {
			running = 1
		}
		ch <- prometheus.MustNewConstMetric(s.descs.running, prometheus.GaugeValue, running)
	}
}

// versionNumber takes the number out of "252.39-1~deb12u1": 252.39. 0 when there is none.
func versionNumber(version string) float64 {
	isNoDigit := func(r rune) bool { return r < '0' || r > '9' }
	start := strings.IndexFunc(version, func(r rune) bool { return !isNoDigit(r) })
	if start < 0 {
		return 0
	}
	number := version[start:]
	major, rest, _ := strings.Cut(number, ".")
	if end := strings.IndexFunc(major, isNoDigit); end >= 0 {
		major, rest = major[:end], ""
	}
	if end := strings.IndexFunc(rest, isNoDigit); end >= 0 {
		rest = rest[:end]
	}
	v, err := strconv.ParseFloat(major+"."+rest+"0", 64)
	if err != nil {
		return 0
	}
	return v
}

func valid(s string) string { return strings.ToValidUTF8(s, "_") }

// list tells of the units.
func (s *systemd) list(ctx context.Context, conn *dbus.Conn, list []dbus.UnitStatus, ch chan<- prometheus.Metric) {
	summary := map[string]float64{}
	for _, state := range unitStates {
		summary[state] = 0
	}
	asked := 0
	for i, status := range list {
		summary[valid(status.ActiveState)]++
		if i >= maxUnits || status.LoadState != "loaded" || !s.include.MatchString(status.Name) || s.exclude.MatchString(status.Name) {
			continue
		}
		u := s.units[status.Name]
		if u == nil {
			u = &unit{}
			s.units[status.Name] = u
		}
		if u.seen == s.round {
			continue // twice in the list
		}
		u.seen = s.round
		if s.due(u, status, i) && asked < maxAsked {
			asked++
			s.ask(ctx, conn, u, status)
		}
		s.tell(u, status, ch)
	}
	for state, n := range summary {
		ch <- prometheus.MustNewConstMetric(s.descs.units, prometheus.GaugeValue, n, state)
	}
}

// due says whether to ask for a unit's properties: a few units each round, and those that changed.
func (s *systemd) due(u *unit, status dbus.UnitStatus, i int) bool {
	return u.asked == 0 || u.state != status.ActiveState+"/"+status.SubState || (s.round+uint64(i))%askEvery == 0
}

// ask reads a unit's properties. One that cannot be read keeps no old value.
func (s *systemd) ask(ctx context.Context, conn *dbus.Conn, u *unit, status dbus.UnitStatus) {
	u.asked, u.state, u.values = s.round, status.ActiveState+"/"+status.SubState, nil
	get := func(iface, name string) any {
		p, err := conn.GetUnitTypePropertyContext(ctx, status.Name, iface, name)
		if err != nil {
			return nil
		}
		return p.Value.Value()
	}
	add := func(desc *prometheus.Desc, kind prometheus.ValueType, v any, scale float64) {
		if n, ok := number(v); ok {
			u.values = append(u.values, unitValue{desc, kind, n * scale})
		}
	}
	const microseconds = 1e-6
	switch suffix := status.Name[strings.LastIndexByte(status.Name, '.')+1:]; suffix {
	case "service":
		if kind, ok := get("Service", "Type").(string); ok {
			u.kind = valid(kind)
		}
		add(s.descs.restarts, prometheus.CounterValue, get("Service", "NRestarts"), 1)
		started := any(uint64(0))
		if status.ActiveState == "active" {
			started = get("Unit", "ActiveEnterTimestamp")
		}
		add(s.descs.started, prometheus.GaugeValue, started, microseconds)
	case "timer":
		add(s.descs.trigger, prometheus.GaugeValue, get("Timer", "LastTriggerUSec"), microseconds)
	case "socket":
		add(s.descs.accepted, prometheus.CounterValue, get("Socket", "NAccepted"), 1)
		add(s.descs.connections, prometheus.GaugeValue, get("Socket", "NConnections"), 1)
		add(s.descs.refused, prometheus.GaugeValue, get("Socket", "NRefused"), 1)
	case "mount":
		if kind, ok := get("Mount", "Type").(string); ok {
			u.kind = valid(kind)
		}
	}
}

// number reads an unsigned property; the highest number means that there is none.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case uint32:
		return float64(n), true
	case uint64:
		return float64(n), n != math.MaxUint64
	}
	return 0, false
}

func (s *systemd) tell(u *unit, status dbus.UnitStatus, ch chan<- prometheus.Metric) {
	name := valid(status.Name)
	for _, state := range unitStates {
		v := 0.0
		if state == status.ActiveState {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(s.descs.state, prometheus.GaugeValue, v, name, state, u.kind)
	}
	for _, v := range u.values {
		ch <- prometheus.MustNewConstMetric(v.desc, v.kind, v.value, name)
	}
}
