package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// listeners is how many ports answer. Each may have some 28,000 connections that were closed in the last minute.
const listeners = 16

// startAnswering starts a process that answers, so that its CPU time is not that of the engine, and returns its ports.
func startAnswering(ctx context.Context) ([]int, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-listen")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // it ends when this is closed
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() { in.Close(); _ = cmd.Wait() } // however it ends
	var ports []int
	if err := json.NewDecoder(out).Decode(&ports); err != nil {
		stop()
		return nil, nil, fmt.Errorf("the process that answers does not say where: %w", err)
	}
	return ports, stop, nil
}

// answer listens on free ports of the loopback, writes them as JSON, and answers whatever comes until its standard input ends: a
// line of HTTP with a small page, everything else with silence.
func answer(ctx context.Context, _ flags) error {
	var ports []int
	var all []net.Listener
	for range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		all = append(all, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	var wg sync.WaitGroup
	for _, l := range all {
		wg.Go(func() { accept(l) })
	}
	if err := json.NewEncoder(os.Stdout).Encode(ports); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
		cancel()
	}()
	<-ctx.Done()
	for _, l := range all {
		l.Close()
	}
	wg.Wait()
	return nil
}

func accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, most likely
			continue
		}
		go serve(c)
	}
}

const page = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"

func serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 512)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > 2 {
			continue
		}
		if _, err := io.WriteString(c, page); err != nil {
			return
		}
	}
}
