package snmptrap

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/model"
)

const job = "snmp_trap"

func labelsOf(from netip.Addr) []model.Field {
	return []model.Field{{Name: "device", Value: from.String()}, {Name: "job", Value: job}}
}

// snmpTraps is the root of the notifications that version 1 calls generic (RFC 3584, 3.1).
const snmpTraps = "1.3.6.1.6.3.1.1.5."

var (
	sysUpTime   = snmpsession.MustOID("1.3.6.1.2.1.1.3.0")
	snmpTrapOID = snmpsession.MustOID("1.3.6.1.6.3.1.1.4.1.0")
)

// record is a notification as a log record.
func record(p *gosnmp.SnmpPacket, at time.Time) model.Record {
	trap := ""
	fields := []model.Field{{Name: "version", Value: versionText(p.Version)}}
	var text []string
	if p.PDUType == gosnmp.Trap {
		trap = trapOfV1(p)
		fields = append(fields, model.Field{Name: "agent_address", Value: p.AgentAddress}, model.Field{Name: "uptime", Value: ticks(float64(p.Timestamp))})
	}
	for _, pdu := range p.Variables[:min(len(p.Variables), maxObjects)] {
		v, err := snmpsession.ValueOf(pdu)
		switch {
		case err != nil:
			continue
		case slices.Equal(v.OID, sysUpTime):
			fields = append(fields, model.Field{Name: "uptime", Value: ticks(v.Number)})
			continue
		case slices.Equal(v.OID, snmpTrapOID):
			trap = v.Object.String()
			continue
		}
		name, index := nameOf(v.OID)
		value := enumerated(name, v)
		whole := name
		if index != "" {
			whole += "." + index
		}
		text = append(text, whole+"="+quoted(value))
		fields = append(fields, model.Field{Name: fieldName(name), Value: value})
	}
	kind := notifications[trap]
	if kind.name == "" {
		kind.name = cmp.Or(trap, "notification")
	}
	if kind.level == "" {
		kind.level = "info"
	}
	line := kind.name
	if len(text) > 0 {
		line += ": " + strings.Join(text, ", ")
	}
	fields = append(fields, model.Field{Name: "trap", Value: kind.name}, model.Field{Name: "trap_oid", Value: trap}, model.Field{Name: model.FieldLevel, Value: kind.level})
	return model.Record{Time: at.UnixNano(), Line: line, Fields: model.SortFields(fields)}
}

// trapOfV1 is what version 2 calls a trap of version 1 (RFC 3584, 3.1).
func trapOfV1(p *gosnmp.SnmpPacket) string {
	if p.GenericTrap >= 0 && p.GenericTrap < 6 {
		return snmpTraps + strconv.Itoa(p.GenericTrap+1)
	}
	return strings.TrimPrefix(p.Enterprise, ".") + ".0." + strconv.Itoa(p.SpecificTrap)
}

// ticks is a time in hundredths of a second as people write it.
func ticks(n float64) string { return (time.Duration(n) * 10 * time.Millisecond).String() }

// nameOf is the name of an object, and the index behind it; the OID itself when it is not known.
func nameOf(oid snmpsession.OID) (name, index string) {
	for n := len(oid); n > 6; n-- {
		if name, ok := objects[oid[:n].String()]; ok {
			index = oid[n:].String()
			if index == "0" {
				index = ""
			}
			return name, index
		}
	}
	return oid.String(), ""
}

// enumerated is a value with its name, where numbers have names.
func enumerated(object string, v snmpsession.Value) string {
	if names := enums[object]; names != nil && v.IsNumber() {
		if name := names[int(v.Number)]; name != "" {
			return name
		}
	}
	return v.Text()
}

func quoted(value string) string {
	if strings.ContainsAny(value, " ,\"\n") {
		return strconv.Quote(value)
	}
	return value
}

// fieldName makes a name of a field: letters, digits and underscores, and no digit first.
func fieldName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
	if name[0] >= '0' && name[0] <= '9' {
		return "oid_" + name
	}
	return name
}
