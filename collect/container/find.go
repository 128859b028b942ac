package container

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// found is a container as its control group tells of it.
type found struct {
	path    string // of the control group, from the root of the hierarchy: cAdvisor's label id
	id      string // the runtime's identifier, or the name for lxc and systemd-nspawn
	runtime string // docker, containerd, crio, podman, lxc, systemd-nspawn; "" when the path does not tell
}

const (
	maxDirs  = 20_000 // folders of the hierarchy that are looked at in a walk
	maxDepth = 16
)

// walk finds the containers below root, outermost only: what a container runs inside is part of it.
func walk(root string, limit int) (containers []found, skipped int) {
	dirs := 0
	var visit func(rel string, depth int)
	visit = func(rel string, depth int) {
		if dirs++; dirs > maxDirs || depth > maxDepth {
			return
		}
		for _, name := range children(filepath.Join(root, rel)) {
			child := path.Join(rel, name)
			f, ok := recognise(child)
			switch {
			case !ok:
				visit(child, depth+1)
			case len(containers) >= limit:
				skipped++
			default:
				containers = append(containers, f)
			}
		}
	}
	visit("/", 0)
	return containers, skipped
}

// children lists the folders in a folder, sorted. Most control groups have none, which their link count tells without
// reading them (a folder has two links, and one for each folder in it).
func children(dir string) []string {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil || st.Nlink == 2 {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// scopes are the names that runtimes give a control group under systemd: prefix, identifier, ".scope".
var scopes = []struct{ prefix, runtime string }{
	{"docker-", "docker"}, {"cri-containerd-", "containerd"}, {"nerdctl-", "containerd"}, {"crio-", "crio"}, {"libpod-", "podman"},
}

// parents are the folders in which runtimes make a control group named for the identifier alone.
var parents = map[string]string{
	"docker": "docker", "libpod_parent": "podman", "default": "containerd", "k8s.io": "containerd", "moby": "docker",
	"buildkit": "docker", "ecs": "docker", "nerdctl": "containerd",
}

// recognise says whether the last part of a control group's path is a container's.
func recognise(p string) (found, bool) {
	base, parent := path.Base(p), path.Base(path.Dir(p))
	f := found{path: p}
	name, isScope := strings.CutSuffix(base, ".scope")
	for _, s := range scopes {
		if id, ok := strings.CutPrefix(name, s.prefix); ok && isIdentifier(id) && (isScope || s.prefix == "libpod-") {
			f.id, f.runtime = id, s.runtime
			return f, true
		}
	}
	switch {
	case isIdentifier(base):
		f.id, f.runtime = base, parents[parent]
		return f, true
	case strings.HasPrefix(base, "lxc.payload.") && len(base) > len("lxc.payload."):
		f.id, f.runtime = base[len("lxc.payload."):], "lxc"
		return f, true
	case parent == "lxc" || parent == "lxc.payload":
		f.id, f.runtime = base, "lxc"
		return f, true
	case parent == "machine.slice" && isScope && strings.HasPrefix(base, "machine-"):
		f.id, f.runtime = unescape(name[len("machine-"):]), "systemd-nspawn"
		return f, f.id != "" && !strings.HasPrefix(f.id, "qemu-") // libvirt's virtual machines live there too
	case strings.HasPrefix(base, "systemd-nspawn@") && strings.HasSuffix(base, ".service"):
		f.id, f.runtime = unescape(strings.TrimSuffix(base[len("systemd-nspawn@"):], ".service")), "systemd-nspawn"
		return f, f.id != ""
	}
	return found{}, false
}

// isIdentifier tells the 64 hex digits that Docker, containerd's CRI, CRI-O and podman use.
func isIdentifier(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// unescape undoes \x2d, the only escape that names of machines have (systemd.unit(5), "String escaping").
func unescape(s string) string { return strings.ReplaceAll(s, `\x2d`, "-") }
