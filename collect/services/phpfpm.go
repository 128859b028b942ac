package services

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

type phpfpmOptions struct {
	webOptions
	Path string `json:"path" doc:"pm.status_path of the pool; /status when empty"`
}

func phpfpmKind() Kind {
	return withOptions(Kind{
		Name: "phpfpm", Exporter: "php-fpm_exporter", Job: "php-fpm", Up: "phpfpm_up", Address: "127.0.0.1:9000",
		Doc: "Requests, queue and processes of a pool, from its status page over FastCGI (or over HTTP, with the option url).",
		Setup: "In the pool's file, then reload:\n\n```ini\npm.status_path = /status\n```\n\n" +
			"The address is the pool's `listen`, such as `unix:/run/php/php8.2-fpm.sock`; its socket must be readable and writable for Hulotte.",
	}, newPhpfpm)
}

const phpfpmHint = "set pm.status_path in the pool"

func newPhpfpm(t Target, o phpfpmOptions) (reader, error) {
	if o.Path == "" {
		o.Path = "/status"
	}
	if !strings.HasPrefix(o.Path, "/") || len(o.Path) > 1000 {
		return nil, fmt.Errorf("option path: %q is not a path (/...)", o.Path)
	}
	uri := t.Address
	if network, address := splitAddress(t.Address); network == "tcp" {
		uri = "tcp://" + address + o.Path
	} else {
		uri = "unix://" + address + ";" + o.Path
	}
	get := func(ctx context.Context) ([]byte, error) { return fcgiGet(ctx, t.Address, o.Path, "json&full") }
	if o.URL != "" {
		uri = o.URL
		site, err := newWebsite(t, o.webOptions, "", phpfpmHint)
		if err != nil {
			return nil, err
		}
		get = func(ctx context.Context) ([]byte, error) { return site.get(ctx, "?json&full") }
	}
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"pool", "", "scrape_uri", uri} // as the exporter has it while it does not know the pool
		text, err := get(ctx)
		if err == nil {
			err = readPhpfpm(text, uri, f)
		}
		return err
	}, nil
}

// fpmPool is the status page as JSON (https://www.php.net/manual/en/fpm.status.php).
type fpmPool struct {
	Name               *string   `json:"pool"`
	StartSince         float64   `json:"start since"`
	Accepted           float64   `json:"accepted conn"`
	ListenQueue        float64   `json:"listen queue"`
	MaxListenQueue     float64   `json:"max listen queue"`
	ListenQueueLen     float64   `json:"listen queue len"`
	Idle               float64   `json:"idle processes"`
	Active             float64   `json:"active processes"`
	Total              float64   `json:"total processes"`
	MaxActive          float64   `json:"max active processes"`
	MaxChildrenReached float64   `json:"max children reached"`
	SlowRequests       float64   `json:"slow requests"`
	Processes          []fpmProc `json:"processes"`
}

type fpmProc struct {
	State    string  `json:"state"`
	Requests float64 `json:"requests"`
	// Duration may be out of what a number can hold: PHP writes an unsigned difference that can be negative.
	Duration json.Number `json:"request duration"`
	CPU      float64     `json:"last request cpu"`
	Memory   float64     `json:"last request memory"`
}

var fpmStates = [...]string{"Idle", "Running", "Finishing", "Reading headers", "Getting request information", "Ending"}

func readPhpfpm(text []byte, uri string, f *families) error {
	var p fpmPool
	if err := json.Unmarshal(text, &p); err != nil || p.Name == nil {
		return fmt.Errorf("the page is not the status of a pool: it begins with %s: %s", excerpt(string(text)), phpfpmHint)
	}
	pool := []string{"pool", *p.Name, "scrape_uri", uri}
	f.gauge("phpfpm_up", "1 while the pool answers.", 1, pool...)
	f.counter("phpfpm_scrape_failures", "Always 0: a failure is phpfpm_up 0.", 0, pool...)
	f.counter("phpfpm_start_since", "Seconds since the start.", p.StartSince, pool...)
	f.counter("phpfpm_accepted_connections", "Requests accepted.", p.Accepted, pool...)
	f.gauge("phpfpm_listen_queue", "Connections that wait.", p.ListenQueue, pool...)
	f.counter("phpfpm_max_listen_queue", "The most connections that ever waited.", p.MaxListenQueue, pool...)
	f.gauge("phpfpm_listen_queue_length", "Connections that may wait.", p.ListenQueueLen, pool...)
	f.gauge("phpfpm_idle_processes", "Processes that have nothing to do.", p.Idle, pool...)
	f.gauge("phpfpm_active_processes", "Processes that work.", p.Active, pool...)
	f.gauge("phpfpm_total_processes", "Processes.", p.Total, pool...)
	f.counter("phpfpm_max_active_processes", "The most processes that ever worked at once.", p.MaxActive, pool...)
	f.counter("phpfpm_max_children_reached", "How often the limit of processes was reached.", p.MaxChildrenReached, pool...)
	f.counter("phpfpm_slow_requests", "Requests that took longer than request_slowlog_timeout.", p.SlowRequests, pool...)
	for i, proc := range p.Processes {
		child := append([]string{"child", strconv.Itoa(i)}, pool...)
		for _, s := range fpmStates {
			f.gauge("phpfpm_process_state", "1 for the state that the process is in.", truth(s == proc.State), append([]string{"state", s}, child...)...)
		}
		duration, _ := proc.Duration.Float64()
		if duration > 1e15 { // 30 years: it was negative
			duration = 0
		}
		f.counter("phpfpm_process_requests", "Requests that the process has served.", proc.Requests, child...)
		f.gauge("phpfpm_process_last_request_memory", "Memory that the last request took at most, in bytes.", proc.Memory, child...)
		f.gauge("phpfpm_process_last_request_cpu", "Part of a processor that the last request used, in percent.", proc.CPU, child...)
		f.gauge("phpfpm_process_request_duration", "Time that the request took, in microseconds.", duration, child...)
	}
	return nil
}
