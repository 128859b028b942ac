package services

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

type redisOptions struct {
	TLS                bool `json:"tls" doc:"speak TLS"`
	InsecureSkipVerify bool `json:"insecure_skip_verify" doc:"accept any certificate, such as a self-signed one"`
}

func redisKind() Kind {
	return withOptions(Kind{
		Name: "redis", Exporter: "redis_exporter", Job: "redis", Up: "redis_up", Address: "127.0.0.1:6379",
		Doc: "Everything that INFO says of Redis, Valkey and KeyDB (memory, clients, commands, keyspace, persistence, replication), the slow log and latencies.",
		Setup: "With `requirepass`, give that password. A user of its own needs only this (Redis 6 and later):\n\n" +
			"```\nACL SETUSER hulotte on >PASSWORD -@all +info +config|get +slowlog|len +slowlog|get +latency|latest +latency|histogram +cluster|info\n```",
	}, newRedis)
}

const redisHint = "give the password, or a user with the rights that the documentation of the kind redis lists"

type redis struct {
	target Target
	opts   redisOptions
	names  table
	now    func() time.Time
}

func newRedis(t Target, o redisOptions) (reader, error) {
	r := &redis{target: t, opts: o, names: mustTable("redis"), now: time.Now}
	return r.read, nil
}

// redisQuestions are asked in this order, all at once.
var redisQuestions = [][]string{
	{"INFO", "ALL"}, {"SLOWLOG", "LEN"}, {"SLOWLOG", "GET", "1"}, {"LATENCY", "LATEST"}, {"LATENCY", "HISTOGRAM"}, {"CLUSTER", "INFO"},
	{"CONFIG", "GET", "maxclients"}, {"CONFIG", "GET", "maxmemory"}, {"CONFIG", "GET", "io-threads"}, {"CONFIG", "GET", "repl-backlog-size"},
	{"CONFIG", "GET", "client-output-buffer-limit"}, {"CONFIG", "GET", "databases"},
}

func (r *redis) read(ctx context.Context, f *families) error {
	c, err := dial(ctx, r.target.Address)
	if err != nil {
		return err
	}
	defer c.close()
	if r.opts.TLS {
		network, address := splitAddress(r.target.Address)
		c = bound(ctx, startTLS(c.Conn, network, address, r.opts.InsecureSkipVerify), maxAnswerBytes)
	}
	answers := newRespReader(c.r)
	if err := r.login(c, answers); err != nil {
		return err
	}
	var ask []byte
	for _, q := range redisQuestions {
		ask = appendCommand(ask, q...)
	}
	if _, err := c.Write(ask); err != nil {
		return err
	}
	got := make([]any, len(redisQuestions))
	for i := range got {
		if got[i], err = answers.value(0); err != nil {
			return err
		}
		if i == 0 {
			if err := refusedByRedis(got[0]); err != nil {
				return err
			}
		}
	}
	r.add(f, got)
	return nil
}

func (r *redis) login(c *conn, answers *respReader) error {
	password, err := r.target.Credentials.password()
	if err != nil {
		return err
	}
	if password == "" {
		return nil
	}
	words := []string{"AUTH", password}
	if user := r.target.Credentials.Username; user != "" {
		words = []string{"AUTH", user, password}
	}
	if _, err := c.Write(appendCommand(nil, words...)); err != nil {
		return err
	}
	v, err := answers.value(0)
	if err != nil {
		return err
	}
	return refusedByRedis(v)
}

func refusedByRedis(v any) error {
	e, ok := v.(respError)
	if !ok {
		return nil
	}
	for _, code := range []string{"NOAUTH", "WRONGPASS", "NOPERM"} {
		if strings.HasPrefix(string(e), code) {
			return fmt.Errorf("redis refuses: %s: %s", excerpt(string(e)), redisHint)
		}
	}
	return fmt.Errorf("redis answers %s", excerpt(string(e)))
}

// add adds the answers to redisQuestions.
func (r *redis) add(f *families, got []any) {
	text, _ := got[0].(string)
	info := readInfo(text)
	r.addInfo(f, info)
	if n, ok := got[1].(int64); ok {
		f.gauge("redis_slowlog_length", "Entries of the slow log.", float64(n))
	}
	addSlowlog(f, got[2])
	addLatency(f, got[3])
	addLatencyHistograms(f, got[4], info)
	if text, ok := got[5].(string); ok && info.get("cluster_enabled") == "1" {
		for _, l := range readInfo(text).lines {
			r.addValue(f, l.key, l.value)
		}
	}
	databases := 16 // Redis' default, when it does not tell
	for _, v := range got[6:] {
		if pair, ok := v.([]any); ok && len(pair) == 2 {
			key, _ := pair[0].(string)
			value, _ := pair[1].(string)
			if n, err := strconv.Atoi(value); err == nil && key == "databases" && n >= 0 {
				databases = min(n, 1024)
			}
			addRedisConfig(f, key, value)
		}
	}
	if info.get("cluster_enabled") == "1" {
		databases = 1
	}
	addEmptyDatabases(f, info, databases)
}

// infoLine is one field of INFO, beneath its heading.
type infoLine struct{ section, key, value string }

type redisInfo struct{ lines []infoLine }

// readInfo reads "key:value" lines beneath "# Heading" lines.
func readInfo(text string) *redisInfo {
	info := &redisInfo{}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "# "); ok {
			section = heading
			continue
		}
		if key, value, ok := strings.Cut(line, ":"); ok && key != "" {
			info.lines = append(info.lines, infoLine{section, key, value})
		}
	}
	return info
}

func (i *redisInfo) get(key string) string {
	for _, l := range i.lines {
		if l.key == key {
			return l.value
		}
	}
	return ""
}

// redisPairs reads "a=1,b=2".
func redisPairs(text string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			out[k] = v
		}
	}
	return out
}

func redisNumber(text string) (float64, bool) {
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsNaN(v)
}

func (r *redis) addInfo(f *families, info *redisInfo) {
	master := [2]string{}
	percentiles := map[string][]quantile{}
	for _, l := range info.lines {
		switch {
		case strings.HasPrefix(l.key, "master") && strings.HasSuffix(l.key, "_host"):
			master[0] = l.value
		case strings.HasPrefix(l.key, "master") && strings.HasSuffix(l.key, "_port"):
			master[1] = l.value
		}
		switch l.section {
		case "Replication":
			if addReplication(f, l, master) {
				continue
			}
		case "Server":
			r.addServer(f, l)
		case "Commandstats":
			addCommand(f, l)
			continue
		case "Latencystats":
			if cmd, ok := strings.CutPrefix(l.key, "latency_percentiles_usec_"); ok {
				percentiles[cmd] = readPercentiles(l.value)
			}
			continue
		case "Errorstats":
			if kind, ok := strings.CutPrefix(l.key, "errorstat_"); ok {
				if n, ok := redisNumber(redisPairs(l.value)["count"]); ok {
					f.counter("redis_errors_total", "Error answers, by their first word.", n, "err", kind)
				}
			}
			continue
		case "Keyspace":
			if addDatabase(f, l) {
				continue
			}
		}
		r.addValue(f, l.key, l.value)
	}
	addPercentiles(f, info, percentiles)
	addInstance(f, info)
}

// addValue adds a field whose name the table has.
func (r *redis) addValue(f *families, key, value string) {
	switch value {
	case "ok", "true":
		value = "1"
	case "err", "fail", "false":
		value = "0"
	}
	if v, ok := redisNumber(value); ok && !r.names.add(f, key, v) && strings.HasPrefix(key, "cluster_") && isWord(key) {
		f.gauge("redis_"+key, "The cluster's "+key+".", v)
	}
}

func (r *redis) addServer(f *families, l infoLine) {
	v, ok := redisNumber(l.value)
	switch {
	case !ok:
	case l.key == "uptime_in_seconds":
		f.gauge("redis_start_time_seconds", "When the server started, in seconds since 1970.", float64(r.now().Unix())-v)
	case l.key == "hz", l.key == "configured_hz":
		f.gauge("redis_"+l.key, "How often a second the server does its background work.", v)
	}
}

func addReplication(f *families, l infoLine, master [2]string) bool {
	labels := []string{"master_host", master[0], "master_port", master[1]}
	switch {
	case strings.HasPrefix(l.key, "master") && strings.HasSuffix(l.key, "_link_status"):
		f.gauge("redis_master_link_up", "1 while the link to the master is up.", truth(l.value == "up"), labels...)
		return true
	case strings.HasPrefix(l.key, "master") && strings.HasSuffix(l.key, "_last_io_seconds_ago"):
		v, _ := redisNumber(l.value)
		f.gauge("redis_master_last_io_seconds_ago", "Time since something came from the master.", v, labels...)
		return true
	case strings.HasPrefix(l.key, "master") && strings.HasSuffix(l.key, "_sync_in_progress"):
		v, _ := redisNumber(l.value)
		f.gauge("redis_master_sync_in_progress", "1 while the master sends everything.", v, labels...)
		return true
	case l.key == "slave_repl_offset":
		v, _ := redisNumber(l.value)
		f.gauge("redis_slave_repl_offset", "How far this replica has come in the stream of its master.", v, labels...)
		return true
	case strings.HasPrefix(l.key, "slave") && strings.Contains(l.value, "offset="):
		p := redisPairs(l.value)
		of := []string{"slave_ip", p["ip"], "slave_port", p["port"], "slave_state", p["state"]}
		if v, ok := redisNumber(p["offset"]); ok {
			f.gauge("redis_connected_slave_offset_bytes", "How far the replica has come in the stream.", v, of...)
		}
		if v, ok := redisNumber(p["lag"]); ok {
			f.gauge("redis_connected_slave_lag_seconds", "Time since the replica was heard.", v, of...)
		}
		return true
	}
	return false
}

func addCommand(f *families, l infoLine) {
	cmd, ok := strings.CutPrefix(l.key, "cmdstat_")
	if !ok {
		return
	}
	p := redisPairs(l.value)
	for _, m := range [...]struct {
		key, name, help string
		factor          float64
	}{
		{"calls", "redis_commands_total", "Calls, by command.", 1},
		{"usec", "redis_commands_duration_seconds_total", "Time that calls took, by command.", 1e-6},
		{"rejected_calls", "redis_commands_rejected_calls_total", "Calls that were refused before they ran, by command.", 1},
		{"failed_calls", "redis_commands_failed_calls_total", "Calls that failed while they ran, by command.", 1},
	} {
		if v, ok := redisNumber(p[m.key]); ok {
			f.counter(m.name, m.help, v*m.factor, "cmd", cmd)
		}
	}
}

// readPercentiles reads "p50=1.003,p99=4.015". The labels hold percent, not fractions, as those of the exporter do.
func readPercentiles(text string) []quantile {
	var out []quantile
	for pair := range strings.SplitSeq(text, ",") {
		p, v, _ := strings.Cut(pair, "=")
		q, ok := redisNumber(strings.TrimPrefix(p, "p"))
		value, ok2 := redisNumber(v)
		if ok && ok2 && len(out) < 20 {
			out = append(out, quantile{q, value})
		}
	}
	return out
}

func addPercentiles(f *families, info *redisInfo, percentiles map[string][]quantile) {
	for _, l := range info.lines {
		cmd, ok := strings.CutPrefix(l.key, "cmdstat_")
		qs, has := percentiles[cmd]
		if !ok || !has || l.section != "Commandstats" {
			continue
		}
		p := redisPairs(l.value)
		count, err := strconv.ParseUint(p["calls"], 10, 64)
		sum, ok := redisNumber(p["usec"])
		if err == nil && ok {
			f.summary("redis_latency_percentiles_usec", "Latency of a command in microseconds, at percentiles.", count, sum, qs, "cmd", cmd)
		}
	}
}

func addDatabase(f *families, l infoLine) bool {
	p := redisPairs(l.value)
	keys, ok := redisNumber(p["keys"])
	expires, ok2 := redisNumber(p["expires"])
	if !strings.HasPrefix(l.key, "db") || !ok || !ok2 {
		return false
	}
	f.gauge("redis_db_keys", "Keys of a database.", keys, "db", l.key)
	f.gauge("redis_db_keys_expiring", "Keys of a database that expire.", expires, "db", l.key)
	if v, ok := redisNumber(p["cached_keys"]); ok {
		f.gauge("redis_db_keys_cached", "Keys of a database that are cached.", v, "db", l.key)
	}
	if v, ok := redisNumber(p["avg_ttl"]); ok {
		f.gauge("redis_db_avg_ttl_seconds", "Mean time until keys of a database expire.", v/1000, "db", l.key)
	}
	return true
}

func addEmptyDatabases(f *families, info *redisInfo, databases int) {
	for i := range databases {
		db := "db" + strconv.Itoa(i)
		if !slices.ContainsFunc(info.lines, func(l infoLine) bool { return l.section == "Keyspace" && l.key == db }) {
			f.gauge("redis_db_keys", "Keys of a database.", 0, "db", db)
			f.gauge("redis_db_keys_expiring", "Keys of a database that expire.", 0, "db", db)
		}
	}
}

func addInstance(f *families, info *redisInfo) {
	pairs := []string{"role", info.get("role")}
	for _, key := range []string{"redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id", "process_id", "master_replid"} {
		pairs = append(pairs, key, info.get(key))
	}
	for _, key := range []string{"valkey_version", "valkey_release_stage"} {
		if v := info.get(key); v != "" {
			pairs = append(pairs, key, v)
		}
	}
	f.gauge("redis_instance_info", "1; the labels tell what the server is.", 1, pairs...)
	if info.get("role") == "slave" {
		f.gauge("redis_slave_info", "1; the labels tell whose replica the server is.", 1, "master_host", info.get("master_host"), "master_port", info.get("master_port"), "read_only", info.get("slave_read_only"))
	}
}

func addSlowlog(f *families, v any) {
	entries, ok := v.([]any)
	if !ok {
		return
	}
	var id, took int64
	if len(entries) > 0 {
		if e, ok := entries[0].([]any); ok && len(e) > 2 {
			id, _ = e[0].(int64)
			took, _ = e[2].(int64)
		}
	}
	f.gauge("redis_slowlog_last_id", "Number of the newest entry of the slow log.", float64(id))
	f.gauge("redis_last_slow_execution_duration_seconds", "Time that the newest entry of the slow log took.", float64(took)/1e6)
}

func addLatency(f *families, v any) {
	events, _ := v.([]any)
	for _, e := range events {
		e, _ := e.([]any)
		if len(e) < 4 {
			continue
		}
		event, _ := e[0].(string)
		last, _ := e[1].(int64)
		took, _ := e[2].(int64)
		f.gauge("redis_latency_spike_last", "When the last latency spike was, in seconds since 1970.", float64(last), "event_name", event)
		f.gauge("redis_latency_spike_duration_seconds", "How long the last latency spike was.", float64(took)/1000, "event_name", event)
	}
}

// addLatencyHistograms reads command, [calls, n, histogram_usec, [le, count, ...]] in turn.
func addLatencyHistograms(f *families, v any, info *redisInfo) {
	items, _ := v.([]any)
	for i := 0; i+1 < len(items); i += 2 {
		cmd, _ := items[i].(string)
		details, _ := items[i+1].([]any)
		if len(details) < 4 {
			continue
		}
		calls, _ := details[1].(int64)
		pairs, _ := details[3].([]any)
		var bs []bucket
		for j := 0; j+1 < len(pairs); j += 2 {
			le, ok := pairs[j].(int64)
			n, ok2 := pairs[j+1].(int64)
			if ok && ok2 && n >= 0 {
				bs = append(bs, bucket{float64(le), uint64(n)})
			}
		}
		f.histogram("redis_commands_latencies_usec", "Latency of a command in microseconds.", uint64(max(calls, 0)), commandTime(info, cmd), bs, "cmd", cmd)
	}
}

// commandTime is the microseconds of a command with its subcommands.
func commandTime(info *redisInfo, cmd string) float64 {
	sum := 0.0
	for _, l := range info.lines {
		name, ok := strings.CutPrefix(l.key, "cmdstat_")
		if ok && (name == cmd || strings.HasPrefix(name, cmd+"|")) {
			v, _ := redisNumber(redisPairs(l.value)["usec"])
			sum += v
		}
	}
	return sum
}

func addRedisConfig(f *families, key, value string) {
	if key == "client-output-buffer-limit" {
		addBufferLimits(f, strings.Fields(value))
		return
	}
	if v, ok := redisNumber(value); ok && key != "databases" {
		f.gauge("redis_config_"+strings.ReplaceAll(key, "-", "_"), "The setting "+key+".", v)
	}
}

// addBufferLimits reads class, hard limit, soft limit and seconds in turn.
func addBufferLimits(f *families, words []string) {
	for ; len(words) >= 4; words = words[4:] {
		for i, limit := range []string{"hard", "soft"} {
			if v, ok := redisNumber(words[1+i]); ok {
				f.gauge("redis_config_client_output_buffer_limit_bytes", "Limit of the output buffer of clients of a class.", v, "class", words[0], "limit", limit)
			}
		}
		if v, ok := redisNumber(words[3]); ok {
			f.gauge("redis_config_client_output_buffer_limit_overcome_seconds", "How long clients of a class may be above the soft limit.", v, "class", words[0], "limit", "soft")
		}
	}
}
