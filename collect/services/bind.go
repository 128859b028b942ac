package services

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

func bindKind() Kind {
	return withOptions(Kind{
		Name: "bind", Exporter: "bind_exporter", Job: "bind", Up: "bind_up", Address: "127.0.0.1:8053",
		Doc: "Queries, answers, errors, transfers, caches and resolver times of each view, serials of zones and tasks, from the statistics channel in JSON.",
		Setup: "```\nstatistics-channels { inet 127.0.0.1 port 8053 allow { 127.0.0.1; }; };\n```\n\n" +
			"A BIND that was built without JSON (json-c) answers 404; Debian's has it.",
	}, newBind)
}

const bindHint = "add a statistics-channels statement to named.conf"

// bindStats says to which family a counter of a view's resolver or of the server goes; label is empty when it has its own.
var (
	bindResolver = map[string]struct{ name, label, value, help string }{
		"Lame":          {"bind_resolver_response_lame_total", "", "", "Lame delegations."},
		"EDNS0Fail":     {"bind_resolver_query_edns0_errors_total", "", "", "Queries whose EDNS failed."},
		"Mismatch":      {"bind_resolver_response_mismatch_total", "", "", "Answers that did not match."},
		"Retry":         {"bind_resolver_query_retries_total", "", "", "Queries that were repeated."},
		"Truncated":     {"bind_resolver_response_truncated_total", "", "", "Answers that were cut."},
		"ValFail":       {"bind_resolver_dnssec_validation_errors_total", "", "", "DNSSEC validations that failed."},
		"QueryAbort":    {"bind_resolver_query_errors_total", "error", "QueryAbort", "Queries that failed."},
		"QuerySockFail": {"bind_resolver_query_errors_total", "error", "QuerySockFail", "Queries that failed."},
		"QueryTimeout":  {"bind_resolver_query_errors_total", "error", "QueryTimeout", "Queries that failed."},
		"NXDOMAIN":      {"bind_resolver_response_errors_total", "error", "NXDOMAIN", "Answers that were errors."},
		"SERVFAIL":      {"bind_resolver_response_errors_total", "error", "SERVFAIL", "Answers that were errors."},
		"FORMERR":       {"bind_resolver_response_errors_total", "error", "FORMERR", "Answers that were errors."},
		"OtherError":    {"bind_resolver_response_errors_total", "error", "OtherError", "Answers that were errors."},
		"REFUSED":       {"bind_resolver_response_errors_total", "error", "REFUSED", "Answers that were errors."},
		"ValOk":         {"bind_resolver_dnssec_validation_success_total", "result", "ValOk", "DNSSEC validations that succeeded."},
		"ValNegOk":      {"bind_resolver_dnssec_validation_success_total", "result", "ValNegOk", "DNSSEC validations that succeeded."},
	}
	bindServer = map[string]struct{ name, label, value, help string }{
		"QryDropped":    {"bind_query_errors_total", "error", "Dropped", "Queries that failed."},
		"QryFailure":    {"bind_query_errors_total", "error", "Failure", "Queries that failed."},
		"QrySuccess":    {"bind_responses_total", "result", "Success", "Answers, by result."},
		"QryReferral":   {"bind_responses_total", "result", "Referral", "Answers, by result."},
		"QryNxrrset":    {"bind_responses_total", "result", "Nxrrset", "Answers, by result."},
		"QrySERVFAIL":   {"bind_responses_total", "result", "SERVFAIL", "Answers, by result."},
		"QryFORMERR":    {"bind_responses_total", "result", "FORMERR", "Answers, by result."},
		"QryNXDOMAIN":   {"bind_responses_total", "result", "NXDOMAIN", "Answers, by result."},
		"QryDuplicate":  {"bind_query_duplicates_total", "", "", "Queries that came twice."},
		"QryRecursion":  {"bind_query_recursions_total", "", "", "Queries that wanted recursion."},
		"XfrRej":        {"bind_zone_transfer_rejected_total", "", "", "Zone transfers that were refused."},
		"XfrSuccess":    {"bind_zone_transfer_success_total", "", "", "Zone transfers that succeeded."},
		"XfrFail":       {"bind_zone_transfer_failure_total", "", "", "Zone transfers that failed."},
		"RecursClients": {"bind_recursive_clients", "", "", "Clients that wait for recursion."},
		"RPZRewrites":   {"bind_response_policy_zone_rewrites_total", "", "", "Answers that a policy zone changed."},
	}
)

func newBind(t Target, o webOptions) (reader, error) {
	site, err := newWebsite(t, o, "/", bindHint)
	if err != nil {
		return nil, err
	}
	site.base.Path = trimSlash(site.base.Path)
	return func(ctx context.Context, f *families) error {
		server, err := site.object(ctx, "/json/v1/server")
		if err != nil {
			return err
		}
		if server.text("boot-time") == "" {
			return fmt.Errorf("the page has no boot-time: is it BIND? %s", bindHint)
		}
		addBindServer(f, server)
		views := server.object("views")
		for _, name := range views.keys() {
			addBindView(f, name, views.object(name).object("resolver"))
		}
		if zones, err := site.object(ctx, "/json/v1/zones"); err == nil {
			addBindZones(f, zones.object("views"))
		} else {
			f.warn(err)
		}
		if tasks, err := site.object(ctx, "/json/v1/tasks"); err == nil {
			running, _ := tasks.object("taskmgr").number("tasks-running")
			threads, _ := tasks.object("taskmgr").number("worker-threads")
			f.gauge("bind_tasks_running", "Tasks that run.", running)
			f.gauge("bind_worker_threads", "Threads that work.", threads)
		} // BIND 9.20 has none
		return nil
	}, nil
}

func addBindServer(f *families, s object) {
	for _, m := range [...][3]string{{"boot-time", "bind_boot_time_seconds", "When the server started, in seconds since 1970."}, {"config-time", "bind_config_time_seconds", "When the configuration was read, in seconds since 1970."}} {
		if at, err := time.Parse(time.RFC3339, s.text(m[0])); err == nil {
			f.gauge(m[1], m[2], float64(at.Unix()))
		}
	}
	for _, m := range [...][4]string{
		{"opcodes", "bind_incoming_requests_total", "opcode", "Requests that came, by opcode."},
		{"qtypes", "bind_incoming_queries_total", "type", "Queries that came, by type."},
		{"rcodes", "bind_response_rcodes_total", "rcode", "Answers, by code."},
	} {
		o := s.object(m[0])
		for _, key := range o.keys() {
			if v, ok := o.number(key); ok {
				f.counter(m[1], m[3], v, m[2], key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(bindServer)) { // counters that are 0 are not told
		m := bindServer[key]
		v, ok := s.object("nsstats").number(key)
		if !ok {
			v, _ = s.object("zonestats").number(key)
		}
		if m.label != "" {
			f.counter(m.name, m.help, v, m.label, m.value)
			continue
		}
		f.counter(m.name, m.help, v)
	}
}

func addBindView(f *families, view string, r object) {
	for _, key := range r.object("cache").keys() {
		if v, ok := r.object("cache").number(key); ok {
			f.gauge("bind_resolver_cache_rrsets", "Sets of records in the cache, by type.", v, "view", view, "type", key)
		}
	}
	for _, key := range r.object("qtypes").keys() {
		if v, ok := r.object("qtypes").number(key); ok {
			f.counter("bind_resolver_queries_total", "Queries that were sent, by type.", v, "view", view, "type", key)
		}
	}
	stats := r.object("stats")
	for _, key := range slices.Sorted(maps.Keys(bindResolver)) {
		m := bindResolver[key]
		v, _ := stats.number(key)
		if m.label != "" {
			f.counter(m.name, m.help, v, "view", view, m.label, m.value)
			continue
		}
		f.counter(m.name, m.help, v, "view", view)
	}
	addRoundTrips(f, view, stats)
}

// addRoundTrips makes a histogram of QryRTT10 (up to 10 ms) to QryRTT1600+ (the rest); the sum is not known.
func addRoundTrips(f *families, view string, stats object) {
	var bs []bucket
	for key := range stats {
		ms, ok := strings.CutPrefix(key, "QryRTT")
		v, isNumber := stats.number(key)
		if !ok || !isNumber || v < 0 {
			continue
		}
		le, err := strconv.ParseFloat(strings.TrimSuffix(ms, "+"), 64)
		if strings.HasSuffix(ms, "+") {
			le = math.Inf(1)
		}
		if err == nil {
			bs = append(bs, bucket{le / 1000, uint64(v)})
		}
	}
	slices.SortFunc(bs, func(a, b bucket) int {
		if a.le < b.le {
			return -1
		}
		return 1
	})
	sum := uint64(0)
	for i := range bs {
		sum += bs[i].count
		bs[i].count = sum
	}
	f.histogram("bind_resolver_query_duration_seconds", "Time until an answer came.", sum, math.NaN(), bs, "view", view)
}

func addBindZones(f *families, views object) {
	for _, view := range views.keys() {
		for _, zone := range views.object(view).list("zones") {
			if serial, ok := zone.number("serial"); ok && zone.text("class") == "IN" {
				f.counter("bind_zone_serial", "Serial number of the zone.", serial, "view", view, "zone_name", zone.text("name"))
			}
		}
	}
}
