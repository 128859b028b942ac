package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// engine asks a container engine that speaks Docker's API for the names and states of its containers.
//
// It is asked in the background, so a gather waits for a slow one only a little, and for one that hangs not at all.
type engine struct {
	socket  string
	runtime string // docker or podman
	timeout time.Duration
	labels  []string
	log     *slog.Logger
	client  *http.Client

	mu      sync.Mutex // guards what follows; never held during I/O
	running chan struct{}
	asked   time.Time // when the last question began
	failed  int       // questions in a row without a good answer
	err     error     // of the last question; nil before the first
	answer  map[string]about
}

const (
	askEvery  = 60 * time.Second // names seldom change; states are seen by the control groups anyhow
	askSooner = 10 * time.Second // when there is a container that it has not told of
	maxPause  = 10 * time.Minute // between questions to an engine that gives no good answers

	waitForAnswer = 300 * time.Millisecond // of a gather
	maxAnswer     = 32 << 20               // bytes: some thousand containers with all their labels
	maxAnswered   = 5000                   // containers
	maxText       = 256                    // bytes of a name or label that is kept
)

func newEngine(socket string, timeout time.Duration, labels []string, log *slog.Logger) *engine {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	runtime := "docker"
	if strings.Contains(socket, "podman") {
		runtime = "podman"
	}
	return &engine{
		socket: socket, runtime: runtime, timeout: timeout, labels: labels, log: log.With("socket", socket),
		client: &http.Client{
			Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("it redirects") },
		},
	}
}

// containers returns what the engine told last, by identifier; the map is not changed any more. It asks again when
// that is due, and sooner when unknown is set, and then waits a little for the answer.
func (e *engine) containers(now time.Time, unknown bool) map[string]about {
	e.mu.Lock()
	if e.dueLocked(now, unknown) {
		e.asked, e.running = now, make(chan struct{})
		go e.ask(e.running)
	}
	running := e.running
	e.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-time.After(waitForAnswer):
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answer
}

func (e *engine) dueLocked(now time.Time, unknown bool) bool {
	if e.running != nil {
		return false
	}
	pause := askEvery
	if unknown && e.err == nil {
		pause = askSooner
	}
	for range e.failed {
		pause = min(2*pause, maxPause)
	}
	if !e.asked.IsZero() && now.Sub(e.asked) < pause {
		return false
	}
	_, err := os.Stat(e.socket)
	return err == nil
}

// ask asks once and closes done.
func (e *engine) ask(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), e.timeout)
	defer cancel()
	answer, err := e.list(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	defer close(done)
	e.running = nil
	if err != nil {
		if e.failed == 0 {
			e.log.Warn("the container engine does not answer: containers have no names from it", "err", err)
		}
		e.failed++
		e.err = err
		return // what it told before stands
	}
	if e.failed > 0 {
		e.log.Info("the container engine answers again")
	}
	e.failed, e.err, e.answer = 0, nil, answer
}

// state says whether the engine answers; known is false when it was never asked.
func (e *engine) state() (up, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err == nil, e.err != nil || e.answer != nil
}

// list is GET /containers/json of Docker's Engine API ("List containers"), without a version: every engine answers it.
func (e *engine) list(ctx context.Context) (map[string]about, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/containers/json?all=1", nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %q", resp.Status)
	}
	body := io.LimitReader(resp.Body, maxAnswer+1)
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	}
	return parseContainers(text, e.runtime, e.labels)
}

// dockerContainer is what we take of one container of the answer.
type dockerContainer struct {
	ID      string `json:"Id"`
	Names   []string
	Image   string
	State   string
	Status  string
	Created int64
	Labels  map[string]string
	Ports   []struct {
		PrivatePort, PublicPort int
		Type                    string
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress, GlobalIPv6Address string }
	}
}

// parseContainers decodes the engine's answer. keep are the labels that are kept besides Kubernetes'.
func parseContainers(text []byte, runtime string, keep []string) (map[string]about, error) {
	var list []dockerContainer
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("its answer is no list of containers: %w", err)
	}
	out := make(map[string]about, min(len(list), maxAnswered))
	for _, d := range list {
		if !isIdentifier(d.ID) || len(out) >= maxAnswered {
			continue
		}
		a := d.about(keep)
		a.runtime = runtime
		out[d.ID] = a
	}
	return out, nil
}

func (d dockerContainer) about(keep []string) about {
	a := about{
		image: clip(d.Image), state: clip(strings.ToLower(d.State)), health: healthOf(d.Status), created: d.Created,
		namespace: clip(d.Labels["io.kubernetes.pod.namespace"]), pod: clip(d.Labels["io.kubernetes.pod.name"]),
		workload: clip(d.Labels["io.kubernetes.container.name"]),
	}
	for _, n := range d.Names { // with links a container has more names: the own one has no second slash
		if n = strings.TrimPrefix(n, "/"); a.name == "" || !strings.Contains(n, "/") {
			a.name = clip(n)
		}
	}
	a.labels = keepLabels(d.Labels, keep)
	d.network(&a)
	return a
}

// Of one container.
const (
	maxLabels    = 64
	maxAddresses = 16
	maxPorts     = 256
)

// keepLabels returns the labels that are wanted; a wanted name that ends with * is a beginning. nil is none.
func keepLabels(labels map[string]string, wanted []string) map[string]string {
	var out map[string]string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		value := labels[name]
		if value == "" || len(name) > maxText || len(out) >= maxLabels || !isWanted(name, wanted) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = clip(value)
	}
	return out
}

func isWanted(name string, wanted []string) bool {
	return slices.ContainsFunc(wanted, func(w string) bool {
		beginning, ok := strings.CutSuffix(w, "*")
		return name == w || ok && strings.HasPrefix(name, beginning)
	})
}

// network adds the container's addresses and ports.
func (d *dockerContainer) network(a *about) {
	for _, name := range slices.Sorted(maps.Keys(d.NetworkSettings.Networks)) {
		n := d.NetworkSettings.Networks[name]
		for _, text := range []string{n.IPAddress, n.GlobalIPv6Address} {
			if ip, err := netip.ParseAddr(text); err == nil && len(a.addresses) < maxAddresses {
				a.addresses = append(a.addresses, ip)
			}
		}
	}
	for _, p := range d.Ports[:min(len(d.Ports), maxPorts)] {
		if (p.Type == "tcp" || p.Type == "udp") && p.PrivatePort == int(uint16(p.PrivatePort)) && p.PublicPort == int(uint16(p.PublicPort)) {
			a.ports = append(a.ports, Port{Network: p.Type, Container: uint16(p.PrivatePort), Host: uint16(p.PublicPort)})
		}
	}
}

// healthOf reads the health check's result out of "Up 5 minutes (healthy)".
func healthOf(status string) string {
	switch {
	case strings.HasSuffix(status, "(healthy)"):
		return "healthy"
	case strings.HasSuffix(status, "(unhealthy)"):
		return "unhealthy"
	case strings.HasSuffix(status, "(health: starting)"):
		return "starting"
	}
	return ""
}

// clip makes a label's value of what somebody else wrote.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "_")
}
