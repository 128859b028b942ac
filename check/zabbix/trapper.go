package zabbix

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/internal/tcpserver"
	"github.com/hulotte-dev/hulotte/model"
)

// Value is one value that came in.
type Value struct {
	Host, Key string
	Value     string
	At        time.Time
	// NotSupported: the agent could not tell; Value is the reason.
	NotSupported bool
}

// Sample is a number among the values.
type Sample struct {
	Host, Key string
	Value     float64
	At        time.Time
}

// Target is a declared check that takes the values of a key.
type Target struct {
	Check             string
	Warning, Critical check.Range
	Label, Unit       string // of the number; the key when empty
}

// ActiveItem is what an agent in active mode is asked to send.
type ActiveItem struct {
	Key   string
	Delay time.Duration
}

// TrapperOptions configures a Trapper. Zero values mean the default.
type TrapperOptions struct {
	Address      string // 127.0.0.1:10051
	AllowedHosts []string
	TLS          *tls.Config
	MaxPacket    int64 // bytes of a packet, unpacked; 16 MiB
	MaxConns     int
	// Target finds the check that takes a value; false for none.
	Target func(host, key string) (Target, bool)
	Submit func(ctx context.Context, host, check string, r model.CheckResult) error
	// Series takes the numbers, whether a check has them or not; nil for none.
	Series func(ctx context.Context, samples []Sample) error
	// Active is what agents in active mode send, by the name under which they ask; nil for nothing.
	Active func(host, metadata string) []ActiveItem
}

// Trapper takes values from zabbix_sender, and from agents and proxies in active mode.
type Trapper struct {
	o      TrapperOptions
	tcp    *tcpserver.Server
	log    *slog.Logger
	values *prometheus.CounterVec
}

// maxValues bounds the values of one packet.
const maxValues = 100_000

// ListenTrapper binds the address.
func ListenTrapper(o TrapperOptions, log *slog.Logger, reg prometheus.Registerer) (*Trapper, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:10051"
	}
	if o.MaxPacket <= 0 {
		o.MaxPacket = 16 << 20
	}
	tcp, err := tcpserver.Listen("zabbix_trapper", tcpserver.Options{Address: o.Address, TLS: o.TLS, Allowed: o.AllowedHosts, MaxConns: o.MaxConns}, log, reg)
	if err != nil {
		return nil, err
	}
	return &Trapper{o: o, tcp: tcp, log: log, values: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_zabbix_trapped_values_total", Help: "Values from zabbix_sender and active agents by what took them: check, series or nobody.",
	}, []string{"fate"})}, nil
}

// Addr is the address in use.
func (t *Trapper) Addr() net.Addr { return t.tcp.Addr() }

// Serve takes values until ctx ends.
func (t *Trapper) Serve(ctx context.Context) error { return t.tcp.Serve(ctx, t.serve) }

// request is what is sent: "sender data", "agent data" or "active checks".
type request struct {
	Request  string      `json:"request"`
	Host     string      `json:"host"`
	Metadata string      `json:"host_metadata"`
	Data     []wireValue `json:"data"`
	Clock    int64       `json:"clock"`
	NS       int64       `json:"ns"`
	Session  string      `json:"session"`
	Version  string      `json:"version"`
}

// wireValue is one value. Senders differ in whether numbers stand in quotes.
type wireValue struct {
	Host  string          `json:"host"`
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	Clock json.Number     `json:"clock"`
	NS    json.Number     `json:"ns"`
	State int             `json:"state"`
}

func (t *Trapper) serve(ctx context.Context, c net.Conn) error {
	data, err := readFrame(c, t.o.MaxPacket, nil)
	if err != nil {
		return err
	}
	var q request
	if err := json.Unmarshal(data, &q); err != nil {
		t.reply(c, map[string]any{"response": "failed", "info": "the packet is no JSON: " + err.Error()})
		return fmt.Errorf("the packet is no JSON: %w", err)
	}
	switch q.Request {
	case "sender data", "agent data":
		return t.take(ctx, c, q)
	case "active checks":
		t.reply(c, t.active(q))
		return nil
	case "active check heartbeat":
		t.reply(c, map[string]any{"response": "success"})
		return nil
	}
	t.reply(c, map[string]any{"response": "failed", "info": fmt.Sprintf("the request %.40q is not known here", q.Request)})
	return fmt.Errorf("the request %.40q is not known", q.Request)
}

func (t *Trapper) reply(c net.Conn, v any) {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = c.Write(appendFrame(nil, b))
	}
	if err != nil {
		t.log.Debug("an answer to a Zabbix sender is lost", "err", err)
	}
}

// active answers with what an agent should send.
func (t *Trapper) active(q request) any {
	type one struct {
		Key         string `json:"key"`
		KeyOrig     string `json:"key_orig"`
		ItemID      int    `json:"itemid"`
		Delay       string `json:"delay"`
		LastLogSize int    `json:"lastlogsize"`
		MTime       int    `json:"mtime"`
	}
	items := []one{}
	if t.o.Active != nil {
		for i, a := range t.o.Active(q.Host, q.Metadata) {
			items = append(items, one{Key: a.Key, KeyOrig: a.Key, ItemID: i + 1, Delay: strconv.Itoa(max(1, int(a.Delay/time.Second)))})
		}
	}
	return map[string]any{"response": "success", "data": items, "config_revision": 1}
}

func (t *Trapper) take(ctx context.Context, c net.Conn, q request) error {
	start := time.Now()
	if len(q.Data) > maxValues {
		t.reply(c, map[string]any{"response": "failed", "info": fmt.Sprintf("there are %d values in one packet; the most is %d", len(q.Data), maxValues)})
		return fmt.Errorf("there are %d values in one packet", len(q.Data))
	}
	taken := make([]bool, len(q.Data))
	var samples []Sample
	var of []int // the index in Data of each sample
	for i, w := range q.Data {
		v := w.value(q, start)
		if v.Host == "" || v.Key == "" {
			continue
		}
		if number, err := strconv.ParseFloat(strings.TrimSpace(v.Value), 64); err == nil && t.o.Series != nil && !v.NotSupported {
			samples, of = append(samples, Sample{v.Host, v.Key, number, v.At}), append(of, i)
		}
		if t.o.Target == nil {
			continue
		}
		if target, ok := t.o.Target(v.Host, v.Key); ok {
			if err := t.o.Submit(ctx, v.Host, target.Check, target.Result(v)); err != nil {
				t.log.Warn("a value from a Zabbix sender is refused", "host", v.Host, "key", v.Key, "err", err)
				continue
			}
			taken[i] = true
			t.values.WithLabelValues("check").Inc()
		}
	}
	if len(samples) > 0 {
		if err := t.o.Series(ctx, samples); err != nil {
			t.log.Warn("values from a Zabbix sender are refused", "values", len(samples), "err", err)
		} else {
			t.values.WithLabelValues("series").Add(float64(len(samples)))
			for _, i := range of {
				taken[i] = true
			}
		}
	}
	processed := 0
	for _, ok := range taken {
		if ok {
			processed++
		}
	}
	failed := len(q.Data) - processed
	t.values.WithLabelValues("nobody").Add(float64(failed))
	t.reply(c, map[string]any{"response": "success", "info": fmt.Sprintf("processed: %d; failed: %d; total: %d; seconds spent: %.6f",
		processed, failed, len(q.Data), time.Since(start).Seconds())})
	return nil
}

// value fills in what stands outside of the value. Times are taken as sent, as far as they are between 2000 and an hour from now.
func (w wireValue) value(q request, now time.Time) Value {
	v := Value{Host: w.Host, Key: w.Key, At: now, NotSupported: w.State == 1}
	if v.Host == "" {
		v.Host = q.Host
	}
	if json.Unmarshal(w.Value, &v.Value) != nil {
		v.Value = string(w.Value) // a number without quotes
	}
	clock, err := strconv.ParseInt(string(w.Clock), 10, 64)
	if err == nil && clock > 946684800 && clock < now.Unix()+3600 {
		ns, _ := strconv.ParseInt(string(w.NS), 10, 64) // none is 0
		v.At = time.Unix(clock, min(max(ns, 0), 999_999_999))
	}
	return v
}

// Result makes the result of a check of a value: a number is compared with the ranges, a text that begins with OK, WARNING,
// CRITICAL or UNKNOWN (as plugins write) says it by itself, any other text is OK.
func (t Target) Result(v Value) model.CheckResult {
	if v.NotSupported {
		return model.CheckResult{Status: model.Unknown, Output: v.Key + " is not supported: " + plugin.Parse(0, []byte(v.Value)).Output, Start: v.At}
	}
	text := strings.TrimSpace(v.Value)
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		label := t.Label
		if label == "" {
			label = v.Key
		}
		return model.CheckResult{
			Status: check.Rate(number, t.Warning, t.Critical), Output: fmt.Sprintf("%s = %s%s", v.Key, text, t.Unit), Start: v.At,
			Perf: []model.Perf{{Label: label, Value: number, Unit: t.Unit, Warn: t.Warning.String(), Crit: t.Critical.String()}},
		}
	}
	r := plugin.Parse(0, []byte(v.Value))
	r.Start = v.At
	word := strings.TrimRight(strings.ToUpper(firstWord(r.Output)), ":-;,")
	var s model.Status
	if s.UnmarshalText([]byte(word)) == nil && s != model.Pending {
		r.Status = s
	}
	return r
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return word
}
