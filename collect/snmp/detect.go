package snmp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Auto is the name of a module that stands for those that fit the device.
const Auto = "auto"

// Detect says which devices a module is for: those whose sysObjectID or sysDescr fits, if any is named, and that have something below
// one of Answers, if any is named.
type Detect struct {
	ObjectIDs   []string `yaml:"object_ids"`  // sysObjectID begins with one of them
	Description pattern  `yaml:"description"` // sysDescr is this, whole
	Answers     []string `yaml:"answers"`

	objectIDs, answers []snmpsession.OID
}

func (d *Detect) prepare() (err error) {
	if d.objectIDs, err = parseOIDs(d.ObjectIDs); err != nil {
		return fmt.Errorf("object_ids: %w", err)
	}
	if d.answers, err = parseOIDs(d.Answers); err != nil {
		return fmt.Errorf("answers: %w", err)
	}
	return nil
}

// suits says whether the device may be one of these by what it says of itself.
func (d *Detect) suits(is identity) bool {
	if len(d.objectIDs) == 0 && d.Description.Regexp == nil {
		return true
	}
	if d.Description.Regexp != nil && d.Description.MatchString(is.description) {
		return true
	}
	return slices.ContainsFunc(d.objectIDs, is.objectID.Under)
}

// identity is what a device says of itself.
type identity struct {
	objectID    snmpsession.OID
	description string
	forwards    bool   // between networks
	printer     string // its name, if it is one
	models      []string
}

// What tells of a device's kind and model besides the modules.
var (
	oidForwarding = snmpsession.MustOID("1.3.6.1.2.1.4.1.0")        // ipForwarding (RFC 4293)
	oidBridge     = snmpsession.MustOID("1.3.6.1.2.1.17.1.4.1.1")   // dot1dBasePort (RFC 4188)
	oidPrinter    = snmpsession.MustOID("1.3.6.1.2.1.25.3.2.1.3.1") // hrDeviceDescr of the first device
	oidModelNames = snmpsession.MustOID("1.3.6.1.2.1.47.1.1.1.1.13")
	oidModels     = []snmpsession.OID{
		snmpsession.MustOID("1.3.6.1.2.1.33.1.1.2.0"),        // upsIdentModel
		snmpsession.MustOID("1.3.6.1.4.1.318.1.1.1.1.1.1.0"), // upsBasicIdentModel
		snmpsession.MustOID("1.3.6.1.4.1.2636.3.1.2.0"),      // jnxBoxDescr
		snmpsession.MustOID("1.3.6.1.4.1.6574.1.5.1.0"),      // Synology's modelName
		snmpsession.MustOID("1.3.6.1.4.1.41112.1.6.3.3.0"),   // unifiApSystemModel
		snmpsession.MustOID("1.3.6.1.4.1.14988.1.1.7.8.0"),   // mtxrDisplayName
	}
)

// Detect finds out what a device is and which modules fit it, with some ten questions: system and if_mib first, then by name. A device
// that answers has at least system.
func (c *Config) Detect(ctx context.Context, s *snmpsession.Session) (Identified, error) {
	is, err := identify(ctx, s)
	if err != nil {
		return Identified{}, err
	}
	var out Identified
	roots := []snmpsession.OID{oidBridge}
	places := map[string][]int{} // of a module's answers in roots
	for name, m := range c.Modules {
		if m.Detect == nil || !m.Detect.suits(is) {
			continue
		}
		places[name] = []int{}
		for _, root := range m.Detect.answers {
			places[name] = append(places[name], len(roots))
			roots = append(roots, root)
		}
	}
	answers, err := s.Below(ctx, roots...)
	if err != nil {
		return Identified{}, fmt.Errorf("cannot find out what the device is: %w", err)
	}
	for _, name := range slices.SortedFunc(maps.Keys(places), basicFirst) {
		if len(places[name]) == 0 || slices.ContainsFunc(places[name], func(i int) bool { return answers[i] }) {
			out.Modules = append(out.Modules, name)
		}
	}
	v := vendorOf(is)
	out.Vendor, out.Model, out.Kind = v.name, modelOf(is, out.Modules), kindOf(v, is, answers[0], out.Modules)
	if slices.Contains(out.Modules, "synology") { // whose sysObjectID is Net-SNMP's
		out.Vendor = "Synology"
	}
	return out, nil
}

func basicFirst(a, b string) int {
	rank := func(name string) int { return (slices.Index([]string{"if_mib", "system"}, name) + 1) * -1 }
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

var errEnough = errors.New("enough")

// maxModelNames is how many parts of a device are looked at for its model's name: the chassis is among the first.
const maxModelNames = 10

func identify(ctx context.Context, s *snmpsession.Session) (is identity, err error) {
	values, err := s.Get(ctx, append([]snmpsession.OID{oidSysObjectID, oidSysDescr, oidForwarding, oidPrinter}, oidModels...)...)
	if err != nil {
		return is, err
	}
	models := make([]string, len(oidModels))
	for _, v := range values {
		switch {
		case v.OID.Under(oidSysObjectID):
			is.objectID = v.Object
		case v.OID.Under(oidSysDescr):
			is.description = v.Text()
		case v.OID.Under(oidForwarding):
			is.forwards = v.Number == 1
		case v.OID.Under(oidPrinter):
			is.printer = strings.TrimSpace(v.Text())
		default:
			if i := slices.IndexFunc(oidModels, v.OID.Under); i >= 0 {
				models[i] = strings.TrimSpace(v.Text())
			}
		}
	}
	count := 0
	err = s.Walk(ctx, oidModelNames, func(v snmpsession.Value) error {
		is.models = append(is.models, strings.TrimSpace(v.Text()))
		if count++; count == maxModelNames {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	is.models = append(is.models, models...)
	return is, err
}

func modelOf(is identity, modules []string) string {
	if is.printer != "" && slices.Contains(modules, "printer_mib") {
		return is.printer
	}
	if i := slices.IndexFunc(is.models, func(m string) bool { return m != "" }); i >= 0 {
		return is.models[i]
	}
	model, _ := strings.CutPrefix(is.description, "RouterOS ")
	if model == is.description {
		return ""
	}
	return model
}

// kindOf is the kind of device as people call it: by what it alone can do, then by its vendor, then by what it does with packets.
func kindOf(v vendor, is identity, bridges bool, modules []string) string {
	has := func(name string) bool { return slices.Contains(modules, name) }
	switch {
	case has("printer_mib"):
		return "printer"
	case has("ups_mib"), has("apcups") && v.kind == "":
		return "ups"
	case has("synology"):
		return "nas"
	case v.kind != "":
		return v.kind
	case bridges:
		return "switch"
	case v.network && is.forwards:
		return "router"
	case has("hrSystem"):
		return "server"
	case is.forwards:
		return "router"
	}
	return ""
}
