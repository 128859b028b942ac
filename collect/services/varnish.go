package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

type varnishOptions struct {
	Instance string `json:"instance" doc:"working directory of the instance, as after varnishd's -n; the usual one when empty"`
}

func varnishKind() Kind {
	return withOptions(Kind{
		Name: "varnish", Exporter: "prometheus_varnish_exporter", Job: "varnish", Up: "varnish_up",
		Doc:   "Every counter of varnishstat: requests, hits, backends, storage, locks, memory pools. It runs /usr/bin/varnishstat, and no other program.",
		Setup: "Hulotte's user has to read Varnish's shared memory: root does, others with `usermod -aG varnish hulotte` (Debian: the group `varnish`).",
	}, newVarnish)
}

// varnishstat is the one program that this package runs. Varnish has no other way: its shared memory changes with each version.
const varnishstat = "/usr/bin/varnishstat"

func newVarnish(t Target, o varnishOptions) (reader, error) {
	var args []string
	if o.Instance != "" {
		if strings.HasPrefix(o.Instance, "-") {
			return nil, fmt.Errorf("option instance: %q is no directory", o.Instance)
		}
		args = []string{"-n", o.Instance}
	}
	return func(ctx context.Context, f *families) error {
		text, err := runBounded(ctx, varnishstat, append([]string{"-1", "-j"}, args...)...)
		if err != nil {
			return err
		}
		if err := readVarnish(text, f); err != nil {
			return err
		}
		if version, err := runBounded(ctx, varnishstat, "-V"); err == nil {
			addVarnishVersion(f, string(version))
		}
		return nil
	}, nil
}

// runBounded runs a program without a shell or an environment, and returns what it wrote, at most maxAnswerBytes.
func runBounded(ctx context.Context, program string, args ...string) ([]byte, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.WaitDelay = time.Second
	out, said := limitedBuffer{left: maxAnswerBytes, full: stop}, limitedBuffer{left: 4 << 10}
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if out.left < 0 {
		return nil, fmt.Errorf("%s: %w", program, errTooLong)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", program, err, excerpt(strings.TrimSpace(said.kept.String())))
	}
	if said.kept.Len() > 0 && out.kept.Len() == 0 {
		return said.kept.Bytes(), nil
	}
	return out.kept.Bytes(), nil
}

// limitedBuffer keeps the beginning of what is written to it, and calls full when there is more.
type limitedBuffer struct {
	kept bytes.Buffer // not embedded: its ReadFrom would go around Write
	left int
	full func()
}

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left >= 0 {
		return b.kept.Write(p)
	}
	if b.left = -1; b.full != nil {
		b.full()
	}
	return len(p), nil
}

var varnishVersion = regexp.MustCompile(`varnish-((\d+)\.(\d+)(?:\.(\d+))?)\S* revision ([0-9a-f]+)`)

func addVarnishVersion(f *families, text string) {
	if m := varnishVersion.FindStringSubmatch(text); m != nil {
		f.gauge("varnish_version", "1; the labels tell the version.", 1, "version", m[1], "major", m[2], "minor", m[3], "patch", m[4], "revision", m[5])
	}
}

// readVarnish reads varnishstat -j: names to values, beneath "counters" since version 6.5.
func readVarnish(text []byte, f *families) error {
	o, err := readObject(text)
	if err != nil {
		return err
	}
	if c := o.object("counters"); c != nil {
		o = c
	}
	found := false
	for _, key := range slices.Sorted(maps.Keys(o)) {
		c := o.object(key)
		v, ok := c.number("value")
		if !ok {
			continue
		}
		found = true
		if c.text("flag") == "b" { // health of a backend: its newest answers, as bits
			addVarnishHealth(f, key, uint64(v))
			continue
		}
		name, pairs := varnishName(key, c.text("ident"))
		if !isWord(name) {
			continue
		}
		help := c.text("description")
		if help == "" {
			help = "The counter " + key + "."
		}
		if c.text("flag") == "c" || c.text("flag") == "a" {
			f.counter(name, help, v, pairs...)
		} else {
			f.gauge(name, help, v, pairs...)
		}
	}
	if !found {
		return errors.New("varnishstat tells no counter: is Varnish running?")
	}
	return nil
}

func addVarnishHealth(f *families, key string, bits uint64) {
	name, pairs := varnishName(key, "")
	f.gauge(name, "Answers of the backend to probes as bits, the newest lowest.", float64(bits), pairs...)
	f.gauge("varnish_backend_up", "1 when the backend answered the newest probe.", float64(bits&1), pairs...)
}

var varnishLocks = map[string]string{"colls": "collisions", "creat": "created", "destroy": "destroyed", "locks": "operations", "dbg_busy": "dbg_busy", "dbg_try_fail": "dbg_try_fail"}

// varnishName makes the exporter's name and labels of GROUP.identifier.name.
func varnishName(key, ident string) (string, []string) {
	lower := strings.ToLower(key)
	group, rest, _ := strings.Cut(lower, ".")
	_, original, _ := strings.Cut(key, ".")
	field := rest
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		field = rest[i+1:]
		if ident == "" {
			ident = original[:i]
		}
	}
	if group == "vbe" {
		backend, server := varnishBackend(ident)
		return "varnish_backend_" + field, []string{"backend", backend, "server", server}
	}
	known := group == "main" || group == "mgt" || group == "lck" || group == "sma" || group == "smf" || group == "mempool"
	switch {
	case !known:
		group, field = "main", strings.ReplaceAll(group+"."+field, ".", "_")
	case group == "lck":
		if better, ok := varnishLocks[field]; ok && !strings.HasPrefix(field, "dbg") {
			return "varnish_lock_" + better, []string{"target", strings.ToLower(ident)}
		}
	}
	name := "varnish_" + group + "_" + field
	var pairs []string
	switch {
	case ident == "":
	case group == "sma" || group == "smf":
		pairs = []string{"type", strings.ToLower(ident)}
	default:
		pairs = []string{"id", strings.ToLower(ident)}
	}
	return varnishGroup(name, pairs)
}

// varnishGroup puts families that tell one thing by type together.
func varnishGroup(name string, pairs []string) (string, []string) {
	for _, g := range [...]struct{ prefix, total, name string }{
		{"varnish_main_fetch", "varnish_main_s_fetch", "varnish_main_fetch"},
		{"varnish_main_sess", "varnish_main_s_sess", "varnish_main_sessions"},
		{"varnish_main_n_wrk", "varnish_main_n_wrk", "varnish_main_worker_threads"},
	} {
		if name == g.total {
			return g.name + "_total", pairs
		}
		if typ, ok := strings.CutPrefix(name, g.prefix+"_"); ok {
			return g.name, append(pairs, "type", typ)
		}
	}
	return name, pairs
}

var (
	varnishUUID  = regexp.MustCompile(`([0-9A-Za-z]{8}-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{12})(.*)`)
	varnishParen = regexp.MustCompile(`(.*)\((.*)\)`)
)

// varnishBackend takes a backend's name and server out of "boot.default", "root:uuid.default" or "default(127.0.0.1,,80)".
func varnishBackend(ident string) (backend, server string) {
	backend, server = ident, "unknown"
	if m := varnishUUID.FindStringSubmatch(ident); m != nil {
		backend, server = m[2], m[1]
	} else if m := varnishParen.FindStringSubmatch(ident); m != nil {
		backend, server = m[1], strings.Replace(m[2], ",,", ":", 1)
	}
	backend = strings.Trim(backend, ".")
	for _, prefix := range []string{"boot.", "root:"} {
		backend = strings.TrimPrefix(backend, prefix)
	}
	if strings.HasPrefix(backend, "reload_") {
		if _, rest, ok := strings.Cut(backend, "."); ok {
			backend = rest
		}
	}
	return backend, server
}
