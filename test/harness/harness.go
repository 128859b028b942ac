// Package harness runs the real hulotte binary for end-to-end tests: on a free loopback port, in a temporary
// folder, with its log kept for the failing test to show.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// readyTimeout is generous because test machines are shared; a process is normally ready in < 1 s.
	readyTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
	pollInterval = 20 * time.Millisecond
)

// Options say how to start a process; the zero value is a bare `hulotte` on an empty data folder.
type Options struct {
	// Command is the subcommand, such as "agent" or "server"; empty for both roles.
	Command string
	// Config is the text of the configuration file; empty for none.
	Config string
	// DataDir is kept from an earlier process; empty for a new temporary folder.
	DataDir string
	// Args are added behind the flags that the harness sets.
	Args []string
	// Env is added to the environment, as KEY=VALUE.
	Env []string
}

// Process is a running hulotte.
type Process struct {
	// URL is the root of its HTTP server, without a slash at the end.
	URL string
	// DataDir is its data folder.
	DataDir string
	// ConfigFile is its configuration file; empty when it has none.
	ConfigFile string

	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{} // closed by the waiter goroutine, after waitErr is set
	// waitErr is what the process ended with; read it only after done is closed.
	waitErr error
}

// Start builds the binary if need be, starts it, and waits until it says that it is ready. The process is
// killed when the test ends; its log is shown when the test has failed.
func Start(t testing.TB, o Options) *Process {
	t.Helper()
	p := Launch(t, o)
	if err := p.WaitReady(readyTimeout); err != nil {
		t.Fatalf("hulotte did not become ready: %v\n%s", err, p.Log())
	}
	return p
}

// Launch starts the binary and returns at once, for tests of the start itself.
func Launch(t testing.TB, o Options) *Process {
	t.Helper()
	p := &Process{DataDir: o.DataDir, log: &logBuffer{}, done: make(chan struct{})}
	if p.DataDir == "" {
		p.DataDir = filepath.Join(t.TempDir(), "data")
	}
	addr := FreeAddr(t)
	p.URL = "http://" + addr
	var args []string
	if o.Command != "" {
		args = append(args, o.Command)
	}
	args = append(args, "--data-dir", p.DataDir, "--listen", addr)
	if o.Config != "" {
		p.ConfigFile = filepath.Join(t.TempDir(), "hulotte.yml")
		WriteFile(t, p.ConfigFile, o.Config)
		args = append(args, "--config", p.ConfigFile)
	}
	p.cmd = exec.Command(Binary(t), append(args, o.Args...)...)
	// What this machine runs and logs meanwhile is nobody's business but that of tests about it.
	p.cmd.Env = append(append(cleanEnv(), "HULOTTE_LOGS_ENABLED=false", "HULOTTE_MONITORING_DISCOVERY_ENABLED=false"), o.Env...)
	// A folder of its own keeps the process from finding this checkout, or a hulotte.yml that lies here.
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("cannot start hulotte: %v", err)
	}
	go func() {
		p.waitErr = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.URL, p.Log())
		}
	})
	return p
}

// cleanEnv is the environment without the settings of whoever runs the tests, such as HULOTTE_LOG_LEVEL: the process
// refuses variables that it does not know.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "HULOTTE_") })
}

// WaitReady polls /-/ready until it answers 200, the process ends, or the time is over.
func (p *Process) WaitReady(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	last := errors.New("not asked yet")
	for {
		select {
		case <-p.done:
			return fmt.Errorf("the process ended: %w", errOr(p.waitErr, "exit status 0"))
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", timeout, last)
		case <-time.After(pollInterval):
		}
		if last = p.ready(ctx); last == nil {
			return nil
		}
	}
}

func (p *Process) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/-/ready", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, bytes.TrimSpace(body))
	}
	return nil
}

// Kill ends the process with SIGKILL and waits for it. It may be called more than once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.done
}

// Stop ends the process with SIGTERM, waits for it, and returns what it ended with.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(stopTimeout)
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Wait waits until the process has ended by itself and returns what it ended with.
func (p *Process) Wait(timeout time.Duration) error {
	select {
	case <-p.done:
		return p.waitErr
	case <-time.After(timeout):
		return fmt.Errorf("still running after %s", timeout)
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns what the process has written to standard output and standard error so far.
func (p *Process) Log() string { return p.log.String() }

// Get fetches a path and returns status and body; any transport error fails the test.
func (p *Process) Get(t testing.TB, path string) (int, string) {
	t.Helper()
	res, err := http.Get(p.URL + path)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return res.StatusCode, string(body)
}

// Eventually polls f until it returns nil, and fails the test with its last error when the time is over.
func Eventually(t testing.TB, timeout time.Duration, f func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", timeout, err)
		}
		time.Sleep(pollInterval) // polls another process: there is no clock to inject
	}
}

// FreeAddr returns a loopback address whose port was free a moment ago.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// WriteFile writes a file and fails the test if it cannot.
func WriteFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// build makes the binary once a test process.
var build = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("TEST_HULOTTE_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	dir, err := os.MkdirTemp("", "hulotte-test-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "hulotte")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/hulotte")
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// Binary returns the path of the binary under test: TEST_HULOTTE_BIN if set, else one built from this checkout.
func Binary(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Root returns the folder of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Program returns the path of a program that a test needs, or skips the test and says how to install it.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (apt-get install %s)", name, debianPackage)
	}
	return path
}

func errOr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// logBuffer keeps the last megabyte of a log.
type logBuffer struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

const logLimit = 1 << 20

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if over := len(b.buf) - logLimit; over > 0 {
		b.buf = append(b.buf[:0], b.buf[over:]...)
	}
	return len(p), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.TrimSpace(string(b.buf))
}
