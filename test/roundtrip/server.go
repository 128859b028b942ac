package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// line is one line with its time in nanoseconds.
type line struct {
	time int64
	text []byte
}

// server is the Hulotte that is tested.
type server struct {
	program, dir, base string
	cmd                *exec.Cmd
}

func newServer(program string) (*server, error) {
	dir, err := os.MkdirTemp("", "hulotte-roundtrip")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_ = l.Close()
	config := fmt.Sprintf("data_dir: %s\nserver:\n  listen: %s\n", filepath.Join(dir, "data"), address)
	return &server{program: program, dir: dir, base: "http://" + address}, os.WriteFile(filepath.Join(dir, "hulotte.yml"), []byte(config), 0o600)
}

func (s *server) remove() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}

func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

func (s *server) killAndStart(ctx context.Context) error {
	s.kill()
	return s.start(ctx)
}

func (s *server) start(ctx context.Context) error {
	out, err := os.OpenFile(filepath.Join(s.dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	s.cmd = exec.Command(s.program, "server", "--config", filepath.Join(s.dir, "hulotte.yml")) //nolint:gosec // the program under test
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.waitReady(ctx)
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if _, err := s.get(ctx, "/ready", nil); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(filepath.Join(s.dir, "output.log"))
			return fmt.Errorf("not ready: %w\n%s", ctx.Err(), text[max(0, len(text)-2000):])
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *server) get(ctx context.Context, path string, v url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path+"?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return do(r, http.StatusOK)
}

func do(r *http.Request, want int) ([]byte, error) {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s answers %s: %.500s", r.URL.Path, answer.Status, text)
	}
	return text, err
}

func selector(file string) string { return fmt.Sprintf("{job=\"roundtrip\", filename=%q}", file) }

// push sends lines as Loki's PushRequest, which carries any bytes.
func (s *server) push(ctx context.Context, file string, lines []line) error {
	stream := protowire.AppendTag(nil, 1, protowire.BytesType)
	stream = protowire.AppendString(stream, selector(file))
	for _, l := range lines {
		stamp := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(l.time/1e9))  //nolint:gosec // after 1970
		stamp = protowire.AppendVarint(protowire.AppendTag(stamp, 2, protowire.VarintType), uint64(l.time%1e9)) //nolint:gosec // as above
		entry := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), stamp)
		entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), l.text)
		stream = protowire.AppendBytes(protowire.AppendTag(stream, 2, protowire.BytesType), entry)
	}
	body := snappy.Encode(nil, protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), stream))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	_, err = do(r, http.StatusNoContent)
	return err
}

// read returns all lines of a file, as they lie in it.
func (s *server) read(ctx context.Context, file string, from, to int64) (io.ReadCloser, error) {
	v := url.Values{
		"query": {selector(file)}, "start": {strconv.FormatInt(from, 10)}, "end": {strconv.FormatInt(to, 10)},
		"limit": {"10000000"}, "direction": {"forward"}, "format": {"text"},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/api/hulotte/v1/logs/download?"+v.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return nil, fmt.Errorf("%s answers %s: %s", r.URL.Path, answer.Status, text)
	}
	return answer.Body, nil
}

func (s *server) disk() (n int64) {
	_ = filepath.WalkDir(filepath.Join(s.dir, "data"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if i, err := d.Info(); err == nil {
				n += i.Size()
			}
		}
		return nil
	})
	return n
}
