package services

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

func nutKind() Kind {
	return withOptions(Kind{
		Name: "upsd", Exporter: "nut_exporter", Job: "nut", Up: "network_ups_tools_up", Address: "127.0.0.1:3493",
		Doc:   "Every numeric variable of each UPS, its state as flags, and what device it is. The label ups says which one.",
		Setup: "upsd answers everyone who may connect (`LISTEN` in upsd.conf); reading needs no user.",
	}, newNut)
}

const maxUPS = 50

// nutFlags are the flags of ups.status (NUT's developer guide, "Status data").
var nutFlags = [...]string{"OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS", "CAL", "OFF", "OVER", "TRIM", "BOOST", "FSD", "SD"}

func newNut(t Target, _ noOptions) (reader, error) {
	return func(ctx context.Context, f *families) error {
		c, err := dial(ctx, t.Address)
		if err != nil {
			return err
		}
		defer c.close()
		devices, err := nutList(c, "UPS")
		if err != nil {
			return err
		}
		if len(devices) > maxUPS {
			f.warn(fmt.Errorf("only %d of %d UPS are read", maxUPS, len(devices)))
			devices = devices[:maxUPS]
		}
		for _, d := range devices {
			vars, err := nutList(c, "VAR "+d[0])
			if err != nil {
				return err
			}
			addNut(f, d[0], vars)
		}
		_, _ = fmt.Fprint(c, "LOGOUT\n") // a courtesy
		return nil
	}, nil
}

// nutList asks LIST and returns the names and values of the answer (NUT's developer guide, "Network protocol information"):
//
//	BEGIN LIST VAR su700
//	VAR su700 battery.charge "100"
//	END LIST VAR su700
func nutList(c *conn, what string) ([][2]string, error) {
	if _, err := fmt.Fprintf(c, "LIST %s\n", what); err != nil {
		return nil, err
	}
	return readNut(c.line, what)
}

func readNut(line func() (string, error), what string) ([][2]string, error) {
	first, err := line()
	if err != nil {
		return nil, err
	}
	if reason, ok := strings.CutPrefix(first, "ERR "); ok {
		return nil, fmt.Errorf("upsd answers %s", excerpt(reason))
	}
	if first != "BEGIN LIST "+what {
		return nil, fmt.Errorf("the answer begins with %s: is it upsd?", excerpt(first))
	}
	var out [][2]string
	for range 2000 {
		text, err := line()
		if err != nil {
			return nil, err
		}
		if text == "END LIST "+what {
			return out, nil
		}
		rest, ok := strings.CutPrefix(text, what+" ")
		name, value, ok2 := strings.Cut(rest, " ")
		if !ok || !ok2 {
			return nil, fmt.Errorf("a line of a list is %s", excerpt(text))
		}
		value = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`))
		out = append(out, [2]string{name, value})
	}
	return nil, errors.Join(errTooLong, errors.New("a list has no end"))
}

func addNut(f *families, ups string, vars [][2]string) {
	device := map[string]string{}
	for _, kv := range vars {
		name, value := kv[0], kv[1]
		if d, ok := strings.CutPrefix(name, "device."); ok {
			device[d] = value
		}
		if name == "ups.status" {
			has := map[string]bool{}
			for flag := range strings.FieldsSeq(value) {
				has[flag] = true
			}
			for _, flag := range nutFlags {
				f.gauge("network_ups_tools_ups_status", "1 for each flag of the UPS' state.", truth(has[flag]), "ups", ups, "flag", flag)
			}
			continue
		}
		metric := "network_ups_tools_" + strings.NewReplacer(".", "_", "-", "_").Replace(name)
		v, err := strconv.ParseFloat(value, 64)
		switch value {
		case "enabled", "yes":
			v, err = 1, nil
		case "disabled", "no":
			v, err = 0, nil
		}
		if err == nil && isWord(metric) {
			f.gauge(metric, "The variable "+name+".", v, "ups", ups)
		}
	}
	f.gauge("network_ups_tools_device_info", "1; the labels tell what device it is.", 1, "ups", ups, "model", device["model"], "mfr", device["mfr"],
		"serial", device["serial"], "type", device["type"], "description", device["description"], "contact", device["contact"],
		"location", device["location"], "part", device["part"], "macaddr", device["macaddr"], "uptime", device["uptime"])
}
