package app

import (
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/alert/forward"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/check/engine"
	"github.com/hulotte-dev/hulotte/check/passive"
	"github.com/hulotte-dev/hulotte/check/zabbix"
	"github.com/hulotte-dev/hulotte/cluster"
	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/discovery"
	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/process"
	"github.com/hulotte-dev/hulotte/collect/scrape"
	"github.com/hulotte-dev/hulotte/collect/snmp"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/ingest/elastic"
	"github.com/hulotte-dev/hulotte/ingest/gelf"
	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/ingest/jaeger"
	"github.com/hulotte-dev/hulotte/ingest/logs"
	"github.com/hulotte-dev/hulotte/ingest/otlp"
	"github.com/hulotte-dev/hulotte/ingest/spans"
	"github.com/hulotte-dev/hulotte/ingest/zipkin"
	"github.com/hulotte-dev/hulotte/internal/broadcast"
	"github.com/hulotte-dev/hulotte/internal/httpserver"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/rule"
	"github.com/hulotte-dev/hulotte/runbook"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/series"
	"github.com/hulotte-dev/hulotte/store/upkeep"
	promdiscovery "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/storage"
)

// parts is everything that runs, in the order in which it starts; it stops in reverse. The listener comes early
// so that probes get an answer while the rest starts; the API comes last, so that at the end requests are
// answered before anything that they need goes away.
func (a *App) parts() []part {
	if a.role == config.AgentRole {
		return []part{
			{name: "data folder", start: a.startDataDir, stopTimeout: time.Second},
			{name: "listener", start: a.startListener, stopTimeout: 5 * time.Second, reload: a.reloadListener},
			{name: "forwarder", start: a.startForwarder, stopTimeout: 10 * time.Second},
			{name: "scrape", start: a.startScrape, stopTimeout: 10 * time.Second, reload: a.reloadScrape},
			{name: "gather", start: a.startGather, stopTimeout: 10 * time.Second},
			{name: "network devices", start: a.startSNMP, stopTimeout: time.Second, reload: a.reloadSNMP},
			{name: "tail", start: a.startTail, stopTimeout: 10 * time.Second},
			{name: "agent API", start: a.startAgentAPI, stopTimeout: 15 * time.Second},
		}
	}
	return []part{
		{name: "data folder", start: a.startDataDir, stopTimeout: time.Second},
		{name: "listener", start: a.startListener, stopTimeout: 5 * time.Second, reload: a.reloadListener},
		{name: "medium", start: a.startMedium, stopTimeout: mediumStopTimeout},
		{name: "store", start: a.startStore, stopTimeout: storeStopTimeout},
		{name: "events", start: a.startEvents, stopTimeout: eventsStopTimeout},
		{name: "spans", start: a.startSpans, stopTimeout: eventsStopTimeout},
		{name: "span metrics", start: a.startSpanMetrics, stopTimeout: 10 * time.Second},
		{name: "logs", start: a.startLogs, stopTimeout: time.Second},
		{name: "otlp", start: a.startOTLP, stopTimeout: 10 * time.Second},
		{name: "jaeger", start: a.startJaeger, stopTimeout: 10 * time.Second},
		{name: "zipkin", start: a.startZipkin, stopTimeout: 10 * time.Second},
		{name: "fluent", start: a.startFluent, stopTimeout: 10 * time.Second},
		{name: "elasticsearch", start: a.startElastic, stopTimeout: 10 * time.Second},
		{name: "GELF", start: a.startGELF, stopTimeout: 10 * time.Second},
		{name: "syslog", start: a.startSyslog, stopTimeout: 10 * time.Second},
		{name: "SNMP traps", start: a.startSNMPTrap, stopTimeout: 10 * time.Second},
		{name: "remote write", start: a.startRemoteWrite, stopTimeout: time.Second, reload: a.reloadRemoteWrite},
		{name: "query", start: a.startQuery, stopTimeout: 5 * time.Second},
		{name: "live", start: a.startLive, stopTimeout: time.Second},
		{name: "alerting", start: a.startAlerting, stopTimeout: 15 * time.Second, reload: a.reloadAlerting},
		{name: "on call", start: a.startOnCall, stopTimeout: 5 * time.Second},
		{name: "forwarding of alerts", start: a.startForwarding, stopTimeout: 15 * time.Second, reload: a.reloadForwarding},
		{name: "runbooks", start: a.startRunbooks, stopTimeout: 5 * time.Second, reload: a.reloadRunbooks},
		{name: "rules", start: a.startRules, stopTimeout: 10 * time.Second, reload: a.reloadRules},
		{name: "log rules", start: a.startLogRules, stopTimeout: 10 * time.Second, reload: a.reloadLogRules},
		{name: "rule groups", start: a.startRuleGroups, stopTimeout: 10 * time.Second},
		{name: "scrape", start: a.startScrape, stopTimeout: 10 * time.Second, reload: a.reloadScrape},
		{name: "gather", start: a.startGather, stopTimeout: 10 * time.Second},
		{name: "checks", start: a.startChecks, stopTimeout: 15 * time.Second, reload: a.reloadChecks},
		{name: "alerts of checks", start: a.startCheckAlerts, stopTimeout: 5 * time.Second},
		{name: "watchdog", start: a.startWatchdog, stopTimeout: 5 * time.Second},
		{name: "NRPE", start: a.startNRPE, stopTimeout: 10 * time.Second},
		{name: "NSCA", start: a.startPassive, stopTimeout: 10 * time.Second},
		{name: "Zabbix", start: a.startZabbix, stopTimeout: 10 * time.Second},
		{name: "discovery", start: a.startDiscovery, stopTimeout: 10 * time.Second},
		{name: "network devices", start: a.startSNMP, stopTimeout: time.Second, reload: a.reloadSNMP},
		{name: "tail", start: a.startTail, stopTimeout: 10 * time.Second},
		{name: "API", start: a.startAPI, stopTimeout: 15 * time.Second},
	}
}

// storeStopTimeout has room for the minute in which remote_write destinations that are away may still take what is
// on its way to them, and stays below the 90 s after which service managers kill.
const storeStopTimeout = 80 * time.Second

// eventsStopTimeout has room for writing what is under way.
const eventsStopTimeout = 30 * time.Second

// mediumStopTimeout has room for one request to a cluster that is slow.
const mediumStopTimeout = 30 * time.Second

// made is what the parts have made. A part may use what stands above it in the list.
type made struct {
	server     *httpserver.Server
	medium     *mediumLink
	member     *cluster.Member      // of the nodes on the medium
	nodeID     string               // this process among them
	keeper     *upkeep.Keeper       // of verifies and backups
	sink       storage.AppendableV2 // where what is collected goes: into the store, or to the server
	store      *series.DB
	events     eventsLink // log records
	spans      spansLink
	logs       *logs.Sink     // the way in of all records
	spanSink   *spans.Sink    // the way in of all spans
	otlp       *otlp.Receiver // OpenTelemetry's protocol
	jaeger     *jaeger.Server
	zipkin     *zipkin.Receiver
	elastic    *elastic.Server // Elasticsearch's API
	gelf       *gelf.Server    // the Graylog Extended Log Format
	sockets    *intake.Sockets // servers of the protocols besides HTTP
	intake     *intake.Intake  // what pushes of logs may use at one time
	local      store.Series    // of the default tenant, where this process's own data goes
	engine     *promql.Engine
	logql      *logql.Engine
	alerts     *manager.Manager         // nil when alerting is off
	oncall     *onCall                  // nil when alerting is off
	notifier   *notify.Notifier         // and its delivery log
	forward    *forward.Forwarder       // of alerts to Alertmanagers outside
	discovered *promdiscovery.SDMetrics // the metrics of service discovery
	rules      *rule.Manager
	logRules   *rule.Manager // in LogQL
	ruleGroups *rule.Library // groups that people edit
	runbooks   *runbook.Library
	live       *broadcast.Hub
	scrape     *scrape.Manager
	gather     *gather.Loop
	checks     *engine.Engine // nil when nothing is checked

	heartbeats *passive.Heartbeats
	targets    atomic.Pointer[map[[2]string]zabbix.Target] // checks by host and Zabbix key

	snmp    *snmp.Metrics
	devices atomic.Pointer[[]snmp.Placed] // of the network

	discovery *discovery.Discovery // of services; nil when it is off

	processes  *process.Collector   // nil when they are not measured
	containers *container.Collector // nil when they are not measured
}
