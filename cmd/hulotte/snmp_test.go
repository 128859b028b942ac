package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/collect/snmp"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/snmptest"
)

const switchWalk = `
.1.3.6.1.2.1.1.1.0 = STRING: "A switch, release 7"
.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.99999.1
.1.3.6.1.2.1.1.3.0 = Timeticks: (360000) 1:00:00.00
.1.3.6.1.2.1.1.5.0 = STRING: "core"
.1.3.6.1.2.1.1.6.0 = Hex-STRING: 1B 5B 32 4A 61 74 74 69 63
.1.3.6.1.2.1.2.2.1.2.1 = STRING: "port 1"
.1.3.6.1.2.1.2.2.1.8.1 = INTEGER: up(1)
.1.3.6.1.2.1.2.2.1.10.1 = Counter32: 4242
.1.3.6.1.2.1.31.1.1.1.1.1 = STRING: "ge1"
.1.3.6.1.2.1.31.1.1.1.6.1 = Counter64: 18446744073709551615
`

// asked runs a command line that must go well.
func asked(t *testing.T, args ...string) (out, errs string) {
	t.Helper()
	out, errs, code := execute(t, args...)
	if code != exitOK {
		t.Fatalf("%q: exit code %d, %s%s", args, code, out, errs)
	}
	return out, errs
}

func TestSNMPGetWalkTry(t *testing.T) {
	agent := snmptest.Start(t, "hush", switchWalk)
	out, _ := asked(t, "snmp", "get", "--community", "hush", agent, "sysName.0", "ifOperStatus.1", ".1.3.6.1.2.1.1.6.0")
	if want := "1.3.6.1.2.1.1.5.0 sysName.0 = OctetString: core\n1.3.6.1.2.1.2.2.1.8.1 ifOperStatus.1 = Integer: up(1)\n"; !strings.HasPrefix(out, want) || strings.Contains(out, "\x1b") {
		t.Errorf("get: %q", out)
	}
	out, _ = asked(t, "snmp", "walk", "--community", "hush", "--v1", agent, "ifTable")
	if strings.Count(out, "\n") != 3 || !strings.Contains(out, "ifInOctets.1 = Counter32: 4242\n") {
		t.Errorf("walk: %q", out)
	}
	out, _ = asked(t, "snmp", "try", "--community", "hush", agent, "--module", "if_mib")
	if !strings.Contains(out, `ifInOctets{ifAlias="",ifDescr="port 1",ifIndex="1",ifName="ge1"} 4242`) {
		t.Errorf("try: %q", out)
	}
	file := filepath.Join(t.TempDir(), "hulotte.yml")
	text := "monitoring: {snmp: {auths: {office: {community: hush}}, devices: [{name: core, address: \"" + agent + "\", auth: office, modules: [system]}]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = asked(t, "snmp", "try", "core", "--config", file)
	if !strings.Contains(out, `sysName{sysName="core"} 1`) || strings.Contains(out, "ifInOctets") {
		t.Errorf("a device of the configuration: %q", out)
	}
	asked(t, "snmp", "get", "--config", file, "--auth", "office", agent, "sysName.0")

	f := func(code int, want string, args ...string) {
		t.Helper()
		out, errs, got := execute(t, append([]string{"snmp"}, args...)...)
		if got != code || !strings.Contains(errs, want) {
			t.Errorf("%q: exit code %d, %q %q", args, got, out, errs)
		}
	}
	f(exitFailed, "no value for 1 of 2", "get", "--community", "hush", agent, "sysName.0", "ifOperStatus.7")
	f(exitFailed, "nor the name", "get", "--community", "hush", agent, "sysNaem.0")
	f(exitFailed, "no answer", "get", "--community", "loud", "--timeout", "50ms", "--tries", "1", agent, "sysName.0")
	f(exitFailed, `did you mean "if_mib"?`, "try", agent, "--module", "if_mbi")
	f(exitFailed, `no "offcie"`, "get", "--config", file, "--auth", "offcie", agent, "sysName.0")
	f(exitFailed, "several auths", "get", "--community", "a", "--community", "b", agent, "sysName.0")
	f(exitFailed, "tells nothing below", "walk", "--community", "hush", agent, "1.3.6.1.4.1")
	f(exitUsage, "name a device and an object", "get", agent)
	f(exitUsage, "at least 8 characters", "get", "--v3", "username=noc,password=short", agent, "sysName.0")
	f(exitUsage, `"user" is none of`, "get", "--v3", "user=noc", agent, "sysName.0")
	f(exitUsage, "no subnet", "scan", "192.0.2.0/33")
	f(exitUsage, "more than 65536", "scan", "10.0.0.0/8")
}

func TestSNMPScan(t *testing.T) {
	agent := snmptest.Start(t, "hush", switchWalk)
	_, port, _ := strings.Cut(agent, ":")
	args := []string{"snmp", "scan", "--community", "loud", "--community", "hush", "--timeout", "100ms", "--tries", "1", "--port", port, "127.0.0.1-2"}
	out, errs := asked(t, args...)
	if !strings.Contains(out, agent) || !strings.Contains(out, "core") || !strings.Contains(out, "1h") || !strings.Contains(errs, "1 of 2 addresses answer.") {
		t.Errorf("%q %q", out, errs)
	}
	out, _ = asked(t, append(args, "--json")...)
	var r snmp.ScanResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Found) != 1 || r.Found[0].Auth != "community_2" || r.Asked != 2 {
		t.Errorf("%v %q", err, out)
	}
	// What --yaml prints is a configuration that works.
	out, _ = asked(t, append(args, "--yaml", "--quiet")...)
	file := filepath.Join(t.TempDir(), "hulotte.yml")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Sources{File: file})
	if err != nil || len(c.Monitoring.SNMP.Devices) != 1 || c.Monitoring.SNMP.Auths["community_2"].Community != "hush" {
		t.Fatalf("%v\n%s", err, out)
	}
	asked(t, "snmp", "try", "core", "--config", file, "--module", "system")
}
