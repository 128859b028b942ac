package tail

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

const (
	engineEvery   = 5 * time.Second  // between two questions to an engine
	engineTimeout = 10 * time.Second // of a question
	engineAnswer  = 32 << 20         // bytes
	recentLines   = 1000             // of a container that is met for the first time
	cursorPrefix  = "container/"     // of the positions in an engine's streams
)

// defaultSockets are those that are there when nobody has changed it.
var defaultSockets = []string{"/run/docker.sock", "/run/podman/podman.sock"}

// engineNames remembers what engines told about containers.
type engineNames struct {
	mu    sync.Mutex
	names map[string]containerAbout
	paths []string // of logs that are not in the usual places
}

func (n *engineNames) of(id string) containerAbout {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[id]
}

func (n *engineNames) set(id string, a containerAbout) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names == nil || len(n.names) > 10*maxContainers {
		n.names = map[string]containerAbout{}
	}
	n.names[id] = a
}

// addPath makes the scan look at a file.
func (n *engineNames) addPath(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.paths, path) {
		n.paths = append(n.paths[max(len(n.paths)-maxContainers, 0):], path)
	}
}

func (n *engineNames) extraPaths() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.paths)
}

// dockerLogs follows, through an engine's API, the containers whose logs are in no file that can be read.
type dockerLogs struct {
	t      *Tailer
	opts   ContainerOptions
	socket string
	client *http.Client
	warned bool

	mu      sync.Mutex
	running map[string]bool // containers that are followed
	over    map[string]bool // stopped ones that were read to their end
	skipped map[string]bool // those that need no API
}

func newDockerLogs(o ContainerOptions, socket string, t *Tailer) *dockerLogs {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &dockerLogs{
		t: t, opts: o, socket: socket, running: map[string]bool{}, over: map[string]bool{}, skipped: map[string]bool{},
		client: &http.Client{
			Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("it redirects") },
		},
	}
}

// run asks and follows until ctx ends.
func (d *dockerLogs) run(ctx context.Context) {
	var followers sync.WaitGroup
	defer followers.Wait()
	for ctx.Err() == nil {
		err := d.look(ctx, &followers)
		switch {
		case err == nil:
			d.warned = false
		case ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist):
			d.t.metrics.errors.WithLabelValues("container").Inc()
			if !d.warned {
				d.t.log.Warn("the container engine does not tell of its containers: their logs are read from files only", "socket", d.socket, "err", err)
			}
			d.warned = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(engineEvery):
		}
	}
}

// engineContainer is one of the answer to "List containers" of Docker's Engine API.
type engineContainer struct {
	ID     string `json:"Id"`
	Names  []string
	State  string
	Labels map[string]string
}

// look asks for the containers and begins to follow those that nobody follows yet.
func (d *dockerLogs) look(ctx context.Context, followers *sync.WaitGroup) error {
	var list []engineContainer
	if err := d.ask(ctx, "/containers/json?all=1", &list); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, c := range list[:min(len(list), maxContainers)] {
		if !isContainerID(c.ID) {
			continue
		}
		there[c.ID] = true
		about := containerAbout{Labels: c.Labels}
		for _, n := range c.Names { // a link's name has a second slash
			if n = strings.TrimPrefix(n, "/"); about.Name == "" || !strings.Contains(n, "/") {
				about.Name = n
			}
		}
		d.t.engineNames.set(c.ID, about)
		if d.begin(c) {
			followers.Go(func() { d.followOne(ctx, c, about) })
		}
	}
	d.forget(there)
	return nil
}

// begin says whether a container is to be followed now.
func (d *dockerLogs) begin(c engineContainer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	alive := c.State == "running" || c.State == "paused"
	if alive {
		delete(d.over, c.ID)
	}
	if d.running[c.ID] || d.skipped[c.ID] || d.over[c.ID] || !alive && d.t.saved.cursor(cursorPrefix+c.ID) == "" {
		return false
	}
	d.running[c.ID] = true
	return true
}

// forget drops what is known of containers that are removed.
func (d *dockerLogs) forget(there map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range []map[string]bool{d.over, d.skipped} {
		for id := range m {
			if !there[id] {
				delete(m, id)
				d.t.saved.setCursor(cursorPrefix+id, "")
			}
		}
	}
}

// engineInspect is what is taken of the answer to "Inspect a container".
type engineInspect struct {
	LogPath    string
	HostConfig struct {
		LogConfig struct{ Type string }
	}
	Config struct{ Tty bool }
}

// followOne follows a container until its stream ends.
func (d *dockerLogs) followOne(ctx context.Context, c engineContainer, about containerAbout) {
	var inspect engineInspect
	err := d.ask(ctx, "/containers/"+c.ID+"/json", &inspect)
	skip := err == nil && d.elsewhere(&inspect)
	if err == nil && !skip {
		err = d.stream(ctx, c, about, inspect.Config.Tty)
	}
	d.mu.Lock()
	delete(d.running, c.ID)
	switch {
	case skip:
		d.skipped[c.ID] = true
	case err == nil && c.State != "running":
		d.over[c.ID] = true
	}
	d.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		d.t.metrics.errors.WithLabelValues("container").Inc()
		d.t.log.Debug("cannot follow a container through its engine: trying again", "container", about.Name, "err", err)
	}
}

// elsewhere says whether what the container writes is read from a file or the journal, or nowhere to be had.
func (d *dockerLogs) elsewhere(i *engineInspect) bool {
	switch i.HostConfig.LogConfig.Type {
	case "none":
		return true
	case "journald":
		return d.t.opts.Journal != nil
	case "json-file", "k8s-file":
		path := filepath.Join(d.t.opts.RootFS, i.LogPath)
		f, err := os.OpenFile(path, openFlags, 0)
		if i.LogPath == "" || err != nil {
			return false
		}
		_ = f.Close()
		d.t.engineNames.addPath(path)
		return true
	}
	return false
}

// ask is a GET with an answer in JSON.
func (d *dockerLogs) ask(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	body, err := d.get(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, engineAnswer)).Decode(into); err != nil {
		return fmt.Errorf("its answer is not understood: %w", err)
	}
	return nil
}

func (d *dockerLogs) get(ctx context.Context, path string) (io.ReadCloser, error) {
	if _, err := os.Stat(d.socket); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("it answers %q", resp.Status)
	}
	return resp.Body, nil
}

// stream reads "Get container logs" of Docker's Engine API until it ends.
func (d *dockerLogs) stream(ctx context.Context, c engineContainer, about containerAbout, tty bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	key := cursorPrefix + c.ID
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "timestamps": {"1"}, "follow": {"1"}}
	if last, err := strconv.ParseInt(d.t.saved.cursor(key), 10, 64); err == nil {
		last++
		query.Set("since", fmt.Sprintf("%d.%09d", last/int64(time.Second), last%int64(time.Second)))
	} else {
		query.Set("tail", strconv.Itoa(recentLines))
	}
	body, err := d.get(ctx, "/containers/"+c.ID+"/logs?"+query.Encode())
	if err != nil {
		return err
	}
	defer body.Close()
	lines := make(chan dockerLine, 1000) // closed by the reading goroutine, which has set failed before
	var failed error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(lines)
		failed = readDockerStream(body, tty, d.t.opts.MaxLine, func(l dockerLine) error {
			select {
			case lines <- l:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	out := newContainerRecords(d.t, c.ID, about, d.opts.Labels)
	for more := true; more; {
		var streams []model.Stream
		var last int64
		streams, last, more = out.collect(ctx, lines)
		if len(streams) == 0 {
			continue
		}
		if !d.t.sink.deliver(ctx, "container", streams) {
			break
		}
		d.t.saved.setCursor(key, strconv.FormatInt(last, 10))
	}
	cancel()
	_ = body.Close()
	reading.Wait()
	if errors.Is(failed, io.EOF) {
		failed = nil
	}
	return failed
}

// maxFrame bounds a frame of an engine's stream: Docker cuts at 16 KiB.
const maxFrame = 1 << 20

// readDockerStream reads the stream of a container's outputs with timestamps. Without a terminal it is frames:
//
//	output (1: stdout, 2: stderr) 0 0 0 length (4 bytes, big endian) text
//
// and each text is a line, or a part of one when it has no end. With a terminal it is lines. Every line, and every part of one, begins with its time and a
// space. It returns io.EOF at the end.
func readDockerStream(r io.Reader, tty bool, maxLine int, f func(dockerLine) error) error {
	b := bufio.NewReaderSize(r, 64<<10)
	var open [outputs]dockerLine
	var begun [outputs]bool
	for {
		output, part, err := nextPart(b, tty, maxLine)
		if err != nil {
			return err
		}
		stamp, text, ok := strings.Cut(part, " ")
		at, timeErr := time.Parse(time.RFC3339Nano, stamp)
		if !ok || timeErr != nil || at.Year() < 1970 || at.Year() > 2200 {
			return errors.New("a line of a container's log has no time")
		}
		l := &open[output]
		if !begun[output] {
			*l = dockerLine{time: at.UnixNano(), output: output}
			begun[output] = true
		}
		ended := strings.HasSuffix(text, "\n")
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		l.text += text[:min(len(text), max(maxLine-len(l.text), 0))]
		l.whole += len(text)
		l.last = at.UnixNano()
		if !ended {
			continue
		}
		begun[output] = false
		if l.whole <= len(l.text) {
			l.whole = 0
		}
		if err := f(*l); err != nil {
			return err
		}
	}
}

// nextPart reads a frame or, with a terminal, a line; of one that is longer than anybody keeps only the beginning.
func nextPart(b *bufio.Reader, tty bool, maxLine int) (output int8, part string, err error) {
	if tty {
		var line []byte
		for {
			piece, err := b.ReadSlice('\n')
			line = append(line, piece[:min(len(piece), max(maxLine+64-len(line), 0))]...)
			if !errors.Is(err, bufio.ErrBufferFull) {
				if err == nil && (len(line) == 0 || line[len(line)-1] != '\n') {
					line = append(line, '\n')
				}
				if len(line) == 0 || err != nil {
					return 0, "", io.EOF
				}
				return stdout, string(line), nil
			}
		}
	}
	var head [8]byte
	if _, err := io.ReadFull(b, head[:]); err != nil {
		return 0, "", err
	}
	n := binary.BigEndian.Uint32(head[4:])
	if n > maxFrame || head[0] > 2 || head[1]|head[2]|head[3] != 0 {
		return 0, "", errors.New("the stream of a container's log is damaged")
	}
	var text strings.Builder
	if _, err := io.CopyN(&text, b, int64(n)); err != nil {
		return 0, "", unexpected(err)
	}
	if head[0] == 2 {
		return stderr, text.String(), nil
	}
	return stdout, text.String(), nil
}
