package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/elastic"
	"github.com/hulotte-dev/hulotte/ingest/fluent"
	"github.com/hulotte-dev/hulotte/ingest/gelf"
	"github.com/hulotte-dev/hulotte/ingest/syslog"
)

// Fluent is what comes in Fluentd's forward protocol.
type Fluent struct {
	Listen         string
	TLS            bool
	SharedKey      string
	MaxMessageSize int64 // bytes
	Labels         []string
	LineKeys       []string
}

// GELF is what comes in the Graylog Extended Log Format.
type GELF struct {
	UDPListen      string
	TCPListen      string
	TLS            bool
	MaxMessageSize int64 // bytes
	Labels         []string
}

// Syslog is what comes as syslog.
type Syslog struct {
	UDPListen      string
	TCPListen      string
	TLSListen      string
	TimeZone       string
	MaxMessageSize int64 // bytes
}

// Elasticsearch is what comes in Elasticsearch's API.
type Elasticsearch struct {
	Listen       string
	MaxDocuments int
	Labels       []string
}

const socketNote = " There is no login: whoever reaches the address may send. When the default address is taken by another program, Hulotte does without and says so."

func fluentKeys(f *Fluent) []Key {
	return []Key{
		{Path: "ingest.fluent.listen", value: addressOrNone(&f.Listen), Default: "127.0.0.1:24224",
			Doc: "Where logs are received in the forward protocol of Fluentd, Fluent Bit and Docker's fluentd driver; empty for nowhere." + socketNote},
		{Path: "ingest.fluent.tls", value: boolean(&f.TLS), Default: "false",
			Doc: "Speaks TLS there, with the certificate of `server.tls`."},
		{Path: "ingest.fluent.shared_key", value: text(&f.SharedKey), Secret: true,
			Doc: "What senders must know (`shared_key` of Fluentd's and Fluent Bit's `forward` output); empty for no such thing."},
		{Path: "ingest.fluent.max_message_size", value: size(&f.MaxMessageSize, 1<<10, 1<<30), Default: "16MiB",
			Doc: "The most that a message, which holds a chunk of records, may hold as it is sent."},
		{Path: "ingest.fluent.labels", value: list(&f.Labels), Default: strings.Join(fluent.Labels(), ", "),
			Doc: "The fields of a record that become labels of its stream, names of nested ones joined by `_`; the tag is the label `job`. All others become fields of the record."},
		{Path: "ingest.fluent.line_keys", value: list(&f.LineKeys), Default: strings.Join(fluent.LineKeys(), ", "),
			Doc: "The keys of a record of which the first that it has is its line. A record with none of them becomes a line of JSON."},
	}
}

func gelfKeys(g *GELF) []Key {
	return []Key{
		{Path: "ingest.gelf.udp_listen", value: addressOrNone(&g.UDPListen), Default: "127.0.0.1:12201",
			Doc: "Where logs are received in the Graylog Extended Log Format over UDP; empty for nowhere." + socketNote},
		{Path: "ingest.gelf.tcp_listen", value: addressOrNone(&g.TCPListen), Default: "127.0.0.1:12201",
			Doc: "Where it is received over TCP, with a zero byte behind each message; as `ingest.gelf.udp_listen`. Over HTTP it is received at `/gelf` on the one port."},
		{Path: "ingest.gelf.tls", value: boolean(&g.TLS), Default: "false",
			Doc: "Speaks TLS over TCP, with the certificate of `server.tls`."},
		{Path: "ingest.gelf.max_message_size", value: size(&g.MaxMessageSize, 1<<10, 1<<30), Default: "2MiB",
			Doc: "The most that a message may hold when it is unpacked."},
		{Path: "ingest.gelf.labels", value: list(&g.Labels), Default: strings.Join(gelf.Labels(), ", "),
			Doc: "The fields of a message, without the `_` before their names, that become labels of its stream, besides `host`. All others become fields of the record."},
	}
}

func syslogKeys(l *Syslog) []Key {
	return []Key{
		{Path: "ingest.syslog.udp_listen", value: addressOrNone(&l.UDPListen), Default: "127.0.0.1:1514",
			Doc: "Where syslog (RFC 5424, RFC 3164) is received over UDP; empty for nowhere. Devices send to port 514, which needs the right to listen there." + socketNote},
		{Path: "ingest.syslog.tcp_listen", value: addressOrNone(&l.TCPListen), Default: "127.0.0.1:1514",
			Doc: "Where it is received over TCP, with the length before each message or a line break behind it; as `ingest.syslog.udp_listen`."},
		{Path: "ingest.syslog.tls_listen", value: addressOrNone(&l.TLSListen),
			Doc: "Where it is received over TLS, with the certificate of `server.tls`; its usual port is 6514. With `server.tls.client_ca_file` senders must show a certificate."},
		{Path: "ingest.syslog.time_zone", value: timeZone(&l.TimeZone), Default: "Local",
			Doc: "Where the clocks of senders that do not tell are set: `Local` is this machine's zone, else a name such as `UTC` or `Europe/Berlin`."},
		{Path: "ingest.syslog.max_message_size", value: size(&l.MaxMessageSize, 480, 8<<20), Default: "64KiB",
			Doc: "The most that a message may hold over TCP; a longer one becomes several records."},
	}
}

// timeZone is the name of a zone that this machine knows.
func timeZone(p *string) value {
	return scalar[string]{p, "time zone", func(s string) (string, error) {
		if _, err := time.LoadLocation(s); err != nil || s == "" {
			return "", fmt.Errorf("%q is no time zone: write Local, UTC or a name such as Europe/Berlin", s)
		}
		return s, nil
	}, same}
}

func elasticKeys(e *Elasticsearch) []Key {
	return []Key{
		{Path: "ingest.elasticsearch.listen", value: addressOrNone(&e.Listen), Default: "127.0.0.1:9200",
			Doc: "Where logs are received in Elasticsearch's API (Filebeat, Logstash, Fluent Bit, Vector, rsyslog, Elasticsearch's clients), besides `/elasticsearch/` on the one HTTP port; empty for nowhere. Users, certificates and limits are those of `server`. When the default address is taken by another program, Hulotte does without and says so."},
		{Path: "ingest.elasticsearch.max_documents", value: integer(&e.MaxDocuments, 1, 10_000_000), Default: "100000",
			Doc: "The most documents that a request may have. One with more gets 413."},
		{Path: "ingest.elasticsearch.labels", value: list(&e.Labels), Default: strings.Join(elastic.Labels(), ", "),
			Doc: "The fields of a document that become labels of its stream, besides `index` and `job`, which are the name of the index without a date at its end. Dots become `_`, and so a name is that of a nested object as well. All others become fields of the record."},
	}
}

func (c *Config) validateSockets(fail func(key, text string)) {
	if c.Server.TLS.CertFile != "" {
		return
	}
	const text = "is true, but there is no certificate: set server.tls.cert_file and server.tls.key_file"
	if c.Ingest.Fluent.TLS {
		fail("ingest.fluent.tls", text)
	}
	if c.Ingest.GELF.TLS {
		fail("ingest.gelf.tls", text)
	}
	if c.Ingest.Syslog.TLSListen != "" {
		fail("ingest.syslog.tls_listen", "is set, but there is no certificate: set server.tls.cert_file and server.tls.key_file")
	}
}

// FluentOptions are those of Fluentd's forward protocol, without TLS.
func (c *Config) FluentOptions() fluent.Options {
	f := c.Ingest.Fluent
	return fluent.Options{
		Address: f.Listen, SharedKey: f.SharedKey, MaxMessage: int(f.MaxMessageSize), Labels: orNone(f.Labels), LineKeys: orNone(f.LineKeys),
	}
}

// GELFOptions are those of the Graylog Extended Log Format.
func (c *Config) GELFOptions() gelf.Options {
	g := c.Ingest.GELF
	return gelf.Options{MaxMessage: int(g.MaxMessageSize), Labels: orNone(g.Labels)}
}

// SyslogOptions are those of syslog.
func (c *Config) SyslogOptions() syslog.Options {
	zone, _ := time.LoadLocation(c.Ingest.Syslog.TimeZone) // it was checked when it was read
	return syslog.Options{Zone: zone, MaxMessage: int(c.Ingest.Syslog.MaxMessageSize)}
}

// ElasticOptions are those of Elasticsearch's API.
func (c *Config) ElasticOptions() elastic.Options {
	e := c.Ingest.Elasticsearch
	return elastic.Options{Labels: orNone(e.Labels), MaxDocuments: e.MaxDocuments}
}

// orNone makes an empty list of none, which would stand for the default.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
