package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v2"
)

// maxConfigFileBytes bounds one file of scrape_config_files. The largest that people generate hold some
// thousands of jobs in a few megabytes; a glob that catches a device or a log must not fill the memory.
const maxConfigFileBytes = 16 << 20

// Config is a checked Prometheus configuration, with the jobs of scrape_config_files put in and Hulotte's
// limits filled in where the user set none. It is read-only.
type Config struct {
	prom *config.Config
	// defaulted holds, by job, the limits that are Hulotte's and not the user's.
	defaulted map[string]limitSet
}

// Prometheus returns the whole configuration in Prometheus' own types, for the parts that act on its other
// sections: rule_files, remote_write, global.external_labels, global.evaluation_interval and the like. The
// paths in it are joined to the configuration's folder. Callers must not change it.
func (c *Config) Prometheus() *config.Config { return c.prom }

// String returns the effective configuration as YAML, secrets masked.
func (c *Config) String() string { return c.prom.String() }

// Warning says that something in the configuration is accepted without (all of) its effect.
type Warning struct {
	Key  string // the section or key, like "alerting" or "global.query_log_file"
	Line int    // its line in the file, 0 when it is not known
	Text string // one sentence: what does not happen, and what to do
}

func (w Warning) String() string {
	if w.Line == 0 {
		return w.Key + ": " + w.Text
	}
	return fmt.Sprintf("line %d: %s: %s", w.Line, w.Key, w.Text)
}

// Load checks text, the content of a prometheus.yml, with Prometheus' semantics: unknown keys and duplicated
// jobs are refused, defaults are filled in, $VAR and ${VAR} in external labels come from the environment,
// globs of scrape_config_files are read, and relative paths are meant from the folder of filename.
//
// An error names the file, the line where the decoder knows it, and the key. The warnings name what Prometheus
// would act on and Hulotte does not.
func Load(text []byte, filename string) (*Config, []Warning, error) {
	env := &envWarnings{}
	prom, err := config.Load(string(text), slog.New(env))
	if err != nil {
		return nil, nil, fileError(filename, text, err)
	}
	prom.SetDirectory(filepath.Dir(filename))
	explicit, err := explicitLimits(text)
	if err != nil {
		return nil, nil, fileError(filename, text, err)
	}
	unmatched, err := addConfigFiles(prom, explicit)
	if err != nil {
		return nil, nil, err
	}
	cfg := &Config{prom: prom, defaulted: fillLimits(prom, explicit)}
	return cfg, slices.Concat(sectionWarnings(text), fileWarnings(text, unmatched), env.warnings), nil
}

// addConfigFiles moves the jobs of scrape_config_files into prom, which then names no such files, and adds to
// explicit the limits that they set to 0. It returns the patterns that match no file.
//
// Prometheus' own GetScrapeConfigs does the same on every call. It is done here once because a job in such a
// file inherits the global limits while it is read, which would hide that it set a limit to 0 itself.
func addConfigFiles(prom *config.Config, explicit explicitZeros) (unmatched []string, err error) {
	from := make(map[string]string, len(prom.ScrapeConfigs))
	for _, job := range prom.ScrapeConfigs {
		from[job.JobName] = "the main file"
	}
	for _, pattern := range prom.ScrapeConfigFiles {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("scrape_config_files: bad pattern %q: %w", pattern, err)
		}
		if len(files) == 0 {
			unmatched = append(unmatched, pattern)
		}
		for _, file := range files {
			if err := addConfigFile(prom, explicit, file, from); err != nil {
				return nil, err
			}
		}
	}
	prom.ScrapeConfigFiles = nil
	return unmatched, nil
}

func addConfigFile(prom *config.Config, explicit explicitZeros, file string, from map[string]string) error {
	text, err := readRegular(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var jobs config.ScrapeConfigs
	if err := yaml.UnmarshalStrict(text, &jobs); err != nil {
		return fileError(file, text, err)
	}
	zeros, err := explicitLimits(text)
	if err != nil {
		return fileError(file, text, err)
	}
	for _, job := range jobs.ScrapeConfigs {
		if err := job.Validate(prom.GlobalConfig); err != nil {
			return fileError(file, text, err)
		}
		if first, ok := from[job.JobName]; ok {
			return fmt.Errorf("%s: job_name %q is already taken by %s", file, job.JobName, first)
		}
		from[job.JobName] = file
		explicit.jobs[job.JobName] = zeros.jobs[job.JobName]
		job.SetDirectory(filepath.Dir(file))
		prom.ScrapeConfigs = append(prom.ScrapeConfigs, job)
	}
	return nil
}

// readRegular reads a file that a glob of the configuration names; devices, pipes and huge files are refused.
func readRegular(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > maxConfigFileBytes {
		return nil, fmt.Errorf("the file has %d bytes: at most %d are read", info.Size(), maxConfigFileBytes)
	}
	return os.ReadFile(file)
}

// envWarnings is the log handler of Prometheus' loader, which tells of external labels whose variable is not
// set only by logging.
type envWarnings struct{ warnings []Warning }

func (e *envWarnings) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}
func (e *envWarnings) WithAttrs([]slog.Attr) slog.Handler { return e }
func (e *envWarnings) WithGroup(string) slog.Handler      { return e }

func (e *envWarnings) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "name" {
			e.warnings = append(e.warnings, Warning{
				Key:  "global.external_labels",
				Text: fmt.Sprintf("the environment variable %s is empty or not set, so nothing is put in its place", a.Value),
			})
		}
		return true
	})
	return nil
}
