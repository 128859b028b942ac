// Package alert holds the words of alerting: what is wrong (Alert), who said that it is known (Ack), what was tried to tell somebody
// (Delivery). Its folders do the rest: manager holds alerts and routes them, with Alertmanager's packages inside.
package alert

import (
	"time"
)

// State is where an alert is in its life.
type State string

// The states. Pending ones are a rule's that has not waited for as long as its `for` says; suppressed ones are silenced, inhibited or
// muted by a time interval, so that nobody is told.
const (
	Pending    State = "pending"
	Active     State = "active"
	Suppressed State = "suppressed"
	Resolved   State = "resolved"
)

// Source says who raised an alert.
type Source string

// The sources.
const (
	FromRule  Source = "rule"
	FromCheck Source = "check"
	FromAPI   Source = "api" // from outside, such as a Prometheus server
)

// Alert is one problem with labels, as the manager holds it.
type Alert struct {
	// Fingerprint is Alertmanager's: 16 hexadecimal digits of the labels' hash.
	Fingerprint  string            `json:"fingerprint"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"starts_at"`
	EndsAt       time.Time         `json:"ends_at,omitzero"` // when it is taken for resolved, unless it is raised again
	UpdatedAt    time.Time         `json:"updated_at"`
	GeneratorURL string            `json:"generator_url,omitempty"`
	State        State             `json:"state"`
	SilencedBy   []string          `json:"silenced_by,omitempty"`  // IDs of silences
	InhibitedBy  []string          `json:"inhibited_by,omitempty"` // fingerprints
	MutedBy      []string          `json:"muted_by,omitempty"`     // names of time intervals
	Receivers    []string          `json:"receivers,omitempty"`
	Ack          *Ack              `json:"ack,omitempty"`
	Source       Source            `json:"source"`
}

// Name is the label alertname.
func (a *Alert) Name() string { return a.Labels["alertname"] }

// Ack is a person's word that an alert is known. It ends by itself when the alert resolves.
type Ack struct {
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	At      time.Time `json:"at"`
	Until   time.Time `json:"until,omitzero"` // it ends then too; never when zero
}

// Told is one alert of a notification.
type Told struct {
	Fingerprint string `json:"fingerprint"`
	Name        string `json:"name"`
	Status      string `json:"status"` // firing or resolved
}

// Delivery is one try to tell somebody.
type Delivery struct {
	ID          string            `json:"id"`
	At          time.Time         `json:"at"`
	Receiver    string            `json:"receiver"`
	Integration string            `json:"integration"` // webhook, email, …
	Index       int               `json:"index"`       // among the receiver's of that kind
	GroupKey    string            `json:"group_key,omitempty"`
	GroupLabels map[string]string `json:"group_labels,omitempty"`
	Alerts      []Told            `json:"alerts"`
	MoreAlerts  int               `json:"more_alerts,omitempty"` // that are not among them, as they are too many
	People      []string          `json:"people,omitempty"`      // names of those who were told, where they are known
	Attempt     int               `json:"attempt"`               // counts from 1
	Seconds     float64           `json:"seconds"`
	OK          bool              `json:"ok"`
	Retry       bool              `json:"retry,omitempty"` // it failed, and is tried again
	Test        bool              `json:"test,omitempty"`
	Error       string            `json:"error,omitempty"`
	Answer      string            `json:"answer,omitempty"` // the first of what the other side said
}

// Browser is one that wants to be told by web push.
type Browser struct {
	ID       string    `json:"id,omitempty"`
	Endpoint string    `json:"endpoint"` // of its maker's push service; whoever knows it and the keys may send
	P256DH   string    `json:"p256dh,omitempty"`
	Auth     string    `json:"auth,omitempty"`
	Person   string    `json:"person"`
	Agent    string    `json:"agent,omitempty"` // what the browser says it is
	At       time.Time `json:"at"`
}
