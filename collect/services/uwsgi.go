package services

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func uwsgiKind() Kind {
	return withOptions(Kind{
		Name: "uwsgi", Exporter: "uwsgi_exporter", Job: "uwsgi", Up: "uwsgi_up", Address: "127.0.0.1:1717",
		Doc:   "Queues, workers, applications, cores and caches, from the statistics server.",
		Setup: "Start uWSGI with `stats = 127.0.0.1:1717`, or `stats = /run/uwsgi/stats.sock` (the address is then `unix:/run/uwsgi/stats.sock`).",
	}, newUwsgi)
}

const uwsgiHint = "start uWSGI with the option stats"

func newUwsgi(t Target, _ noOptions) (reader, error) {
	uri := "tcp://" + t.Address
	if network, address := splitAddress(t.Address); network == "unix" {
		uri = "unix://" + address
	}
	names := mustTable("uwsgi")
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"stats_uri", uri}
		text, err := askAndReadAll(ctx, t.Address, "")
		if err != nil {
			return err
		}
		o, err := readObject(text)
		if err != nil {
			return fmt.Errorf("%w: %s", err, uwsgiHint)
		}
		if o["workers"] == nil {
			return fmt.Errorf("the statistics have no workers: is it uWSGI? %s", uwsgiHint)
		}
		addUwsgi(f, names, o, uri)
		return nil
	}, nil
}

func addUwsgi(f *families, names table, o object, uri string) {
	all := []string{"stats_uri", uri}
	with := func(more ...string) []string { return append(all[:2:2], more...) }
	scalars(o, func(key string, v float64) { names.add(f, "main."+key, v, all...) })
	seen := map[string]bool{}
	for _, s := range o.list("sockets") {
		if id := s.text("name") + " " + s.text("proto"); !seen[id] { // more than one when it is shared
			seen[id] = true
			scalars(s, func(key string, v float64) {
				names.add(f, "socket."+key, v, with("name", s.text("name"), "proto", s.text("proto"))...)
			})
		}
	}
	workers := 0
	for _, w := range o.list("workers") {
		id, ok := w.number("id")
		if !ok || id == 0 {
			continue
		}
		workers++
		addUwsgiWorker(f, names, w, with("worker_id", strconv.FormatFloat(id, 'f', -1, 64)))
	}
	f.gauge("uwsgi_workers", "Workers.", float64(workers), all...)
	for _, c := range o.list("caches") {
		scalars(c, func(key string, v float64) { names.add(f, "cache."+key, v, with("name", c.text("name"))...) })
	}
}

func addUwsgiWorker(f *families, names table, w object, pairs []string) {
	with := func(more ...string) []string { return append(pairs[:len(pairs):len(pairs)], more...) }
	scalars(w, func(key string, v float64) { names.add(f, "worker."+key, v, pairs...) })
	status := w.text("status")
	for _, s := range []string{"idle", "busy", "cheap"} {
		f.gauge("uwsgi_worker_"+s, "1 while the worker is "+s+".", truth(strings.HasPrefix(status, s)), pairs...)
	}
	f.gauge("uwsgi_worker_apps", "Applications of the worker.", float64(len(w.list("apps"))), pairs...)
	for _, a := range w.list("apps") {
		id, _ := a.number("id")
		scalars(a, func(key string, v float64) {
			names.add(f, "app."+key, v, with("app_id", strconv.FormatFloat(id, 'f', -1, 64), "mountpoint", a.text("mountpoint"), "chdir", a.text("chdir"))...)
		})
	}
	f.gauge("uwsgi_worker_cores", "Cores of the worker.", float64(len(w.list("cores"))), pairs...)
	for _, c := range w.list("cores") {
		id, _ := c.number("id")
		scalars(c, func(key string, v float64) {
			names.add(f, "core."+key, v, with("core_id", strconv.FormatFloat(id, 'f', -1, 64))...)
		})
	}
}

// scalars calls add for each number of an object, not of those in it.
func scalars(o object, add func(key string, v float64)) {
	for _, key := range o.keys() {
		if v, ok := o.number(key); ok {
			add(key, v)
		}
	}
}
