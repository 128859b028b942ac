package services

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func nginxKind() Kind {
	return withOptions(Kind{
		Name: "nginx", Exporter: "nginx-prometheus-exporter", Job: "nginx", Up: "nginx_up", Address: "127.0.0.1:80",
		Doc: "Connections and requests, from the page of the module stub_status.",
		Setup: "Add a page to any `server` that listens on an address of this machine, and reload nginx:\n\n" +
			"```nginx\nlocation = /nginx_status { stub_status; allow 127.0.0.1; allow ::1; deny all; access_log off; }\n```\n\n" +
			"`/nginx_status`, `/stub_status`, `/basic_status` and `/status` are tried in turn.",
	}, newNginx)
}

const nginxHint = "add a location with stub_status to nginx"

// statusPages are where people put it, the most usual first.
var nginxPages = [...]string{"/nginx_status", "/stub_status", "/basic_status", "/status"}

func newNginx(t Target, o webOptions) (reader, error) {
	paths := nginxPages[:]
	if o.URL != "" {
		paths = []string{""}
	}
	var sites []*website
	for _, path := range paths {
		site, err := newWebsite(t, o, path, nginxHint)
		if err != nil {
			return nil, err
		}
		sites = append(sites, site)
	}
	return firstPage(sites, func(text []byte, f *families) error { return readNginx(string(text), f) }), nil
}

// firstPage reads the first of the pages that answers what parse understands.
func firstPage(sites []*website, parse func([]byte, *families) error) reader {
	return func(ctx context.Context, f *families) error {
		var first error
		for _, site := range sites {
			text, err := site.get(ctx, "")
			if err == nil {
				err = parse(text, f)
			}
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
			if ctx.Err() != nil || statusCode(err) == 0 && text == nil { // it does not answer at all
				return err
			}
		}
		return first
	}
}

// readNginx reads
//
//	Active connections: 291
//	server accepts handled requests
//	 16630948 16630948 31070465
//	Reading: 6 Writing: 179 Waiting: 106
func readNginx(text string, f *families) error {
	words := strings.Fields(text)
	number := map[string]float64{}
	// Each number follows the word before it, but for the three that follow their three words.
	keys := [...]struct {
		name string
		at   int
		word string
		pos  int
	}{
		{"active", 2, "connections:", 1}, {"accepted", 7, "accepts", 4}, {"handled", 8, "handled", 5}, {"requests", 9, "requests", 6},
		{"reading", 11, "Reading:", 10}, {"writing", 13, "Writing:", 12}, {"waiting", 15, "Waiting:", 14},
	}
	for _, k := range keys {
		if len(words) != 16 || words[k.pos] != k.word {
			return fmt.Errorf("the page is not that of stub_status: it begins with %s: %s", excerpt(text), nginxHint)
		}
		n, err := strconv.ParseUint(words[k.at], 10, 64)
		if err != nil {
			return fmt.Errorf("the page of stub_status has %s for %s", excerpt(words[k.at]), k.name)
		}
		number[k.name] = float64(n)
	}
	f.gauge("nginx_connections_active", "Connections of clients that are open.", number["active"])
	f.counter("nginx_connections_accepted", "Connections that were accepted.", number["accepted"])
	f.counter("nginx_connections_handled", "Connections that were handled; fewer than accepted when a limit was hit.", number["handled"])
	f.gauge("nginx_connections_reading", "Connections whose request is being read.", number["reading"])
	f.gauge("nginx_connections_writing", "Connections whose response is being written.", number["writing"])
	f.gauge("nginx_connections_waiting", "Idle connections that wait for a request.", number["waiting"])
	f.counter("nginx_http_requests_total", "Requests of clients.", number["requests"])
	return nil
}
