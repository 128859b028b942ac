package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/hulotte-dev/hulotte/test/bench/peer"
)

// system is one of those that are compared.
type system struct {
	peer.System
	jaeger string // where it serves Jaeger's HTTP API
	// p95 returns path and query of the 95th percentile of durations by service, every five minutes; nil when it cannot be asked.
	p95 func(p *pushSet) string
}

func (o options) systems() []*system {
	var all []*system
	if o.hulotte != "" {
		all = append(all, &system{
			System: peer.System{Name: "hulotte", Command: peer.Hulotte(o.hulotte), Ready: "/ready", Push: "/v1/traces", Flush: "/flush", Journal: "medium/journal"},
			jaeger: "/api",
			p95: func(p *pushSet) string {
				return "/api/metrics/query_range?" + p.rangeOf(url.Values{"q": {`{} | quantile_over_time(duration, .95) by (resource.service.name)`}, "step": {"300s"}}).Encode()
			},
		})
	}
	if o.victoriaTraces != "" {
		all = append(all, &system{
			System: peer.System{Name: "victoriatraces", Command: o.victoriaTracesCommand, Ready: "/health", Push: "/insert/opentelemetry/v1/traces", Flush: "/internal/force_flush"},
			jaeger: "/select/jaeger/api",
			p95: func(p *pushSet) string {
				return "/select/logsql/stats_query_range?" + p.rangeOf(url.Values{
					"query": {"* | stats by (`resource_attr:service.name`) quantile(0.95, duration) p95"}, "step": {"5m"},
				}).Encode()
			},
		})
	}
	if o.jaeger != "" {
		s := &system{System: peer.System{Name: "jaeger", Ready: "/api/services"}, jaeger: "/api"}
		s.Command = func(dir string, port int) (*exec.Cmd, error) { return o.jaegerCommand(s, dir, port) }
		all = append(all, s)
	}
	for _, s := range all {
		s.Dir = filepath.Join(o.dir, s.Name)
	}
	return all
}

func (p *pushSet) rangeOf(v url.Values) url.Values {
	v.Set("start", strconv.FormatInt(p.start.Unix(), 10))
	v.Set("end", strconv.FormatInt(p.end.Unix(), 10))
	return v
}

func (o options) victoriaTracesCommand(dir string, port int) (*exec.Cmd, error) {
	return exec.Command(o.victoriaTraces, "-storageDataPath="+filepath.Join(dir, "data"), //nolint:gosec // the program that is measured
		"-httpListenAddr=127.0.0.1:"+strconv.Itoa(port), "-retentionPeriod=100y"), nil
}

// jaegerCommand has every one of Jaeger's servers on a port of its own.
func (o options) jaegerCommand(s *system, dir string, port int) (*exec.Cmd, error) {
	c := exec.Command(o.jaeger, "--badger.ephemeral=false", "--badger.directory-key="+filepath.Join(dir, "data", "keys"), //nolint:gosec // as above
		"--badger.directory-value="+filepath.Join(dir, "data", "values"), "--query.http-server.host-port=127.0.0.1:"+strconv.Itoa(port))
	c.Env = append(os.Environ(), "SPAN_STORAGE_TYPE=badger", "JAEGER_DISABLED=true", "OTEL_TRACES_SAMPLER=always_off")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o750); err != nil {
		return nil, err
	}
	for _, flag := range []string{
		"collector.otlp.http.host-port", "collector.otlp.grpc.host-port", "collector.http-server.host-port", "collector.grpc-server.host-port",
		"query.grpc-server.host-port", "admin.http.host-port", "http-server.host-port", "processor.zipkin-compact.server-host-port",
		"processor.jaeger-binary.server-host-port", "processor.jaeger-compact.server-host-port",
	} {
		free, err := peer.FreePort()
		if err != nil {
			return nil, err
		}
		address := "127.0.0.1:" + strconv.Itoa(free)
		c.Args = append(c.Args, "--"+flag+"="+address)
		if flag == "collector.otlp.http.host-port" {
			s.Push = "http://" + address + "/v1/traces"
		}
	}
	return c, nil
}
