package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.yaml.in/yaml/v2"
	"google.golang.org/protobuf/proto"

	"github.com/hulotte-dev/hulotte/model"
)

// maxProbeTimeout ends a probe of a scraper that sets no limit, as blackbox_exporter does.
const maxProbeTimeout = 120 * time.Second

// scrapeMargin is how much earlier than the scraper's limit a probe ends, so that its answer still arrives.
const scrapeMargin = 500 * time.Millisecond

// Handler answers /probe?target=&module=&debug=true as blackbox_exporter does. modules is called for each request.
func Handler(modules func() map[string]Module, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		params := r.URL.Query()
		name := params.Get("module")
		if name == "" {
			name = "http_2xx"
		}
		m, ok := modules()[name]
		if !ok {
			http.Error(w, fmt.Sprintf("Unknown module %q", name), http.StatusBadRequest)
			return
		}
		timeout, err := probeTimeout(r, m.Timeout)
		if err != nil {
			http.Error(w, fmt.Sprintf("Failed to parse timeout from Prometheus header: %s", err), http.StatusInternalServerError)
			return
		}
		target := params.Get("target")
		if target == "" {
			http.Error(w, "Target parameter is missing", http.StatusBadRequest)
			return
		}
		if err := m.setHost(params.Get("hostname")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		families, debug := m.probe(ctx, name, target, timeout)
		log.Debug("Probed", "module", name, "target", target, "seconds", value(families, "probe_duration_seconds"), "success", value(families, "probe_success"))
		if params.Get("debug") == "true" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write(debugText(&m, debug, families))
			return
		}
		gatherer := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
		promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// probeTimeout is the smaller of the scraper's, less a margin, and the module's.
func probeTimeout(r *http.Request, module time.Duration) (time.Duration, error) {
	limit := maxProbeTimeout
	if v := r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"); v != "" {
		seconds, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0, err
		}
		if seconds > 0 && seconds < maxProbeTimeout.Seconds() {
			limit = time.Duration(seconds * float64(time.Second))
		}
	}
	if limit -= scrapeMargin; module > 0 && module < limit || limit <= 0 {
		limit = module
	}
	if limit <= 0 {
		limit = scrapeMargin
	}
	return limit, nil
}

// setHost takes the parameter hostname: the Host header for http, the server's name for tcp. The module is a copy; its maps are not.
func (m *Module) setHost(name string) error {
	if name == "" {
		return nil
	}
	switch m.Prober {
	case "http":
		headers := maps.Clone(m.HTTP.Headers)
		if headers == nil {
			headers = map[string]string{}
		}
		for header, v := range headers {
			if textproto.CanonicalMIMEHeaderKey(header) == "Host" && v != name {
				return fmt.Errorf("host header defined both in module configuration (%s) and with URL-parameter 'hostname' (%s)", v, name)
			}
		}
		headers["Host"] = name
		m.HTTP.Headers = headers
	case "tcp":
		if m.TCP.TLSConfig.ServerName == "" {
			m.TCP.TLSConfig.ServerName = name
		}
	}
	return nil
}

// Probe asks a target once and returns the series, with a log of what was done. The error is one of the question, not of the answer:
// that is probe_success.
func Probe(ctx context.Context, m Module, target string) ([]*dto.MetricFamily, string, error) {
	if target == "" {
		return nil, "", errors.New("target: declare it")
	}
	if err := m.validate(); err != nil {
		return nil, "", err
	}
	timeout := m.Timeout
	if timeout <= 0 {
		timeout = maxProbeTimeout - scrapeMargin
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	families, debug := m.probe(ctx, m.Prober, target, timeout)
	return families, debug, nil
}

// maxDebug bounds the log of one probe.
const maxDebug = 1 << 20

// boundedLog forgets what is too much.
type boundedLog struct{ bytes.Buffer }

func (b *boundedLog) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxDebug {
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

func (m *Module) probe(ctx context.Context, name, target string, timeout time.Duration) ([]*dto.MetricFamily, string) {
	var text boundedLog
	rep := newReport()
	rep.log = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})).With("module", name, "target", target)
	rep.log.Info("Beginning probe", "probe", m.Prober, "timeout_seconds", timeout.Seconds())
	start := time.Now()
	ok := false
	switch m.Prober {
	case "http":
		ok = m.HTTP.probe(ctx, target, rep)
	case "tcp":
		ok = m.TCP.probe(ctx, target, rep)
	case "unix":
		ok = m.Unix.probe(ctx, target, rep)
	case "icmp":
		ok = m.ICMP.probe(ctx, target, rep)
	case "dns":
		ok = m.DNS.probe(ctx, target, rep)
	case "grpc":
		ok = m.GRPC.probe(ctx, target, rep)
	case "websocket":
		ok = m.Websocket.probe(ctx, target, rep)
	}
	took := time.Since(start).Seconds()
	success := 0.0
	if ok {
		success = 1
		rep.log.Info("Probe succeeded", "duration_seconds", took)
	} else {
		rep.log.Error("Probe failed", "duration_seconds", took)
	}
	rep.metric("probe_success", helpSuccess, success)
	rep.metric("probe_duration_seconds", helpDuration, took)
	rep.metric("probe_timeout_seconds", "Returns how long the probe timeout is in seconds", timeout.Seconds())
	return familiesOf(rep.metrics), text.String()
}

// familiesOf groups samples by name, sorted; the newest of two with the same labels counts.
func familiesOf(all []model.CheckMetric) []*dto.MetricFamily {
	byName := map[string]*dto.MetricFamily{}
	place := map[string]*dto.Metric{}
	for _, m := range all {
		f := byName[m.Name]
		if f == nil {
			f = &dto.MetricFamily{Name: proto.String(m.Name), Help: proto.String(m.Help), Type: dto.MetricType_GAUGE.Enum()}
			byName[m.Name] = f
		}
		key := m.Name + model.FormatLabels(m.Labels)
		if old := place[key]; old != nil {
			old.Gauge.Value = proto.Float64(m.Value)
			continue
		}
		sample := &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(m.Value)}}
		for _, l := range m.Labels {
			sample.Label = append(sample.Label, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
		}
		f.Metric = append(f.Metric, sample)
		place[key] = sample
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
}

func value(families []*dto.MetricFamily, name string) float64 {
	for _, f := range families {
		if f.GetName() == name && len(f.Metric) > 0 {
			return f.Metric[0].GetGauge().GetValue()
		}
	}
	return 0
}

// debugText is what debug=true shows: log, series, module without secrets.
func debugText(m *Module, log string, families []*dto.MetricFamily) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Logs for the probe:\n%s\n\n\nMetrics that would have been returned:\n", log)
	for _, f := range families {
		_, _ = expfmt.MetricFamilyToText(&b, f)
	}
	fmt.Fprint(&b, "\n\n\nModule configuration:\n")
	text, err := yaml.Marshal(m)
	if err != nil {
		text = []byte(err.Error())
	}
	b.Write(text)
	return b.Bytes()
}

// choose looks a target up as blackbox_exporter does: the preferred version of IP, the other one when fallback is allowed.
func choose(ctx context.Context, preferred string, fallback bool, host string, rep *report) (netip.Addr, time.Duration, error) {
	want4 := preferred == "ip4"
	rep.log.Info("Resolving target address", "target", host, "ip_protocol", preferred)
	start := time.Now()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	took := time.Since(start)
	rep.metric("probe_dns_lookup_time_seconds", helpLookup, took.Seconds())
	rep.metric("probe_ip_protocol", helpIPProtocol, 0)
	rep.metric("probe_ip_addr_hash", helpIPHash, 0)
	if err != nil {
		return netip.Addr{}, took, err
	}
	var other netip.Addr
	for _, a := range found {
		if a = a.Unmap(); a.Is4() == want4 {
			other = a
			fallback = true
			break
		}
		other = a
	}
	if !other.IsValid() || !fallback {
		return netip.Addr{}, took, fmt.Errorf("%s has no address of that version of IP, and no fallback is allowed", host)
	}
	reportAddress(rep, other)
	rep.log.Info("Resolved target address", "target", host, "ip", other.String())
	return other, took, nil
}
