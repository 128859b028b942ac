package services

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

type rabbitmqOptions struct {
	webOptions
	Management string `json:"management" doc:"address of the management API, such as http://127.0.0.1:15672, which is asked when there is no page in Prometheus' format"`
}

func rabbitmqKind() Kind {
	return withOptions(Kind{
		Name: "rabbitmq", Exporter: "RabbitMQ's own page, or rabbitmq_exporter", Job: "rabbitmq", Up: "rabbitmq_up", Address: "127.0.0.1:15692",
		Doc: "RabbitMQ's own page in Prometheus' format; without it, the management API under rabbitmq_exporter's names.",
		Setup: "```\nrabbitmq-plugins enable rabbitmq_prometheus\n```\n\nFor the management API instead:\n\n" +
			"```\nrabbitmqctl add_user hulotte PASSWORD\nrabbitmqctl set_user_tags hulotte monitoring\nrabbitmqctl set_permissions -p / hulotte '^$' '^$' '^$'\n```",
	}, newRabbitmq)
}

const rabbitmqHint = "enable the plugin rabbitmq_prometheus, or give a user with the tag monitoring for the management API"

func newRabbitmq(t Target, o rabbitmqOptions) (reader, error) {
	page, err := newWebsite(t, o.webOptions, "/metrics", rabbitmqHint)
	if err != nil {
		return nil, err
	}
	page.creds = Credentials{} // it wants none
	if o.Management == "" {
		host := "127.0.0.1"
		if h, _, err := net.SplitHostPort(t.Address); err == nil {
			host = h
		}
		o.Management = "http://" + net.JoinHostPort(host, "15672")
	}
	api, err := newWebsite(t, webOptions{URL: o.Management, Host: o.Host, InsecureSkipVerify: o.InsecureSkipVerify}, "", rabbitmqHint)
	if err != nil {
		return nil, err
	}
	if api.creds == (Credentials{}) {
		api.creds = Credentials{Username: "guest", Password: "guest"}
	}
	names := mustTable("rabbitmq")
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"cluster", "", "node", ""}
		text, err := page.get(ctx, "")
		if err == nil {
			if !strings.Contains(string(text), "rabbitmq_") {
				return fmt.Errorf("the page is not RabbitMQ's: it begins with %s: %s", excerpt(string(text)), rabbitmqHint)
			}
			return f.addPage(text)
		}
		if apiErr := readRabbitmq(ctx, api, names, f); apiErr != nil {
			return fmt.Errorf("%w; and of the management API: %w", err, apiErr)
		}
		return nil
	}, nil
}

// readRabbitmq reads the management API.
func readRabbitmq(ctx context.Context, api *website, names table, f *families) error {
	overview, err := api.object(ctx, "/api/overview")
	if err != nil {
		return err
	}
	cluster, self := overview.text("cluster_name"), overview.text("node")
	f.upPairs = []string{"cluster", cluster, "node", self}
	names.addAll(f, "overview.", overview, "cluster", cluster)
	f.gauge("rabbitmq_version_info", "1; the labels tell the versions.", 1, "cluster", cluster, "node", self,
		"rabbitmq", overview.text("rabbitmq_version"), "erlang", overview.text("erlang_version"))
	for _, part := range []struct {
		module, path string
		add          func(object)
	}{
		{"node", "/api/nodes", func(o object) { addRabbitNode(f, names, o, cluster, self) }},
		{"queue", "/api/queues", func(o object) { addRabbitQueue(f, names, o, cluster, self) }},
		{"exchange", "/api/exchanges", func(o object) {
			names.addAll(f, "exchange.", o, "cluster", cluster, "vhost", o.text("vhost"), "exchange", o.text("name"))
		}},
	} {
		items, err := api.list(ctx, part.path)
		f.gauge("rabbitmq_module_up", "1 while the part of the management API answers.", truth(err == nil), "cluster", cluster, "node", self, "module", part.module)
		if err != nil {
			f.warn(err)
			continue
		}
		for _, o := range items {
			part.add(o)
		}
	}
	return nil
}

func addRabbitNode(f *families, names table, o object, cluster, self string) {
	node := o.text("name")
	pairs := []string{"cluster", cluster, "node", node, "self", oneOrZero(node == self)}
	names.addAll(f, "node.", o, pairs...)
	if parts, ok := o["partitions"].([]any); ok {
		names.add(f, "node.partitions_len", float64(len(parts)), pairs...)
	}
}

func addRabbitQueue(f *families, names table, o object, cluster, self string) {
	pairs := []string{
		"cluster", cluster, "vhost", o.text("vhost"), "queue", o.text("name"), "durable", strconv.FormatBool(o["durable"] == true),
		"policy", o.text("policy"), "self", oneOrZero(o.text("node") == self),
	}
	names.addAll(f, "queue.", o, pairs...)
	for _, key := range []string{"slave_nodes", "synchronised_slave_nodes", "members", "online"} {
		if items, ok := o[key].([]any); ok {
			names.add(f, "queue."+key+"_len", float64(len(items)), pairs...)
		}
	}
	for _, key := range []string{"max-length", "max-length-bytes"} {
		if v, ok := o.object("arguments").number("x-" + key); ok {
			names.add(f, "queue."+key, v, pairs...)
		}
	}
	if state := o.text("state"); state != "" {
		f.gauge("rabbitmq_queue_state", "1; the label tells the queue's state.", 1, append(pairs, "state", state)...)
	}
	for _, layout := range []string{"2006-01-02 15:04:05", time.RFC3339} {
		if at, err := time.Parse(layout, o.text("idle_since")); err == nil {
			f.gauge("rabbitmq_queue_idle_since_seconds", "Since when the queue has nothing to do, in seconds since 1970.", float64(at.Unix()), pairs...)
			break
		}
	}
}

func oneOrZero(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
