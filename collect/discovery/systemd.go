package discovery

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
)

// SystemdState asks systemd over the system bus for the state of a unit, as Options.UnitState does: "active", "failed
// (exit-code)", "not found". It connects anew each time: it is asked when a service goes, which is seldom.
func SystemdState(ctx context.Context, unit string) (string, error) {
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot reach systemd through the system bus: %w", err)
	}
	defer conn.Close()
	list, err := conn.ListUnitsByNamesContext(ctx, []string{unit})
	if err != nil {
		return "", fmt.Errorf("cannot ask systemd for %s: %w", unit, err)
	}
	if len(list) == 0 {
		return "", nil
	}
	if list[0].LoadState == "not-found" {
		return "not found", nil
	}
	state := list[0].ActiveState
	if p, err := conn.GetServicePropertyContext(ctx, unit, "Result"); err == nil { // an older one has none
		if result, ok := p.Value.Value().(string); ok && result != "success" && state != "active" {
			state += " (" + result + ")"
		}
	}
	return state, nil
}
