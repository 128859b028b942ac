package services

import (
	"context"
	"errors"
	"strconv"
	"time"
)

type elasticsearchOptions struct {
	webOptions
	Indices bool `json:"indices" doc:"read each index too, not only the sums of the node"`
}

func elasticsearchKind() Kind {
	return withOptions(Kind{
		Name: "elasticsearch", Exporter: "elasticsearch_exporter", Job: "elasticsearch", Up: "elasticsearch_cluster_health_up", Address: "127.0.0.1:9200", Interval: 30 * time.Second,
		Doc: "Elasticsearch's and OpenSearch's cluster health and the statistics of the node that is asked (indices, JVM, thread pools, breakers, file systems), on request each index.",
		Setup: "With security on, a user with the cluster privilege `monitor` (and the index privilege `monitor` on `*` for the option `indices`):\n\n" +
			"```\nPOST /_security/role/hulotte\n{\"cluster\": [\"monitor\"], \"indices\": [{\"names\": [\"*\"], \"privileges\": [\"monitor\"]}]}\n```",
	}, newElasticsearch)
}

func newElasticsearch(t Target, o elasticsearchOptions) (reader, error) {
	site, err := newWebsite(t, o.webOptions, "/", "give a user with the cluster privilege monitor")
	if err != nil {
		return nil, err
	}
	site.base.Path = trimSlash(site.base.Path)
	names := mustTable("elasticsearch")
	return func(ctx context.Context, f *families) error {
		health, err := site.object(ctx, "/_cluster/health")
		if err != nil {
			return err
		}
		if health.text("status") == "" {
			return errors.New("the cluster's health has no status: is it Elasticsearch?")
		}
		addElasticHealth(f, names, health)
		if root, err := site.object(ctx, "/"); err == nil {
			v := root.object("version")
			f.gauge("elasticsearch_version", "1; the labels tell the version.", 1, "cluster", root.text("cluster_name"), "cluster_uuid", root.text("cluster_uuid"),
				"version", v.text("number"), "build_date", v.text("build_date"), "build_hash", v.text("build_hash"), "lucene_version", v.text("lucene_version"))
		}
		nodes, err := site.object(ctx, "/_nodes/_local/stats")
		if err != nil {
			return err
		}
		f.gauge("elasticsearch_node_stats_up", "1 while the node gives its statistics.", 1)
		cluster := health.text("cluster_name")
		for _, id := range nodes.object("nodes").keys() {
			addElasticNode(f, names, cluster, nodes.object("nodes").object(id))
		}
		if !o.Indices {
			return nil
		}
		indices, err := site.object(ctx, "/_all/_stats")
		if err != nil {
			f.warn(err)
			return nil
		}
		for _, name := range indices.object("indices").keys() {
			names.addAll(f, "index.", indices.object("indices").object(name), "index", name, "cluster", cluster)
		}
		return nil
	}, nil
}

func trimSlash(path string) string {
	if path == "/" {
		return ""
	}
	return path
}

func addElasticHealth(f *families, names table, health object) {
	cluster := health.text("cluster_name")
	names.addAll(f, "health.", health, "cluster", cluster)
	for _, color := range []string{"green", "yellow", "red"} {
		f.gauge("elasticsearch_cluster_health_status", "1 for the colour that the cluster's health has.", truth(health.text("status") == color), "cluster", cluster, "color", color)
	}
}

var elasticRoles = [...]string{"client", "data", "data_cold", "data_content", "data_frozen", "data_hot", "data_warm", "ingest", "master", "ml", "remote_cluster_client", "transform"}

func addElasticNode(f *families, names table, cluster string, node object) {
	has := map[string]bool{"client": node["http"] != nil || node["transport"] != nil}
	roles, _ := node["roles"].([]any)
	for _, r := range roles {
		if role, ok := r.(string); ok {
			has[role] = true
		}
	}
	data := false
	for _, role := range elasticRoles {
		data = data || has[role] && len(role) >= 4 && role[:4] == "data"
	}
	where := []string{"cluster", cluster, "host", node.text("host"), "name", node.text("name")}
	pairs := append(where[:6:6], "es_master_node", strconv.FormatBool(has["master"]), "es_data_node", strconv.FormatBool(data),
		"es_ingest_node", strconv.FormatBool(has["ingest"]), "es_client_node", strconv.FormatBool(has["client"]))
	with := func(more ...string) []string { return append(pairs[:len(pairs):len(pairs)], more...) }
	for _, role := range elasticRoles {
		f.gauge("elasticsearch_nodes_roles", "1 for each role that the node has.", truth(has[role]), append(where[:6:6], "role", role)...)
	}
	names.addAll(f, "node.", node, pairs...)
	addElasticJVM(f, node.object("jvm"), with)
	for _, part := range elasticParts {
		for _, key := range node.object(part.key).keys() {
			o := node.object(part.key).object(key)
			for _, m := range part.values {
				if v, ok := o.number(m.key); ok {
					f.of(m.typ, m.name, m.help, v*m.factor, with(part.label, key)...)
				}
			}
		}
	}
	for _, d := range node.object("fs").list("data") {
		for key, name := range map[string]string{"available_in_bytes": "available_bytes", "free_in_bytes": "free_bytes", "total_in_bytes": "size_bytes"} {
			if v, ok := d.number(key); ok {
				f.gauge("elasticsearch_filesystem_data_"+name, "Space of the file system that has the data.", v, with("mount", d.text("mount"), "path", d.text("path"))...)
			}
		}
	}
	for _, d := range node.object("fs").object("io_stats").list("devices") {
		for key, name := range map[string]string{
			"operations": "operations_count", "read_operations": "read_operations_count", "write_operations": "write_operations_count",
			"read_kilobytes": "read_size_kilobytes_sum", "write_kilobytes": "write_size_kilobytes_sum",
		} {
			if v, ok := d.number(key); ok {
				f.counter("elasticsearch_filesystem_io_stats_device_"+name, "Input and output of the device that has the data.", v, with("device", d.text("device_name"))...)
			}
		}
	}
}

// elasticParts are maps of things of the same sort.
var elasticParts = []struct {
	key, label string
	values     []name
}{
	{"breakers", "breaker", []name{
		gaugeName("estimated_size_in_bytes", "elasticsearch_breakers_estimated_size_bytes", "Memory that the breaker estimates to be used."),
		gaugeName("limit_size_in_bytes", "elasticsearch_breakers_limit_size_bytes", "Memory at which the breaker trips."),
		counterName("overhead", "elasticsearch_breakers_overhead", "Factor by which the breaker multiplies estimates."),
		counterName("tripped", "elasticsearch_breakers_tripped", "How often the breaker tripped."),
	}},
	{"thread_pool", "type", []name{
		gaugeName("active", "elasticsearch_thread_pool_active_count", "Threads that work."),
		gaugeName("threads", "elasticsearch_thread_pool_threads_count", "Threads."),
		gaugeName("largest", "elasticsearch_thread_pool_largest_count", "The most threads that there were."),
		gaugeName("queue", "elasticsearch_thread_pool_queue_count", "Tasks that wait."),
		counterName("completed", "elasticsearch_thread_pool_completed_count", "Tasks that are done."),
		counterName("rejected", "elasticsearch_thread_pool_rejected_count", "Tasks that were refused."),
	}},
}

func addElasticJVM(f *families, jvm object, with func(...string) []string) {
	pools := jvm.object("mem").object("pools")
	for _, pool := range []string{"young", "survivor", "old"} {
		for key, m := range map[string]name{
			"used_in_bytes":      gaugeName("", "elasticsearch_jvm_memory_pool_used_bytes", "Memory of the pool that is used."),
			"max_in_bytes":       counterName("", "elasticsearch_jvm_memory_pool_max_bytes", "Memory that the pool may take."),
			"peak_used_in_bytes": counterName("", "elasticsearch_jvm_memory_pool_peak_used_bytes", "The most memory of the pool that was used."),
			"peak_max_in_bytes":  counterName("", "elasticsearch_jvm_memory_pool_peak_max_bytes", "The most memory that the pool could take."),
		} {
			if v, ok := pools.object(pool).number(key); ok {
				f.of(m.typ, m.name, m.help, v, with("pool", pool)...)
			}
		}
	}
	for _, pool := range []string{"direct", "mapped"} {
		if v, ok := jvm.object("buffer_pools").object(pool).number("used_in_bytes"); ok {
			f.gauge("elasticsearch_jvm_buffer_pool_used_bytes", "Memory of buffers outside the heap.", v, with("type", pool)...)
		}
	}
	collectors := jvm.object("gc").object("collectors")
	for _, gc := range collectors.keys() {
		if v, ok := collectors.object(gc).number("collection_count"); ok {
			f.counter("elasticsearch_jvm_gc_collection_seconds_count", "Garbage collections.", v, with("gc", gc)...)
		}
		if v, ok := collectors.object(gc).number("collection_time_in_millis"); ok {
			f.counter("elasticsearch_jvm_gc_collection_seconds_sum", "Time that garbage collections took.", v/1000, with("gc", gc)...)
		}
	}
}
