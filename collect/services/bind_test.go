package services

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	programs "github.com/hulotte-dev/hulotte/test/services"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestBindReal(t *testing.T) {
	s := programs.Start(t, "bind")
	address := fmt.Sprintf("127.0.0.1:%d", s.Ports["status"])
	ours := untilRead(t, "bind", Target{Address: address})
	wantValue(t, ours, 1, "bind_up")
	wantValue(t, ours, 1, "bind_zone_serial", "zone_name", "example.test")
	exporter := program(t, "prometheus-bind-exporter")
	port := freePort(t)
	theirs := scrapeExporter(t, port, exec.Command(exporter, "--bind.stats-url", "http://"+address+"/", "--bind.stats-groups", "server,view,tasks", "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port)))
	ours = mustRead(t, "bind", Target{Address: address})
	wantShape(t, ours, theirs, map[string]string{
		"bind_response_policy_zone_rewrites_total": "the exporter leaves out some counters that are 0, not others",
	})
}

func TestBindGolden(t *testing.T) {
	address := servePages(t, map[string]string{
		"/json/v1/server": `{"boot-time":"2026-01-02T03:04:05.678Z","config-time":"2026-01-02T03:04:06Z","opcodes":{"QUERY":5},"qtypes":{"A":3,"NS":2},"rcodes":{"NOERROR":4},
			"nsstats":{"QrySuccess":4,"QryDropped":1,"QryRecursion":2,"Requestv4":5},"zonestats":{"XfrSuccess":1},
			"views":{"_default":{"resolver":{"cache":{"A":7,"!NXDOMAIN":1},"qtypes":{"A":9},"stats":{"Retry":2,"QueryTimeout":1,"SERVFAIL":3,"ValOk":4,"QryRTT10":5,"QryRTT100":3,"QryRTT1600+":1}}}}}`,
		"/json/v1/zones": `{"views":{"_default":{"zones":[{"name":"example.test","class":"IN","serial":7},{"name":"version.bind","class":"CH","serial":0}]}}}`,
		"/json/v1/tasks": `{"taskmgr":{"tasks-running":1,"worker-threads":2}}`,
	})
	wantGolden(t, "bind", mustRead(t, "bind", Target{Address: address}))
	wantDown(t, "bind", Target{Address: servePages(t, nil)}, "404", "statistics-channels")
}

func TestSquidReal(t *testing.T) {
	s := programs.Start(t, "squid")
	ours := untilRead(t, "squid", Target{Address: s.Addr})
	wantValue(t, ours, 1, "squid_up", "host", "127.0.0.1")
	wantAbove(t, ours, 0, "squid_info_UP_Time")
	if os.Getenv("TEST_RECORD") != "" {
		site, err := newWebsite(Target{Address: s.Addr}, webOptions{}, "/squid-internal-mgr", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range []string{"counters", "service_times", "info"} {
			text, err := site.get(t.Context(), "/"+page)
			if err != nil {
				t.Fatal(err)
			}
			write(t, "testdata/squid."+page, string(text))
		}
	}
	exporter := program(t, "prometheus-squid-exporter")
	port := freePort(t)
	theirs := scrapeExporter(t, port, exec.Command(exporter, "-squid-hostname", "127.0.0.1", "-squid-port", fmt.Sprint(s.Port), "-listen", fmt.Sprintf("127.0.0.1:%d", port)))
	ours = mustRead(t, "squid", Target{Address: s.Addr})
	wantShape(t, ours, theirs, map[string]string{
		"squid_Cache_* squid_Near_* squid_HTTP_* squid_DNS_*": "gauges in newer exporters",
		"squid_info_*": "newer than the exporter of Debian 12, as its documentation has it now",
	})
}

func TestSquidGolden(t *testing.T) {
	pages := map[string]string{}
	for _, page := range []string{"counters", "service_times", "info"} {
		pages["/squid-internal-mgr/"+page] = recorded(t, "squid."+page)
	}
	wantGolden(t, "squid", mustRead(t, "squid", Target{Address: servePages(t, pages)}))
	wantDown(t, "squid", Target{Address: servePages(t, nil)}, "404", "localhost manager")
}

func FuzzSquid(f *testing.F) {
	f.Add("client_http.requests = 5\nHTTP Requests (All):  50%  0.1  0.2\nHits as % of all requests:\t5min: 1.0%, 60min: 2.0%\n   3 StoreEntries\nUP Time:\t5.1 seconds\n")
	names := mustTable("squid")
	f.Fuzz(func(t *testing.T, in string) {
		fam := newFamilies(100)
		readSquidCounters(in, names, fam)
		readSquidTimes(in, names, fam)
		readSquidInfo(in, names, fam)
	})
}

func TestElasticsearchGolden(t *testing.T) {
	pages := map[string]string{
		"/_cluster/health":     `{"cluster_name":"es","status":"yellow","timed_out":false,"number_of_nodes":1,"number_of_data_nodes":1,"active_primary_shards":3,"active_shards":3,"relocating_shards":0,"initializing_shards":0,"unassigned_shards":2,"delayed_unassigned_shards":0,"number_of_pending_tasks":0,"number_of_in_flight_fetch":0,"task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":60.0}`,
		"/_nodes/_local/stats": recorded(t, "elasticsearch.json"),
		"/":                    `{"name":"n1","cluster_name":"es","cluster_uuid":"u","version":{"number":"7.10.2","build_date":"2021-01-13T00:42:12.435326Z","lucene_version":"8.7.0"}}`,
		"/_nodes/stats":        recorded(t, "elasticsearch.json"),
		"/_all/_stats":         `{"indices":{"logs-1":{"primaries":{"docs":{"count":10,"deleted":1},"store":{"size_in_bytes":1000}},"total":{"docs":{"count":20,"deleted":2},"store":{"size_in_bytes":2000},"search":{"query_total":5,"query_time_in_millis":1500}}}}}`,
	}
	address := servePages(t, pages)
	fams := mustRead(t, "elasticsearch", Target{Address: address, Options: map[string]any{"indices": true}})
	wantGolden(t, "elasticsearch", fams)
	wantDown(t, "elasticsearch", Target{Address: servePages(t, nil)}, "404", "privilege monitor")

	exporter := program(t, "prometheus-elasticsearch-exporter")
	port := freePort(t)
	theirs := scrapeExporter(t, port, exec.Command(exporter, "--es.uri", "http://"+address, "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port)))
	ours := mustRead(t, "elasticsearch", Target{Address: address})
	wantShape(t, ours, theirs, map[string]string{
		"elasticsearch_exporter_* *_json_parse_failures *_total_scrapes elasticsearch_clusterinfo_* elasticsearch_scrape_success":               "the exporter about itself",
		"elasticsearch_indices_filter_cache_* elasticsearch_indices_store_throttle_* elasticsearch_os_mem_actual_* elasticsearch_process_mem_*": "servers of now do not say it; the exporter gives 0",
		"elasticsearch_indices_translog_size_in_bytes":                                         "a gauge in newer exporters",
		"elasticsearch_indices_refresh_external_* elasticsearch_indices_search_scroll_current": "newer than the exporter of Debian 12, as its documentation has it now",
	})
}
