package cassandra

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is a running program that dies with this one.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the program has ended and err is set
	err  error
}

// startProcess starts cmd in a process group of its own, so that a Ctrl-C in the terminal reaches only this program,
// which then stops the other one in good order.
func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = dieWithParent(&syscall.SysProcAttr{Setpgid: true})
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	return p, <-started
}

// run keeps one thread for as long as the program runs: to Linux the parent is the thread that started it, and
// the program would be killed when the Go runtime ends that thread.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

// signal sends a signal to a program that may have ended.
func (p *process) signal(s syscall.Signal) error {
	if p.ended() {
		return nil
	}
	return p.cmd.Process.Signal(s)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
