// Package services reads the metrics of services that run on this machine or elsewhere: each by its own protocol or status page, under
// the names, types and labels of the Prometheus exporter that people use for it, so that its dashboards and alerts work unchanged and
// no exporter has to run.
//
//	source, err := services.New("redis", services.Target{Address: "127.0.0.1:6379"})
//	families, err := source.Gather()
//
// A Source asks anew each time: it keeps no connection and no goroutine between two gathers. What it reads is bounded in time, bytes
// and series, whatever the service answers. When the service cannot be asked, the family that says so (redis_up) is 0 and the error
// tells why and what to do; whoever gathers shows both.
package services

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Target is what is asked.
type Target struct {
	// Service is the name under which discovery knows it, for messages.
	Service string
	// Address is host:port, or unix:/path for a socket. Empty is the kind's usual one.
	Address string
	// Options are those of the kind; see Kind.Options.
	Options     map[string]any
	Credentials Credentials

	Timeout   time.Duration // of one gather; 0 is 5 s
	MaxSeries int           // of one gather, above which series are dropped and counted; 0 is 5,000
}

// Credentials are what a service wants to see. They are never part of an error.
type Credentials struct {
	Username string
	Password string
	// PasswordFile is read at each gather, so that the password may change; its line end is not part of it. It wins over Password.
	PasswordFile string
}

// Kind is a sort of service whose metrics can be read.
type Kind struct {
	Name     string
	Exporter string // the exporter whose names are used
	Job      string // the job under which that exporter's dashboards and alerts expect them
	Up       string // the family that is 1 while the service answers; empty when the service has none
	Doc      string // what is read, one sentence
	Setup    string // what has to be done on the service's side, in Markdown; empty when nothing
	Address  string // where it usually is
	// Interval is how often it is reasonable to ask.
	Interval time.Duration
	// Options is a pointer to the zero value of what Target.Options hold; its fields have the tags `json` and `doc`.
	Options any

	new func(Target) (reader, error)
}

// reader asks the service once and adds what it says. When it returns an error, nothing that it added is kept.
type reader func(ctx context.Context, f *families) error

const (
	defaultInterval  = 15 * time.Second // what most exporters' documentation scrapes at
	defaultTimeout   = 5 * time.Second
	defaultMaxSeries = 5000
)

// Kinds returns all kinds, sorted by name.
func Kinds() []Kind {
	kinds := allKinds()
	for i := range kinds {
		k := &kinds[i]
		if k.Interval == 0 {
			k.Interval = defaultInterval
		}
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return kinds
}

// Find returns the kind of that name.
func Find(kind string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Job returns the job name that the dashboards and alerts of the kind's exporter expect; "" when there is no such kind.
func Job(kind string) string {
	k, _ := Find(kind)
	return k.Job
}

// Source is one service whose metrics are read. Its methods may be called by several goroutines.
type Source struct {
	kind   Kind
	target Target
	read   reader
}

// New returns the source of a kind. An error names the option that is wrong; nothing is asked yet.
func New(kind string, t Target) (*Source, error) {
	k, ok := Find(kind)
	if !ok {
		return nil, fmt.Errorf("there is no kind of service %q whose metrics can be read", kind)
	}
	if t.Address == "" {
		t.Address = k.Address
	}
	if t.Timeout <= 0 {
		t.Timeout = defaultTimeout
	}
	if t.MaxSeries <= 0 {
		t.MaxSeries = defaultMaxSeries
	}
	read, err := k.new(t)
	if err != nil {
		return nil, fmt.Errorf("cannot read the metrics of %s: %w", kind, err)
	}
	return &Source{kind: k, target: t, read: read}, nil
}

// Kind tells what kind of service it is.
func (s *Source) Kind() Kind { return s.kind }

// Gather asks the service within the target's timeout. It implements prometheus.Gatherer: families that come together with an error
// are what there is, such as redis_up 0.
func (s *Source) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.target.Timeout)
	defer cancel()
	return s.Read(ctx)
}

// Read is Gather within a context.
func (s *Source) Read(ctx context.Context) ([]*dto.MetricFamily, error) {
	f := newFamilies(s.target.MaxSeries)
	err := s.try(ctx, f)
	pairs := f.upPairs
	if err != nil {
		f = newFamilies(s.target.MaxSeries)
		err = fmt.Errorf("cannot read the metrics of %s at %s: %w", s.kind.Name, s.target.Address, s.inTime(ctx, err))
	}
	if s.kind.Up != "" && !f.has(s.kind.Up) {
		up := 1.0
		if err != nil {
			up = 0
		}
		f.gauge(s.kind.Up, "1 while the service answers, 0 when it cannot be asked.", up, pairs...)
	}
	return f.result(), errors.Join(err, f.warning())
}

// inTime says that time ran out where the error only shows what it led to.
func (s *Source) inTime(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("no whole answer within %s: %w", s.target.Timeout, err)
}

// try turns a panic into an error: a reader's mistake must not end the process.
func (s *Source) try(ctx context.Context, f *families) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("BUG: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.read(ctx, f)
}

// password returns the password as it is now.
func (c Credentials) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	text, err := readFile(c.PasswordFile, maxPasswordBytes)
	if err != nil {
		return "", fmt.Errorf("cannot read the password file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

const maxPasswordBytes = 4 << 10

// readFile reads at most limit bytes of a file and refuses a longer one.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// withOptions makes the constructor of a kind whose options are an O.
func withOptions[O any](k Kind, make func(Target, O) (reader, error)) Kind {
	k.Options = new(O)
	k.new = func(t Target) (reader, error) {
		var o O
		if err := decodeOptions(t.Options, &o); err != nil {
			return nil, err
		}
		return make(t, o)
	}
	return k
}

// noOptions are those of a kind that has none.
type noOptions struct{}

func decodeOptions(options map[string]any, into any) error {
	if len(options) == 0 {
		return nil
	}
	text, err := json.Marshal(options)
	if err != nil {
		return fmt.Errorf("options: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("options: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
