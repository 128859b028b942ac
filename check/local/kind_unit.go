package local

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// UnitOptions are those of a check of the kind unit.
type UnitOptions struct {
	Unit             string      `json:"unit" doc:"Name of the unit: nginx.service, backup.timer. Without it, every unit that failed is bad."`
	Expect           string      `json:"expect" doc:"active (default), inactive, or loaded (anything but failed: services that a timer starts)."`
	SubState         string      `json:"sub_state" doc:"Sub state that it must have: running, exited, listening, waiting."`
	RestartsWarning  check.Range `json:"restarts_warning" doc:"Range of good numbers of automatic restarts since the last check."`
	RestartsCritical check.Range `json:"restarts_critical" doc:"As restarts_warning, for CRITICAL."`
	Exclude          []string    `json:"exclude" doc:"Patterns of units that may fail, when no unit is named."`
}

// unitState is what systemd says of a unit.
type unitState struct {
	Name, Description, Load, Active, Sub, File, Result string
	Since                                              time.Time
	Restarts                                           uint32
	Memory                                             uint64 // bytes; the highest number for not known
	MainPID                                            uint32
	Missing                                            bool
}

// units asks systemd; an interface so that its answers can be made up.
type units interface {
	unit(ctx context.Context, name string) (unitState, error)
	failed(ctx context.Context) ([]unitState, error)
}

type unitCheck struct {
	o        UnitOptions
	units    units
	restarts *uint32 // at the last check
}

func newUnit(p check.Params) (check.Prober, error) {
	c := &unitCheck{units: systemd{}}
	if err := check.Decode(p.Options, &c.o); err != nil {
		return nil, err
	}
	switch c.o.Expect {
	case "":
		c.o.Expect = "active"
	case "active", "inactive", "loaded":
	default:
		return nil, fmt.Errorf("expect: %q is none; use active, inactive or loaded", c.o.Expect)
	}
	if c.o.Unit != "" && !strings.Contains(c.o.Unit, ".") {
		c.o.Unit += ".service"
	}
	if strings.ContainsAny(c.o.Unit, "/ \n") || len(c.o.Unit) > 255 {
		return nil, fmt.Errorf("unit: %q is no name of a unit", c.o.Unit)
	}
	for _, e := range c.o.Exclude {
		if _, err := path.Match(e, ""); err != nil {
			return nil, fmt.Errorf("exclude: %q is no pattern: %w", e, err)
		}
	}
	return probe(c.probe), nil
}

func (c *unitCheck) probe(ctx context.Context) model.CheckResult {
	if c.o.Unit == "" {
		return c.all(ctx)
	}
	u, err := c.units.unit(ctx, c.o.Unit)
	if err != nil {
		return unknown("UNIT", err)
	}
	var r report
	switch {
	case u.Missing:
		r.fail(model.Critical, "there is no unit %s", c.o.Unit)
		return r.result("UNIT", "")
	case u.Load == "masked" && c.o.Expect == "inactive":
	case u.Load != "loaded":
		r.fail(model.Critical, "%s is not loaded: %s", u.Name, u.Load)
	}
	c.judge(&r, u)
	good := fmt.Sprintf("%s is %s (%s)", u.Name, u.Active, u.Sub)
	if !u.Since.IsZero() {
		good += " for " + age(time.Since(u.Since).Round(time.Second))
	}
	r.lines = append(r.lines, fmt.Sprintf("%s: %s, load %s, active %s (%s), file %s, result %s, main process %d", u.Name, u.Description, u.Load, u.Active, u.Sub, u.File, u.Result, u.MainPID))
	return r.result("UNIT", good)
}

func (c *unitCheck) judge(r *report, u unitState) {
	switch {
	case u.Active == "failed":
		r.fail(model.Critical, "%s failed (%s)", u.Name, firstOf(u.Result, u.Sub))
	case c.o.Expect == "loaded":
	case c.o.Expect == "inactive":
		if u.Active != "inactive" {
			r.fail(model.Critical, "%s is %s (%s), not inactive", u.Name, u.Active, u.Sub)
		}
	case u.Active == "active" || u.Active == "reloading" || u.Active == "refreshing":
	case u.Active == "activating" || u.Active == "deactivating" || u.Active == "maintenance":
		r.fail(model.Warning, "%s is %s (%s)", u.Name, u.Active, u.Sub)
	default:
		r.fail(model.Critical, "%s is %s (%s), not active", u.Name, u.Active, u.Sub)
	}
	if c.o.SubState != "" && c.o.SubState != u.Sub {
		r.fail(model.Critical, "%s is %s, not %s", u.Name, u.Sub, c.o.SubState)
	}
	since := 0.0
	if c.restarts != nil && u.Restarts > *c.restarts {
		since = float64(u.Restarts - *c.restarts)
	}
	c.restarts = &u.Restarts
	if s := r.rate("restarts", since, "", c.o.RestartsWarning, c.o.RestartsCritical); s != model.OK {
		r.fail(s, "%s was restarted %.0f times", u.Name, since)
	}
	if u.Memory != 0 && u.Memory < 1<<62 {
		r.perf = append(r.perf, model.Perf{Label: "memory", Value: float64(u.Memory), Unit: "B"})
	}
}

// all looks at every unit that failed.
func (c *unitCheck) all(ctx context.Context) model.CheckResult {
	failed, err := c.units.failed(ctx)
	if err != nil {
		return unknown("UNIT", err)
	}
	var r report
	n := 0
	for _, u := range failed {
		if slices.ContainsFunc(c.o.Exclude, func(e string) bool { ok, _ := path.Match(e, u.Name); return ok }) {
			continue
		}
		n++
		r.fail(model.Critical, "%s failed", u.Name)
		r.lines = append(r.lines, fmt.Sprintf("%s: %s, %s (%s)", u.Name, u.Description, u.Active, u.Sub))
	}
	r.perf = append(r.perf, model.Perf{Label: "failed", Value: float64(n)})
	return r.result("UNIT", "no unit failed")
}

// systemd asks over D-Bus (org.freedesktop.systemd1(5)). Each question has a connection of its own: it is cheap, and none is left
// when systemd starts anew.
type systemd struct{}

const (
	systemdName = "org.freedesktop.systemd1"
	systemdPath = "/org/freedesktop/systemd1"
)

func (systemd) connect(ctx context.Context) (*dbus.Conn, error) {
	// The handshake is not bound by the context of the library; Hulotte's is.
	type answer struct {
		conn *dbus.Conn
		err  error
	}
	done := make(chan answer, 1) // never closed
	go func() {
		conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
		done <- answer{conn, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return nil, fmt.Errorf("systemd cannot be asked, as there is no system D-Bus: %w", a.err)
		}
		return a.conn, nil
	case <-ctx.Done():
		return nil, errors.New("systemd cannot be asked: D-Bus does not answer")
	}
}

func (s systemd) unit(ctx context.Context, name string) (unitState, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return unitState{}, err
	}
	defer func() { _ = conn.Close() }() // nothing was written
	var at dbus.ObjectPath
	// LoadUnit, not GetUnit: units that do not run are known only when they are loaded.
	if err := conn.Object(systemdName, systemdPath).CallWithContext(ctx, systemdName+".Manager.LoadUnit", 0, name).Store(&at); err != nil {
		return unitState{}, fmt.Errorf("systemd cannot be asked: %w", err)
	}
	props := map[string]dbus.Variant{}
	if err := conn.Object(systemdName, at).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, systemdName+".Unit").Store(&props); err != nil {
		return unitState{}, fmt.Errorf("systemd cannot be asked: %w", err)
	}
	kind := strings.TrimPrefix(path.Ext(name), ".")
	if kind == "service" {
		more := map[string]dbus.Variant{}
		if conn.Object(systemdName, at).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, systemdName+".Service").Store(&more) == nil {
			for k, v := range more {
				props[k] = v
			}
		}
	}
	u := unitState{
		Name: name, Description: text(props, "Description"), Load: text(props, "LoadState"), Active: text(props, "ActiveState"), Sub: text(props, "SubState"),
		File: text(props, "UnitFileState"), Result: text(props, "Result"),
	}
	u.Restarts, _ = props["NRestarts"].Value().(uint32)
	u.MainPID, _ = props["MainPID"].Value().(uint32)
	u.Memory, _ = props["MemoryCurrent"].Value().(uint64)
	if us, ok := props["StateChangeTimestamp"].Value().(uint64); ok && us > 0 && us < 1<<60 {
		u.Since = time.UnixMicro(int64(us)) //nolint:gosec // below 2^60
	}
	u.Missing = u.Load == "not-found"
	return u, nil
}

func text(props map[string]dbus.Variant, name string) string {
	s, _ := props[name].Value().(string)
	return s
}

func (s systemd) failed(ctx context.Context) ([]unitState, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing was written
	var rows [][]any
	if err := conn.Object(systemdName, systemdPath).CallWithContext(ctx, systemdName+".Manager.ListUnitsFiltered", 0, []string{"failed"}).Store(&rows); err != nil {
		return nil, fmt.Errorf("systemd cannot be asked: %w", err)
	}
	var out []unitState
	for _, row := range rows { // name, description, load, active, sub, ...
		var f [5]string
		for i := range min(len(row), len(f)) {
			f[i], _ = row[i].(string)
		}
		out = append(out, unitState{Name: f[0], Description: f[1], Load: f[2], Active: f[3], Sub: f[4]})
	}
	return out, nil
}
