// Command roundtrip pushes the lines of real log files into Hulotte, kills it, starts it again, reads everything back
// and compares byte for byte.
//
//	go run ./test/roundtrip -hulotte bin/hulotte /var/log/syslog /var/log/nginx/access.log
//
// Each file is one stream. A file's last line counts although nothing ends it; files of any bytes will do.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	hulotte := flag.String("hulotte", "bin/hulotte", "program")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *hulotte, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "roundtrip:", err)
		os.Exit(1)
	}
}

// sent is what was pushed of a file.
type sent struct {
	file         string
	lines, bytes int64
	first, last  int64 // nanoseconds
	sum          string
}

func run(ctx context.Context, program string, files []string) error {
	if len(files) == 0 {
		return errors.New("no files given")
	}
	s, err := newServer(program)
	if err != nil {
		return err
	}
	defer s.remove()
	if err := s.start(ctx); err != nil {
		return err
	}
	var all []sent
	begin := time.Now()
	for _, f := range files {
		one, err := send(ctx, s, f)
		if err != nil {
			return fmt.Errorf("cannot push %s: %w", f, err)
		}
		fmt.Printf("pushed  %-60s %10d lines %8.1f MB\n", f, one.lines, float64(one.bytes)/1e6)
		all = append(all, one)
	}
	fmt.Printf("pushed in %s; killing it and starting it again\n", time.Since(begin).Round(time.Millisecond))
	if err := s.killAndStart(ctx); err != nil {
		return err
	}
	return compareAll(ctx, s, all)
}

func compareAll(ctx context.Context, s *server, all []sent) error {
	var total sent
	different := 0
	for _, want := range all {
		got, err := receive(ctx, s, want)
		if err != nil {
			return fmt.Errorf("cannot read %s back: %w", want.file, err)
		}
		verdict := "same"
		if got.sum != want.sum {
			verdict = fmt.Sprintf("DIFFERENT: %d lines, %d bytes", got.lines, got.bytes)
			different++
		}
		fmt.Printf("read    %-60s %10d lines %8.1f MB  %s\n", want.file, got.lines, float64(got.bytes)/1e6, verdict)
		total.lines, total.bytes = total.lines+got.lines, total.bytes+got.bytes
	}
	data := s.disk()
	fmt.Printf("%d files, %d lines, %.1f MB; %d different; %.1f MB on disk with the journal\n", len(all), total.lines, float64(total.bytes)/1e6, different, float64(data)/1e6)
	if different > 0 {
		return fmt.Errorf("%d files came back different", different)
	}
	return nil
}

// step is the time between two lines: every line has a time of its own, so that reading in pages needs nothing else.
const step = int64(time.Microsecond)

const linesPerPush = 4000

func send(ctx context.Context, s *server, file string) (sent, error) {
	f, err := os.Open(file) //nolint:gosec // named by the user
	if err != nil {
		return sent{}, err
	}
	defer func() { _ = f.Close() }()
	out := sent{file: file, first: time.Now().Add(-time.Hour).UnixNano()}
	out.last = out.first
	sum := sha256.New()
	lines := bufio.NewReaderSize(f, 1<<20)
	var batch []line
	for {
		text, err := lines.ReadBytes('\n')
		if len(text) > 0 {
			text = trimEnd(text)
			batch = append(batch, line{out.last, text})
			out.last += step
			out.count(sum, text)
		}
		if len(batch) == linesPerPush || err != nil && len(batch) > 0 {
			if err := s.push(ctx, file, batch); err != nil {
				return out, err
			}
			batch = batch[:0]
		}
		switch {
		case err == io.EOF:
			out.sum = hex.EncodeToString(sum.Sum(nil))
			return out, nil
		case err != nil:
			return out, err
		}
	}
}

func trimEnd(text []byte) []byte {
	if text[len(text)-1] == '\n' {
		return text[:len(text)-1]
	}
	return text
}

func (s *sent) count(sum hash.Hash, text []byte) {
	s.lines++
	s.bytes += int64(len(text))
	_, _ = sum.Write(text)
	_, _ = sum.Write([]byte{'\n'})
}

// receive reads a file back. A line with an end of line inside counts as several; no line of a file has one.
func receive(ctx context.Context, s *server, want sent) (sent, error) {
	got := sent{file: want.file}
	body, err := s.read(ctx, want.file, want.first, want.last)
	if err != nil {
		return got, err
	}
	defer func() { _ = body.Close() }()
	sum := sha256.New()
	buffer := make([]byte, 1<<20)
	for {
		n, err := body.Read(buffer)
		_, _ = sum.Write(buffer[:n])
		got.bytes += int64(n)
		got.lines += int64(bytes.Count(buffer[:n], []byte{'\n'}))
		switch {
		case err == io.EOF:
			got.bytes -= got.lines
			got.sum = hex.EncodeToString(sum.Sum(nil))
			return got, nil
		case err != nil:
			return got, err
		}
	}
}
