// Package notify tells people and other systems of alerts, where Alertmanager's own receivers do not, and remembers every try to tell
// somebody, whoever's receiver it was.
//
// A Notifier gives Alertmanager (see alert/manager) two functions: Build makes the integrations of our own kinds of receivers, and Wrap
// puts the delivery log around every integration, theirs and ours. What always holds: the log never keeps anybody from sending; nothing
// of a receiver's secrets is in an error, a log line or a delivery.
package notify

import (
	amconfig "github.com/prometheus/alertmanager/config"
	"go.yaml.in/yaml/v3"
)

// Extra is one entry of a receiver's configuration that Alertmanager does not know, such as one of ntfy_configs.
type Extra struct {
	Kind string // the key without _configs: "ntfy"
	Node yaml.Node
	// Folder is where relative paths in Node begin.
	Folder string
	// Global is what the configuration says for all receivers: http_config and the mail server are taken from it. It may be nil.
	Global *amconfig.GlobalConfig
}
