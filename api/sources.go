package api

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Targets is what is scraped, and what is gathered on this host itself.
type Targets interface {
	// Active returns the targets that are scraped, of every pool, in the order to show them in.
	Active() []Target
	// Dropped returns the targets that relabelling has dropped (as far as they are kept), and how many each pool dropped.
	Dropped() ([]DroppedTarget, map[string]int)
	// Pools returns the names of all scrape pools.
	Pools() []string
	// Metadata returns what the targets say about their metrics: about the named one, or about all when the name is empty.
	Metadata(metric string) []TargetMetadata
}

// Target is one endpoint that is scraped, or one source on this host that is gathered.
type Target struct {
	Pool             string        // the name of the scrape job
	ScrapeURL        string        // where it is read
	GlobalURL        string        // the same as others can reach it; empty means ScrapeURL
	DiscoveredLabels labels.Labels // before relabelling
	Labels           labels.Labels // what its series get
	Health           string        // up, down, unknown
	LastError        string
	LastScrape       time.Time
	LastDuration     time.Duration
	Interval         time.Duration
	Timeout          time.Duration

	// What Prometheus' API does not tell; /api/hulotte/v1/targets does. Negative means unknown.
	Samples     int64
	SamplesKept int64
	SeriesAdded int64
	BodyBytes   int64
}

// DroppedTarget is a target that relabelling has dropped.
type DroppedTarget struct {
	Pool             string
	DiscoveredLabels labels.Labels
}

// TargetMetadata is what one target says about one metric.
type TargetMetadata struct {
	Target labels.Labels
	Metric string
	Type   string
	Help   string
	Unit   string
}

// Rules is what is evaluated.
type Rules interface {
	// Groups returns the rule groups in the order of their files.
	Groups() []RuleGroup
}

// RuleGroup is a group of rules that are evaluated one after the other.
type RuleGroup struct {
	Name           string
	File           string
	Interval       time.Duration
	Limit          int
	EvaluationTime time.Duration
	LastEvaluation time.Time
	Rules          []Rule
}

// Rule is a recording or an alerting rule.
type Rule struct {
	Alerting       bool
	Name           string
	Query          string
	Labels         labels.Labels
	Health         string // ok, err, unknown
	LastError      string
	EvaluationTime time.Duration
	LastEvaluation time.Time

	// Of alerting rules only.
	State         string // inactive, pending, firing
	For           time.Duration
	KeepFiringFor time.Duration
	Annotations   labels.Labels
	Alerts        []Alert
}

// Alert is one instance of an alerting rule that is pending or firing.
type Alert struct {
	Labels          labels.Labels
	Annotations     labels.Labels
	State           string
	ActiveAt        time.Time
	KeepFiringSince time.Time // zero unless its condition has ended
	Value           float64
}

// BuildInfo says what binary this is; the fields are those of Prometheus' API.
type BuildInfo struct {
	Version   string
	Revision  string
	Branch    string
	BuildUser string
	BuildDate string
	GoVersion string
}

// RuntimeInfo says what process this is; the fields and their names are those of Prometheus' API.
type RuntimeInfo struct {
	StartTime           time.Time `json:"startTime"`
	CWD                 string    `json:"CWD"`
	Hostname            string    `json:"hostname"`
	ServerTime          time.Time `json:"serverTime"`
	ReloadConfigSuccess bool      `json:"reloadConfigSuccess"`
	LastConfigTime      time.Time `json:"lastConfigTime"`
	CorruptionCount     int64     `json:"corruptionCount"`
	GoroutineCount      int       `json:"goroutineCount"`
	GOMAXPROCS          int       `json:"GOMAXPROCS"`
	GOMEMLIMIT          int64     `json:"GOMEMLIMIT"`
	GOGC                string    `json:"GOGC"`
	GODEBUG             string    `json:"GODEBUG"`
	StorageRetention    string    `json:"storageRetention"`
}

// Notification is something that the administrator should know, such as a configuration that could not be read.
type Notification struct {
	Text   string    `json:"text"`
	Date   time.Time `json:"date"`
	Active bool      `json:"active"`
}

type noTargets struct{}

func (noTargets) Active() []Target                           { return nil }
func (noTargets) Dropped() ([]DroppedTarget, map[string]int) { return nil, nil }
func (noTargets) Pools() []string                            { return nil }
func (noTargets) Metadata(string) []TargetMetadata           { return nil }

type noRules struct{}

func (noRules) Groups() []RuleGroup { return nil }
