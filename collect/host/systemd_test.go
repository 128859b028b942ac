package host

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// bus starts a bus daemon of its own and returns its address.
func bus(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("dbus-daemon is not installed (apt install dbus)")
	}
	dir, err := os.MkdirTemp("", "bus") // t.TempDir may be longer than a socket's path may be
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "conf")
	if err := os.WriteFile(config, []byte(`<busconfig><type>session</type><listen>unix:path=`+dir+`/sock</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config-file="+config, "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); os.RemoveAll(dir) })
	if !bufio.NewScanner(out).Scan() {
		t.Skip("dbus-daemon does not start here")
	}
	return "unix:path=" + dir + "/sock"
}

func dial(addr string) (*godbus.Conn, error) {
	conn, err := godbus.Dial(addr)
	if err != nil {
		return nil, err
	}
	if err := conn.Auth(nil); err != nil {
		return nil, err
	}
	return conn, conn.Hello()
}

// fakeUnit is a unit as ListUnits tells of it (org.freedesktop.systemd1(5)).
type fakeUnit struct {
	Name, Description, LoadState, ActiveState, SubState, Followed string
	Path                                                          godbus.ObjectPath
	JobID                                                         uint32
	JobType                                                       string
	JobPath                                                       godbus.ObjectPath
}

// fakeSystemd answers as systemd's manager does, as far as we ask.
type fakeSystemd struct {
	mu         sync.Mutex
	units      []fakeUnit
	properties map[string]godbus.Variant // "unit.service/org.freedesktop.systemd1.Service.Type"
	asked      int
}

func (f *fakeSystemd) put(name, active string, properties map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := godbus.ObjectPath("/org/freedesktop/systemd1/unit/" + dbus.PathBusEscape(name))
	u := fakeUnit{name, "", "loaded", active, "x", "", path, 0, "", "/"}
	for i := range f.units {
		if f.units[i].Name == name {
			f.units[i], u.Name = u, ""
		}
	}
	if u.Name != "" {
		f.units = append(f.units, u)
	}
	for p, v := range properties {
		f.properties[string(path)+"/org.freedesktop.systemd1."+p] = godbus.MakeVariant(v)
	}
}

func (f *fakeSystemd) ListUnits() ([]fakeUnit, *godbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.units), nil
}

func (f *fakeSystemd) Get(msg godbus.Message, iface, name string) (godbus.Variant, *godbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, _ := msg.Headers[godbus.FieldPath].Value().(godbus.ObjectPath)
	if strings.HasPrefix(string(path), "/org/freedesktop/systemd1/unit/") {
		f.asked++
	}
	if v, ok := f.properties[string(path)+"/"+iface+"."+name]; ok {
		return v, nil
	}
	return godbus.Variant{}, godbus.MakeFailedError(fmt.Errorf("no property %s %s %s", path, iface, name))
}

// reset returns how many properties were asked for since the last reset.
func (f *fakeSystemd) reset() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = 0
	return asked
}

// serveSystemd puts a fake systemd on a bus of its own and returns a collector that talks to it.
func serveSystemd(t *testing.T) (*fakeSystemd, *systemd) {
	t.Helper()
	addr := bus(t)
	conn, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	f := &fakeSystemd{properties: map[string]godbus.Variant{}}
	const root = "/org/freedesktop/systemd1"
	for name, v := range map[string]any{"Version": "252.39-1~deb12u1", "Virtualization": "kvm", "SystemState": "running"} {
		f.properties[root+"/org.freedesktop.systemd1.Manager."+name] = godbus.MakeVariant(v)
	}
	if err := conn.Export(f, root, "org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if err := conn.ExportSubtree(f, root, "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", 0); err != nil {
		t.Fatal(err)
	}
	c, err := newSystemd(Options{}.withDefaults())(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := c.(*systemd)
	s.connect = func(context.Context) (*dbus.Conn, error) {
		return dbus.NewConnection(func() (*godbus.Conn, error) { return dial(addr) })
	}
	return f, s
}

func TestSystemd(t *testing.T) {
	f, s := serveSystemd(t)
	service := map[string]any{"Service.Type": "notify", "Service.NRestarts": uint32(3), "Unit.ActiveEnterTimestamp": uint64(1_700_000_000_000_000)}
	f.put("nginx.service", "active", service)
	f.put("backup.timer", "active", map[string]any{"Timer.LastTriggerUSec": uint64(1_600_000_000_500_000)})
	f.put("ssh.socket", "active", map[string]any{"Socket.NAccepted": uint32(7), "Socket.NConnections": uint32(2), "Socket.NRefused": uint32(1)})
	f.put("broken.service", "failed", map[string]any{"Service.Type": uint32(7), "Service.NRestarts": "many"})
	f.put("dev-sda.device", "active", nil)
	got := systemdValues(t, s)
	for name, want := range map[string]float64{
		"unit_state{nginx.service,active,notify}": 1, "unit_state{nginx.service,failed,notify}": 0, "unit_state{broken.service,failed,}": 1,
		"units{active}": 4, "units{failed}": 1, "units{inactive}": 0, "version{252.39-1~deb12u1}": 252.39, "virtualization_info{kvm}": 1, "system_running": 1,
		"service_restart_total{nginx.service}": 3, "unit_start_time_seconds{nginx.service}": 1.7e9, "timer_last_trigger_seconds{backup.timer}": 1.6e9 + 0.5,
		"socket_accepted_connections_total{ssh.socket}": 7, "socket_current_connections{ssh.socket}": 2, "socket_refused_connections_total{ssh.socket}": 1,
		"unit_start_time_seconds{broken.service}": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (there: %v), want %v", name, v, ok, want)
		}
	}
	for name := range got {
		if strings.Contains(name, "dev-sda") || strings.Contains(name, "restart_total{broken") {
			t.Errorf("%s is told", name)
		}
	}

	f.put("nginx.service", "failed", map[string]any{"Service.NRestarts": uint32(4)})
	if got := systemdValues(t, s); got["service_restart_total{nginx.service}"] != 4 || got["unit_state{nginx.service,failed,notify}"] != 1 {
		t.Errorf("after a change of state: restarts %v", got["service_restart_total{nginx.service}"])
	}
}

// TestSystemdAsksSeldom is what it is for: node_exporter's asks for each property of each unit every time.
func TestSystemdAsksSeldom(t *testing.T) {
	f, s := serveSystemd(t)
	const n = 120
	for i := range n {
		f.put(fmt.Sprintf("s%d.service", i), "active", map[string]any{"Service.Type": "simple", "Service.NRestarts": uint32(0), "Unit.ActiveEnterTimestamp": uint64(1)})
	}
	systemdValues(t, s)
	f.reset()
	for range askEvery {
		systemdValues(t, s)
	}
	if asked := f.reset(); asked != 3*n {
		t.Errorf("%d properties were asked for in %d rounds, want %d: three of each unit once", asked, askEvery, 3*n)
	}
	f.mu.Lock()
	f.units = f.units[:1]
	f.mu.Unlock()
	if systemdValues(t, s); len(s.units) != 1 {
		t.Errorf("%d units are remembered, want 1", len(s.units))
	}
}

func TestSystemdBusHangs(t *testing.T) {
	dir, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", dir+"/sock") // takes connections and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+dir+"/sock")
	opts := testOptions()
	opts.Enable, opts.Timeout = []string{"systemd"}, 300*time.Millisecond
	fams := families(t, newCollector(t, opts))
	if v := success(t, fams, "systemd"); v != 0 {
		t.Errorf("success of systemd = %v, want 0", v)
	}
	if v := success(t, fams, "meminfo"); v != 1 {
		t.Errorf("success of meminfo = %v, want 1", v)
	}
}

func systemdValues(t *testing.T, s *systemd) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, f := range gathered(t, s) {
		for _, m := range f.GetMetric() {
			var ls []string
			for _, l := range m.GetLabel() {
				ls = append(ls, l.GetValue())
			}
			name := strings.TrimPrefix(f.GetName(), "node_systemd_")
			if len(ls) > 0 {
				name += "{" + strings.Join(ls, ",") + "}"
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func TestVersionNumber(t *testing.T) {
	for in, want := range map[string]float64{"252.39-1~deb12u1": 252.39, "257": 257, "v255": 255, "": 0, "x": 0, "255.4.1": 255.4, "256.": 256, "256~rc3": 256} {
		if got := versionNumber(in); got != want {
			t.Errorf("versionNumber(%q) = %v, want %v", in, got, want)
		}
	}
}
