package scrape

import (
	"strconv"

	"github.com/alecthomas/units"
	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v2"
)

// limit is one bound on what a target may send, under its key in the configuration.
type limit struct {
	key string
	// fallback is used when neither the job nor `global` sets the key.
	fallback uint64
	get      func(*config.ScrapeConfig) uint64
	set      func(*config.ScrapeConfig, uint64)
	inGlobal bool // whether `global` knows the key too
}

// limits are on by default, where Prometheus has none, because one broken target must not take the others
// down. Each is some times what the largest exporters in the field send.
var limits = [...]limit{
	// The largest bodies are those of kube-state-metrics and cAdvisor, some tens of megabytes.
	{"body_size_limit", 64 << 20, getBodySize, setBodySize, true},
	// The largest targets are kube-state-metrics of big clusters, with some hundred thousand. A target that is
	// refused costs about a kilobyte for each sample up to here while it is read.
	{"sample_limit", 300_000, getSamples, setSamples, true},
	// One job with more targets than this is a discovery gone wrong, or wants to be cut into several.
	{"target_limit", 50_000, getTargets, setTargets, true},
	// kube_pod_labels and the like carry a label for each label of a pod: some tens.
	{"label_limit", 256, getLabels, setLabels, true},
	{"label_name_length_limit", 1 << 10, getNameLength, setNameLength, true},
	// Some database exporters put a statement's whole text into a label.
	{"label_value_length_limit", 64 << 10, getValueLength, setValueLength, true},
	// Client libraries keep a native histogram below 160 buckets; more than this is merged, not refused.
	{"native_histogram_bucket_limit", 2_000, getBuckets, setBuckets, false},
	// Dropped targets are kept only to be shown; their number is always counted in full.
	{"keep_dropped_targets", 1_000, getDropped, setDropped, true},
}

func getBodySize(c *config.ScrapeConfig) uint64       { return uint64(max(c.BodySizeLimit, 0)) }
func setBodySize(c *config.ScrapeConfig, v uint64)    { c.BodySizeLimit = units.Base2Bytes(v) }
func getSamples(c *config.ScrapeConfig) uint64        { return uint64(c.SampleLimit) }
func setSamples(c *config.ScrapeConfig, v uint64)     { c.SampleLimit = uint(v) }
func getTargets(c *config.ScrapeConfig) uint64        { return uint64(c.TargetLimit) }
func setTargets(c *config.ScrapeConfig, v uint64)     { c.TargetLimit = uint(v) }
func getLabels(c *config.ScrapeConfig) uint64         { return uint64(c.LabelLimit) }
func setLabels(c *config.ScrapeConfig, v uint64)      { c.LabelLimit = uint(v) }
func getNameLength(c *config.ScrapeConfig) uint64     { return uint64(c.LabelNameLengthLimit) }
func setNameLength(c *config.ScrapeConfig, v uint64)  { c.LabelNameLengthLimit = uint(v) }
func getValueLength(c *config.ScrapeConfig) uint64    { return uint64(c.LabelValueLengthLimit) }
func setValueLength(c *config.ScrapeConfig, v uint64) { c.LabelValueLengthLimit = uint(v) }
func getBuckets(c *config.ScrapeConfig) uint64        { return uint64(c.NativeHistogramBucketLimit) }
func setBuckets(c *config.ScrapeConfig, v uint64)     { c.NativeHistogramBucketLimit = uint(v) }
func getDropped(c *config.ScrapeConfig) uint64        { return uint64(c.KeepDroppedTargets) }
func setDropped(c *config.ScrapeConfig, v uint64)     { c.KeepDroppedTargets = uint(v) }

// limitSet is a set of limits, by key.
type limitSet map[string]bool

// explicitZeros says where the user wrote 0 for a limit, which means none at all. Prometheus' types cannot tell
// that from a key that was left out.
type explicitZeros struct {
	global limitSet
	jobs   map[string]limitSet
}

// explicitLimits finds the limits that text sets to 0.
func explicitLimits(text []byte) (explicitZeros, error) {
	var doc struct {
		Global        map[string]any   `yaml:"global"`
		ScrapeConfigs []map[string]any `yaml:"scrape_configs"`
	}
	zeros := explicitZeros{jobs: map[string]limitSet{}}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return zeros, err
	}
	zeros.global = zerosOf(doc.Global)
	for _, job := range doc.ScrapeConfigs {
		if name, ok := job["job_name"]; ok {
			zeros.jobs[scalar(name)] = zerosOf(job)
		}
	}
	return zeros, nil
}

func zerosOf(section map[string]any) limitSet {
	found := limitSet{}
	for _, l := range limits {
		value, set := section[l.key]
		if set && isZero(value) {
			found[l.key] = true
		}
	}
	return found
}

func isZero(value any) bool {
	switch v := value.(type) {
	case int:
		return v == 0
	case string: // 0B, 0MB, 0KiB
		size, err := units.ParseBase2Bytes(v)
		return err == nil && size == 0
	}
	return false
}

// scalar writes a YAML scalar the way the decoder does when it goes into a string.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	}
	var s string
	if text, err := yaml.Marshal(v); err == nil {
		_ = yaml.Unmarshal(text, &s)
	}
	return s
}

// fillLimits gives every job of prom the limits that nobody set, and returns which of them by job.
func fillLimits(prom *config.Config, explicit explicitZeros) map[string]limitSet {
	defaulted := make(map[string]limitSet, len(prom.ScrapeConfigs))
	for _, job := range prom.ScrapeConfigs {
		filled := limitSet{}
		for _, l := range limits {
			unlimited := explicit.jobs[job.JobName][l.key] || l.inGlobal && explicit.global[l.key]
			if unlimited || l.get(job) != 0 {
				continue
			}
			l.set(job, l.fallback)
			filled[l.key] = true
		}
		defaulted[job.JobName] = filled
	}
	return defaulted
}
