package scrape

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v2"
)

// Prometheus keeps these errors to itself; their text is all that can be compared. A test scrapes targets that
// cause them, and fails when the text changes.
const (
	bodyLimitText   = "body size limit exceeded"
	sampleLimitText = "sample limit exceeded"
	bucketLimitText = "histogram bucket limit exceeded"
)

// explain words the error of a scrape for people: which limit was hit, its value, where it comes from.
func (m *Manager) explain(pool string, err error) string {
	job, cfgErr := m.scrapes.ScrapePoolConfig(pool)
	if cfgErr != nil {
		return err.Error()
	}
	switch err.Error() {
	case bodyLimitText:
		return m.limitHit(pool, err, "body_size_limit", job.BodySizeLimit.String(), "the response is larger")
	case sampleLimitText:
		return m.limitHit(pool, err, "sample_limit", fmt.Sprint(job.SampleLimit), "the target sends more samples")
	case bucketLimitText:
		return m.limitHit(pool, err, "native_histogram_bucket_limit", fmt.Sprint(job.NativeHistogramBucketLimit),
			"a histogram has more buckets, and they cannot be merged")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("%v: no complete answer within scrape_timeout", err)
	}
	text := shorten(err.Error())
	if strings.Contains(text, "while parsing") {
		return "the answer is not in a format of metrics (is the path right?): " + text
	}
	return text
}

// maxErrorBytes bounds an error that quotes what the target sent.
const maxErrorBytes = 500

func shorten(text string) string {
	if len(text) <= maxErrorBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxErrorBytes], "") + "…"
}

func (m *Manager) limitHit(pool string, err error, key, value, what string) string {
	owner := "set in the configuration"
	if cfg := m.applied.Load(); cfg != nil && cfg.defaulted[pool][key] {
		owner = "Hulotte's default; set the key in the scrape config to change it"
	}
	return fmt.Sprintf("%v: %s than %s: %s allows (%s)", err, what, key, value, owner)
}

func marshalJob(job *config.ScrapeConfig) (string, error) {
	text, err := yaml.Marshal(job)
	return string(text), err
}
