package host

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

// meminfo gives every field of /proc/meminfo, where node_exporter 1.12 gives those that a library knows: it
// lacks KReclaimable, Hugetlb, FileHugePages, which 1.5 had, and what later kernels add.
type meminfo struct {
	path string
}

// maxMeminfo bounds what is read: the file has some 60 lines of 28 bytes.
const maxMeminfo = 64 << 10

// maxMeminfoName bounds a field's name.
const maxMeminfoName = 100

func newMeminfo(procfs string) func(*slog.Logger) (collector.Collector, error) {
	return func(*slog.Logger) (collector.Collector, error) {
		return &meminfo{path: filepath.Join(procfs, "meminfo")}, nil
	}
}

// Update implements collector.Collector.
func (m *meminfo) Update(ch chan<- prometheus.Metric) error {
	f, err := os.Open(m.path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMeminfo))
	if err != nil {
		return err
	}
	return parseMeminfo(text, func(name string, value float64) {
		desc := prometheus.NewDesc("node_memory_"+name, "Memory information field "+name+".", nil, nil)
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	})
}

// parseMeminfo calls f for each field of /proc/meminfo (proc_meminfo(5)), with the name that node_exporter gives it
// and bytes where the field has kB. Lines have the form "Active(anon):   1024 kB".
func parseMeminfo(text []byte, f func(name string, value float64)) error {
	seen := map[string]bool{}
	for line := range bytes.Lines(text) {
		name, rest, ok := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !ok {
			if len(name) == 0 {
				continue
			}
			return fmt.Errorf("meminfo: the line %.80q has no colon", name)
		}
		number, unit, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
		value, err := strconv.ParseUint(string(number), 10, 64)
		if err != nil {
			return fmt.Errorf("meminfo: the value of %.80q: %w", name, err)
		}
		metric, ok := meminfoName(name)
		if !ok {
			return fmt.Errorf("meminfo: the field %.80q cannot be a metric's name", name)
		}
		v := float64(value)
		if string(unit) == "kB" {
			metric, v = metric+"_bytes", v*1024
		}
		if !seen[metric] {
			seen[metric] = true
			f(metric, v)
		}
	}
	return nil
}

// meminfoName turns Active(anon) into Active_anon.
func meminfoName(field []byte) (string, bool) {
	if len(field) == 0 || len(field) > maxMeminfoName {
		return "", false
	}
	name := make([]byte, 0, len(field))
	for _, c := range field {
		switch {
		case c == ')':
		case c == '(':
			name = append(name, '_')
		case c == '_', c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			name = append(name, c)
		default:
			return "", false
		}
	}
	return string(name), true
}
