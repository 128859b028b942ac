package container

import (
	"bytes"
	"cmp"
	"log/slog"
	"net/netip"
	"time"
)

// Info says who a container is.
type Info struct {
	ID      string
	Runtime string // docker, containerd, crio, podman, lxc, systemd-nspawn or ""
	Name    string
	Image   string
	State   string // running, exited, ...; "" when unknown
	// Of a pod: its namespace, its name, and the container's name in it.
	Namespace, Pod, Container string
	// Labels are those that were asked for, of the container or annotations of its pod.
	Labels    map[string]string
	Addresses []netip.Addr // in the engine's networks
	Ports     []Port
}

// Port is one that an engine publishes.
type Port struct {
	Network   string // tcp or udp
	Container uint16
	Host      uint16 // 0 when it is exposed only
}

// Directory tells who containers are to packages that find them by their processes. Its methods are for one goroutine.
type Directory struct {
	engines []*engine
	oci     *ociFiles
	files   map[string]about // of the runtimes' files
	tried   map[string]int   // how often those were looked for
}

// NewDirectory returns a Directory that asks the engines and files of the Options. Labels are what it keeps of them; a
// name that ends with * is a beginning.
func NewDirectory(opts Options, log *slog.Logger) *Directory {
	opts = opts.withDefaults()
	d := &Directory{
		oci:   &ociFiles{root: opts.RootFS, keep: opts.Labels},
		files: map[string]about{}, tried: map[string]int{},
	}
	for _, s := range opts.Sockets {
		d.engines = append(d.engines, newEngine(s, opts.SocketTimeout, opts.Labels, log))
	}
	return d
}

// Look returns what is known of the containers ids, those of which nothing is known too. It waits for an engine for a
// moment only: a slow one's answer comes with the next call.
func (d *Directory) Look(now time.Time, ids map[string]string) map[string]Info {
	unknown := false
	for id := range ids {
		unknown = unknown || d.tried[id] == 0
	}
	out := make(map[string]Info, len(ids))
	told := map[string]about{}
	for _, e := range d.engines {
		for id, a := range e.containers(now, unknown) {
			if _, ok := ids[id]; ok {
				told[id] = a
			}
		}
	}
	for id, runtime := range ids {
		a, ok := told[id]
		if !ok {
			a = d.file(id)
		}
		out[id] = a.info(id, runtime)
	}
	for id := range d.tried {
		if _, ok := ids[id]; !ok {
			delete(d.tried, id)
			delete(d.files, id)
		}
	}
	return out
}

// Running says whether an engine that answers knows a container, and whether it runs.
func (d *Directory) Running(id string) (known, running bool) {
	for _, e := range d.engines {
		e.mu.Lock()
		a, ok := e.answer[id]
		e.mu.Unlock()
		if ok {
			return true, a.state == "running"
		}
	}
	return false, false
}

func (d *Directory) file(id string) about {
	if a, ok := d.files[id]; ok || d.tried[id] >= maxTries {
		return a
	}
	d.tried[id]++
	a, ok := d.oci.about(id)
	if ok {
		d.files[id] = a
	}
	return a
}

func (a about) info(id, runtime string) Info {
	return Info{
		ID: id, Runtime: cmp.Or(runtime, a.runtime), Name: a.name, Image: a.image, State: a.state,
		Namespace: a.namespace, Pod: a.pod, Container: a.workload, Labels: a.labels, Addresses: a.addresses, Ports: a.ports,
	}
}

// Of returns the container that the text of /proc/PID/cgroup places a process in, the outermost one; "" when none does.
func Of(cgroup []byte) (id, runtime string) {
	for line := range bytes.Lines(cgroup) {
		fields := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(":"), 3)
		if len(fields) != 3 {
			continue
		}
		path := string(fields[2])
		for i := 1; i <= len(path); i++ {
			if i < len(path) && path[i] != '/' {
				continue
			}
			if f, ok := recognise(path[:i]); ok {
				return f.id, f.runtime
			}
		}
	}
	return "", ""
}
