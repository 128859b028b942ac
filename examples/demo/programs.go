package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// programs are those that run.
type programs struct {
	logs    string
	running []*program
	ended   chan *program
}

type program struct {
	name string
	cmd  *exec.Cmd
	err  error
	gone chan struct{}
}

// startAll starts Hulotte and the applications, and waits until each answers.
func (p *programs) startAll(ctx context.Context, o options, python string) error {
	p.ended = make(chan *program, 3)
	hulotte := exec.Command(o.hulotte, "--config", filepath.Join(examples, "hulotte.yml"), "--data-dir", filepath.Join(o.folder, "data"), "--listen", o.listen)
	if err := p.start(ctx, "hulotte", hulotte, "http://"+o.listen+"/-/ready"); err != nil {
		return err
	}
	quotes := exec.Command(filepath.Join(python, "gunicorn"), "--bind", quotesAddress, "--threads", "8", "quotes.wsgi")
	quotes.Dir, quotes.Env = filepath.Join(examples, "django-quotes"), quotesEnvironment(o)
	if err := p.start(ctx, "quotes", quotes, "http://"+quotesAddress+"/health?format=text"); err != nil {
		return err
	}
	shop := exec.Command(filepath.Join(o.folder, "shop"), "-listen", shopAddress, "-quotes", "http://"+quotesAddress, "-orders", filepath.Join(o.folder, "orders.sqlite3"))
	shop.Env = append(os.Environ(), "OTEL_SERVICE_NAME=shop", endpoint)
	return p.start(ctx, "shop", shop, "http://"+shopAddress+"/health")
}

func (p *programs) start(ctx context.Context, name string, cmd *exec.Cmd, ready string) error {
	log, err := os.Create(filepath.Join(p.logs, name+".log"))
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C comes to us alone, and we end them in their order
	fmt.Println("starting", name)
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	one := &program{name: name, cmd: cmd, gone: make(chan struct{})}
	p.running = append(p.running, one)
	go func() {
		one.err = cmd.Wait()
		_ = log.Close() // it was written by another process
		close(one.gone)
		p.ended <- one
	}()
	return one.wait(ctx, ready, log.Name())
}

// wait waits until the address answers.
func (p *program) wait(ctx context.Context, address, log string) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for {
		if answers(ctx, address) {
			return nil
		}
		select {
		case <-p.gone:
			return fmt.Errorf("%s ended at once (%w): see %s", p.name, errors.Join(p.err, errEnded), log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: see %s", p.name, address, log)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

var errEnded = errors.New("it should go on")

func answers(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // nothing of it is needed
	return response.StatusCode == http.StatusOK
}

// wait returns when one of them ends by itself.
func (p *programs) wait() error {
	one := <-p.ended
	return fmt.Errorf("%s ended (%w): see %s", one.name, errors.Join(one.err, errEnded), filepath.Join(p.logs, one.name+".log"))
}

// stop ends them, the last one first, so that what they still send is taken.
func (p *programs) stop() {
	for i := len(p.running) - 1; i >= 0; i-- {
		one := p.running[i]
		_ = one.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-one.gone:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-one.cmd.Process.Pid, syscall.SIGKILL)
		}
	}
}
