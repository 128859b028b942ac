package scrape

import (
	"regexp"
	"slices"
	"strings"

	// Prometheus' discoveries register themselves when they are imported: there is no other way to add one, so
	// this list is the one place that decides what is built in. Never import discovery/install, which drags in
	// all of them. docs/scraping.md has the cost of each, and why the ones that are missing are missing.
	_ "github.com/prometheus/prometheus/discovery/dns"
	_ "github.com/prometheus/prometheus/discovery/file"
	_ "github.com/prometheus/prometheus/discovery/http"
	_ "github.com/prometheus/prometheus/discovery/moby"
)

// leftOut names the discoveries of Prometheus that are not built in, by the first part of their key.
var leftOut = [...]string{
	"azure", "consul", "digitalocean", "ec2", "ecs", "elasticache", "eureka", "gce", "hetzner", "ionos",
	"kubernetes", "kuma", "lightsail", "linode", "marathon", "msk", "nerve", "nomad", "oci", "openstack",
	"outscale", "ovhcloud", "puppetdb", "rds", "scaleway", "serverset", "stackit", "triton", "uyuni", "vultr",
}

// unknownField matches what the YAML decoder says about a key that a section does not have.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// explainUnknownFields rewrites the decoder's words about unknown keys, which name Go types, into what a user
// can act on. The line numbers in front of them stay.
func explainUnknownFields(text string) string {
	return unknownField.ReplaceAllStringFunc(text, func(s string) string {
		key := unknownField.FindStringSubmatch(s)[1]
		name, isDiscovery := strings.CutSuffix(key, "_sd_configs")
		if isDiscovery && slices.Contains(leftOut[:], name) {
			return key + " is not built into Hulotte: use http_sd_configs with an endpoint that lists the targets, " +
				"or file_sd_configs with a file that a script writes (docs/scraping.md)"
		}
		return "unknown key " + key
	})
}
