package snmptest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// ParseWalk reads what `snmpwalk -On` prints, a value a line, such as
//
//	.1.3.6.1.2.1.1.5.0 = STRING: "core"
//	.1.3.6.1.2.1.2.2.1.6.1 = Hex-STRING: 00 1B 21 3C 4D 5E
//	.1.3.6.1.2.1.2.2.1.8.1 = INTEGER: up(1)
//
// Empty lines and those that begin with # are left out; texts hold no line breaks. After a line "BASE 1.3.6.1.2.1.2.2.1", @8.1 stands for
// that OID with .8.1 behind it.
func ParseWalk(text string) ([]gosnmp.SnmpPDU, error) {
	var out []gosnmp.SnmpPDU
	base := ""
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if b, ok := strings.CutPrefix(line, "BASE "); ok {
			base = strings.TrimSpace(b)
			continue
		}
		p, err := parseLine(line, base)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func parseLine(line, base string) (p gosnmp.SnmpPDU, err error) {
	name, value, found := strings.Cut(line, " = ")
	if rest, short := strings.CutPrefix(name, "@"); short {
		name = base + "." + rest
	}
	oid, err := snmpsession.ParseOID(name)
	if err != nil || !found {
		return p, fmt.Errorf("%q is no value of a walk", line)
	}
	p.Name = oid.String()
	if value == `""` {
		p.Type, p.Value = gosnmp.OctetString, []byte{}
		return p, nil
	}
	kind, text, _ := strings.Cut(value, ": ")
	return p, setValue(&p, kind, strings.TrimSpace(text))
}

var numberTypes = map[string]gosnmp.Asn1BER{
	"Counter32": gosnmp.Counter32, "Gauge32": gosnmp.Gauge32, "Timeticks": gosnmp.TimeTicks, "UInteger32": gosnmp.Uinteger32,
}

func setValue(p *gosnmp.SnmpPDU, kind, text string) (err error) {
	switch kind {
	case "STRING":
		p.Type, p.Value = gosnmp.OctetString, []byte(strings.Trim(text, `"`))
	case "Hex-STRING":
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		p.Type, p.Value = gosnmp.OctetString, b
		return err
	case "INTEGER":
		n, err := strconv.Atoi(inBrackets(text))
		p.Type, p.Value = gosnmp.Integer, n
		return err
	case "Counter32", "Gauge32", "Timeticks", "UInteger32":
		n, err := strconv.ParseUint(inBrackets(text), 10, 32)
		p.Type, p.Value = numberTypes[kind], uint32(n)
		return err
	case "Counter64":
		n, err := strconv.ParseUint(text, 10, 64)
		p.Type, p.Value = gosnmp.Counter64, n
		return err
	case "OID":
		p.Type, p.Value = gosnmp.ObjectIdentifier, "."+strings.TrimPrefix(text, ".")
	case "IpAddress":
		p.Type, p.Value = gosnmp.IPAddress, text
	default:
		return fmt.Errorf("%q is no type", kind)
	}
	return nil
}

// inBrackets is the number of up(1) and of (4242) 0:00:42.42.
func inBrackets(text string) string {
	_, rest, found := strings.Cut(text, "(")
	if !found {
		return text
	}
	number, _, _ := strings.Cut(rest, ")")
	return number
}
