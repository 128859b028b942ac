package config

import (
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/ingest/otlp"
)

// OTLP is what comes in OpenTelemetry's protocol.
type OTLP struct {
	GRPCListen string
	HTTPListen string
	LogLabels  []string
}

func otlpKeys(o *OTLP) []Key {
	return []Key{
		{Path: "ingest.otlp.grpc_listen", value: addressOrNone(&o.GRPCListen), Default: "127.0.0.1:4317",
			Doc: "Where OpenTelemetry's protocol is received over gRPC, besides the one HTTP port (which speaks gRPC when it has TLS); empty for nowhere. Users, certificates and limits are those of `server`. When the default address is taken by another program, Hulotte does without and says so."},
		{Path: "ingest.otlp.http_listen", value: addressOrNone(&o.HTTPListen), Default: "127.0.0.1:4318",
			Doc: "Where OpenTelemetry's protocol is received over HTTP (`/v1/logs`, `/v1/traces`), besides the one HTTP port; as `ingest.otlp.grpc_listen`."},
		{Path: "ingest.otlp.log_labels", value: list(&o.LogLabels), Default: strings.Join(otlp.Labels(), ", "),
			Doc: "The attributes of a resource that become labels of its log streams; all others become fields of the records."},
	}
}

// OTLPOptions are those of OpenTelemetry's protocol.
func (c *Config) OTLPOptions() otlp.Options {
	labels := orNone(c.Ingest.OTLP.LogLabels)
	return otlp.Options{Labels: labels}
}

// Chosen says whether somebody has set the key, in whatever place.
func (c *Config) Chosen(path string) bool { return c.origins[path] != origin{} }

// addressOrNone lets nothing stand for "off".
func addressOrNone(p *string) value {
	one, _ := address(p).(scalar[string])
	return scalar[string]{p, "host:port, empty for none", func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		v, err := one.read(s)
		if err != nil {
			return "", fmt.Errorf("%w; leave it empty for none", err)
		}
		return v, nil
	}, same}
}
