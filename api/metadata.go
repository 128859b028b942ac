package api

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/hulotte-dev/hulotte/store"
)

type metadataJSON struct {
	Type string `json:"type"`
	Unit string `json:"unit"`
	Help string `json:"help"`
}

// metricMetadata answers /api/v1/metadata: type, unit and help of metrics, as the targets tell them now and as
// the store remembers them from what was written before.
func (a *api) metricMetadata(r *http.Request) (*result, error) {
	limit, err := numberParam(r, "limit")
	if err != nil {
		return nil, err
	}
	perMetric, err := numberParam(r, "limit_per_metric")
	if err != nil {
		return nil, err
	}
	metric := r.Form.Get("metric")
	remembered, err := a.rememberedMetadata(r, metric)
	if err != nil {
		return nil, err
	}
	found := map[string][]metadataJSON{}
	add := func(name string, m metadataJSON) {
		list := found[name]
		if perMetric > 0 && len(list) >= perMetric || slices.Contains(list, m) {
			return
		}
		found[name] = append(list, m)
	}
	for _, m := range a.targetsFor(r).Metadata(metric) {
		add(m.Metric, metadataJSON{Type: m.Type, Unit: m.Unit, Help: m.Help})
	}
	for _, m := range remembered {
		add(m.Metric, metadataJSON{Type: string(cmp.Or(m.Type, "unknown")), Unit: m.Unit, Help: m.Help})
	}
	return &result{data: firstKeys(found, limit)}, nil
}

func (a *api) rememberedMetadata(r *http.Request, metric string) ([]store.MetricMetadata, error) {
	reader, err := a.reader(r.Context())
	if err != nil {
		return nil, err
	}
	m, ok := reader.(store.MetadataReader)
	if !ok {
		return nil, nil
	}
	return m.Metadata(metric, 0, 0), nil
}

// firstKeys returns the first limit entries of m by name; negative means all.
func firstKeys[V any](m map[string]V, limit int) map[string]V {
	if limit < 0 || len(m) <= limit {
		return m
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[limit:] {
		delete(m, name)
	}
	return m
}
