package services

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parsePage reads a page in Prometheus' text format.
func parsePage(text []byte) ([]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the page is not in Prometheus' text format: %w", err)
	}
	out := make([]*dto.MetricFamily, 0, len(byName))
	for _, f := range byName {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out, nil
}

// addPage adds all that a page says.
func (f *families) addPage(text []byte) error {
	fams, err := parsePage(text)
	if err != nil {
		return err
	}
	for _, fam := range fams {
		f.family(fam)
	}
	return nil
}

// pageReader reads a service that has a page of its own in Prometheus' format.
func pageReader(path, hint string) func(Target, webOptions) (reader, error) {
	return func(t Target, o webOptions) (reader, error) {
		site, err := newWebsite(t, o, path, hint)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, f *families) error {
			text, err := site.get(ctx, "")
			if err != nil {
				return err
			}
			return f.addPage(text)
		}, nil
	}
}
