package hosts

// Severity is how bad a host or one of its parts is, in the order in which people want to look.
type Severity string

const (
	OK       Severity = "ok"
	Warning  Severity = "warn"
	Unknown  Severity = "unknown" // does not report any more: it may be anything
	Critical Severity = "crit"
)

// rank orders severities: the worst is the largest.
func (s Severity) rank() int {
	switch s {
	case Critical:
		return 3
	case Unknown:
		return 2
	case Warning:
		return 1
	}
	return 0
}

// Reason is one thing that is wrong, in words.
type Reason struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"status"`
	Subject  string   `json:"subject,omitempty"` // a mount point, a unit, a device; "" for the host itself
	Text     string   `json:"text"`
}
