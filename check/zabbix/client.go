package zabbix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/model"
)

// notSupported begins an answer without a value; a NUL and the reason may follow.
const notSupported = "ZBX_NOTSUPPORTED"

// maxValue is what a value may have at most. Zabbix' own agents cut texts at 16 MiB since 6.4, at 512 KiB before.
const maxValue = 1 << 20

// CheckOptions are those of a check of the kind zabbix.
type CheckOptions struct {
	Key      string      `json:"key" doc:"The item's key, such as system.cpu.load[all,avg1]."`
	Address  string      `json:"address" doc:"Whom to ask; the host's address by default."`
	Port     int         `json:"port" doc:"10050 by default."`
	Warning  check.Range `json:"warning" doc:"Range of good values (of numbers) beyond which the check is WARNING: 80, 10:, @5:10."`
	Critical check.Range `json:"critical" doc:"Range beyond which it is CRITICAL."`
	Unit     string      `json:"unit" doc:"Unit of the number, for graphs: %, B, s."`
	Match    string      `json:"match" doc:"Regular expression that a text must match, or the check is CRITICAL."`
	Label    string      `json:"label" doc:"Name of the number; the key by default."`
}

// Kinds are the kinds of this package.
func Kinds() []check.Kind {
	return []check.Kind{{
		Name:    "zabbix",
		Doc:     "Asks a Zabbix agent for an item, and compares a number with ranges or a text with an expression.",
		Options: &CheckOptions{},
		New:     newClient,
	}}
}

type client struct {
	o       CheckOptions
	address string
	match   *regexp.Regexp
}

func newClient(p check.Params) (check.Prober, error) {
	c := &client{}
	if err := check.Decode(p.Options, &c.o); err != nil {
		return nil, err
	}
	if c.o.Key == "" {
		return nil, errors.New("key: missing; write an item's key, such as system.cpu.load[all,avg1]")
	}
	if _, err := ParseKey(c.o.Key); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if c.o.Port < 0 || c.o.Port > 65535 {
		return nil, fmt.Errorf("port: %d is none", c.o.Port)
	}
	if c.o.Port == 0 {
		c.o.Port = 10050
	}
	if c.o.Address == "" {
		c.o.Address = p.Address
	}
	if c.o.Label == "" {
		c.o.Label = c.o.Key
	}
	c.address = net.JoinHostPort(c.o.Address, strconv.Itoa(c.o.Port))
	if c.o.Match != "" {
		var err error
		if c.match, err = regexp.Compile(c.o.Match); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	}
	return c, nil
}

// Probe asks once.
func (c *client) Probe(ctx context.Context) model.CheckResult {
	start := time.Now()
	value, err := Get(ctx, c.address, c.o.Key)
	r := c.judge(value, err)
	r.Start, r.Duration = start, time.Since(start)
	return r
}

func (c *client) judge(value string, err error) model.CheckResult {
	var no NotSupported
	switch {
	case errors.As(err, &no):
		return model.CheckResult{Status: model.Unknown, Output: fmt.Sprintf("ZABBIX %s is not supported: %s", c.o.Key, string(no))}
	case err != nil:
		return model.CheckResult{Status: model.Critical, Output: "ZABBIX " + err.Error()}
	}
	text := strings.TrimSpace(value)
	shown := plugin.Parse(0, []byte(strings.ReplaceAll(text, "|", "/"))) // without control characters
	r := model.CheckResult{Output: fmt.Sprintf("ZABBIX %s = %.200s", c.o.Key, shown.Output), Long: shown.Long}
	if c.match != nil && !c.match.MatchString(value) {
		r.Status = model.Critical
		r.Output += fmt.Sprintf(", which does not match %s", c.o.Match)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if c.o.Warning.Set() || c.o.Critical.Set() {
			r.Status = model.Unknown
			r.Output += ", which is no number to compare with warning and critical"
		}
		return r
	}
	if s := check.Rate(number, c.o.Warning, c.o.Critical); s.Severity() > r.Status.Severity() {
		r.Status = s
	}
	r.Output += c.o.Unit
	r.Perf = []model.Perf{{Label: c.o.Label, Value: number, Unit: c.o.Unit, Warn: c.o.Warning.String(), Crit: c.o.Critical.String()}}
	return r
}

// NotSupported is an agent's word that it cannot answer; its text is the reason.
type NotSupported string

func (n NotSupported) Error() string { return "not supported: " + string(n) }

// Get asks an agent for one item.
func Get(ctx context.Context, address, key string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(appendFrame(nil, []byte(key))); err != nil {
		return "", fmt.Errorf("cannot ask: %w", err)
	}
	data, err := readFrame(conn, maxValue, func(start []byte) ([]byte, error) { // agents before 1.4 answer without a header
		rest, err := io.ReadAll(io.LimitReader(conn, maxValue))
		return append(start, rest...), err
	})
	if errors.Is(err, io.EOF) {
		return "", errors.New("the agent closed the connection without an answer: it does not allow this address (Server= in its configuration), or wants TLS")
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the answer: %w", err)
	}
	text := string(data)
	if reason, ok := strings.CutPrefix(text, notSupported); ok {
		return "", NotSupported(plugin.Parse(0, []byte(strings.Trim(reason, "\x00"))).Output)
	}
	return text, nil
}
