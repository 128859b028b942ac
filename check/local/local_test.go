package local

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func newCheck(t *testing.T, kind string, options map[string]any) (check.Prober, error) {
	t.Helper()
	raw, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds(Options{}) {
		if k.Name == kind {
			if !k.Local {
				t.Errorf("%s is not local", kind)
			}
			return k.New(check.Params{Options: raw})
		}
	}
	t.Fatalf("no kind %s", kind)
	return nil, nil
}

func ask(t *testing.T, kind string, options map[string]any) model.CheckResult {
	t.Helper()
	p, err := newCheck(t, kind, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return p.Probe(ctx)
}

// expect asks, and compares the status and the output's beginning.
func expect(t *testing.T, kind string, options map[string]any, want string) model.CheckResult {
	t.Helper()
	r := ask(t, kind, options)
	if !strings.HasPrefix(r.Output, want) || !strings.Contains(r.Output, " "+r.Status.String()+" - ") {
		t.Errorf("%s %v: %v %q, want %q", kind, options, r.Status, r.Output, want)
	}
	return r
}

// TestComparable: whoever schedules probers compares them.
func TestComparable(t *testing.T) {
	options := map[string]map[string]any{"process": {"name": "x"}, "file": {"path": "/x"}, "mount": {"path": "/x"}, "certificate": {"path": "/x"}}
	for _, k := range Kinds(Options{}) {
		a, err1 := newCheck(t, k.Name, options[k.Name])
		b, err2 := newCheck(t, k.Name, options[k.Name])
		if err := errors.Join(err1, err2); err != nil || a == b || a != a {
			t.Error(k.Name, err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	f := func(kind string, options map[string]any, want string) {
		t.Helper()
		if _, err := newCheck(t, kind, options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %v: %v", kind, options, err)
		}
	}
	f("process", nil, "name, match and user")
	f("process", map[string]any{"match": "("}, "match:")
	f("process", map[string]any{"name": "x", "zombies": "y"}, "zombies:")
	f("process", map[string]any{"name": "x", "count_warning": "y"}, "range")
	f("unit", map[string]any{"expect": "x"}, "expect:")
	f("unit", map[string]any{"unit": "a/b.service"}, "unit:")
	f("file", map[string]any{"path": "x"}, "path:")
	f("file", map[string]any{"path": "/[x"}, "path:")
	f("disk", map[string]any{"paths": []string{"x"}}, "paths:")
	f("disk", map[string]any{"exclude": []string{"["}}, "exclude:")
	f("mount", map[string]any{}, "path:")
	f("certificate", map[string]any{}, "path:")
	f("certificate", map[string]any{"path": "/x", "critical": "90d"}, "critical:")
	f("updates", map[string]any{"manager": "x"}, "manager:")
	f("clock", map[string]any{"unsynchronized": "x"}, "unsynchronized:")
	f("load", map[string]any{"x": 1}, "x")
}

func TestProcess(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sleep 60; : test-of-local")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	mine := "^/bin/sh -c sleep 60; : test-of-local$"
	r := expect(t, "process", map[string]any{"match": mine}, "PROCESS OK - 1 processes of ^/bin/sh")
	if len(r.Perf) != 3 || r.Perf[0].Label != "processes" || r.Perf[0].Crit != "1:" || r.Perf[2].Value <= 0 {
		t.Errorf("%+v", r.Perf)
	}
	expect(t, "process", map[string]any{"name": "no such process"}, "PROCESS CRITICAL - 0 processes of no such process")
	expect(t, "process", map[string]any{"match": mine, "count_warning": "2:"}, "PROCESS WARNING - 1 processes")
	expect(t, "process", map[string]any{"match": mine, "user": "no-such-user"}, "PROCESS CRITICAL - 0")
	expect(t, "process", map[string]any{"match": mine, "user": fmt.Sprint(os.Getuid())}, "PROCESS OK")
	expect(t, "process", map[string]any{"match": mine, "memory_critical": 10}, "PROCESS CRITICAL - they have")

	p, err := newCheck(t, "process", map[string]any{"match": mine, "cpu_critical": "~:90"})
	if err != nil {
		t.Fatal(err)
	}
	p.Probe(t.Context())
	if r := p.Probe(t.Context()); len(r.Perf) != 4 || r.Perf[3].Label != "cpu" || r.Perf[3].Value > 90 {
		t.Errorf("%+v", r.Perf)
	}
}

func TestZombie(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "exit 0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	deadline := time.Now().Add(10 * time.Second)
	for {
		p, ok := readProcess(cmd.Process.Pid)
		if ok && p.State == 'Z' {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", p)
		}
		runtime.Gosched()
	}
	if r := ask(t, "process", map[string]any{"name": "sh"}); r.Status != model.Critical || !strings.Contains(r.Output, "zombies") {
		t.Error(r.Output)
	}
	if r := ask(t, "process", map[string]any{"name": "sh", "zombies": "OK"}); r.Status != model.OK {
		t.Error(r.Output)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (a) b) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11 12")
	f.Add("(")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parseStat(text)
		_ = parseMounts(text)
		_ = unescape(text)
		_ = parseAPT(text)
		_ = parseDNF(text)
		var m MemoryOptions
		_ = m.judge(text)
		var l LoadOptions
		_ = l.judge(text, 2)
	})
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int, old time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		at := time.Now().Add(-old)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, size), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	write("a.job", 10, time.Hour)
	write("b.job", 2000, 10*time.Minute)
	write("sub/c.job", 5, 48*time.Hour)
	f := func(want string, path string, options map[string]any) model.CheckResult {
		t.Helper()
		if options == nil {
			options = map[string]any{}
		}
		options["path"] = filepath.Join(dir, path)
		return expect(t, "file", options, strings.ReplaceAll(want, "DIR", dir))
	}
	r := f("FILE OK - DIR/a.job has 10 B and is 1h 0m old", "a.job", nil)
	if len(r.Perf) != 3 || r.Perf[2].Value != 10 {
		t.Errorf("%+v", r.Perf)
	}
	f("FILE OK - DIR: 2 files, 2.0 KiB, the newest is 10m 0s old", "", nil)
	f("FILE OK - DIR: 3 files", "", map[string]any{"recursive": true})
	f("FILE OK - DIR/*.job: 2 files", "*.job", nil)
	f("FILE CRITICAL - DIR/none is not there", "none", nil)
	f("FILE CRITICAL - DIR/*.x is not there", "*.x", nil)
	f("FILE OK - DIR/*.x: 0 files", "*.x", map[string]any{"count_critical": 5})
	f("FILE CRITICAL - DIR/a.job is there", "a.job", map[string]any{"absent": true})
	f("FILE OK - DIR/x is not there", "x", map[string]any{"absent": true})
	f("FILE WARNING - DIR/b.job is 10m 0s old", "*.job", map[string]any{"age_warning": "5m"})
	f("FILE CRITICAL - DIR/a.job is 1h 0m old", "*.job", map[string]any{"age_critical": "30m", "oldest": true})
	f("FILE WARNING - DIR/b.job is 10m 0s old", "*.job", map[string]any{"age_warning": "15m:1d"})
	f("FILE CRITICAL - DIR/b.job has 2.0 KiB", "*.job", map[string]any{"size_critical": 1000})
	f("FILE WARNING - DIR/a.job has 10 B", "*.job", map[string]any{"size_warning": "100:"})
	f("FILE WARNING - 2 files have 2.0 KiB", "*.job", map[string]any{"total_warning": 2005})
	f("FILE CRITICAL - 2 files", "*.job", map[string]any{"count_critical": 1})
}

func TestMounts(t *testing.T) {
	mounts := parseMounts("36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n" +
		"37 36 98:0 /x /mnt/with\\040space ro shared:1 - ext4 /dev/sda1 rw\n" +
		"38 36 0:5 / /proc rw - proc proc rw\n39 36 0:6 / /data rw - nfs4 srv:/x rw,vers=4\n40 36 0:7 / /data rw - xfs /dev/sdb rw\nbroken\n" +
		"41 36 0:8 / / rw - overlay overlay rw,lowerdir=/a\n42 36 0:8 / /var/lib/docker/overlay2/x rw - overlay overlay rw\n43 36 0:9 / /snap/x ro - squashfs /dev/loop1 ro\n")
	if len(mounts) != 6 || mounts[1].Point != "/mnt/with space" || !mounts[1].ReadOnly || mounts[0].Type != "overlay" || mounts[3].Device != "/dev/sdb" {
		t.Errorf("%+v", mounts)
	}
	d := DiskOptions{Exclude: []string{"/none*"}}
	if got := strings.Join(d.points(mounts), " "); got != "/ /data /mnt/with space" {
		t.Error(got)
	}
	d = DiskOptions{Exclude: []string{"/mnt/*"}, ExcludeTypes: []string{"xfs"}}
	if got := strings.Join(d.points(mounts), " "); got != "/" {
		t.Error(got)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	r := ask(t, "disk", map[string]any{"paths": []string{dir}, "used_warning": 100, "used_critical": 100, "inodes_warning": 100, "inodes_critical": 100})
	if r.Status != model.OK || len(r.Perf) < 2 || r.Perf[0].Value <= 0 {
		t.Errorf("%+v", r)
	}
	expect(t, "disk", map[string]any{"paths": []string{dir}, "used_warning": "0", "used_critical": 100}, "DISK WARNING - "+dir+" is ")
	expect(t, "disk", map[string]any{"paths": []string{dir}, "free_critical": "1e18:"}, "DISK CRITICAL - "+dir+" has ")
	expect(t, "disk", map[string]any{"paths": []string{"/no/such"}}, "DISK CRITICAL - /no/such: no such file")
	if r := ask(t, "disk", nil); r.Status == model.Unknown || !strings.Contains(r.Long, "/: ") {
		t.Errorf("%+v", r)
	}
}

func TestMount(t *testing.T) {
	expect(t, "mount", map[string]any{"path": "/proc", "type": "proc"}, "MOUNT OK - /proc (proc, proc) is mounted and answers")
	expect(t, "mount", map[string]any{"path": "/proc", "type": "ext4"}, "MOUNT CRITICAL - /proc is of the type proc, not ext4")
	expect(t, "mount", map[string]any{"path": "/proc", "device": "/dev/sda"}, "MOUNT CRITICAL - at /proc is proc, not /dev/sda")
	expect(t, "mount", map[string]any{"path": "/proc", "options": []string{"magic"}}, "MOUNT CRITICAL - /proc is mounted without magic")
	expect(t, "mount", map[string]any{"path": "/no/such"}, "MOUNT CRITICAL - nothing is mounted at /no/such")
	expect(t, "mount", map[string]any{"path": "/proc", "write": true}, "MOUNT CRITICAL - /proc cannot be written")
	w := NewWaiter()
	m := MountOptions{Path: "/x", Writable: true}
	if r := m.judge(t.Context(), w, []Mount{{Point: "/x", ReadOnly: true}}); r.Status != model.Critical || !strings.Contains(r.Output, "read-only") {
		t.Error(r)
	}
	dir := t.TempDir()
	m = MountOptions{Path: dir, Write: true}
	if r := m.judge(t.Context(), w, []Mount{{Point: dir, Type: "ext4"}}); r.Status != model.OK {
		t.Error(r)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Error("the file is left")
	}
}

// TestHanging has a file system that does not answer: one question waits, however often it is asked.
func TestHanging(t *testing.T) {
	w := NewWaiter()
	release := make(chan struct{})
	var asked atomic.Int32
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err := w.Do(ctx, "x", func() (any, error) { asked.Add(1); <-release; return nil, nil })
		cancel()
		if !errors.Is(err, ErrHangs) {
			t.Error(err)
		}
	}
	close(release)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the old question may still be on its way out
		v, err := w.Do(t.Context(), "x", func() (any, error) { return 7, nil })
		if v == 7 && err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(v, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func certificate(t *testing.T, name string, from, to time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	day := 24 * time.Hour
	good, key := certificate(t, "good.example.org", now.Add(-day), now.Add(100*day+time.Hour))
	soon, _ := certificate(t, "soon.example.org", now.Add(-day), now.Add(10*day+time.Hour))
	old, _ := certificate(t, "old.example.org", now.Add(-9*day), now.Add(-2*day))
	early, _ := certificate(t, "early.example.org", now.Add(9*day), now.Add(99*day))
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pemOf := func(certs ...*x509.Certificate) (out []byte) {
		for _, c := range certs {
			out = append(out, "some text\n"...)
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return out
	}
	write("good.pem", pemOf(good))
	write("chain.pem", pemOf(good, soon))
	write("old.pem", pemOf(old))
	write("early.pem", pemOf(early))
	write("good.der", good.Raw)
	write("empty.pem", []byte("-----BEGIN X-----\n-----END X-----\n"))
	write("junk", []byte("junk"))
	p12, err := pkcs12.Modern.Encode(key, good, []*x509.Certificate{soon}, "secret")
	if err != nil {
		t.Fatal(err)
	}
	write("store.p12", p12)
	f := func(want, name string, options map[string]any) model.CheckResult {
		t.Helper()
		if options == nil {
			options = map[string]any{}
		}
		options["path"] = filepath.Join(dir, name)
		return expect(t, "certificate", options, want)
	}
	r := f("CERTIFICATE OK - 1 certificates, good.example.org is the first to expire, in 100d 0h", "good.pem", nil)
	if len(r.Perf) != 1 || r.Perf[0].Value < 100 || r.Perf[0].Warn != "21:" || r.Perf[0].Crit != "7:" {
		t.Errorf("%+v", r.Perf)
	}
	f("CERTIFICATE OK - 1 certificates", "good.der", nil)
	f("CERTIFICATE WARNING - soon.example.org expires in 10d 0h", "chain.pem", nil)
	f("CERTIFICATE CRITICAL - soon.example.org expires in 10d 0h", "chain.pem", map[string]any{"critical": "20d"})
	f("CERTIFICATE CRITICAL - old.example.org expired 2d", "old.pem", nil)
	f("CERTIFICATE CRITICAL - early.example.org is not valid before", "early.pem", nil)
	f("CERTIFICATE WARNING - soon.example.org expires", "store.p12", map[string]any{"password": "secret"})
	f("CERTIFICATE CRITICAL - "+dir+"/store.p12: the password", "store.p12", map[string]any{"password": "no"})
	f("CERTIFICATE CRITICAL - "+dir+"/empty.pem: the file has no certificate", "empty.pem", nil)
	f("CERTIFICATE CRITICAL - "+dir+"/junk: the file is neither", "junk", nil)
	f("CERTIFICATE CRITICAL - "+dir+"/none: open", "none", nil)
	f("CERTIFICATE WARNING - soon.example.org", "[cg]*.pem", nil)
	f("CERTIFICATE UNKNOWN - there is no file", "x*.pem", nil)
}

func FuzzCertificates(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{0x30, 0x82, 1, 0})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = parseCertificates(data, "x")
	})
}

func TestUpdates(t *testing.T) {
	w := parseAPT("NOTE: This is only a simulation!\nInst curl [7.88.1-10] (7.88.1-11 Debian-Security:12/stable-security [amd64])\n" +
		"Inst libx (1.0 Debian:12.15/stable [all])\nInst bash [5.2-1] (5.2-2 Debian:12.15/stable, Debian-Security:12/stable-security [amd64]) []\nConf curl (7.88.1-11 x [amd64])\n")
	if strings.Join(w.packages, ",") != "curl 7.88.1-11,libx 1.0,bash 5.2-2" || strings.Join(w.security, ",") != "curl 7.88.1-11,bash 5.2-2" {
		t.Errorf("%+v", w)
	}
	if got := parseDNF("\nbash.x86_64    5.1.8-9.el9   baseos\nkernel.x86_64 5.14 updates\nObsoleting Packages\na.noarch 1 b\n"); strings.Join(got, ",") != "bash.x86_64 5.1.8-9.el9,kernel.x86_64 5.14" {
		t.Error(got)
	}
	now := time.Now()
	f := func(want string, o UpdatesOptions, w waiting) {
		t.Helper()
		if r := o.judge(w, now); !strings.HasPrefix(r.Output, want) {
			t.Error(r.Output, "want", want)
		}
	}
	o := UpdatesOptions{SecurityCritical: mustRange("0"), MaxAge: check.Duration(time.Hour)}
	f("UPDATES CRITICAL - 2 security updates wait", o, w)
	f("UPDATES OK - 1 updates, 0 for security", o, waiting{packages: []string{"a"}})
	f("UPDATES WARNING - the machine wants to be started anew", o, waiting{reboot: true})
	f("UPDATES WARNING - the lists of packages are 2h 0m old", o, waiting{lists: now.Add(-2 * time.Hour)})
	f("UPDATES WARNING - 3 updates wait", UpdatesOptions{Warning: mustRange("2")}, w)

	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("no apt-get")
	}
	r := ask(t, "updates", map[string]any{"manager": "apt"})
	if r.Status == model.Unknown || len(r.Perf) != 2 {
		t.Errorf("%+v", r)
	}
	t.Log(r.Output)
	if _, err := exec.LookPath("dnf"); err != nil {
		expect(t, "updates", map[string]any{"manager": "dnf"}, "UPDATES UNKNOWN - none of dnf is on this machine")
	}
}

func TestMachine(t *testing.T) {
	f := func(r model.CheckResult, want string) {
		t.Helper()
		if r.Output != want {
			t.Errorf("%q, want %q", r.Output, want)
		}
	}
	l := LoadOptions{Warning5: mustRange("2"), Critical1: mustRange("4")}
	f(l.judge("1.00 1.50 2.00 1/2 3", 2), "LOAD OK - 1.00, 1.50, 2.00")
	f(l.judge("5.00 2.50 2.00 1/2 3", 2), "LOAD CRITICAL - load1 is 5.00, load5 is 2.50")
	l.PerCPU = true
	f(l.judge("5.00 2.50 2.00 1/2 3", 2), "LOAD OK - 2.50, 1.25, 1.00 per processor")
	f(l.judge("x", 2), "LOAD UNKNOWN - the kernel does not say")

	m := MemoryOptions{UsedWarning: mustRange("80"), UsedCritical: mustRange("90"), SwapWarning: mustRange("50")}
	const text = "MemTotal: 1048576 kB\nMemFree: 1 kB\nMemAvailable: 524288 kB\nSwapTotal: 1000 kB\nSwapFree: 400 kB\n"
	f(m.judge(text), "MEMORY WARNING - 60.0% of swap are used")
	f(m.judge(strings.ReplaceAll(text, "524288", "52428")), "MEMORY CRITICAL - 95.0% are used, 60.0% of swap are used")
	f(m.judge("MemTotal: 1048576 kB\nMemAvailable: 1048576 kB\n"), "MEMORY OK - 0.0% of 1.0 GiB used, 1.0 GiB left")
	f(m.judge(""), "MEMORY UNKNOWN - the kernel does not say")

	c := ClockOptions{OffsetWarning: mustRange("100ms"), OffsetCritical: mustRange("1s")}
	f(c.judge(unix.TIME_OK, &unix.Timex{Offset: 1500, Maxerror: 2000, Status: unix.STA_NANO}, model.Warning), "CLOCK OK - synchronized, 1.5e-06s off, error at most 0.002s")
	f(c.judge(unix.TIME_OK, &unix.Timex{Offset: -200000}, model.Warning), "CLOCK WARNING - the clock is -0.2s off")
	f(c.judge(unix.TIME_ERROR, &unix.Timex{Status: unix.STA_UNSYNC}, model.Critical), "CLOCK CRITICAL - nothing synchronizes the clock (chrony, ntpd or systemd-timesyncd)")

	for _, kind := range []string{"load", "memory", "clock"} {
		if r := ask(t, kind, nil); r.Status == model.Unknown || len(r.Perf) < 2 {
			t.Errorf("%s: %+v", kind, r)
		} else {
			t.Log(r.Output)
		}
	}
}

// manager is systemd as far as it is asked, on a D-Bus of the test.
type manager struct{ conn *dbus.Conn }

func (m manager) LoadUnit(name string) (dbus.ObjectPath, *dbus.Error) {
	return dbus.ObjectPath("/org/freedesktop/systemd1/unit/" + strings.NewReplacer(".", "_", "-", "_").Replace(name)), nil
}

func (m manager) ListUnitsFiltered([]string) ([]struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	Job                                             uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}, *dbus.Error) {
	rows := make([]struct {
		Name, Description, Load, Active, Sub, Following string
		Path                                            dbus.ObjectPath
		Job                                             uint32
		JobType                                         string
		JobPath                                         dbus.ObjectPath
	}, 1)
	rows[0].Name, rows[0].Description, rows[0].Active, rows[0].Path, rows[0].JobPath = "bad.service", "Bad", "failed", "/", "/"
	return rows, nil
}

// properties are those of one unit.
type properties map[string]any

func (p properties) GetAll(string) (map[string]dbus.Variant, *dbus.Error) {
	out := map[string]dbus.Variant{}
	for k, v := range p {
		out[k] = dbus.MakeVariant(v)
	}
	return out, nil
}

// startBus starts a D-Bus with a made up systemd, as the system's.
func startBus(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("dbus-daemon is not installed")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	text := `<busconfig><type>session</type><listen>unix:path=` + dir + `/bus</listen><policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config-file="+config, "--nofork", "--nopidfile")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+dir+"/bus")
	var conn *dbus.Conn
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err = dbus.ConnectSystemBus(); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Export(manager{conn}, systemdPath, systemdName+".Manager"); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]properties{
		"nginx_service": {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "NRestarts": uint32(3), "MemoryCurrent": uint64(1 << 20), "StateChangeTimestamp": uint64(time.Now().Add(-time.Hour).UnixMicro())}, //nolint:gosec // a time
		"bad_service":   {"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "Result": "exit-code"},
		"off_service":   {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead"},
		"slow_service":  {"LoadState": "loaded", "ActiveState": "activating", "SubState": "auto-restart"},
		"none_service":  {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"},
		"backup_timer":  {"LoadState": "loaded", "ActiveState": "active", "SubState": "waiting"},
	} {
		if err := conn.Export(p, dbus.ObjectPath("/org/freedesktop/systemd1/unit/"+name), "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.RequestName(systemdName, 0); err != nil {
		t.Fatal(err)
	}
}

func TestUnit(t *testing.T) {
	startBus(t)
	f := func(want string, options map[string]any) model.CheckResult {
		t.Helper()
		return expect(t, "unit", options, want)
	}
	r := f("UNIT OK - nginx.service is active (running) for 1h 0m", map[string]any{"unit": "nginx"})
	if len(r.Perf) != 2 || r.Perf[1].Label != "memory" {
		t.Errorf("%+v", r.Perf)
	}
	f("UNIT CRITICAL - nginx.service is active (running), not inactive", map[string]any{"unit": "nginx", "expect": "inactive"})
	f("UNIT CRITICAL - bad.service failed (exit-code)", map[string]any{"unit": "bad.service"})
	f("UNIT CRITICAL - bad.service failed (exit-code)", map[string]any{"unit": "bad.service", "expect": "loaded"})
	f("UNIT CRITICAL - off.service is inactive (dead), not active", map[string]any{"unit": "off.service"})
	f("UNIT OK - off.service is inactive (dead)", map[string]any{"unit": "off.service", "expect": "inactive"})
	f("UNIT OK - off.service is inactive (dead)", map[string]any{"unit": "off.service", "expect": "loaded"})
	f("UNIT WARNING - slow.service is activating (auto-restart)", map[string]any{"unit": "slow.service"})
	f("UNIT CRITICAL - there is no unit none.service", map[string]any{"unit": "none.service"})
	f("UNIT OK - backup.timer is active (waiting)", map[string]any{"unit": "backup.timer", "sub_state": "waiting"})
	f("UNIT CRITICAL - backup.timer is waiting, not running", map[string]any{"unit": "backup.timer", "sub_state": "running"})
	f("UNIT CRITICAL - bad.service failed", nil)
	f("UNIT OK - no unit failed", map[string]any{"exclude": []string{"ba*"}})
}

// made is a systemd whose units are made up.
type made struct{ unitState }

func (m *made) unit(context.Context, string) (unitState, error) { return m.unitState, nil }
func (m *made) failed(context.Context) ([]unitState, error)     { return nil, nil }

func TestUnitRestarts(t *testing.T) {
	m := &made{unitState{Name: "a.service", Load: "loaded", Active: "active", Sub: "running", Restarts: 7}}
	c := &unitCheck{o: UnitOptions{Unit: "a.service", Expect: "active", RestartsWarning: mustRange("0"), RestartsCritical: mustRange("5")}, units: m}
	f := func(restarts uint32, want model.Status) {
		t.Helper()
		m.Restarts = restarts
		if r := c.probe(t.Context()); r.Status != want {
			t.Errorf("%d: %s", restarts, r.Output)
		}
	}
	f(7, model.OK)
	f(8, model.Warning)
	f(8, model.OK)
	f(20, model.Critical)
	f(0, model.OK) // started anew by a person
}

func TestNoSystemd(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	expect(t, "unit", map[string]any{"unit": "nginx"}, "UNIT UNKNOWN - systemd cannot be asked, as there is no system D-Bus")
	before := runtime.NumGoroutine()
	for range 20 {
		ask(t, "unit", nil)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left", runtime.NumGoroutine()-before)
		}
	}
}
