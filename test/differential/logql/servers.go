package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is a Loki, or something that claims to be like one.
type server struct {
	name, base string
	cmd        *exec.Cmd
}

const lokiConfig = `
auth_enabled: false
server: {http_listen_address: 127.0.0.1, http_listen_port: %[2]d, grpc_listen_address: 127.0.0.1, grpc_listen_port: %[3]d, log_level: warn}
common:
  instance_addr: 127.0.0.1
  path_prefix: %[1]s
  replication_factor: 1
  ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: %[1]s/chunks, rules_directory: %[1]s/rules}}
schema_config:
  configs: [{from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
limits_config: {reject_old_samples: false, discover_service_name: [], allow_structured_metadata: true, max_query_length: 0, max_query_series: 100000, shard_aggregations: [approx_topk]}
analytics: {reporting_enabled: false}
query_range: {cache_results: false, align_queries_with_step: false}
frontend: {encoding: json}
querier: {query_ingesters_within: 0}
`

func startBoth(ctx context.Context, dir, hulotte, loki string) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, stop, err
	}
	files := map[string]string{
		"loki.yml":    fmt.Sprintf(lokiConfig, filepath.Join(dir, "loki"), ports[0], ports[1]),
		"hulotte.yml": fmt.Sprintf("data_dir: %s\nserver:\n  listen: 127.0.0.1:%d\nlogs:\n  enabled: false\nhost:\n  enabled: false\ningest:\n  logs:\n    service_labels: []\n", filepath.Join(dir, "hulotte"), ports[2]),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, stop, err
		}
	}
	for _, s := range []*server{
		{"loki", base(ports[0]), exec.Command(loki, "-config.file="+filepath.Join(dir, "loki.yml"))},                //nolint:gosec // given by whoever starts this
		{"hulotte", base(ports[2]), exec.Command(hulotte, "server", "--config", filepath.Join(dir, "hulotte.yml"))}, //nolint:gosec // as above
	} {
		if s.cmd.Path == "" {
			continue // not given
		}
		out, err := os.Create(filepath.Join(dir, s.name+".log")) //nolint:gosec // our folder
		if err != nil {
			return servers, stop, err
		}
		s.cmd.Stdout, s.cmd.Stderr = out, out
		if err := s.cmd.Start(); err != nil {
			return servers, stop, err
		}
		servers = append(servers, s)
		if err := s.waitReady(ctx); err != nil {
			text, _ := os.ReadFile(out.Name())
			return servers, stop, fmt.Errorf("%s: %w\n%s", s.name, err, text[max(0, len(text)-2000):])
		}
	}
	return servers, stop, nil
}

func base(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		if status, _, err := s.get(ctx, "/ready", nil); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *server) get(ctx context.Context, path string, v url.Values) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path+"?"+v.Encode(), nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	return do(r)
}

func do(r *http.Request) (int, []byte, error) {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// push sends streams as Loki's JSON.
func (s *server) push(ctx context.Context, streams []pushed) error {
	body, err := json.Marshal(map[string]any{"streams": streams})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/loki/api/v1/push", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	status, text, err := do(r)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("%s answers %d to the push: %s", s.name, status, text)
	}
	return err
}

// ask sends a range query and an instant query, and returns what clients see of the answers as comparable lines.
func (s *server) ask(ctx context.Context, text string) []string {
	var out []string
	for _, form := range []struct {
		path string
		v    url.Values
	}{
		{"/loki/api/v1/query_range", url.Values{"query": {text}, "start": {nanos(begin)}, "end": {nanos(end)}, "step": {"60"}, "limit": {"5000"}, "direction": {"forward"}}},
		{"/loki/api/v1/query", url.Values{"query": {text}, "time": {nanos(end)}, "limit": {"5000"}}},
	} {
		status, body, err := s.get(ctx, form.path, form.v)
		if err != nil {
			return []string{"cannot ask: " + err.Error()}
		}
		kind := strings.TrimPrefix(form.path, "/loki/api/v1/")
		if status != http.StatusOK {
			out = append(out, fmt.Sprintf("%s: %d %s", kind, status, strings.TrimSpace(string(body))))
			continue
		}
		out = append(out, answerLines(kind, body)...)
	}
	return out
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
