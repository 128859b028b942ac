package snmp

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

const defaultTimeout = 20 * time.Second // snmp_exporter's users scrape large switches with as much

// Handler answers /snmp?target=&module=&auth= as snmp_exporter does, with the Config of that moment. AtOnce bounds how many devices are
// asked at the same time; 0 is 40. Metrics may be nil.
func Handler(config func() *Config, atOnce int, metrics *Metrics) http.Handler {
	if atOnce <= 0 {
		atOnce = 40
	}
	slots := make(chan struct{}, atOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		target := query.Get("target")
		if len(query["target"]) != 1 || target == "" {
			http.Error(w, "'target' parameter must be specified once", http.StatusBadRequest)
			return
		}
		c := config()
		modules, auth, err := c.asked(query.Get("auth"), query["module"])
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), defaultTimeout)
		defer cancel()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			http.Error(w, "too many devices are asked at once", http.StatusServiceUnavailable)
			return
		}
		var families []*dto.MetricFamily
		for _, name := range modules {
			got, _, err := c.scrape(ctx, target, name, auth, metrics)
			if err != nil {
				http.Error(w, fmt.Sprintf("error collecting metric: %s: module %s: %s", target, name, err), http.StatusInternalServerError)
				return
			}
			families = append(families, got...)
		}
		write(w, r, families)
	})
}

func write(w http.ResponseWriter, r *http.Request, families []*dto.MetricFamily) {
	merged := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })}
	all, err := merged.Gather() // sorts, and joins what two modules both have
	if err != nil && len(all) == 0 {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultAcceptedFormats()...)
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	for _, f := range all {
		if enc.Encode(f) != nil {
			return // the other side went away
		}
	}
}

// asked reads the parameters: modules may be several, also with commas; if_mib and public_v2 are what is meant without them.
func (c *Config) asked(authName string, names []string) ([]string, *snmpsession.Auth, error) {
	var modules []string
	for _, n := range names {
		for name := range strings.SplitSeq(n, ",") {
			if name != "" && !slices.Contains(modules, name) {
				modules = append(modules, name)
			}
		}
	}
	if len(modules) == 0 {
		modules = []string{"if_mib"}
	}
	for _, n := range modules {
		if c.Modules[n] == nil {
			return nil, nil, fmt.Errorf("Unknown module '%s'", n) //nolint:staticcheck // snmp_exporter's words
		}
	}
	if authName == "" {
		return modules, nil, nil
	}
	auth, ok := c.Auths[authName]
	if !ok {
		return nil, nil, fmt.Errorf("Unknown auth '%s'", authName) //nolint:staticcheck // snmp_exporter's words
	}
	return modules, &auth, nil
}

// scrape reads one module, with the series that tell of the scrape itself. Without an auth it is the module's own, or public_v2.
func (c *Config) scrape(
	ctx context.Context, target, name string, auth *snmpsession.Auth, metrics *Metrics,
) (families []*dto.MetricFamily, values []snmpsession.Value, err error) {
	defer func() { metrics.failed(err) }()
	m := c.Modules[name]
	if auth == nil {
		a := c.Auths["public_v2"]
		auth = &a
		if m.Auth != nil {
			auth = m.Auth
		}
	}
	o := snmpsession.Options{Address: target, Auth: *auth, MaxRepetitions: m.MaxRepetitions, Timeout: m.Timeout, Unordered: m.Unordered}
	if m.Retries != nil {
		o.Retries = *m.Retries
		if o.Retries == 0 {
			o.Retries = -1
		}
	}
	start := time.Now()
	s, err := snmpsession.Open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	defer func() { metrics.asked(s) }()
	if values, err = m.read(ctx, s); err != nil {
		return nil, nil, err
	}
	walked := time.Since(start)
	families = m.families(values)
	own := func(series, help string, v float64) {
		families = append(families, &dto.MetricFamily{
			Name: proto.String(series), Help: proto.String(help), Type: dto.MetricType_GAUGE.Enum(),
			Metric: []*dto.Metric{{Label: []*dto.LabelPair{{Name: proto.String("module"), Value: proto.String(name)}}, Gauge: &dto.Gauge{Value: &v}}},
		})
	}
	own("snmp_scrape_walk_duration_seconds", "Time SNMP walk/bulkwalk took.", walked.Seconds())
	own("snmp_scrape_packets_sent", "Packets sent for get, bulkget, and walk; including retries.", float64(s.Questions))
	own("snmp_scrape_packets_retried", "Packets retried for get, bulkget, and walk.", float64(s.Retries))
	own("snmp_scrape_pdus_returned", "PDUs returned from get, bulkget, and walk.", float64(s.Values))
	own("snmp_scrape_duration_seconds", "Total SNMP time scrape took (walk and processing).", time.Since(start).Seconds())
	return families, values, nil
}
