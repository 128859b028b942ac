package services

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func startRedis(t *testing.T, args ...string) string {
	t.Helper()
	port := freePort(t)
	run(t, "redis-server", append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", ""}, args...)...)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	untilOpen(t, address)
	return address
}

func sendRedis(t *testing.T, address string, words ...string) any {
	t.Helper()
	c, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.Write(appendCommand(nil, words...)); err != nil {
		t.Fatal(err)
	}
	v, err := newRespReader(c.r).value(0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRedisReal(t *testing.T) {
	address := startRedis(t)
	sendRedis(t, address, "SET", "k", "v")
	fams := mustRead(t, "redis", Target{Address: address})
	wantValue(t, fams, 1, "redis_up")
	wantValue(t, fams, 1, "redis_db_keys", "db", "db0")
	wantValue(t, fams, 1, "redis_commands_total", "cmd", "set")
	wantAbove(t, fams, 100_000, "redis_memory_used_bytes")

	exporter := program(t, "prometheus-redis-exporter")
	port := freePort(t)
	theirs := scrapeExporter(t, port, exec.Command(exporter, "-redis.addr", address, "-web.listen-address", fmt.Sprintf("127.0.0.1:%d", port)))
	ours := mustRead(t, "redis", Target{Address: address})
	const newer = "newer than the exporter of Debian 12, as its documentation has it now"
	wantShape(t, ours, theirs, map[string]string{
		"redis_exporter_* redis_target_scrape_request_* redis_last_key_groups_*": "the exporter about itself",
		"redis_instance_info":                  "the exporter of Debian 12 lacks the newer labels",
		"redis_expired_time_cap_reached_total": "a counter in newer exporters",
		"redis_total_system_memory_bytes":      "the exporter has it on request",
		"redis_async_loading redis_hz redis_configured_hz redis_*eviction_exceeded_time_ms* redis_evicted_clients_total": newer,
		"redis_expire_cycle_cpu_time_ms_total redis_lazyfreed_objects redis_max_clients redis_mem_*_bytes":               newer,
		"redis_memory_used_* redis_net_repl_* redis_number_of_* redis_pubsubshard_channels":                              newer,
		"redis_rdb_last_load_* redis_rdb_saves_total redis_reply_buffer_* redis_config_*_* redis_commands_latencies_*":   newer,
	})
}

func TestRedisPassword(t *testing.T) {
	address := startRedis(t, "--requirepass", "s3cret")
	wantDown(t, "redis", Target{Address: address}, "NOAUTH", "give the password")
	wantDown(t, "redis", Target{Address: address, Credentials: Credentials{Password: "wrong"}}, "WRONGPASS")
	file := write(t, t.TempDir()+"/password", "s3cret\n")
	wantValue(t, mustRead(t, "redis", Target{Address: address, Credentials: Credentials{PasswordFile: file}}), 1, "redis_up")
}

func TestRedisGolden(t *testing.T) {
	r := &redis{names: mustTable("redis"), now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	f := newFamilies(defaultMaxSeries)
	r.add(f, []any{
		recorded(t, "redis.info"), int64(3),
		[]any{[]any{int64(2), int64(1_700_000_000), int64(15_000), []any{"KEYS", "*"}}},
		[]any{[]any{"command", int64(1_700_000_000), int64(251), int64(1001)}},
		[]any{"get", []any{"calls", int64(3), "histogram_usec", []any{int64(1), int64(1), int64(2), int64(3)}}},
		respError("ERR This instance has cluster support disabled"),
		[]any{"maxclients", "10000"}, []any{"maxmemory", "0"}, []any{"io-threads", "1"}, []any{"repl-backlog-size", "1048576"},
		[]any{"client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
		[]any{"databases", "4"},
	})
	wantGolden(t, "redis", f.result())
}

func TestRespRefuses(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		_, err := newRespReader(bufio.NewReader(strings.NewReader(in))).value(0)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", in, err, want)
		}
	}
	f("$9999999999\r\nx", "too long")
	f("*999999999\r\n", "too long")
	f("$5\r\nabc", "EOF")
	f("$3\r\nabcdef\r\n", "does not end")
	f("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "too long")
	f("HTTP/1.1 400 Bad Request\r\n", "is it Redis?")
	f(":12a\r\n", "no number")
	f("$-5\r\n", "no length")
	f(strings.Repeat("+x", 1<<17), "too long")
}

func FuzzResp(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n:5\r\n"))
	f.Add([]byte("-ERR no\r\n"))
	f.Add([]byte("$-1\r\n"))
	r := &redis{names: mustTable("redis"), now: time.Now}
	f.Fuzz(func(t *testing.T, in []byte) {
		p := newRespReader(bufio.NewReader(bytes.NewReader(in)))
		got := make([]any, len(redisQuestions))
		for i := range got {
			v, err := p.value(0)
			if err != nil {
				break
			}
			got[i] = v
		}
		r.add(newFamilies(100), got)
	})
}

func FuzzRedisInfo(f *testing.F) {
	f.Add("# Replication\r\nrole:master\r\nslave0:ip=1.2.3.4,port=1,state=online,offset=5,lag=0\r\n# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n# Commandstats\ncmdstat_get:calls=1,usec=2\n# Latencystats\nlatency_percentiles_usec_get:p50=1,p99=2")
	r := &redis{names: mustTable("redis"), now: time.Now}
	f.Fuzz(func(t *testing.T, in string) {
		fam := newFamilies(100)
		r.add(fam, append([]any{in}, make([]any, len(redisQuestions)-1)...))
		if n := len(fam.result()); n > 101 {
			t.Errorf("%d families", n)
		}
	})
}

func TestGatherEndsWithItsContext(t *testing.T) {
	address := serveTCP(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); <-t.Context().Done() })
	s, err := New("redis", Target{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ctx); err == nil {
		t.Error("no error of a context that has ended")
	}
}
