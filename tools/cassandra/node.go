package cassandra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrNotOurs is the error of what cannot be done to a node that another process started.
var ErrNotOurs = errors.New("this process did not start the node")

// Node is one server of a cluster. Its methods may be called from several goroutines.
type Node struct {
	cluster  *Cluster
	address  string   // host:port of the native protocol
	settings settings // empty in a cluster that was attached to

	mu     sync.Mutex // guards the fields below; nothing blocks under it but starting a program
	proc   *process   // nil: never started, or stopped
	paused bool
}

// Address is host:port for clients.
func (n *Node) Address() string { return n.address }

// Dir keeps the node's data, configuration and logs.
func (n *Node) Dir() string { return n.settings.Dir }

// LogFile is where the server logs.
func (n *Node) LogFile() string { return filepath.Join(n.settings.Dir, "system.log") }

// PID of the server, 0 when it does not run.
func (n *Node) PID() int {
	if p := n.running(); p != nil {
		return p.cmd.Process.Pid
	}
	return 0
}

// Running says whether the server runs and is not paused.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc != nil && !n.proc.ended() && !n.paused
}

func (n *Node) running() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil || n.proc.ended() {
		return nil
	}
	return n.proc
}

// Start starts the server on the data that it has, and waits until it answers clients. Whether the nodes see each
// other is Cluster.WaitUp's. A server that runs is left alone.
func (n *Node) Start(ctx context.Context) error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.waitReady(ctx)
}

func (n *Node) launch() error {
	if n.settings.Dir == "" {
		return fmt.Errorf("cannot start %s: %w", n.address, ErrNotOurs)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && !n.proc.ended() {
		return nil
	}
	if err := n.writeFiles(); err != nil {
		return fmt.Errorf("cannot start node %s: %w", n.address, err)
	}
	// The server logs to system.log; this file gets what the JVM itself says, and stack traces of a failed start.
	out, err := os.OpenFile(filepath.Join(n.settings.Dir, "jvm.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("cannot start node %s: %w", n.address, err)
	}
	defer out.Close()
	cmd := exec.Command(n.cluster.java, append(n.settings.javaArgs(n.cluster.jars), "org.apache.cassandra.service.CassandraDaemon")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.settings.Dir, out, out
	proc, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("cannot start node %s: %w", n.address, err)
	}
	n.proc, n.paused = proc, false
	return nil
}

func (n *Node) writeFiles() error {
	if err := os.MkdirAll(n.settings.Dir, 0o755); err != nil {
		return err
	}
	yaml, err := n.settings.yaml()
	if err != nil {
		return err
	}
	logback, err := n.settings.logback()
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(n.settings.Dir, "cassandra.yaml"), []byte(yaml), 0o644),
		os.WriteFile(filepath.Join(n.settings.Dir, "logback.xml"), []byte(logback), 0o644))
}

// Kill ends the server as a power cut would (SIGKILL), and returns when it is gone.
func (n *Node) Kill() error {
	if err := n.signal("kill", syscall.SIGKILL); err != nil {
		return err
	}
	n.mu.Lock()
	p := n.proc
	n.paused = false
	n.mu.Unlock()
	<-p.done
	return nil
}

// Pause stops the server's time (SIGSTOP): its connections stay open and nothing answers. It may be killed meanwhile.
func (n *Node) Pause() error {
	if err := n.signal("pause", syscall.SIGSTOP); err != nil {
		return err
	}
	n.setPaused(true)
	return nil
}

// Resume lets a paused server go on (SIGCONT).
func (n *Node) Resume() error {
	if err := n.signal("resume", syscall.SIGCONT); err != nil {
		return err
	}
	n.setPaused(false)
	return nil
}

func (n *Node) setPaused(paused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = paused
}

// stopWithin is how long a node may take to write what it has in memory; then it is killed.
const stopWithin = 30 * time.Second

// Stop ends the server in good order (SIGTERM): it writes what it has in memory and tells the others. It returns when
// the server is gone. A server that takes longer than half a minute is killed, which is an error.
func (n *Node) Stop() error {
	p := n.running()
	if p == nil {
		return nil
	}
	if err := n.signal("stop", syscall.SIGTERM); err != nil {
		return err
	}
	if err := n.Resume(); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopWithin):
		return errors.Join(fmt.Errorf("node %s did not stop within %s and is killed", n.address, stopWithin), n.Kill())
	}
}

func (n *Node) signal(verb string, s syscall.Signal) error {
	if n.settings.Dir == "" {
		return fmt.Errorf("cannot %s %s: %w", verb, n.address, ErrNotOurs)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return fmt.Errorf("cannot %s node %s: it was never started", verb, n.address)
	}
	if err := n.proc.signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot %s node %s: %w", verb, n.address, err)
	}
	return nil
}

// LogTail returns the last lines of what the server wrote, for a test or a person whose node does not start.
func (n *Node) LogTail(lines int) string {
	var tail string
	for _, name := range []string{"system.log", "jvm.log"} {
		b, err := readTail(filepath.Join(n.settings.Dir, name))
		if err == nil && len(b) > 0 {
			tail += fmt.Sprintf("--- %s\n%s\n", filepath.Join(n.settings.Dir, name), lastLines(string(b), lines))
		}
	}
	return tail
}

// readTail reads at most the last 64 KiB of a file.
func readTail(path string) ([]byte, error) {
	const most = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(info.Size(), most))
	_, err = f.ReadAt(b, info.Size()-int64(len(b)))
	return b, err
}
