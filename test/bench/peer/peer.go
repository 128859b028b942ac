// Package peer starts the systems that a benchmark compares, sends them requests, and reads what they take.
package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// System is one of those that are compared. Command makes the program that keeps its data in dir/data and listens on the port.
type System struct {
	Name    string
	Command func(dir string, port int) (*exec.Cmd, error)
	Ready   string // path that answers 200
	Push    string // path that takes what is pushed, or a whole URL when that is another port
	Flush   string // path that writes out what is in memory, by POST; "" for none
	Dir     string
	Journal string // folder below Dir/data that is not counted as data

	Base string // of its URLs, once it is started
	cmd  *exec.Cmd
}

// Hulotte returns the command of our own program, with the default settings.
func Hulotte(program string) func(dir string, port int) (*exec.Cmd, error) {
	return func(dir string, port int) (*exec.Cmd, error) {
		config := filepath.Join(dir, "hulotte.yml")
		text := fmt.Sprintf("data_dir: %s\nserver:\n  listen: 127.0.0.1:%d\n  admin_api: true\n", filepath.Join(dir, "data"), port)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		return exec.Command(program, "server", "--config", config), nil //nolint:gosec // the program that is measured
	}
}

// FreePort returns a port that nothing listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("BUG: a TCP listener has another address")
	}
	return a.Port, l.Close()
}

// Start starts the program and waits until it is ready.
func (s *System) Start(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o750); err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	if s.cmd, err = s.Command(s.Dir, port); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(s.Dir, "output.log"))
	if err != nil {
		return err
	}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if s.Base == "" {
		s.Base = "http://127.0.0.1:" + strconv.Itoa(port)
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.waitReady(ctx)
}

func (s *System) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		r, err := http.Get(s.Base + s.Ready) //nolint:gosec,noctx // loopback
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready, see %s/output.log: %w", s.Dir, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Pause keeps a system from working while another one is measured, until Resume.
func (s *System) Pause() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (s *System) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// StopAll ends all programs.
func StopAll(systems []*System) {
	for _, s := range systems {
		if s.cmd != nil && s.cmd.Process != nil {
			s.Resume()
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	}
}

// Usage is what a process has taken so far.
type Usage struct {
	CPU  float64 // seconds
	Peak int64   // bytes of memory
}

// ticks is the unit of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Go runs on.
const ticks = 100

// Usage reads what the process has taken.
func (s *System) Usage() Usage {
	pid := strconv.Itoa(s.cmd.Process.Pid)
	var u Usage
	if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil {
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		u.CPU = (user + system) / ticks
	}
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			u.Peak = kb * 1024
		}
	}
	return u
}

// Disk returns the bytes of data and of the journal.
func (s *System) Disk() (data, journal int64) {
	root := filepath.Join(s.Dir, "data")
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go meanwhile
		}
		i, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if rel, _ := filepath.Rel(root, path); s.Journal != "" && strings.HasPrefix(rel, s.Journal) {
			journal += i.Size()
		} else {
			data += i.Size()
		}
		return nil
	})
	return data, journal
}

// Settle has the system write out what it holds, and waits until it is idle: less than a tenth of a processor for twelve
// seconds, since VictoriaLogs writes what it has in memory every five.
func (s *System) Settle(ctx context.Context) {
	if s.Flush != "" {
		s.flush(ctx)
	}
	const longest = 3 * time.Minute
	idle := 0
	for begin := time.Now(); idle < 4 && time.Since(begin) < longest && ctx.Err() == nil; idle++ {
		before := s.Usage().CPU
		time.Sleep(3 * time.Second)
		if s.Usage().CPU-before > 0.3 {
			idle = -1
		}
	}
}

func (s *System) flush(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Base+s.Flush, nil)
	if err != nil {
		return
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		fmt.Printf("%s: %s answers %s\n", s.Name, s.Flush, answer.Status)
	}
}
