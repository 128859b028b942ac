package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/test/bench/peer"
)

// system is one of those that are compared.
type system struct {
	peer.System
	ask func(base string, q question, p *pushSet) *http.Request
}

func (o options) systems() []*system {
	var all []*system
	if o.hulotte != "" {
		all = append(all, &system{
			peer.System{Name: "hulotte", Command: peer.Hulotte(o.hulotte), Ready: "/ready", Push: "/loki/api/v1/push", Flush: "/flush", Journal: "medium/journal"}, askLogQL,
		})
	}
	if o.victoriaLogs != "" {
		all = append(all, &system{
			peer.System{Name: "victorialogs", Command: o.victoriaLogsCommand, Ready: "/health", Push: "/insert/loki/api/v1/push", Flush: "/internal/force_flush"}, askLogsQL,
		})
	}
	if o.loki != "" {
		all = append(all, &system{
			peer.System{Name: "loki", Command: o.lokiCommand, Ready: "/ready", Push: "/loki/api/v1/push", Flush: "/flush", Journal: "wal"}, askLogQL,
		})
	}
	for _, s := range all {
		s.Dir = filepath.Join(o.dir, s.Name)
	}
	return all
}

func (o options) victoriaLogsCommand(dir string, port int) (*exec.Cmd, error) {
	return exec.Command(o.victoriaLogs, "-storageDataPath="+filepath.Join(dir, "data"), //nolint:gosec // the program that is measured
		"-httpListenAddr=127.0.0.1:"+strconv.Itoa(port), "-retentionPeriod=100y", "-futureRetention=1y"), nil
}

const lokiConfig = `
auth_enabled: false
server: {http_listen_address: 127.0.0.1, http_listen_port: %[2]d, grpc_listen_address: 127.0.0.1, grpc_listen_port: %[3]d, grpc_server_max_recv_msg_size: 104857600, grpc_server_max_send_msg_size: 104857600, http_server_read_timeout: 10m, http_server_write_timeout: 10m}
common:
  instance_addr: 127.0.0.1
  path_prefix: %[1]s/data
  replication_factor: 1
  ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: %[1]s/data/chunks, rules_directory: %[1]s/data/rules}}
schema_config:
  configs: [{from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
limits_config: {ingestion_rate_mb: 10000, ingestion_burst_size_mb: 10000, per_stream_rate_limit: 10GB, per_stream_rate_limit_burst: 10GB, reject_old_samples: false, max_global_streams_per_user: 0, max_query_length: 0, max_query_series: 100000, volume_enabled: true, query_timeout: 10m}
analytics: {reporting_enabled: false}
query_range: {cache_results: false}
`

func (o options) lokiCommand(dir string, port int) (*exec.Cmd, error) {
	rpc, err := peer.FreePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "loki.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, lokiConfig, dir, port, rpc), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(o.loki, "-config.file="+config), nil //nolint:gosec // the program that is measured
}

func stopAll(systems []*system) {
	for _, s := range systems {
		peer.StopAll([]*peer.System{&s.System})
	}
}

// askLogQL asks in LogQL.
func askLogQL(base string, q question, p *pushSet) *http.Request {
	v := url.Values{"query": {q.logQL(p)}, "limit": {strconv.Itoa(max(q.limit, 1))}, "direction": {"backward"}}
	path := "/loki/api/v1/query_range"
	if q.instant {
		path = "/loki/api/v1/query"
		v.Set("time", strconv.FormatInt(p.end.UnixNano(), 10))
	} else {
		v.Set("start", strconv.FormatInt(p.start.UnixNano(), 10))
		v.Set("end", strconv.FormatInt(p.end.UnixNano(), 10))
		v.Set("step", "300")
	}
	return post(base+path, v)
}

// askLogsQL asks in VictoriaLogs' language.
func askLogsQL(base string, q question, p *pushSet) *http.Request {
	query, path := q.logsQL(p)
	v := url.Values{"query": {query}, "start": {strconv.FormatInt(p.start.UnixNano(), 10)}, "end": {strconv.FormatInt(p.end.UnixNano(), 10)}, "step": {"5m"}}
	if q.limit > 0 {
		v.Set("limit", strconv.Itoa(q.limit))
	}
	return post(base+"/select/logsql/"+path, v)
}

func post(to string, v url.Values) *http.Request {
	r, err := http.NewRequest(http.MethodPost, to, strings.NewReader(v.Encode())) //nolint:noctx // whoever sends it adds one
	if err != nil {
		panic("BUG: " + err.Error()) // the address is ours
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}
