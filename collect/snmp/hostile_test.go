package snmp

import (
	"encoding/hex"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/internal/snmptest"
)

// endless answers each question with values that come after it, without an end.
func endless(value func(n int) gosnmp.SnmpPDU) func([]byte) []byte {
	n := 0
	return func(question []byte) []byte {
		q := snmptest.Decode(question)
		if q == nil {
			return nil
		}
		var out []gosnmp.SnmpPDU
		for range 50 {
			n++
			out = append(out, value(n))
		}
		return snmptest.Encode(q, out, gosnmp.NoError)
	}
}

func number(oid string, n int) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: oid, Type: gosnmp.Integer, Value: n}
}

// walked walks 1.3.6.1.9 of an agent, and returns how many values came, and the error.
func walked(t *testing.T, o snmpsession.Options, answer func([]byte) []byte) (int, error) {
	t.Helper()
	o.Address = snmptest.Serve(t, "127.0.0.1:0", answer)
	if o.Timeout == 0 {
		o.Timeout, o.Retries = 100*time.Millisecond, -1
	}
	s, err := snmpsession.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	count := 0
	err = s.Walk(t.Context(), snmpsession.MustOID("1.3.6.1.9"), func(snmpsession.Value) error { count++; return nil })
	return count, err
}

func TestHostileWalks(t *testing.T) {
	f := func(name string, o snmpsession.Options, atMost int, want string, answer func([]byte) []byte) {
		t.Helper()
		count, err := walked(t, o, answer)
		if count > atMost || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d values, %v", name, count, err)
		}
	}
	rising := endless(func(n int) gosnmp.SnmpPDU { return number("1.3.6.1.9."+snmpsession.OID{uint32(n)}.String(), n) })
	f("no end", snmpsession.Options{MaxValues: 1000}, 1000, "more than 1000 values or 64 MiB: the agent does not come to an end", rising)

	circle := func() func([]byte) []byte {
		return endless(func(n int) gosnmp.SnmpPDU { return number("1.3.6.1.9."+snmpsession.OID{uint32(n % 7)}.String(), n) })
	}
	f("a circle", snmpsession.Options{}, 7, "in circles", circle())
	f("a circle that is let go on", snmpsession.Options{Unordered: true, MaxValues: 500}, 500, "more than 500 values", circle())

	same := endless(func(n int) gosnmp.SnmpPDU { return number("1.3.6.1.9", n) })
	f("always the root", snmpsession.Options{}, 0, "in circles", same)

	giant := endless(func(n int) gosnmp.SnmpPDU {
		return gosnmp.SnmpPDU{Name: "1.3.6.1.9." + snmpsession.OID{uint32(n)}.String(), Type: gosnmp.OctetString, Value: make([]byte, 1200)}
	})
	f("giant texts", snmpsession.Options{MaxBytes: 1 << 20}, 900, "or 1 MiB: the agent does not come to an end", giant)

	tooBig := func(question []byte) []byte {
		q := snmptest.Decode(question)
		return snmptest.Encode(q, q.Variables, gosnmp.TooBig)
	}
	f("always too big", snmpsession.Options{}, 0, "TooBig", tooBig)

	f("an OID that is none", snmpsession.Options{}, 0, "", func(question []byte) []byte {
		q := snmptest.Decode(question)
		b := snmptest.Encode(q, []gosnmp.SnmpPDU{number("1.3.6.1.9.1", 1)}, gosnmp.NoError)
		return []byte(strings.Replace(string(b), "\x2b\x06\x01\x09\x01", "\x2b\xff\xff\xff\xff", 1))
	})
}

// TestHostileBytes: whatever the bytes are, a reading ends in time with an error, or says that there is nothing.
func TestHostileBytes(t *testing.T) {
	all, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	good := func(question []byte) []byte {
		q := snmptest.Decode(question)
		return snmptest.Encode(q, []gosnmp.SnmpPDU{{Name: "1.3.6.1.2.1.1.1.0", Type: gosnmp.OctetString, Value: []byte("hello")}}, gosnmp.NoError)
	}
	before := runtime.NumGoroutine()
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg)
	answers := []func([]byte) []byte{
		func([]byte) []byte { return []byte{} },
		func([]byte) []byte { return []byte("\x30\x84\xff\xff\xff\xff") },
		func([]byte) []byte { return []byte(strings.Repeat("\x30\x80", 700)) },
		func([]byte) []byte { return []byte(strings.Repeat("\x00", 65000)) },
		func(q []byte) []byte { return q },                            // an echo
		func(q []byte) []byte { b := good(q); return b[:len(b)-3] },   // cut off
		func(q []byte) []byte { return append(good(q), good(q)...) },  // twice
		func(q []byte) []byte { b := good(q); b[1] = 0x7f; return b }, // a length that is not there
		func(q []byte) []byte { b := good(q); b[len(b)-6] = 0x7e; return b },
		func(q []byte) []byte { b := good(q); b[len(b)-7] = 0x9f; return b },
	}
	for i, answer := range answers {
		address := snmptest.Serve(t, "127.0.0.1:0", answer)
		d, err := NewDevice(all, DeviceOptions{Address: address, Modules: []string{Auto}, Timeout: 150 * time.Millisecond, Metrics: metrics})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		families, err := d.Gather()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d: it took %s", i, took)
		}
		if err == nil && len(families) > 20 {
			t.Errorf("%d: %d families out of nothing", i, len(families))
		}
		if err != nil && (d.problem == "" || len(err.Error()) > 1000) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := testutil.ToFloat64(metrics.polls.WithLabelValues("failed")); n < 5 {
		t.Errorf("%v failed", n)
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+len(answers)+3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// TestHostileStream: over TCP, a length that promises gigabytes, and one that never comes.
func TestHostileStream(t *testing.T) {
	for _, answer := range []string{"3084ffffffff", "30847fffffff0201", "3082ffff0201", "00", "3003"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				b, _ := hex.DecodeString(answer)
				_, _ = c.Write(b)
				t.Cleanup(func() { _ = c.Close() })
			}
		}()
		s, err := snmpsession.Open(t.Context(), snmpsession.Options{Address: "tcp://" + l.Addr().String(), Timeout: 100 * time.Millisecond, Retries: -1})
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Get(t.Context(), oidSysName); err == nil {
			t.Errorf("%s: %v", answer, v)
		}
		s.Close()
		_ = l.Close()
		<-done
	}
}

// TestSlowAgent: one that answers a little, always in time, is left when the time of the reading is up, and what it said before is kept.
func TestSlowAgent(t *testing.T) {
	all, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	agent, err := snmptest.NewAgent("", switchSystem)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	address := snmptest.Serve(t, "127.0.0.1:0", func(question []byte) []byte {
		q := snmptest.Decode(question)
		if q == nil || q.PDUType == gosnmp.GetRequest {
			return agent.Answer(question)
		}
		time.Sleep(20 * time.Millisecond)
		n++
		return snmptest.Encode(q, []gosnmp.SnmpPDU{number("1.3.6.1.2.1.2.2.1.10."+snmpsession.OID{uint32(n)}.String(), n)}, gosnmp.NoError)
	})
	reg := prometheus.NewRegistry()
	metrics := NewMetrics(reg)
	d, err := NewDevice(all, DeviceOptions{Address: address, Timeout: 300 * time.Millisecond, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	families, err := d.Gather()
	if err == nil || !strings.Contains(err.Error(), "module if_mib: cannot walk 1.3.6.1.2.1.2.2: the time was up after") {
		t.Error(err)
	}
	if text := exposition(t, families); !strings.Contains(text, `sysName{sysName="core"} 1`) {
		t.Errorf("%s", text)
	}
	if testutil.ToFloat64(metrics.polls.WithLabelValues("partial")) != 1 || testutil.ToFloat64(metrics.errors.WithLabelValues("timeout")) != 1 {
		t.Error("not counted")
	}
	if testutil.ToFloat64(metrics.pdus) < 6 || testutil.ToFloat64(metrics.questions) < 3 {
		t.Error("values or questions are not counted")
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

const switchSystem = `
.1.3.6.1.2.1.1.1.0 = STRING: "A switch"
.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.99999.1
.1.3.6.1.2.1.1.3.0 = Timeticks: (360000) 1:00:00.00
.1.3.6.1.2.1.1.5.0 = STRING: "core"
`
