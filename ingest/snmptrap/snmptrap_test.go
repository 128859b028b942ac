package snmptrap

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/model"
)

// collected keeps what was pushed, each record as text.
type collected struct {
	mu    sync.Mutex
	lines []string
}

func (c *collected) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range streams {
		for _, r := range s.Records {
			c.lines = append(c.lines, fmt.Sprint(model.FormatLabels(s.Labels), " ", r.Line, " ", model.FormatLabels(r.Fields)))
		}
	}
	return nil, nil
}

func (c *collected) has(parts ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.lines, func(l string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(l, p) })
	})
}

func serve(t *testing.T, o Options) (*collected, *Server, string) {
	t.Helper()
	sink, log, reg := &collected{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	s, err := New(o, sink, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	u, err := intake.NewSockets(log, reg).ListenUDP("snmp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, u) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return sink, s, u.Addr().String()
}

// The real snmptrap of Net-SNMP sends in all versions; its informs are confirmed.
func TestNetSNMP(t *testing.T) {
	program, err := exec.LookPath("snmptrap")
	if err != nil {
		t.Skip("snmptrap is not installed: apt-get install snmp")
	}
	sink, s, addr := serve(t, Options{Communities: []string{"secret"}, Users: []snmpsession.Auth{
		{Version: 3, Username: "anna", Password: "authpass1", AuthProtocol: "SHA", PrivProtocol: "AES", PrivPassword: "privpass1"},
		{Version: 3, Username: "bob", Password: "authpass2", AuthProtocol: "SHA256"},
	}})
	send := func(args ...string) error {
		t.Helper()
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "ADDR", addr)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	f := func(args []string, parts ...string) {
		t.Helper()
		if err := send(args...); err != nil {
			t.Errorf("%q: %v", args, err)
			return
		}
		for end := time.Now().Add(10 * time.Second); !sink.has(parts...); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%q: nothing with %q among %q", args, parts, sink.lines)
			}
		}
	}
	linkDown := []string{"1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.2.2.1.8.3", "i", "2", "1.3.6.1.2.1.2.2.1.2.3", "s", "Gi0/3"}
	f(append([]string{"-v2c", "-c", "secret", "ADDR", "4200", "1.3.6.1.6.3.1.1.5.3"}, linkDown...),
		`{device="127.0.0.1", job="snmp_trap"} linkDown: ifIndex.3=3, ifOperStatus.3=down, ifDescr.3=Gi0/3`, `ifOperStatus="down"`, `trap="linkDown"`, `detected_level="error"`, `uptime="42s"`, `version="2c"`)
	f([]string{"-v1", "-c", "secret", "ADDR", "1.3.6.1.4.1.318", "10.1.2.3", "6", "5", "100", "1.3.6.1.4.1.318.2.3.3.0", "s", "on battery power"},
		`upsOnBattery: mtrapargsString="on battery power"`, `agent_address="10.1.2.3"`, `uptime="1s"`, `trap_oid="1.3.6.1.4.1.318.0.5"`)
	f([]string{"-v1", "-c", "secret", "ADDR", "1.3.6.1.4.1.9", "10.1.2.3", "0", "0", "1"}, "coldStart", `detected_level="warn"`, `version="1"`)
	f([]string{"-v2c", "-Ci", "-c", "secret", "ADDR", "1", "1.3.6.1.4.1.99999.0.7", "1.3.6.1.4.1.99999.1.1.0", "x", "00ff10"}, // an inform: snmptrap fails when it is not confirmed
		`1.3.6.1.4.1.99999.0.7: 1.3.6.1.4.1.99999.1.1.0=00:ff:10`, `oid_1_3_6_1_4_1_99999_1_1_0="00:ff:10"`)
	f(append([]string{"-v3", "-e", "0x8000000001020304", "-u", "anna", "-l", "authPriv", "-a", "SHA", "-A", "authpass1", "-x", "AES", "-X", "privpass1", "ADDR", "7", "1.3.6.1.6.3.1.1.5.4"}, linkDown...),
		"linkUp: ", `version="3"`)
	f([]string{"-v3", "-e", "0x8000000001020305", "-u", "bob", "-l", "authNoPriv", "-a", "SHA-256", "-A", "authpass2", "ADDR", "7", "1.3.6.1.6.3.1.1.5.2"}, "warmStart")

	// What is not to be believed.
	refused := func(reason string, args ...string) {
		t.Helper()
		before := testutil.ToFloat64(s.failed.WithLabelValues(reason))
		_ = send(append(args, "1.3.6.1.6.3.1.1.5.5")...)
		for end := time.Now().Add(10 * time.Second); testutil.ToFloat64(s.failed.WithLabelValues(reason)) <= before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%q: not counted as %s", args, reason)
			}
		}
	}
	refused("community", "-v2c", "-c", "public", "ADDR", "1")
	refused("user", "-v3", "-e", "0x8000000001020304", "-u", "eve", "-l", "noAuthNoPriv", "ADDR", "1")
	refused("user", "-v3", "-e", "0x8000000001020304", "-u", "anna", "-l", "noAuthNoPriv", "ADDR", "1")
	refused("user", "-v3", "-e", "0x8000000001020304", "-u", "anna", "-l", "authNoPriv", "-a", "SHA", "-A", "authpass1", "ADDR", "1")
	refused("user", "-v3", "-e", "0x8000000001020304", "-u", "bob", "-l", "authNoPriv", "-a", "SHA-256", "-A", "wrongpass", "ADDR", "1")
	if sink.has("authenticationFailure") {
		t.Error("a notification was believed that is not to be")
	}
}

func TestRate(t *testing.T) {
	_, s, _ := serve(t, Options{Rate: 2})
	at, a, b := time.Unix(1000, 0), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	n := 0
	for range 100 {
		if s.allow(a, at) {
			n++
		}
	}
	if n != 20 {
		t.Errorf("%d at once, not ten seconds' worth", n)
	}
	if !s.allow(b, at) || s.allow(a, at.Add(100*time.Millisecond)) || !s.allow(a, at.Add(time.Second)) {
		t.Error("another device is to be heard, and the first one again after a while")
	}
	for i := range 3 * maxDevices {
		s.allow(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), at)
	}
	if len(s.rates) > maxDevices {
		t.Errorf("%d devices are remembered", len(s.rates))
	}
}

func TestOptions(t *testing.T) {
	_, err := New(Options{Users: []snmpsession.Auth{{Version: 3, Username: "x", Password: "short"}}}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), "users[0] (x): password") {
		t.Errorf("a bad user gives %v", err)
	}
}

// FuzzDecode: no bytes from the network stop the receiver.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"302902010104067075626c6963a71c02020102020100020100301030 0e06092b06010603010104014300",
		"3082002602010104067075626c6963a7190201010201000201003 00e300c06082b060102010103004300",
		"3000", "30800201030000", "",
	} {
		data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	s, err := New(Options{Users: []snmpsession.Auth{{Version: 3, Username: "anna", Password: "authpass1", AuthProtocol: "SHA", PrivProtocol: "AES", PrivPassword: "privpass1"}}},
		&collected{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _, err := s.decode(data)
		if err != nil {
			return
		}
		r := record(p, time.Unix(1, 0))
		if r.Line == "" || !slices.IsSortedFunc(r.Fields, func(a, b model.Field) int { return strings.Compare(a.Name, b.Name) }) {
			t.Fatalf("%+v", r)
		}
	})
}
