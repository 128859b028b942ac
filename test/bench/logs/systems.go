package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// system is one of those that are compared.
type system struct {
	name    string
	command func(dir string, port int) (*exec.Cmd, error)
	ready   string // path that answers 200
	push    string // path that takes Loki's pushes
	flush   string // path that writes out what is in memory, by POST
	ask     func(base string, q question, p *pushSet) *http.Request
	dir     string
	journal string // folder below dir that is not counted as data

	base string
	cmd  *exec.Cmd
}

func (o options) systems() []*system {
	var all []*system
	if o.hulotte != "" {
		all = append(all, &system{
			name: "hulotte", command: o.hulotteCommand, ready: "/ready", push: "/loki/api/v1/push", flush: "/flush", ask: askLogQL, journal: "medium/journal",
		})
	}
	if o.victoriaLogs != "" {
		all = append(all, &system{
			name: "victorialogs", command: o.victoriaLogsCommand, ready: "/health", push: "/insert/loki/api/v1/push",
			flush: "/internal/force_flush", ask: askLogsQL,
		})
	}
	if o.loki != "" {
		all = append(all, &system{name: "loki", command: o.lokiCommand, ready: "/ready", push: "/loki/api/v1/push", flush: "/flush", ask: askLogQL, journal: "wal"})
	}
	for _, s := range all {
		s.dir = filepath.Join(o.dir, s.name)
	}
	return all
}

func (o options) hulotteCommand(dir string, port int) (*exec.Cmd, error) {
	config := filepath.Join(dir, "hulotte.yml")
	text := fmt.Sprintf("data_dir: %s\nserver:\n  listen: 127.0.0.1:%d\n  admin_api: true\n", filepath.Join(dir, "data"), port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(o.hulotte, "server", "--config", config), nil //nolint:gosec // the program that is measured
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
	rpc, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "loki.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, lokiConfig, dir, port, rpc), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(o.loki, "-config.file="+config), nil //nolint:gosec // the program that is measured
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *system) start(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	if s.cmd, err = s.command(s.dir, port); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(s.dir, "output.log"))
	if err != nil {
		return err
	}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.base = "http://127.0.0.1:" + strconv.Itoa(port)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	return s.waitReady(ctx)
}

func (s *system) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		r, err := http.Get(s.base + s.ready) //nolint:gosec,noctx // loopback
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready, see %s/output.log: %w", s.dir, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pause keeps a system from working while another one is measured.
func (s *system) pause()  { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *system) resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func stopAll(systems []*system) {
	for _, s := range systems {
		if s.cmd != nil && s.cmd.Process != nil {
			s.resume()
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	}
}

// usage is what a process has taken so far.
type usage struct {
	cpu  float64 // seconds
	peak int64   // bytes of memory
}

// ticks is the unit of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Go runs on.
const ticks = 100

func (s *system) usage() usage {
	pid := strconv.Itoa(s.cmd.Process.Pid)
	var u usage
	if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil {
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		u.cpu = (user + system) / ticks
	}
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			u.peak = kb * 1024
		}
	}
	return u
}

// disk returns the bytes of data and of the journal.
func (s *system) disk() (data, journal int64) {
	root := filepath.Join(s.dir, "data")
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go meanwhile
		}
		i, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if rel, _ := filepath.Rel(root, path); s.journal != "" && strings.HasPrefix(rel, s.journal) {
			journal += i.Size()
		} else {
			data += i.Size()
		}
		return nil
	})
	return data, journal
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
