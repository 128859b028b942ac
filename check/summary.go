package check

import (
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// Summary counts what is watched.
type Summary struct {
	Hosts  HostCounts           `json:"hosts"`
	Checks map[model.Status]int `json:"checks"` // all five statuses; of services and hosts
	// Unhandled and Handled count the problems: WARNING, CRITICAL and UNKNOWN. See View.Handled.
	Unhandled map[model.Status]int `json:"unhandled"`
	Handled   map[model.Status]int `json:"handled"`
}

// HostCounts are hosts by the state of their host check. Hosts without one count as pending.
type HostCounts struct {
	Up          int `json:"up"`
	Down        int `json:"down"`
	Unreachable int `json:"unreachable"`
	Pending     int `json:"pending"`
}

// Explanation says why a check is in its state.
type Explanation struct {
	ID string `json:"id"`
	// Why are sentences for people, the most telling first.
	Why []string `json:"why"`
	// Parents are the host checks in front of its host, or the host check of its own host for a service; Dependencies what it depends on.
	Parents      []Related `json:"parents,omitempty"`
	Dependencies []Related `json:"dependencies,omitempty"`
	// Downtimes are those that are on or still to come.
	Downtimes []Downtime   `json:"downtimes,omitempty"`
	Ack       *Ack         `json:"ack,omitempty"`
	LastCheck time.Time    `json:"last_check,omitzero"`
	NextCheck time.Time    `json:"next_check,omitzero"`
	Results   []PastResult `json:"results,omitempty"` // the newest first, a handful, since this process started
}

// Related is another check that matters to this one.
type Related struct {
	ID     string       `json:"id"`
	Status model.Status `json:"status"`
	Hard   bool         `json:"hard"`
	Since  time.Time    `json:"since,omitzero"`
	Output string       `json:"output,omitempty"`
}

// PastResult is one answer in short.
type PastResult struct {
	At       time.Time    `json:"at"`
	Status   model.Status `json:"status"`
	Duration Duration     `json:"duration"`
	Output   string       `json:"output,omitempty"` // of answers that were not OK
	By       string       `json:"by"`               // why it was asked: one of the constants below
}

// Why a check was asked.
const (
	BySchedule = "schedule"
	ByRetry    = "retry"        // a problem is to be confirmed
	ByBroken   = "broken"       // a held connection broke
	ByRecheck  = "recheck"      // a person wanted it
	ByReach    = "reachability" // something that depends on it turned bad
	Passively  = "passive"      // it was not asked: the result came
)
