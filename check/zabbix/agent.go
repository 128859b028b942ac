package zabbix

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/check/local"
	"github.com/hulotte-dev/hulotte/internal/tcpserver"
)

// Version is what agent.version answers: the version of Zabbix whose keys and protocol are spoken.
const Version = "7.0.0"

// AgentOptions configures an Agent. Zero values mean the default.
type AgentOptions struct {
	// Address to listen on for passive checks; 127.0.0.1:10050. "-" for none.
	Address string
	// AllowedHosts are the Zabbix servers that may ask: addresses, networks, names. Everyone who reaches Address when empty.
	AllowedHosts []string
	TLS          *tls.Config // nil is none. Zabbix' pre-shared keys are not spoken
	// Hostname is the name by which the Zabbix server knows this machine; its own name by default.
	Hostname string
	Metadata string
	// Folders are those in which vfs.file.* may look; none by default.
	Folders []string
	// Servers are asked for active checks and get their values ("zabbix.example.org:10051"); none by default.
	Servers []string
	// Refresh is how often they are asked; 2m. Timeout bounds one item; 3s.
	Refresh, Timeout time.Duration
	MaxConns         int
	Waiter           *local.Waiter // shared with others that ask file systems
}

// Agent answers Zabbix servers as their own agents do.
type Agent struct {
	o       AgentOptions
	tcp     *tcpserver.Server // nil for none
	items   map[string]item
	cpu     *cpuHistory
	procCPU *procCPU
	files   folders
	log     *slog.Logger
	busy    chan struct{} // a place for each item that is looked up; never closed

	answers *prometheus.CounterVec
	sent    *prometheus.CounterVec
}

// item answers a key. The error is shown to who asks.
type item func(ctx context.Context, a *Agent, k Key) (string, error)

// errUnsupported is what Zabbix' agents say of keys that they do not know; system.run is one of them.
var errUnsupported = errors.New("Unsupported item key.") //nolint:staticcheck // the words of the protocol

// NewAgent makes an agent and binds its address.
func NewAgent(o AgentOptions, log *slog.Logger, reg prometheus.Registerer) (*Agent, error) {
	a := &Agent{o: o.withDefaults(), items: allItems(), cpu: &cpuHistory{}, procCPU: newProcCPU(), log: log, busy: make(chan struct{}, 64)}
	var err error
	if a.files, err = openFolders(a.o.Folders); err != nil {
		return nil, err
	}
	if a.o.Address != "-" {
		a.tcp, err = tcpserver.Listen("zabbix_agent", tcpserver.Options{Address: a.o.Address, TLS: o.TLS, Allowed: o.AllowedHosts, MaxConns: o.MaxConns}, log, reg)
		if err != nil {
			return nil, err
		}
	}
	with := promauto.With(reg)
	a.answers = with.NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_zabbix_items_total", Help: "Items that Zabbix servers asked for, by answer: ok, unsupported or busy.",
	}, []string{"answer"})
	a.sent = with.NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_zabbix_active_values_total", Help: "Values of active checks by what became of them: sent or dropped.",
	}, []string{"fate"})
	return a, nil
}

func (o AgentOptions) withDefaults() AgentOptions {
	if o.Address == "" {
		o.Address = "127.0.0.1:10050"
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname() // without a name it is empty
	}
	if o.Refresh <= 0 {
		o.Refresh = 2 * time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.Waiter == nil {
		o.Waiter = local.NewWaiter()
	}
	return o
}

// Addr is the address in use; nil for none.
func (a *Agent) Addr() net.Addr {
	if a.tcp == nil {
		return nil
	}
	return a.tcp.Addr()
}

// Serve answers and sends until ctx ends.
func (a *Agent) Serve(ctx context.Context) error {
	defer a.files.close()
	var parts []func(context.Context) error
	parts = append(parts, a.sampleCPU)
	for _, server := range a.o.Servers {
		parts = append(parts, newActive(a, server).run)
	}
	if a.tcp != nil {
		parts = append(parts, func(ctx context.Context) error { return a.tcp.Serve(ctx, a.serve) })
	}
	return together(ctx, parts)
}

// together runs parts until ctx ends or one of them fails, and waits for all.
func together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(parts)) // everyone's; never closed
	for _, f := range parts {
		go func() {
			err := f(ctx)
			cancel()
			errs <- err
		}()
	}
	var all []error
	for range parts {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func (a *Agent) sampleCPU(ctx context.Context) error {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		a.cpu.sample(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// maxRequest is what a question may have at most: some keys in JSON.
const maxRequest = 256 << 10

func (a *Agent) serve(ctx context.Context, c net.Conn) error {
	data, err := readFrame(c, maxRequest, func(start []byte) ([]byte, error) { return readLine(c, start) })
	if err != nil {
		return err
	}
	var answer []byte
	if len(data) > 0 && data[0] == '{' {
		if answer, err = a.passive(ctx, data); err != nil {
			return err
		}
	} else if value, err := a.Item(ctx, strings.TrimRight(string(data), "\r\n")); err != nil {
		answer = []byte(notSupported + "\x00" + err.Error())
	} else {
		answer = []byte(value)
	}
	_, err = c.Write(appendFrame(nil, answer))
	return err
}

// readLine reads a question without a header, as old servers and people with netcat ask.
func readLine(r io.Reader, start []byte) ([]byte, error) {
	line := append(make([]byte, 0, 64), start...)
	for !bytes.HasSuffix(line, []byte("\n")) {
		if len(line) > maxKey {
			return nil, fmt.Errorf("the question is longer than %d bytes", maxKey)
		}
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		line = append(line, b[0])
	}
	return line, nil
}

// passive answers the form that Zabbix asks since 7.0: {"request":"passive checks","data":[{"key":"agent.ping","timeout":3}]}.
func (a *Agent) passive(ctx context.Context, data []byte) ([]byte, error) {
	var q struct {
		Request string `json:"request"`
		Data    []struct {
			Key string `json:"key"`
		} `json:"data"`
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, fmt.Errorf("the question is no JSON: %w", err)
	}
	if q.Request != "passive checks" || len(q.Data) > maxParams {
		return nil, fmt.Errorf("the request %.40q with %d keys is not known", q.Request, len(q.Data))
	}
	type one struct {
		Value *string `json:"value,omitempty"`
		Error string  `json:"error,omitempty"`
	}
	answer := struct {
		Version string `json:"version"`
		Variant int    `json:"variant"`
		Data    []one  `json:"data"`
	}{Version: Version, Variant: 2, Data: []one{}}
	for _, d := range q.Data {
		value, err := a.Item(ctx, d.Key)
		if err != nil {
			answer.Data = append(answer.Data, one{Error: err.Error()})
			continue
		}
		answer.Data = append(answer.Data, one{Value: &value})
	}
	return json.Marshal(answer)
}

// Item answers one key.
func (a *Agent) Item(ctx context.Context, key string) (string, error) {
	value, err := a.item(ctx, key)
	if err != nil {
		a.answers.WithLabelValues("unsupported").Inc()
		return "", err
	}
	a.answers.WithLabelValues("ok").Inc()
	return value, nil
}

func (a *Agent) item(ctx context.Context, key string) (string, error) {
	k, err := ParseKey(key)
	if err != nil {
		return "", errors.New("Invalid item key format.") //nolint:staticcheck // the words of the protocol
	}
	f, ok := a.items[k.Name]
	if !ok {
		return "", errUnsupported
	}
	ctx, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return "", errors.New("Timeout while waiting for other items.") //nolint:staticcheck // the words of the protocol
	}
	value, err := f(ctx, a, k)
	if len(value) > maxValue {
		value = value[:maxValue]
	}
	return value, err
}
