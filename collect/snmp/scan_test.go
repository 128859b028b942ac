package snmp

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/internal/snmptest"
)

func TestAddresses(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		got, err := Addresses(args, 161)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%v: %v %v", args, got, err)
		}
	}
	f("192.0.2.1 192.0.2.2", "192.0.2.0/30")
	f("192.0.2.0 192.0.2.1", "192.0.2.0/31")
	f("192.0.2.7", "192.0.2.7/32", "192.0.2.7")
	f("192.0.2.9 192.0.2.10 192.0.2.11", "192.0.2.9-11")
	f("192.0.2.255 192.0.3.0", "192.0.2.255-192.0.3.0")
	f("2001:db8::4 2001:db8::5", "2001:db8::4/127")
	f("edge-1 core-switch:1161 tcp://192.0.2.1", "edge-1", "core-switch:1161", "tcp://192.0.2.1")

	if got, err := Addresses([]string{"10.1.0.0/16"}, 1161); err != nil || len(got) != 65534 || got[0] != "10.1.0.1:1161" {
		t.Errorf("a /16: %d %v", len(got), err)
	}
	if got, err := Addresses([]string{"edge-1", "edge-2:7", "2001:db8::1"}, 1161); err != nil || strings.Join(got, " ") != "edge-1:1161 edge-2:7 [2001:db8::1]:1161" {
		t.Errorf("with a port: %v %v", got, err)
	}
}

func TestAddressesRefuses(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if _, err := Addresses(args, 161); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	f("no address")
	f("more than 65536", "10.0.0.0/15")
	f("more than 65536", "10.0.0.0/16", "192.0.2.0/24")
	f("more than 65536", "::/0")
	f("no subnet", "192.0.2.0/33")
	f("no range", "192.0.2.9-3")
	f("no range", "192.0.2.9-2001:db8::1")
	f("no port", "192.0.2.1:http")
}

// silence hears everything, and says nothing.
func silence([]byte) []byte { return nil }

func community(name, text string) NamedAuth {
	return NamedAuth{Name: name, Auth: snmpsession.Auth{Community: text}}
}

func addressesOf(found []Found) (out []string) {
	for _, f := range found {
		out = append(out, f.Address)
	}
	return out
}

// A real agent is found by the community that it takes, between hosts that say nothing, nonsense, or are not there.
func TestScan(t *testing.T) {
	agent := snmpd(t)
	_, port, _ := net.SplitHostPort(agent)
	silent := snmptest.Serve(t, "127.0.0.2:"+port, silence)
	nonsense := snmptest.Serve(t, "127.0.0.3:"+port, func([]byte) []byte { return []byte("\x30\x84\xff\xff\xff\xff") })
	absent := "127.0.0.4:" + port
	waitForAgent(t, agent)
	wrong, right := community("first", "wrong"), community("second", "hush")
	unknown := NamedAuth{Name: "noc", Auth: snmpsession.Auth{Version: 3, Username: "noc", Password: "correct-horse"}}
	var last Progress
	got, err := Scan(t.Context(), []string{absent, nonsense, silent, agent}, ScanOptions{
		Auths: []NamedAuth{unknown, wrong, right}, Timeout: time.Second, Tries: 1, Progress: func(p Progress) { last = p },
		Modules: func(context.Context, *snmpsession.Session) (Identified, error) {
			return Identified{Kind: "server", Modules: []string{"if_mib"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Found) != 1 || got.Asked != 4 || (last != Progress{4, 4, 1}) {
		t.Fatalf("%+v, %+v", got, last)
	}
	found := got.Found[0]
	if found.Address != agent || found.Auth != "second" || found.Name != "testbox" || found.Location != "the attic" || found.ObjectID == "" || found.Kind != "server" {
		t.Errorf("%+v", found)
	}
	// To a user alone the agent says that it does not know it.
	got, err = Scan(t.Context(), []string{agent}, ScanOptions{Auths: []NamedAuth{unknown}, Timeout: 5 * time.Second, Tries: 1})
	if err != nil || len(got.Found) != 0 || len(got.Refused) != 1 || !strings.Contains(got.Refused[0].Error, "refused the user") {
		t.Errorf("%+v %v", got, err)
	}
	text, err := DevicesYAML([]Found{found, found}, []NamedAuth{unknown, wrong, right})
	if err != nil {
		t.Fatal(err)
	}
	var back declared
	if err := yaml.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	names := []string{back.Monitoring.SNMP.Devices[0].Name, back.Monitoring.SNMP.Devices[1].Name}
	if len(back.Monitoring.SNMP.Auths) != 1 || back.Monitoring.SNMP.Auths["second"].Community != "hush" || !slices.Equal(names, []string{"testbox", "testbox-" + agent}) {
		t.Errorf("%s", text)
	}
}

func waitForAgent(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		got, err := Scan(t.Context(), []string{address}, ScanOptions{Auths: []NamedAuth{community("hush", "hush")}, Timeout: 200 * time.Millisecond})
		if err == nil && len(got.Found) == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the agent does not answer: %+v %v", got, err)
		}
	}
}

// A scan that is stopped gives what it has, and leaves no goroutine and no socket behind.
func TestScanStops(t *testing.T) {
	agent := snmpd(t)
	waitForAgent(t, agent)
	_, port, _ := net.SplitHostPort(agent)
	silent := snmptest.Serve(t, "127.0.0.2:"+port, silence)
	ctx, cancel := context.WithCancel(t.Context())
	addresses := append([]string{agent}, slices.Repeat([]string{silent}, 1000)...)
	got, err := Scan(ctx, addresses, ScanOptions{
		Auths: []NamedAuth{community("hush", "hush")}, AtOnce: 8, Timeout: time.Minute,
		Progress: func(Progress) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(addressesOf(got.Found), []string{agent}) || got.Asked != 1 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestOnceEach(t *testing.T) {
	got := onceEach([]Found{
		{Address: "192.0.2.10", Name: "r1", engine: "80:01"}, {Address: "192.0.2.9", Name: "r1", engine: "80:01"}, {Address: "192.0.2.8", Name: "clone", engine: "80:01"},
		{Address: "192.0.2.3", Name: "plain"}, {Address: "192.0.2.4", Name: "plain"}, {Address: "edge"},
	})
	if want := []string{"192.0.2.3", "192.0.2.4", "192.0.2.8", "192.0.2.9", "edge"}; !slices.Equal(addressesOf(got), want) {
		t.Errorf("%v", addressesOf(got))
	}
	if others := got[3].Others; !slices.Equal(others, []string{"192.0.2.10"}) {
		t.Errorf("others: %v", others)
	}
}

func TestNames(t *testing.T) {
	c, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	n := c.Names()
	f := func(text, want string) {
		t.Helper()
		if got, err := n.OID(text); err != nil || got.String() != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	f("sysName.0", "1.3.6.1.2.1.1.5.0")
	f("system", "1.3.6.1.2.1.1")
	f("ifOperStatus", "1.3.6.1.2.1.2.2.1.8")
	f(".1.3.6", "1.3.6")
	if _, err := n.OID("ifOperStatsu.1"); err == nil || !strings.Contains(err.Error(), "nor the name") {
		t.Error(err)
	}
}
