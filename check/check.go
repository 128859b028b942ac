// Package check holds the words of checks: what is asked (Host, Spec, Kind, Prober), what was answered (State, Change) and
// what people decided about it (Ack, Downtime). Its folders do the rest: state decides, engine schedules and remembers,
// the others ask.
package check

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// Prober asks one question of one thing. Probe returns by the time its context ends, whatever the other side does; a
// question that cannot be asked is UNKNOWN, an answer that is bad or does not come is CRITICAL. It never panics, reads
// a bounded amount, and leaves no goroutine, file descriptor or child process behind. One call at a time.
type Prober interface {
	Probe(ctx context.Context) model.CheckResult
}

// Holder is a Prober that can also notice a death at once: Hold connects, keeps the connection open without disturbing the other
// side, and returns when the other side closes or breaks it (nil), when it cannot connect or the other side does not let it stay (an
// error), or when the context ends (its error). The engine holds while a check is OK, and asks at once when Hold returned nil.
// A Hold goes on beside calls of Probe, so the two share nothing that changes.
type Holder interface {
	Prober
	Hold(ctx context.Context) error
}

// Kind is a sort of check: http, dns, plugin.
type Kind struct {
	Name string
	// Doc is one sentence for the reference; Options is a pointer to the zero value of what New decodes, whose fields have the
	// tags `json` and `doc`.
	Doc     string
	Options any
	// Passive checks are never asked: their results come from outside (NSCA, a heartbeat, the API). New may be nil.
	Passive bool
	// Local checks are about the machine on which Hulotte runs.
	Local bool
	// AtOnce bounds how many of this kind are asked at the same time, for those that cost more than a connection, such as
	// child processes; the engine's own bound when 0.
	AtOnce int
	// New makes the prober; an error names the option and how to write it.
	New func(Params) (Prober, error)
}

// Params is what a prober is made of.
type Params struct {
	Host    string          // the host's name
	Address string          // its address, or its name when it has none
	Name    string          // the check's name
	Options json.RawMessage // as declared; read it with Decode
	Timeout time.Duration   // the context of Probe ends after it
}

// Host is what checks are about.
type Host struct {
	Name    string            `json:"name"`
	Alias   string            `json:"alias,omitempty"`
	Address string            `json:"address,omitempty"` // a name or an IP address; Name when empty
	Labels  map[string]string `json:"labels,omitempty"`
	Groups  []string          `json:"groups,omitempty"`
	// Parents are the hosts behind which this one stands, seen from Hulotte: while none of them is up, it is UNREACHABLE, not down.
	Parents []string `json:"parents,omitempty"`
	Runbook string   `json:"runbook,omitempty"` // URL
	// Source says who declared it: "config", "discovery", "nagios", "api". Set by the engine.
	Source string `json:"source,omitempty"`
}

// HostCheck is the name of the check that says whether a host is up.
const HostCheck = "host"

// Spec is one check as it was declared. Zero values mean the default, which the engine fills in.
type Spec struct {
	Host    string            `json:"host"`
	Name    string            `json:"name"` // HostCheck, or the service's name; unique for the host
	Kind    string            `json:"kind"`
	Options json.RawMessage   `json:"options,omitempty"` // the Kind's
	Labels  map[string]string `json:"labels,omitempty"`  // besides the host's
	Groups  []string          `json:"groups,omitempty"`  // service groups
	Runbook string            `json:"runbook,omitempty"`
	Notes   string            `json:"notes,omitempty"`
	// Service is the discovered or declared service that is asked, such as "nginx".
	Service string `json:"service,omitempty"`

	Interval      Duration `json:"interval,omitempty"`       // 1m
	RetryInterval Duration `json:"retry_interval,omitempty"` // while not OK and soft; 15s, at most Interval
	Timeout       Duration `json:"timeout,omitempty"`        // 10s
	MaxAttempts   int      `json:"max_attempts,omitempty"`   // 3; at the last one a problem is hard
	Volatile      bool     `json:"volatile,omitempty"`       // every bad result counts as a change
	Passive       bool     `json:"passive,omitempty"`        // never asked
	// Freshness is how old the newest result of a passive check may be before the check is stale: it then becomes StaleStatus. 0: never.
	Freshness   Duration     `json:"freshness,omitempty"`
	StaleStatus model.Status `json:"stale_status,omitempty"` // UNKNOWN when it is OK

	NoFlapDetection bool    `json:"no_flap_detection,omitempty"`
	FlapLow         float64 `json:"flap_low,omitempty"`  // percent, 20
	FlapHigh        float64 `json:"flap_high,omitempty"` // percent, 30

	DependsOn []Dependency `json:"depends_on,omitempty"`
	// Period is the name of the time period in which it is asked; always when empty. NotifyPeriod likewise for telling people.
	Period       string `json:"period,omitempty"`
	NotifyPeriod string `json:"notify_period,omitempty"`
	// EventHandler is a command (an argument vector, no shell) that is run at each change, when event handlers are turned on.
	EventHandler []string `json:"event_handler,omitempty"`

	Source string `json:"source,omitempty"` // as Host.Source
}

// ID is host and name as one text, host/name, the key of everything that is kept about a check. Neither part holds a slash.
func (s *Spec) ID() string { return s.Host + "/" + s.Name }

// Dependency keeps a check quiet while the one that it needs is bad.
type Dependency struct {
	Host string `json:"host,omitempty"` // the same host when empty
	Name string `json:"name,omitempty"` // HostCheck when empty
	// FailOn are the answers of the other at which this one is not asked (NoCheck) and nobody is told of it. CRITICAL and UNKNOWN when empty.
	FailOn  []model.Status `json:"fail_on,omitempty"`
	NoCheck bool           `json:"no_check,omitempty"`
	// Group: of the dependencies in one group, one that is good is enough (redundancy).
	Group string `json:"group,omitempty"`
}

// State is all that is remembered of a check besides what people decided. It is kept as a document.
type State struct {
	Status model.Status `json:"status"`
	// Hard is whether the status is confirmed: it was OK, or was seen MaxAttempts times. Attempt counts from 1.
	Hard    bool `json:"hard"`
	Attempt int  `json:"attempt"`
	// HardStatus is the last hard one.
	HardStatus model.Status `json:"hard_status"`
	Since      time.Time    `json:"since"`      // of Status
	HardSince  time.Time    `json:"hard_since"` // of HardStatus
	LastCheck  time.Time    `json:"last_check"` // start of the newest result
	LastOK     time.Time    `json:"last_ok"`
	Output     string       `json:"output"`
	Long       string       `json:"long_output,omitempty"`
	Perf       []model.Perf `json:"perf,omitempty"`
	Duration   Duration     `json:"duration"` // of the newest result

	Flapping    bool    `json:"flapping"`
	FlapPercent float64 `json:"flap_percent"`
	Recent      []byte  `json:"recent,omitempty"` // the last results, for flap detection

	// Unreachable: bad because what it stands behind, or the host it runs on, is bad. Nobody is told of it. It lasts until
	// a result says otherwise; BehindUp is since when what it stands behind is up again.
	Unreachable bool      `json:"unreachable"`
	BehindUp    time.Time `json:"behind_up,omitzero"`
	Stale       bool      `json:"stale"`
	// InDowntime is whether a downtime was on when it was last looked at.
	InDowntime bool `json:"in_downtime"`
	// Told is the status that people last heard of; OK at the beginning. PENDING when they must hear again, whatever it is.
	Told model.Status `json:"told"`

	Ack *Ack `json:"ack,omitempty"`
}

// Ack is a person's word that a problem is known.
type Ack struct {
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
	Until   time.Time `json:"until,omitzero"` // expires then; never when zero
	// Sticky holds until the check is OK; otherwise any change of the status ends it.
	Sticky bool `json:"sticky"`
}

// Downtime is a time in which problems are expected. It is kept as a document.
type Downtime struct {
	ID      string    `json:"id"`
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	Created time.Time `json:"created"`
	// Checks are IDs ("web1/http"), "web1/*" for all of a host, or "*"; Matchers are Prometheus-style matchers on labels (all must
	// hold); either is enough. A host's labels are those of its checks, with host and check.
	Checks   []string `json:"checks,omitempty"`
	Matchers []string `json:"matchers,omitempty"`
	// Start and End bound it. A flexible one begins at the first problem between them and lasts for Length.
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Flexible bool      `json:"flexible,omitempty"`
	Length   Duration  `json:"length,omitempty"`
	// Trigger is the ID of the downtime that starts this one.
	Trigger string `json:"trigger,omitempty"`
	// Every repeats it: Start and End are the first time; see Recurrence. Nil: once.
	Every *Recurrence `json:"every,omitempty"`
	// Began is when a flexible one began, by check ID.
	Began map[string]time.Time `json:"began,omitempty"`
}

// Recurrence says when a downtime comes again, in a time zone.
type Recurrence struct {
	Weekdays []time.Weekday `json:"weekdays,omitempty"` // 0 is Sunday; every day when empty
	Days     []int          `json:"days,omitempty"`     // of the month; negative from its end
	Months   []time.Month   `json:"months,omitempty"`
	Zone     string         `json:"zone,omitempty"` // UTC when empty
	Until    time.Time      `json:"until,omitzero"` // the last day; for ever when zero
}

// ChangeType is what happened to a check.
type ChangeType string

// The changes.
const (
	StateChange     ChangeType = "state" // status, or soft to hard
	FlapStart       ChangeType = "flapping_start"
	FlapStop        ChangeType = "flapping_stop"
	AckSet          ChangeType = "ack"
	AckRemoved      ChangeType = "ack_removed" // by a person, by recovery, by expiry: Comment tells
	DowntimeStart   ChangeType = "downtime_start"
	DowntimeEnd     ChangeType = "downtime_end"
	BecameStale     ChangeType = "stale"
	Unreachable     ChangeType = "unreachable"
	ReachableAgain  ChangeType = "reachable"
	CommentAdded    ChangeType = "comment"
	EventHandlerRun ChangeType = "event_handler"
	// Notice: nothing changed, but what kept people from hearing of it (a downtime, the host being down, the time of day) ended.
	Notice ChangeType = "notice"
)

// Change is one line of a check's history.
type Change struct {
	At      time.Time    `json:"at"`
	Host    string       `json:"host"`
	Name    string       `json:"name"`
	Type    ChangeType   `json:"type"`
	From    model.Status `json:"from"`
	To      model.Status `json:"to"`
	Hard    bool         `json:"hard"`
	Attempt int          `json:"attempt"`
	Output  string       `json:"output,omitempty"`
	Long    string       `json:"long_output,omitempty"`
	By      string       `json:"by,omitempty"`
	Comment string       `json:"comment,omitempty"`
	// Tell is whether people should hear of it: a hard problem or recovery that is not acknowledged, in downtime, unreachable,
	// flapping, or outside NotifyPeriod.
	Tell bool `json:"tell"`
}

// View is a check as pages, the API and the command line show it.
type View struct {
	ID   string `json:"id"`
	Spec Spec   `json:"spec"`
	State
	MaxAttempts int       `json:"max_attempts"`
	NextCheck   time.Time `json:"next_check,omitzero"`
	Latency     Duration  `json:"latency"` // how late the last one was asked
	// Labels are the host's and the check's together, with host and check.
	Labels    map[string]string `json:"labels"`
	Downtimes []string          `json:"downtimes,omitempty"` // IDs of those that are on
	// Handled is "" for a problem that nobody handles yet, else why: "acknowledged", "downtime", "unreachable", "host" (its host is down), "flapping".
	Handled string `json:"handled,omitempty"`
	Held    bool   `json:"held"` // a connection is held
	Running bool   `json:"running"`
}

// Problem says whether the check is bad.
func (v *View) Problem() bool { return v.Status != model.OK && v.Status != model.Pending }
