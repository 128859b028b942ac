package tail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// frame is a frame of the stream of Docker's API.
func frame(output byte, text string) string {
	head := [8]byte{output}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head[:]) + text
}

func TestDockerStream(t *testing.T) {
	f := func(in string, tty bool, want ...string) {
		t.Helper()
		var got []string
		err := readDockerStream(strings.NewReader(in), tty, 20, func(l dockerLine) error {
			got = append(got, fmt.Sprintf("%d %s %d %s", l.output, timeText(l.time), l.whole, l.text))
			return nil
		})
		if !errors.Is(err, io.EOF) {
			got = append(got, "error")
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	const at = "2026-01-02T10:00:00.5Z "
	f(frame(1, at+"a\n")+frame(2, at+"b\n"), false, "1 10:00:00.5 0 a", "2 10:00:00.5 0 b")
	f(frame(1, at+"in ")+frame(2, at+"b\n")+frame(1, "2026-01-02T10:00:01Z parts\r\n"), false, "2 10:00:00.5 0 b", "1 10:00:00.5 0 in parts")
	f(frame(1, at+strings.Repeat("x", 30)+"\n"), false, "1 10:00:00.5 30 "+strings.Repeat("x", 20))
	f(at+"a\r\n"+at+"b", true, "1 10:00:00.5 0 a")
	f(frame(7, at+"a\n"), false, "error")
	f(frame(1, "no time\n"), false, "error")
	f("\x01\x00\x00\x00\xff\xff\xff\xff", false, "error")
	f(frame(1, at+"a\n")[:12], false, "error")
}

// dockerEngine answers like Docker's API for one container.
type dockerEngine struct {
	mu     sync.Mutex
	driver string
	path   string
	since  []string
	lines  []string      // of the time i seconds
	more   chan struct{} // closed and made again when lines come
	state  string
}

const engineID = "aaaa456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func (e *dockerEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch r.URL.Path {
	case "/containers/json":
		fmt.Fprintf(w, `[{"Id":%q,"Names":["/other/alias","/web"],"State":%q,"Labels":{"com.docker.compose.service":"front"}}]`, engineID, e.state)
	case "/containers/" + engineID + "/json":
		fmt.Fprintf(w, `{"LogPath":%q,"HostConfig":{"LogConfig":{"Type":%q}},"Config":{"Tty":false}}`, e.path, e.driver)
	case "/containers/" + engineID + "/logs":
		e.since = append(e.since, r.URL.Query().Get("since"))
		e.serveLogs(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (e *dockerEngine) serveLogs(w http.ResponseWriter, r *http.Request) {
	from := 0
	if s := r.URL.Query().Get("since"); s != "" {
		var nanos int
		_, _ = fmt.Sscanf(s, "%d.%d", &from, &nanos)
		if nanos > 0 {
			from++
		}
	}
	for {
		for ; from < len(e.lines); from++ {
			_, _ = io.WriteString(w, frame(1, time.Unix(int64(from), 0).UTC().Format(time.RFC3339Nano)+" "+e.lines[from]+"\n"))
		}
		_ = http.NewResponseController(w).Flush()
		if e.state != "running" {
			return
		}
		more := e.more
		e.mu.Unlock()
		select {
		case <-more:
		case <-r.Context().Done():
		}
		e.mu.Lock()
		if r.Context().Err() != nil {
			return
		}
	}
}

func (e *dockerEngine) add(state string, lines ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = state
	e.lines = append(e.lines, lines...)
	close(e.more)
	e.more = make(chan struct{})
}

func startEngine(t *testing.T, e *dockerEngine) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "docker") // t.TempDir is too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", socket)
	must(t, err)
	e.more = make(chan struct{})
	s := &http.Server{Handler: e}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return socket
}

func TestDockerAPI(t *testing.T) {
	e := &dockerEngine{driver: "local", state: "running", lines: []string{"0", "1"}}
	o := quick(t)
	o.Containers = &ContainerOptions{Sockets: []string{startEngine(t, e)}, Labels: map[string]string{"team": "a"}}
	o.RootFS = t.TempDir()
	m := &memory{}
	_, stop := start(t, o, m)
	expect(t, m, "0", "1")
	e.add("running", "2")
	expect(t, m, "0", "1", "2")
	if l := m.all()[0].labels; l["container"] != "web" || l["service_name"] != "front" || l["stream"] != "stdout" || l["team"] != "a" || l["job"] != "containers" || l["instance"] != "here" {
		t.Errorf("labels are %v", l)
	}
	stop()
	e.add("exited", "3", "last words") // while nobody looks
	start(t, o, m)
	expect(t, m, "0", "1", "2", "3", "last words")
}

// A container whose log is in a file is read from there, wherever that is.
func TestDockerAPIWithFiles(t *testing.T) {
	e := &dockerEngine{driver: "json-file", state: "running", path: "/elsewhere/" + engineID + "/" + engineID + "-json.log", lines: []string{"from the API"}}
	o := quick(t)
	o.RootFS = t.TempDir()
	path := filepath.Join(o.RootFS, e.path)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	write(t, path, `{"log":"from the file\n","stream":"stderr","time":"2026-01-02T10:00:00Z"}`+"\n")
	o.Containers = &ContainerOptions{Sockets: []string{startEngine(t, e)}}
	m := &memory{}
	start(t, o, m)
	expect(t, m, "from the file")
	if l := m.all()[0].labels; l["container"] != "web" || l["stream"] != "stderr" {
		t.Errorf("labels are %v", l)
	}
}

func FuzzDockerStream(f *testing.F) {
	f.Add([]byte(frame(1, "2026-01-02T10:00:00.5Z a\n")+frame(2, "2026-01-02T10:00:00.5Z b")), false)
	f.Add([]byte("2026-01-02T10:00:00.5Z a\n"), true)
	f.Fuzz(func(t *testing.T, in []byte, tty bool) {
		size := 0
		_ = readDockerStream(bytes.NewReader(in), tty, 1000, func(l dockerLine) error {
			if size += len(l.text); size > len(in) || len(l.text) > 1000 {
				t.Fatalf("%d bytes came out of %d", size, len(in))
			}
			return nil
		})
	})
}
