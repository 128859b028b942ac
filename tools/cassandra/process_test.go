package cassandra

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func listenOn(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// A test binary that is killed takes its nodes with it, even a paused one.
func TestNothingOutlivesItsStarter(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), ChildEnv+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed, as it should be
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	gone := func() error {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return errors.New("it still runs")
	}
	if err := poll(ctx, gone, func() error { return nil }); err != nil {
		t.Errorf("the program %d outlived its starter: %v", pid, err)
	}
}

// What Maven wrote is in the error, and nothing half is left behind.
func TestFailingDownloadSaysWhatMavenSaid(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nmkdir -p jars\necho half > jars/cassandra-all.jar\necho '[ERROR] Unknown host repo'\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "mvn"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	cache := t.TempDir()
	_, err := download(t.Context(), Options{CacheDir: cache, Log: t.Logf})
	if err == nil || !strings.Contains(err.Error(), "Unknown host repo") || !strings.Contains(err.Error(), "settings.xml") {
		t.Errorf("error %v, want Maven's words and what to do", err)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "*"))
	if len(left) != 1 || filepath.Base(left[0]) != "LOCK" {
		t.Errorf("left behind: %v", left)
	}
}

// A folder that is there is taken without Maven, and a second process waits for the first one's download.
func TestDownloadedOnce(t *testing.T) {
	t.Setenv("PATH", "")
	cache := t.TempDir()
	lock, err := waitForLock(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := download(ctx, Options{CacheDir: cache, Log: t.Logf}); !errors.Is(err, context.Canceled) {
		t.Errorf("while another downloads: %v, want to have waited until the context ended", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(jarDir(cache), 0o755); err != nil {
		t.Fatal(err)
	}
	if dir, err := download(t.Context(), Options{CacheDir: cache, Log: t.Logf}); err != nil || dir != jarDir(cache) {
		t.Errorf("download of what is there: %q, %v", dir, err)
	}
}

func TestAttach(t *testing.T) {
	c, err := Attach([]string{"127.0.0.1:9042", "127.0.0.2:9042"})
	if err != nil || len(c.Nodes()) != 2 || c.Addresses()[1] != "127.0.0.2:9042" {
		t.Fatalf("Attach: %v, %v", c, err)
	}
	for name, do := range map[string]func() error{
		"Kill": c.Node(0).Kill, "Pause": c.Node(0).Pause, "Start": func() error { return c.Node(0).Start(t.Context()) },
	} {
		if err := do(); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s of another's node: %v", name, err)
		}
	}
	if _, err := Attach([]string{"localhost"}); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("an address without a port: %v", err)
	}
	if _, err := Attach(nil); err == nil {
		t.Error("no address was no error")
	}
}

// A cluster's folder belongs to one process, and keeps the ports that its data goes by.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	open := func() *Cluster {
		t.Helper()
		c := &Cluster{log: t.Logf}
		if err := c.openDir(dir); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	if err := (&Cluster{}).openDir(dir); err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("a second cluster in the folder: %v", err)
	}
	first, err := c.loadPorts(Options{Nodes: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open()
	again, err := c.loadPorts(Options{Nodes: 3})
	if err != nil || again.Storage != first.Storage || again.Native != first.Native {
		t.Errorf("ports the second time: %v, %v; want %v", again, err, first)
	}
	if _, err := c.loadPorts(Options{Nodes: 1}); err == nil || !strings.Contains(err.Error(), "its data is that of 3") {
		t.Errorf("one node on the data of three: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLeftFoldersAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	killed, running := &Cluster{}, &Cluster{}
	if err := errors.Join(killed.openDir(""), running.openDir("")); err != nil {
		t.Fatal(err)
	}
	if err := killed.lock.Release(); err != nil { // as the kernel does for a killed process
		t.Fatal(err)
	}
	next := &Cluster{}
	if err := next.openDir(""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a killed process is still there: %v", err)
	}
	if _, err := os.Stat(running.dir); err != nil {
		t.Errorf("the folder of a running process is gone: %v", err)
	}
}
