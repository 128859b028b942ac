package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// device is Debian's SNMP agent, which can die and come back at its address.
type device struct {
	path, config, address string
	cmd                   *exec.Cmd
}

func startDevice(t *testing.T) *device {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &device{path: harness.Program(t, "snmpd", "snmpd"), config: filepath.Join(t.TempDir(), "snmpd.conf"), address: c.LocalAddr().String()}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	harness.WriteFile(t, d.config, "rocommunity hush\nsysName testbox\nsysLocation the attic\nagentAddress udp:"+d.address+"\n")
	d.start(t)
	t.Cleanup(d.stop)
	return d
}

func (d *device) start(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	d.cmd = exec.Command(d.path, "-f", "-Lo", "-C", "-c", d.config, "-I", "-smux", "-p", filepath.Join(dir, "pid"))
	d.cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (d *device) stop() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// A device of the configuration is read, checked and shown; its community is not.
func TestNetworkDevice(t *testing.T) {
	d := startDevice(t)
	p := harness.Start(t, harness.Options{Config: fmt.Sprintf(`
monitoring:
  discovery: {enabled: false}
  snmp:
    auths: {office: {community: hush}}
    devices:
      - {name: core, address: "%s", auth: office, modules: [auto, if_mib], interval: 1s, timeout: 500ms, kind: switch, labels: {site: attic}}
`, d.address)})
	harness.Eventually(t, 20*time.Second, func() error {
		_, text := p.Get(t, `/api/v1/query?query=ifHCInOctets%7Bjob%3D%22snmp%22%2CifName%3D%22lo%22%7D`)
		for _, want := range []string{`"instance":"core"`, `"site":"attic"`, `"device_kind":"switch"`, `"ifIndex":"1"`} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("there is no %s in %s", want, text)
			}
		}
		return nil
	})
	becomes(t, p, "core/host", 20*time.Second, func(v viewed) bool { return v.Status == "OK" })
	if _, text := p.Get(t, "/api/hulotte/v1/check?id=core/host"); strings.Contains(text, "hush") || !strings.Contains(text, "(secret)") {
		t.Errorf("the page of a check shows the community: %s", text)
	}
	status, text := p.Get(t, "/snmp?target="+d.address+"&module=system&auth=office")
	if status != http.StatusOK || !strings.Contains(text, "\nsysUpTime ") {
		t.Errorf("/snmp answers %d: %.300s", status, text)
	}

	if _, text := p.Get(t, "/api/hulotte/v1/network/neighbours"); !strings.Contains(text, `"id":"core"`) || !strings.Contains(text, `"known":true`) || !strings.Contains(text, `"read":`) {
		t.Errorf("neighbours: %s", text)
	}
	if _, text := p.Get(t, "/metrics"); !strings.Contains(text, `hulotte_snmp_polls_total{result="ok"}`) || !strings.Contains(text, "hulotte_snmp_pdus_total") {
		t.Error("there are no metrics of the readings")
	}

	d.stop()
	harness.Eventually(t, 20*time.Second, func() error {
		if _, text := p.Get(t, `/api/v1/query?query=up%7Binstance%3D%22core%22%7D`); !strings.Contains(text, `"0"]`) {
			return fmt.Errorf("without the device: %s", text)
		}
		return nil
	})
	if out, code := command(t, p, "check", "recheck", "core/host"); code != 0 {
		t.Fatal(out)
	}
	becomes(t, p, "core/host", 30*time.Second, func(v viewed) bool { return v.Status == "CRITICAL" })

	d.start(t)
	harness.Eventually(t, 20*time.Second, func() error {
		if _, text := p.Get(t, `/api/v1/query?query=up%7Binstance%3D%22core%22%7D`); !strings.Contains(text, `"1"]`) {
			return fmt.Errorf("with the device back: %s", text)
		}
		return nil
	})
}
