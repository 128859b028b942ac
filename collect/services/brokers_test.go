package services

import (
	"fmt"
	"os"
	"testing"

	programs "github.com/hulotte-dev/hulotte/test/services"
)

func TestRabbitmqReal(t *testing.T) {
	if os.Getenv("TEST_SLOW") == "" {
		t.Skip("RabbitMQ takes half a minute to start, and the end-to-end tests start it too: TEST_SLOW=1 runs this one")
	}
	s := programs.Start(t, "rabbitmq")
	page := fmt.Sprintf("127.0.0.1:%d", s.Ports["metrics"])
	fams := untilRead(t, "rabbitmq", Target{Address: page})
	wantValue(t, fams, 1, "rabbitmq_up")
	wantAbove(t, fams, 0, "rabbitmq_process_max_fds")

	api := untilRead(t, "rabbitmq", Target{Address: "127.0.0.1:1", Options: map[string]any{"management": s.Extra["management"]}})
	wantValue(t, api, 1, "rabbitmq_running", "self", "1")
	wantValue(t, api, 0, "rabbitmq_queues")
	wantValue(t, api, 1, "rabbitmq_module_up", "module", "queue")
	wantDown(t, "rabbitmq", Target{Address: "127.0.0.1:1", Options: map[string]any{"management": s.Extra["management"]}, Credentials: Credentials{Username: "x", Password: "y"}}, "401", "tag monitoring")
}

func TestRabbitmqGolden(t *testing.T) {
	address := servePages(t, map[string]string{
		"/api/overview": `{"cluster_name":"c","node":"rabbit@a","rabbitmq_version":"3.10.8","erlang_version":"25.2.3","object_totals":{"channels":2,"connections":1,"consumers":1,"exchanges":8,"queues":1},
			"queue_totals":{"messages":3,"messages_ready":2,"messages_unacknowledged":1},"message_stats":{"publish_details":{"rate":0.4}}}`,
		"/api/nodes": `[{"name":"rabbit@a","uptime":1000,"running":true,"mem_used":5,"mem_limit":9,"mem_alarm":false,"disk_free":7,"disk_free_alarm":true,"disk_free_limit":1,"fd_used":3,"fd_total":4,"sockets_used":1,"sockets_total":2,"partitions":["x"]}]`,
		"/api/queues": `[{"name":"q","vhost":"/","node":"rabbit@a","durable":true,"policy":"p","state":"running","idle_since":"2026-01-02 03:04:05","messages":3,"messages_ready":2,"consumers":1,"memory":100,
			"arguments":{"x-max-length":10},"members":["a","b"],"garbage_collection":{"minor_gcs":4,"min_heap_size":233},"message_stats":{"publish":5,"deliver":3,"ack":2,"publish_details":{"rate":0.1}}}]`,
		"/api/exchanges": `[{"name":"","vhost":"/","message_stats":{"publish_in":5,"publish_out":6}}]`,
	})
	wantGolden(t, "rabbitmq", mustRead(t, "rabbitmq", Target{Address: "127.0.0.1:1", Options: map[string]any{"management": "http://" + address}}))
}

func TestNatsReal(t *testing.T) {
	s := programs.Start(t, "nats")
	fams := untilRead(t, "nats", Target{Address: fmt.Sprintf("127.0.0.1:%d", s.Ports["status"])})
	wantAbove(t, fams, 1000, "gnatsd_varz_max_connections")
	wantValue(t, fams, 0, "gnatsd_varz_in_msgs")
	wantValue(t, fams, 0, "gnatsd_connz_num_connections")
	wantAbove(t, fams, 1e12, "gnatsd_varz_start")
	wantValue(t, fams, 1, "gnatsd_varz_version")
}

func TestNatsGolden(t *testing.T) {
	address := servePages(t, map[string]string{
		"/varz": `{"server_id":"ID","server_name":"n","version":"2.9.10","start":"2026-01-02T03:04:05Z","max_connections":65536,"connections":2,"in_msgs":5,"leaf":{},"auth_required":true,
			"cluster":{"cluster_port":6222},"jetstream":{"config":{"max_memory":10},"stats":{"memory":3,"api":{"total":7}}},"http_req_stats":{"/":1,"/varz":4}}`,
		"/connz": `{"num_connections":2,"total":2,"connections":[{"cid":5}]}`, "/routez": `{"num_routes":0}`, "/subsz": `{"num_subscriptions":9}`,
		"/jsz": `{"streams":1,"consumers":2,"messages":3,"bytes":4,"config":{"max_memory":10,"max_storage":20}}`,
	})
	wantGolden(t, "nats", mustRead(t, "nats", Target{Address: address}))
	wantDown(t, "nats", Target{Address: servePages(t, map[string]string{"/varz": "{}"})}, "is it NATS?")
	wantDown(t, "nats", Target{Address: servePages(t, nil)}, "404", "monitoring port")
}

func TestCorednsGolden(t *testing.T) {
	address := servePages(t, map[string]string{"/metrics": "# TYPE coredns_dns_requests_total counter\ncoredns_dns_requests_total{zone=\".\"} 3\n"})
	wantValue(t, mustRead(t, "coredns", Target{Address: address}), 3, "coredns_dns_requests_total", "zone", ".")
	wantDown(t, "coredns", Target{Address: servePages(t, map[string]string{"/metrics": "<html>"})}, "not in Prometheus' text format")
}

func TestZookeeperGolden(t *testing.T) {
	f := newFamilies(100)
	if err := readZookeeper(recorded(t, "zookeeper.txt"), "127.0.0.1:2181", f); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "zookeeper", f.result())
	for in, want := range map[string]string{
		"mntr is not executed because it is not in the whitelist.\n": "4lw.commands.whitelist", "This ZooKeeper instance is not currently serving requests\n": "no quorum", "HTTP/1.1": "not that of mntr",
	} {
		if err := readZookeeper(in, "h", newFamilies(10)); err == nil || !contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestZookeeperReal(t *testing.T) {
	java := program(t, "java")
	if _, err := os.Stat("/usr/share/java/zookeeper.jar"); err != nil {
		t.Skip("zookeeper is not installed")
	}
	dir, port := t.TempDir(), freePort(t)
	conf := write(t, dir+"/zoo.cfg", fmt.Sprintf("dataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n4lw.commands.whitelist=mntr,ruok\n", dir, port))
	run(t, "java", "-Xmx128m", "-cp", "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar:/usr/share/java/*", "org.apache.zookeeper.server.quorum.QuorumPeerMain", conf)
	_ = java
	fams := untilRead(t, "zookeeper", Target{Address: fmt.Sprintf("127.0.0.1:%d", port)})
	wantValue(t, fams, 1, "zk_up")
	wantAbove(t, fams, 0, "zk_znode_count")
	if os.Getenv("TEST_RECORD") != "" {
		text, err := askAndReadAll(t.Context(), fmt.Sprintf("127.0.0.1:%d", port), "mntr")
		if err != nil {
			t.Fatal(err)
		}
		write(t, "testdata/zookeeper.txt", string(text))
	}
}

func FuzzZookeeper(f *testing.F) {
	f.Add("zk_version\t3.8.0-x, built\nzk_avg_latency\t0.5\nzk_server_state\tstandalone\nzk_p{quantile=\"0.5\"}\tNaN\n")
	f.Fuzz(func(t *testing.T, in string) { _ = readZookeeper("zk_"+in, "h", newFamilies(100)) })
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"server_id":"x","cluster_name":"c","status":"green","a":{"b":[{"name":"q","vhost":"/"}],"c":1e9},"boot-time":"2026-01-02T03:04:05Z","name":"n"}`))
	rabbit, elastic := mustTable("rabbitmq"), mustTable("elasticsearch")
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := readObject(in)
		if err != nil {
			return
		}
		fam := newFamilies(500)
		addNats(fam, "varz", o, "id")
		addRabbitNode(fam, rabbit, o, "c", "n")
		addRabbitQueue(fam, rabbit, o, "c", "n")
		addElasticHealth(fam, elastic, o)
		addElasticNode(fam, elastic, "c", o)
		addBindServer(fam, o)
		addBindView(fam, "v", o)
		addBindZones(fam, o)
		_ = exposition(t, fam.result())
	})
}
