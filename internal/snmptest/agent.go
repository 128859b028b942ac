// Package snmptest has SNMP agents for tests: well-behaved ones that answer from a recorded walk, and hostile ones.
package snmptest

import (
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/gosnmp/gosnmp"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// maxBulk is how many values an answer holds, so that it fits into a datagram.
const maxBulk = 100

// Start serves a walk (see ParseWalk) on a free port of the loopback interface until the test ends, in versions 1 and 2c, to those who
// know the community: an empty one lets everybody in. It returns the address.
func Start(t testing.TB, community, walk string) string {
	t.Helper()
	a, err := NewAgent(community, walk)
	if err != nil {
		t.Fatal(err)
	}
	return Serve(t, "127.0.0.1:0", a.Answer)
}

// Serve has answer say what goes back for each datagram that comes; nil says nothing.
func Serve(t testing.TB, address string, answer func(question []byte) []byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if out := answer(b[:n]); out != nil {
				_, _ = c.WriteTo(out, from)
			}
		}
	})
	t.Cleanup(func() { _ = c.Close(); server.Wait() })
	return c.LocalAddr().String()
}

// Agent answers questions from the values that it has.
type Agent struct {
	community string
	oids      []snmpsession.OID // in order
	values    map[string]gosnmp.SnmpPDU
}

// NewAgent returns an Agent with the values of a walk.
func NewAgent(community, walk string) (*Agent, error) {
	pdus, err := ParseWalk(walk)
	if err != nil {
		return nil, err
	}
	a := &Agent{community: community, values: map[string]gosnmp.SnmpPDU{}}
	for _, p := range pdus {
		oid := snmpsession.MustOID(p.Name)
		a.oids = append(a.oids, oid)
		a.values[oid.String()] = p
	}
	slices.SortFunc(a.oids, snmpsession.OID.Compare)
	return a, nil
}

// Decode reads a question of version 1 or 2c; nil when it is none.
func Decode(question []byte) *gosnmp.SnmpPacket {
	g := &gosnmp.GoSNMP{Version: gosnmp.Version2c}
	p, err := g.SnmpDecodePacket(question)
	if err != nil || p.Version == gosnmp.Version3 {
		return nil
	}
	return p
}

// Encode writes the answer to a question.
func Encode(question *gosnmp.SnmpPacket, values []gosnmp.SnmpPDU, problem gosnmp.SNMPError) []byte {
	answer := gosnmp.SnmpPacket{
		Version: question.Version, Community: question.Community, PDUType: gosnmp.GetResponse, RequestID: question.RequestID,
		Variables: values, Error: problem,
	}
	if problem != gosnmp.NoError {
		answer.ErrorIndex = 1
	}
	b, err := answer.MarshalMsg()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b
}

// Answer answers a question, or says nothing to those who may not ask.
func (a *Agent) Answer(question []byte) []byte {
	q := Decode(question)
	if q == nil || a.community != "" && q.Community != a.community {
		return nil
	}
	var out []gosnmp.SnmpPDU
	for _, v := range q.Variables {
		oid := snmpsession.MustOID(v.Name)
		switch q.PDUType {
		case gosnmp.GetRequest:
			out = append(out, a.get(oid))
		case gosnmp.GetNextRequest:
			out = append(out, a.after(oid))
		case gosnmp.GetBulkRequest:
			for range min(q.MaxRepetitions, maxBulk) {
				next := a.after(oid)
				out = append(out, next)
				oid = snmpsession.MustOID(next.Name)
			}
		}
	}
	if q.Version == gosnmp.Version1 && slices.ContainsFunc(out, missing) { // RFC 1157, 4.1.2
		return Encode(q, q.Variables, gosnmp.NoSuchName)
	}
	return Encode(q, out, gosnmp.NoError)
}

func missing(p gosnmp.SnmpPDU) bool {
	return p.Type == gosnmp.NoSuchObject || p.Type == gosnmp.EndOfMibView || p.Type == gosnmp.Counter64
}

func (a *Agent) get(oid snmpsession.OID) gosnmp.SnmpPDU {
	if p, ok := a.values[oid.String()]; ok {
		return p
	}
	return gosnmp.SnmpPDU{Name: oid.String(), Type: gosnmp.NoSuchObject}
}

func (a *Agent) after(oid snmpsession.OID) gosnmp.SnmpPDU {
	i, found := slices.BinarySearchFunc(a.oids, oid, snmpsession.OID.Compare)
	if found {
		i++
	}
	if i == len(a.oids) {
		return gosnmp.SnmpPDU{Name: oid.String(), Type: gosnmp.EndOfMibView}
	}
	return a.values[a.oids[i].String()]
}
