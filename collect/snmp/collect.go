package snmp

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Collect reads the module of the device behind the session. Families that were read before an error come with it.
func (m *Module) Collect(ctx context.Context, s *snmpsession.Session) ([]*dto.MetricFamily, error) {
	values, err := m.read(ctx, s)
	return m.families(values), err
}

func (m *Module) read(ctx context.Context, s *snmpsession.Session) ([]snmpsession.Value, error) {
	out, err := s.Get(ctx, m.get...)
	if err != nil {
		return out, err
	}
	for _, root := range m.walk {
		err := s.Walk(ctx, root, func(v snmpsession.Value) error {
			out = append(out, v)
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return m.filter(ctx, s, out)
}

// filter drops the rows that the module's filters leave out: of a filter's targets, those whose index has none of the values at the
// filter's OID.
func (m *Module) filter(ctx context.Context, s *snmpsession.Session, values []snmpsession.Value) ([]snmpsession.Value, error) {
	for _, f := range m.Filters {
		keep := map[string]bool{}
		err := s.Walk(ctx, f.oid, func(v snmpsession.Value) error {
			if slices.Contains(f.Values, v.Text()) {
				keep[v.OID[len(f.oid):].String()] = true
			}
			return nil
		})
		if err != nil {
			return values, err
		}
		values = slices.DeleteFunc(values, func(v snmpsession.Value) bool {
			for _, t := range f.targets {
				if v.OID.Under(t) {
					return !f.keeps(v.OID[len(t):], keep)
				}
			}
			return false
		})
	}
	return values, nil
}

// keeps says whether a row stays. A target may be a column, or a table: then the index stands behind the entry and the column.
func (f *Filter) keeps(rest snmpsession.OID, keep map[string]bool) bool {
	for skip := 0; skip <= 2 && skip < len(rest); skip++ {
		if keep[rest[skip:].String()] {
			return true
		}
	}
	return false
}

// set is the families of one collection, by name.
type set struct {
	byName map[string]*dto.MetricFamily
	seen   map[string]bool // series, so that an agent that repeats itself does not spoil the whole answer
}

func (m *Module) families(values []snmpsession.Value) []*dto.MetricFamily {
	byOID := make(map[string]snmpsession.Value, len(values))
	for _, v := range values {
		byOID[v.OID.String()] = v
	}
	out := set{byName: map[string]*dto.MetricFamily{}, seen: map[string]bool{}}
	for _, v := range values {
		metric, index := m.tree.find(v.OID)
		if metric == nil {
			continue
		}
		out.add(metric, metric.labels(index, byOID), v, subtype(metric.Type, metric.oid, index, byOID))
	}
	var list []*dto.MetricFamily
	for _, f := range out.byName {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return list
}

func (s set) sample(name, help string, kind dto.MetricType, labels map[string]string, v float64) {
	if math.IsNaN(v) {
		return
	}
	pairs := make([]*dto.LabelPair, 0, len(labels))
	key := []byte(name)
	for n, value := range labels {
		value = strings.ToValidUTF8(value, "\ufffd")
		pairs = append(pairs, &dto.LabelPair{Name: &n, Value: &value})
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, p := range pairs {
		key = fmt.Appendf(key, "\xff%s\xff%s", p.GetName(), p.GetValue())
	}
	if s.seen[string(key)] {
		return
	}
	s.seen[string(key)] = true
	f := s.byName[name]
	if f == nil {
		f = &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
		s.byName[name] = f
	}
	metric := &dto.Metric{Label: pairs}
	if f.GetType() == dto.MetricType_COUNTER {
		metric.Counter = &dto.Counter{Value: &v}
	} else {
		metric.Gauge = &dto.Gauge{Value: &v}
	}
	f.Metric = append(f.Metric, metric)
}

// exact is how far whole numbers are exact in a float64.
const exact = 1 << 53

func (s set) add(m *Metric, labels map[string]string, v snmpsession.Value, kind string) {
	number := v.Number
	if v.Count >= exact { // begins at 0 again, as in snmp_exporter: growth stays exact, which it would not beyond
		number = float64(v.Count % exact)
	}
	if m.Scale != 0 {
		number *= m.Scale
	}
	number += m.Offset
	gauge := dto.MetricType_GAUGE
	switch m.Type {
	case "counter":
		s.sample(m.Name, m.Help, dto.MetricType_COUNTER, labels, number)
	case "gauge", "Float", "Double", "Integer":
		s.sample(m.Name, m.Help, gauge, labels, number)
	case "EnumAsInfo":
		labels[m.Name] = enum(m.EnumValues, int(v.Number))
		s.sample(m.Name+"_info", m.Help+" (EnumAsInfo)", gauge, labels, 1)
	case "EnumAsStateSet":
		s.states(m, labels, int(v.Number))
	case "Bits":
		s.bits(m, labels, v.Bytes)
	case "DateAndTime":
		s.sample(m.Name, m.Help, gauge, labels, dateAndTime(v.Bytes))
	case "NTPTimeStamp":
		s.sample(m.Name, m.Help, gauge, labels, ntpTime(v.Bytes))
	case "ParseDateAndTime":
		s.sample(m.Name, m.Help, gauge, labels, parsedTime(m.layout, v.Text()))
	default:
		s.text(m, labels, v, kind)
	}
}

func enum(names map[int]string, n int) string {
	if name, ok := names[n]; ok {
		return name
	}
	return strconv.Itoa(n)
}

func (s set) states(m *Metric, labels map[string]string, is int) {
	one := func(name string, v float64) {
		l := map[string]string{m.Name: name}
		for n, value := range labels {
			l[n] = value
		}
		s.sample(m.Name, m.Help+" (EnumAsStateSet)", dto.MetricType_GAUGE, l, v)
	}
	one(enum(m.EnumValues, is), 1)
	for _, n := range slices.Sorted(maps.Keys(m.EnumValues)) {
		if n != is {
			one(m.EnumValues[n], 0)
		}
	}
}

func (s set) bits(m *Metric, labels map[string]string, bits []byte) {
	for _, n := range slices.Sorted(maps.Keys(m.EnumValues)) {
		v := 0.0
		if n >= 0 && n/8 < len(bits) && bits[n/8]&(0x80>>(n%8)) != 0 { // RFC 2578, 7.1.4: bit 0 is the highest of the first byte
			v = 1
		}
		l := map[string]string{m.Name: m.EnumValues[n]}
		for n, value := range labels {
			l[n] = value
		}
		s.sample(m.Name, m.Help+" (Bits)", dto.MetricType_GAUGE, l, v)
	}
}

// text is a series whose value is a label, or numbers that regular expressions take out of it.
func (s set) text(m *Metric, labels map[string]string, v snmpsession.Value, kind string) {
	text := valueText(v, kind)
	if len(m.RegexExtracts) == 0 {
		if labels[m.Name] == "" {
			labels[m.Name] = text
		}
		s.sample(m.Name, m.Help, dto.MetricType_GAUGE, labels, 1)
		return
	}
	for suffix, extracts := range m.RegexExtracts {
		for _, e := range extracts {
			at := e.Regex.FindStringSubmatchIndex(text)
			if at == nil {
				continue
			}
			n, err := strconv.ParseFloat(string(e.Regex.ExpandString(nil, e.Value, text, at)), 64)
			if err != nil {
				continue
			}
			if m.Scale != 0 {
				n *= m.Scale
			}
			s.sample(m.Name+suffix, m.Help+" (regex extracted)", dto.MetricType_GAUGE, labels, n+m.Offset)
			break
		}
	}
}

// valueText writes a value as snmp_exporter does for its type.
func valueText(v snmpsession.Value, kind string) string {
	switch kind {
	case "PhysAddress48": // an empty one, as that of lo, is all zeros in snmp_exporter
		var b [6]byte
		copy(b[:], v.Bytes)
		return strings.ToUpper(snmpsession.HexText(b[:]))
	case "OctetString":
		if v.Bytes != nil {
			return octets(v.Bytes)
		}
	case "DisplayString":
		if v.Bytes != nil {
			return string(v.Bytes)
		}
	case "InetAddressIPv4", "InetAddressIPv6", "IpAddr", "InetAddress", "InetAddressMissingSize":
		if a, ok := netip.AddrFromSlice(v.Bytes); ok {
			if a.Is6() {
				return strings.ToUpper(a.StringExpanded())
			}
			return a.String()
		}
	}
	return v.Text()
}

func octets(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return fmt.Sprintf("0x%X", b)
}

// labels are those of the index and what is looked up by them.
func (m *Metric) labels(index snmpsession.OID, all map[string]snmpsession.Value) map[string]string {
	labels := map[string]string{}
	parts := map[string]snmpsession.OID{}
	for _, x := range m.Indexes {
		var text string
		var used snmpsession.OID
		text, used, index = x.read(index)
		labels[x.Labelname], parts[x.Labelname] = text, used
	}
	for i, l := range m.Lookups {
		if len(l.Labels) == 0 && l.OID == "" {
			delete(labels, l.Labelname)
			continue
		}
		var of snmpsession.OID
		for _, n := range l.Labels {
			of = append(of, parts[n]...)
		}
		v, ok := all[slices.Concat(m.lookups[i], of).String()]
		if !ok {
			labels[l.Labelname] = ""
			continue
		}
		if len(l.EnumValues) > 0 && v.IsNumber() {
			labels[l.Labelname] = enum(l.EnumValues, int(v.Number))
		} else {
			labels[l.Labelname] = valueText(v, subtype(l.Type, m.lookups[i], of, all))
		}
		if v.IsNumber() && v.Number >= 0 && v.Number <= math.MaxUint32 {
			parts[l.Labelname] = snmpsession.OID{uint32(v.Number)}
		}
	}
	return labels
}

// read takes one part off an index (RFC 2578, 7.7): a number, or a text with its length before it unless it is fixed or implied.
func (x Index) read(index snmpsession.OID) (text string, used, rest snmpsession.OID) {
	take := func(n int) snmpsession.OID {
		n = max(min(n, len(index)), 0)
		used, rest = index[:n], index[n:]
		return used
	}
	if types, ok := subtypes[x.Type]; ok {
		return x.readTyped(types, index)
	}
	switch x.Type {
	case "PhysAddress48":
		b := bytesOf(take(6))
		return strings.ToUpper(snmpsession.HexText(b)), used, rest
	case "InetAddressIPv4", "IpAddr":
		if a, ok := netip.AddrFromSlice(bytesOf(take(4))); ok {
			return a.String(), used, rest
		}
		return "", used, rest
	case "InetAddressIPv6":
		if a, ok := netip.AddrFromSlice(bytesOf(take(16))); ok {
			return strings.ToUpper(a.StringExpanded()), used, rest
		}
		return "", used, rest
	case "OctetString", "DisplayString":
		n, skip := x.FixedSize, 0
		if x.Implied {
			n = len(index)
		} else if n == 0 && len(index) > 0 {
			n, skip = int(min(index[0], 128)), 1
		}
		b := bytesOf(take(n + skip))
		b = b[min(skip, len(b)):]
		if x.Type == "OctetString" {
			return octets(b), used, rest
		}
		return string(b), used, rest
	}
	take(1)
	if len(used) == 0 {
		return "", used, rest
	}
	if len(x.EnumValues) > 0 {
		return enum(x.EnumValues, int(used[0])), used, rest
	}
	return strconv.FormatUint(uint64(used[0]), 10), used, rest
}

// subtypes are types of which another object says what their values are: that of the column before, or the part of the index before.
// The numbers are those of InetAddressType (RFC 4001) and LldpPortIdSubtype (IEEE 802.1AB).
var subtypes = map[string]map[int]string{
	"InetAddress":            {1: "InetAddressIPv4", 2: "InetAddressIPv6"},
	"InetAddressMissingSize": {1: "InetAddressIPv4", 2: "InetAddressIPv6"},
	"LldpPortId":             {1: "DisplayString", 2: "DisplayString", 3: "PhysAddress48", 5: "DisplayString", 7: "DisplayString"},
}

// subtype is the type of a value in a column, which is kind unless the column before says more.
func subtype(kind string, column, index snmpsession.OID, all map[string]snmpsession.Value) string {
	types, ok := subtypes[kind]
	if !ok {
		return kind
	}
	before := slices.Concat(column, index)
	if n := len(column) - 1; n >= 0 && before[n] > 0 {
		before[n]--
	}
	if t := types[int(all[before.String()].Number)]; t != "" {
		return t
	}
	return "OctetString"
}

// readTyped takes a type, a length (unless that is missing) and the bytes off an index. Of types that are not known the text holds all
// three.
func (x Index) readTyped(types map[int]string, index snmpsession.OID) (text string, used, rest snmpsession.OID) {
	head := 2
	if x.Type == "InetAddressMissingSize" {
		head = 1
	}
	if len(index) < head {
		return Index{Type: "OctetString", Implied: true}.read(index)
	}
	if t := types[int(index[0])]; t != "" {
		inner := Index{Type: t}
		if t == "DisplayString" {
			inner.FixedSize = int(min(index[1], 128))
		}
		text, used, rest = inner.read(index[head:])
		return text, index[:head+len(used)], rest
	}
	if head == 1 {
		return Index{Type: "OctetString", Implied: true}.read(index)
	}
	return Index{Type: "OctetString", FixedSize: int(min(index[1], 128)) + 2}.read(index)
}

func bytesOf(o snmpsession.OID) []byte {
	b := make([]byte, len(o))
	for i, n := range o {
		b[i] = byte(n)
	}
	return b
}
