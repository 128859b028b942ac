package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func memcachedKind() Kind {
	return withOptions(Kind{
		Name: "memcached", Exporter: "memcached_exporter", Job: "memcached", Up: "memcached_up", Address: "127.0.0.1:11211",
		Doc: "Commands, hits, items, memory and connections, and each slab class, from stats, stats items, stats slabs and stats settings.",
	}, newMemcached)
}

func newMemcached(t Target, _ noOptions) (reader, error) {
	names := mustTable("memcached")
	return func(ctx context.Context, f *families) error {
		c, err := dial(ctx, t.Address)
		if err != nil {
			return err
		}
		defer c.close()
		if _, err := io.WriteString(c, "stats\r\nstats settings\r\nstats items\r\nstats slabs\r\n"); err != nil {
			return err
		}
		for i, about := range []string{"", "settings.", "items.", "slabs."} {
			stats, err := readMemcached(c.line)
			if err != nil {
				return err
			}
			if i == 0 && stats.get("pid") == "" && stats.get("uptime") == "" {
				return errors.New("the statistics are empty: is it memcached?")
			}
			addMemcached(f, names, about, stats)
		}
		return nil
	}, nil
}

// memcachedStats are the lines of one answer, in their order.
type memcachedStats [][2]string

func (s memcachedStats) get(key string) string {
	for _, kv := range s {
		if kv[0] == key {
			return kv[1]
		}
	}
	return ""
}

func (s memcachedStats) number(key string) (float64, bool) {
	v, err := strconv.ParseFloat(s.get(key), 64)
	return v, err == nil
}

const maxMemcachedLines = 50_000

// readMemcached reads "STAT key value" lines up to "END".
func readMemcached(line func() (string, error)) (memcachedStats, error) {
	var out memcachedStats
	for len(out) < maxMemcachedLines {
		text, err := line()
		if err != nil {
			return nil, err
		}
		if text == "END" {
			return out, nil
		}
		rest, ok := strings.CutPrefix(text, "STAT ")
		key, value, _ := strings.Cut(rest, " ")
		if !ok {
			if strings.Contains(text, "unauthenticated") {
				return nil, fmt.Errorf("memcached answers %s: it wants SASL, which is not spoken", excerpt(text))
			}
			return nil, fmt.Errorf("the answer is %s: is it memcached?", excerpt(text))
		}
		out = append(out, [2]string{key, value})
	}
	return nil, fmt.Errorf("more than %d lines: %w", maxMemcachedLines, errTooLong)
}

func addMemcached(f *families, names table, about string, stats memcachedStats) {
	slabs := map[string]memcachedStats{}
	for _, kv := range stats {
		key, pairs := kv[0], []string(nil)
		switch about {
		case "items.", "slabs.": // items:1:number, 1:chunk_size
			slab, field, ok := strings.Cut(strings.TrimPrefix(key, "items:"), ":")
			if !ok {
				continue
			}
			key, pairs = field, []string{"slab", slab}
			slabs[slab] = append(slabs[slab], [2]string{field, kv[1]})
		case "":
			if key == "version" {
				f.gauge("memcached_version", "1; the label tells the version.", 1, "version", kv[1])
				continue
			}
		case "settings.":
			if strings.HasPrefix(key, "lru_") || strings.Contains(key, "_lru_") || strings.HasPrefix(key, "hot_") || strings.HasPrefix(key, "warm_") {
				if stats.get("lru_crawler") != "yes" {
					continue
				}
			}
		}
		if v, ok := memcachedValue(kv[1]); ok {
			names.add(f, about+key, v, pairs...)
		}
	}
	switch about {
	case "":
		addMemcachedSets(f, "memcached_commands_total", "Commands by what they came to.", stats, "cas_misses")
	case "slabs.":
		for slab, s := range slabs {
			addMemcachedSets(f, "memcached_slab_commands_total", "Commands on a slab class by what they came to.", s, "", "slab", slab)
		}
	}
}

func memcachedValue(text string) (float64, bool) {
	switch text {
	case "yes":
		return 1, true
	case "no":
		return 0, true
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// addMemcachedSets adds what cmd_set counts without the cas operations, which it counts too.
func addMemcachedSets(f *families, name, help string, s memcachedStats, misses string, pairs ...string) {
	set, ok := s.number("cmd_set")
	if !ok {
		return
	}
	for _, key := range []string{misses, "cas_hits", "cas_badval"} {
		if v, ok := s.number(key); ok {
			set -= v
		}
	}
	f.counter(name, help, set, append([]string{"command", "set", "status", "hit"}, pairs...)...)
}
