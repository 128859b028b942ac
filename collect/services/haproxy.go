package services

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func haproxyKind() Kind {
	return withOptions(Kind{
		Name: "haproxy", Exporter: "haproxy_exporter (or HAProxy's own page)", Job: "haproxy", Up: "haproxy_up", Address: "unix:/run/haproxy/admin.sock",
		Doc: "Frontends, backends and servers: sessions, bytes, errors, queues, times and states, from the statistics socket or the CSV page under haproxy_exporter's names, or from HAProxy's own page in Prometheus' format.",
		Setup: "One of these, the first where HAProxy runs on this machine:\n\n```\nglobal\n    stats socket /run/haproxy/admin.sock mode 660 level user\n```\n\n" +
			"```\nfrontend stats\n    mode http\n    bind 127.0.0.1:8404\n    http-request use-service prometheus-exporter if { path /metrics }\n    stats enable\n    stats uri /stats\n```\n\n" +
			"At an address host:port, `/metrics`, `/stats;csv`, `/haproxy?stats;csv` and `/;csv` are tried in turn.",
	}, newHaproxy)
}

const haproxyHint = "add a stats socket or a statistics page to HAProxy"

func newHaproxy(t Target, o webOptions) (reader, error) {
	names := mustTable("haproxy")
	if network, _ := splitAddress(t.Address); network == "unix" && o.URL == "" {
		return func(ctx context.Context, f *families) error { return readHaproxySocket(ctx, t.Address, names, f) }, nil
	}
	paths := []string{"/metrics", "/stats;csv", "/haproxy?stats;csv", "/;csv"}
	if o.URL != "" {
		paths = []string{""}
	}
	var sites []*website
	for _, path := range paths {
		site, err := newWebsite(t, o, path, haproxyHint)
		if err != nil {
			return nil, err
		}
		sites = append(sites, site)
	}
	return firstPage(sites, func(text []byte, f *families) error {
		if bytes.HasPrefix(text, []byte("# pxname,")) {
			return readHaproxyStats(text, names, f)
		}
		if !bytes.Contains(text, []byte("haproxy_")) {
			return fmt.Errorf("the page is not HAProxy's statistics: it begins with %s: %s", excerpt(string(text)), haproxyHint)
		}
		return f.addPage(text)
	}), nil
}

// readHaproxySocket asks twice, as the socket ends each answer by closing.
func readHaproxySocket(ctx context.Context, address string, names table, f *families) error {
	info, err := askAndReadAll(ctx, address, "show info\n")
	if err != nil {
		return err
	}
	addHaproxyInfo(f, string(info))
	stats, err := askAndReadAll(ctx, address, "show stat\n")
	if err != nil {
		return err
	}
	return readHaproxyStats(stats, names, f)
}

// askAndReadAll sends a question and reads what comes until the other side closes.
func askAndReadAll(ctx context.Context, address, question string) ([]byte, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := io.WriteString(c, question); question != "" && err != nil {
		return nil, err
	}
	return readAll(c.r, maxAnswerBytes)
}

func addHaproxyInfo(f *families, text string) {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			info[k] = strings.TrimSpace(v)
		}
	}
	f.gauge("haproxy_version_info", "1; the labels tell the version.", 1, "release_date", info["Release_date"], "version", info["Version"])
	if v, err := strconv.ParseFloat(info["Idle_pct"], 64); err == nil && v >= 0 && v <= 100 {
		f.gauge("haproxy_process_idle_time_percent", "Part of the time that the process waits.", v)
	}
}

// readHaproxyStats reads the CSV of "show stat": a heading, then a row for each frontend, backend and server.
func readHaproxyStats(text []byte, names table, f *families) error {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("# "))))
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil || len(head) < 33 || head[0] != "pxname" || head[1] != "svname" {
		return fmt.Errorf("the answer is not HAProxy's statistics: it begins with %s: %s", excerpt(string(text)), haproxyHint)
	}
	columns := append([]string(nil), head...)
	typeAt := -1
	for i, c := range columns {
		if c == "type" {
			typeAt = i
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the statistics are broken: %w", err)
		}
		if len(row) > 32 && typeAt >= 0 && typeAt < len(row) {
			addHaproxyRow(f, names, columns, row, row[typeAt])
		}
	}
}

func addHaproxyRow(f *families, names table, columns, row []string, typ string) {
	var about string
	var pairs []string
	switch typ {
	case "0":
		about, pairs = "frontend.", []string{"frontend", row[0]}
	case "1":
		about, pairs = "backend.", []string{"backend", row[0]}
	case "2":
		about, pairs = "server.", []string{"backend", row[0], "server", row[1]}
	default: // 3 is a listener
		return
	}
	for i, text := range row[:min(len(row), len(columns))] {
		if text == "" {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if columns[i] == "status" {
			v, err = haproxyStatus(text), nil
		}
		if err == nil {
			names.add(f, about+columns[i], v, pairs...)
		}
	}
}

// haproxyStatus is 1 for what takes requests.
func haproxyStatus(text string) float64 {
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "UP", "OPEN", "DRAIN":
		return 1
	case "no": // "no check"
		return 1
	}
	return 0
}
