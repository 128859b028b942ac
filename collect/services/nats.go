package services

import (
	"context"
	"errors"
	"strings"
	"time"
)

func natsKind() Kind {
	return withOptions(Kind{
		Name: "nats", Exporter: "prometheus-nats-exporter", Job: "nats", Address: "127.0.0.1:8222",
		Doc:   "Everything numeric of varz (connections, messages, bytes, memory), connz, routez, subsz and, where there is JetStream, jsz, from the monitoring port.",
		Setup: "Start the server with the monitoring port on this machine: `http: 127.0.0.1:8222` in its configuration, or `-m 8222`.",
	}, newNats)
}

// natsSkipped are fields that the exporter leaves out.
var natsSkipped = map[string]bool{
	"leaf": true, "trusted_operators_claim": true, "cluster_tls_timeout": true, "cluster_cluster_port": true, "cluster_auth_timeout": true,
	"gateway_port": true, "gateway_auth_timeout": true, "gateway_tls_timeout": true, "gateway_connect_retries": true,
}

func newNats(t Target, o webOptions) (reader, error) {
	site, err := newWebsite(t, o, "/", "turn the monitoring port of the server on")
	if err != nil {
		return nil, err
	}
	site.base.Path = trimSlash(site.base.Path)
	return func(ctx context.Context, f *families) error {
		varz, err := site.object(ctx, "/varz")
		if err != nil {
			return err
		}
		id := varz.text("server_id")
		if id == "" {
			return errors.New("varz has no server_id: is it NATS?")
		}
		addNats(f, "varz", varz, id)
		for _, page := range []string{"connz", "routez", "subsz"} {
			o, err := site.object(ctx, "/"+page)
			if err != nil {
				f.warn(err)
				continue
			}
			addNats(f, page, o, id)
		}
		if js := varz.object("jetstream"); len(js.object("config")) > 0 {
			addJetStream(ctx, site, f, id)
		}
		return nil
	}, nil
}

// addNats adds an object's numbers, names and times as gauges called after their paths.
func addNats(f *families, page string, o object, id string) {
	flatten(map[string]any(o), func(path string, v float64) {
		key := natsName(path)
		if _, isBool := natsLookup(o, path).(bool); isBool || natsSkipped[key] || !isWord(key) {
			return
		}
		f.gauge("gnatsd_"+page+"_"+key, "The field "+path+" of "+page+".", v, "server_id", id)
	})
	for _, key := range []string{"server_id", "server_name", "version", "name", "start", "config_load_time"} {
		text := o.text(key)
		if text == "" {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			f.gauge("gnatsd_"+page+"_"+key, "The field "+key+" of "+page+".", float64(at.UnixMilli()), "server_id", id)
			continue
		}
		f.gauge("gnatsd_"+page+"_"+key, "The field "+key+" of "+page+".", 1, "server_id", id, "value", text)
	}
}

func natsLookup(o object, path string) any {
	keys := strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		o = o.object(key)
	}
	return o[keys[len(keys)-1]]
}

func natsName(path string) string {
	name := strings.Trim(strings.NewReplacer(".", "_", "/", "_").Replace(path), "_")
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	return name
}

func addJetStream(ctx context.Context, site *website, f *families, id string) {
	js, err := site.object(ctx, "/jsz")
	if err != nil {
		f.warn(err)
		return
	}
	for _, key := range []string{"streams", "consumers", "messages", "bytes", "memory", "storage"} {
		if v, ok := js.number(key); ok {
			f.gauge("jetstream_server_total_"+natsJetStream(key), "JetStream's "+key+" on the server.", v, "server_id", id)
		}
	}
	for _, key := range []string{"max_memory", "max_storage"} {
		if v, ok := js.object("config").number(key); ok {
			f.gauge("jetstream_server_"+key, "JetStream's "+key+" on the server.", v, "server_id", id)
		}
	}
}

func natsJetStream(key string) string {
	if key == "bytes" {
		return "message_bytes"
	}
	return key
}
