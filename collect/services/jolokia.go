package services

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// jolokiaHint is for services whose metrics are in JMX, of which the usual transport (RMI) moves Java objects and cannot be read safely.
const jolokiaHint = "start the service with Jolokia's JVM agent; plain JMX (RMI) is not spoken"

func kafkaKind() Kind {
	return withOptions(Kind{
		Name: "kafka", Exporter: "jmx_exporter (kafka-2_0_0.yml)", Job: "kafka", Address: "127.0.0.1:8778",
		Doc:   "Kafka's MBeans by Jolokia (HTTP), under the names of jmx_exporter with its example configuration for Kafka, and the JVM's.",
		Setup: jolokiaSetup("KAFKA_OPTS", "kafka-server-start.sh"),
	}, newJolokia([]string{"9092", "9093"}, []string{"kafka.server:*", "kafka.network:type=RequestMetrics,*", "kafka.network:type=SocketServer,*", "kafka.controller:*", "kafka.log:type=LogFlushStats,*", "kafka.coordinator.group:*"}, kafkaSeries))
}

func cassandraKind() Kind {
	return withOptions(Kind{
		Name: "cassandra", Exporter: "jmx_exporter (cassandra.yml)", Job: "cassandra", Address: "127.0.0.1:8778",
		Doc:   "Cassandra's MBeans by Jolokia (HTTP) without those of single tables, under the names of jmx_exporter with its example configuration for Cassandra, and the JVM's.",
		Setup: jolokiaSetup("JVM_EXTRA_OPTS", "cassandra"),
	}, newJolokia([]string{"9042", "9142", "7000", "7199"}, []string{
		"org.apache.cassandra.metrics:type=ClientRequest,*", "org.apache.cassandra.metrics:type=Cache,*", "org.apache.cassandra.metrics:type=Client,*",
		"org.apache.cassandra.metrics:type=CommitLog,*", "org.apache.cassandra.metrics:type=Compaction,*", "org.apache.cassandra.metrics:type=DroppedMessage,*",
		"org.apache.cassandra.metrics:type=Storage,*", "org.apache.cassandra.metrics:type=ThreadPools,*",
	}, cassandraSeries))
}

func jolokiaSetup(variable, program string) string {
	return "Start it with [Jolokia](https://jolokia.org)'s agent on this machine:\n\n```\n" + variable +
		"=\"-javaagent:/opt/jolokia-agent-jvm.jar=host=127.0.0.1,port=8778\" " + program + "\n```\n\nPlain JMX over RMI is not read: it moves Java objects."
}

// mbean is one attribute that is a number. Props are the properties of its name, in their order.
type mbean struct {
	domain    string
	props     [][2]string
	attribute string
	value     float64
}

func (m *mbean) prop(key string) string {
	for _, p := range m.props {
		if p[0] == key {
			return p[1]
		}
	}
	return ""
}

// newJolokia makes the constructor of a service whose MBeans are read; add gives them their names. At the service's own ports the agent
// is not: it is asked at its usual one then.
func newJolokia(notAt, patterns []string, add func(*families, *mbean)) func(Target, webOptions) (reader, error) {
	return func(t Target, o webOptions) (reader, error) {
		if host, port, err := net.SplitHostPort(t.Address); err == nil && slices.Contains(notAt, port) {
			t.Address = net.JoinHostPort(host, "8778")
		}
		site, err := newWebsite(t, o, "/jolokia/", jolokiaHint)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, f *families) error {
			for _, pattern := range append(patterns, "java.lang:*") {
				text, err := site.post(ctx, jolokiaRead(pattern))
				if err != nil {
					return err
				}
				beans, err := readJolokia(text)
				if err != nil {
					return err
				}
				for i := range beans {
					if beans[i].domain == "java.lang" {
						addJVM(f, &beans[i])
					} else {
						add(f, &beans[i])
					}
				}
			}
			if len(f.byName) == 0 {
				return errors.New("there is none of the MBeans that were asked for")
			}
			f.gauge("jmx_scrape_error", "0 when the MBeans could be read.", 0)
			return nil
		}, nil
	}
}

// jolokiaRead asks for all attributes of the MBeans of a pattern (https://jolokia.org/reference/html/manual/jolokia_protocol.html).
func jolokiaRead(pattern string) []byte {
	text, err := json.Marshal(map[string]any{"type": "read", "mbean": pattern, "config": map[string]any{"ignoreErrors": true, "maxDepth": 4, "maxObjects": 20_000}})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return text
}

// post sends JSON to the page and returns the answer.
func (w *website) post(ctx context.Context, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return w.do(req)
}

// readJolokia reads {"status":200,"value":{"domain:key=value,...":{"Attribute":1,...},...}}.
func readJolokia(text []byte) ([]mbean, error) {
	o, err := readObject(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, jolokiaHint)
	}
	switch status, _ := o.number("status"); status {
	case 200:
	case 404: // no MBean is called so
		return nil, nil
	default:
		return nil, fmt.Errorf("jolokia answers with status %v: %s", o["status"], excerpt(o.text("error")))
	}
	var out []mbean
	beans := o.object("value")
	for _, name := range beans.keys() {
		domain, props, ok := strings.Cut(name, ":")
		if !ok {
			continue
		}
		m := mbean{domain: domain}
		for p := range strings.SplitSeq(props, ",") {
			k, v, _ := strings.Cut(p, "=")
			m.props = append(m.props, [2]string{k, strings.Trim(v, `"`)})
		}
		flatten(map[string]any(beans.object(name)), func(path string, v float64) {
			m.attribute, m.value = path, v
			out = append(out, m)
		})
	}
	return out, nil
}

// jmxName makes a family's name as jmx_exporter does with lowercaseOutputName.
func jmxName(parts ...string) string {
	name := strings.ToLower(strings.Join(parts, "_"))
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
	for strings.Contains(out, "__") {
		out = strings.ReplaceAll(out, "__", "_")
	}
	return strings.Trim(out, "_")
}

// kafkaSeries: kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec,topic=t, Count is kafka_server_brokertopicmetrics_messagesin_total{topic="t"}.
func kafkaSeries(f *families, m *mbean) {
	typ, name := m.prop("type"), m.prop("name")
	domain := strings.TrimPrefix(m.domain, "kafka.")
	if typ == "" || name == "" {
		return
	}
	var pairs []string
	for _, p := range m.props {
		if p[0] != "type" && p[0] != "name" {
			pairs = append(pairs, jmxName(p[0]), p[1])
		}
	}
	help := "The MBean " + m.domain + ":type=" + typ + ",name=" + name + "."
	add := func(t dto.MetricType, suffix string, value float64, more ...string) {
		if n := jmxName("kafka", domain, typ, suffix); isWord(n) {
			f.of(t, n, help, value, append(pairs[:len(pairs):len(pairs)], more...)...)
		}
	}
	base, perSec, _ := strings.Cut(name, "PerSec")
	percent, _, isPercent := strings.Cut(name, "Percent")
	switch quantile, isQuantile := strings.CutSuffix(m.attribute, "thPercentile"); {
	case isPercent && (m.attribute == "MeanRate" || m.attribute == "Value"):
		add(dto.MetricType_GAUGE, percent+"_percent", m.value)
	case base != name && perSec == "" && m.attribute == "Count":
		add(dto.MetricType_COUNTER, base+"_total", m.value)
	case m.attribute == "Value":
		add(dto.MetricType_GAUGE, name, m.value)
	case m.attribute == "Count":
		add(dto.MetricType_COUNTER, name+"_count", m.value)
	case isQuantile:
		add(dto.MetricType_GAUGE, name, m.value, "quantile", "0."+strings.TrimSuffix(quantile, "0"))
	}
}

// cassandraSeries: org.apache.cassandra.metrics:type=ClientRequest,scope=Read,name=Latency, Count is cassandra_clientrequest_latency{clientrequest="Read"}.
func cassandraSeries(f *families, m *mbean) {
	typ, name := m.prop("type"), m.prop("name")
	if typ == "" || name == "" || m.attribute != "Count" && m.attribute != "Value" {
		return
	}
	var pairs []string
	for _, p := range m.props {
		switch p[0] {
		case "type", "name":
		case "scope":
			pairs = append(pairs, jmxName(typ), p[1])
		default:
			pairs = append(pairs, jmxName(p[0]), p[1])
		}
	}
	if n := jmxName("cassandra", typ, name); isWord(n) {
		f.untyped(n, "The MBean "+m.domain+":type="+typ+",name="+name+".", m.value, pairs...)
	}
}

// addJVM adds what jmx_exporter says of the JVM that it runs in.
func addJVM(f *families, m *mbean) {
	key := m.prop("type") + "/" + m.attribute
	for _, area := range []string{"heap", "nonheap"} {
		attribute := map[string]string{"heap": "HeapMemoryUsage.", "nonheap": "NonHeapMemoryUsage."}[area]
		for _, part := range []string{"used", "committed", "max", "init"} {
			if key == "Memory/"+attribute+part {
				f.gauge("jvm_memory_"+part+"_bytes", "Memory of the JVM, by area.", m.value, "area", area)
				f.gauge("jvm_memory_bytes_"+part, "Memory of the JVM, by area; the name before version 1 of jmx_exporter.", m.value, "area", area)
			}
		}
	}
	gc := m.prop("name")
	simple := map[string]struct {
		name, help string
		typ        dto.MetricType
		factor     float64
		pairs      []string
	}{
		"Threading/ThreadCount":                   {"jvm_threads_current", "Threads of the JVM.", dto.MetricType_GAUGE, 1, nil},
		"Threading/DaemonThreadCount":             {"jvm_threads_daemon", "Daemon threads of the JVM.", dto.MetricType_GAUGE, 1, nil},
		"Threading/PeakThreadCount":               {"jvm_threads_peak", "The most threads that there were.", dto.MetricType_GAUGE, 1, nil},
		"ClassLoading/LoadedClassCount":           {"jvm_classes_currently_loaded", "Classes that are loaded.", dto.MetricType_GAUGE, 1, nil},
		"Runtime/StartTime":                       {"process_start_time_seconds", "When the process started, in seconds since 1970.", dto.MetricType_GAUGE, 1e-3, nil},
		"OperatingSystem/ProcessCpuTime":          {"process_cpu_seconds_total", "Processor time of the process.", dto.MetricType_COUNTER, 1e-9, nil},
		"OperatingSystem/OpenFileDescriptorCount": {"process_open_fds", "File descriptors that are open.", dto.MetricType_GAUGE, 1, nil},
		"OperatingSystem/MaxFileDescriptorCount":  {"process_max_fds", "File descriptors that may be open.", dto.MetricType_GAUGE, 1, nil},
		"GarbageCollector/CollectionCount":        {"jvm_gc_collection_seconds_count", "Garbage collections.", dto.MetricType_COUNTER, 1, []string{"gc", gc}},
		"GarbageCollector/CollectionTime":         {"jvm_gc_collection_seconds_sum", "Time that garbage collections took.", dto.MetricType_COUNTER, 1e-3, []string{"gc", gc}},
	}
	if s, ok := simple[key]; ok {
		f.of(s.typ, s.name, s.help, m.value*s.factor, s.pairs...)
	}
}
