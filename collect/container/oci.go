package container

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// ociFiles finds who a container is in the bundle that its runtime made of it (OCI runtime specification, config.json),
// for containers that no socket tells of: containerd's, CRI-O's. The files are there as long as the container is, and
// reading one cannot hang as a socket can.
type ociFiles struct {
	root string
	keep []string // annotations that are kept as labels, as engine's
}

// maxBundles bounds the namespaces of containerd that are looked through.
const maxBundles = 64

// about returns what the bundle of an identifier tells; ok is false when there is none.
func (o *ociFiles) about(id string) (a about, ok bool) {
	for _, path := range o.candidates(id) {
		text, err := readFile(nil, path)
		if err != nil {
			continue
		}
		if a, err := parseBundle(text, o.keep); err == nil {
			a.runtime = o.runtime(path)
			return a, true
		}
	}
	return about{}, false
}

// runtime tells whose bundle a path is.
func (o *ociFiles) runtime(path string) string {
	switch {
	case strings.HasPrefix(path, filepath.Join(o.root, "run/containers")+"/"):
		return "crio" // podman's is told by its control group
	case strings.Contains(path, "/moby/"):
		return "docker"
	}
	return "containerd"
}

func (o *ociFiles) candidates(id string) []string {
	if id == "" || strings.ContainsAny(id, "/*?[\\") || id == "." || id == ".." {
		return nil
	}
	out := []string{filepath.Join(o.root, "run/containers/storage/overlay-containers", id, "userdata/config.json")}
	for _, state := range []string{"run/containerd", "run/docker/containerd/daemon", "run/k3s/containerd"} {
		tasks := filepath.Join(o.root, state, "io.containerd.runtime.v2.task")
		namespaces, err := os.ReadDir(tasks)
		if err != nil {
			continue
		}
		for _, ns := range namespaces[:min(len(namespaces), maxBundles)] {
			out = append(out, filepath.Join(tasks, ns.Name(), id, "config.json"))
		}
	}
	return out
}

// Annotations by which containerd's CRI and CRI-O name a container and its pod, in that order; nerdctl's at the end.
var (
	keysNamespace = []string{"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"}
	keysPod       = []string{"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"}
	keysContainer = []string{"io.kubernetes.cri.container-name", "io.kubernetes.container.name"}
	keysType      = []string{"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"}
	keysImage     = []string{"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "org.opencontainers.image.ref.name"}
	keysName      = []string{"io.kubernetes.cri-o.Name", "nerdctl/name"}
)

func parseBundle(text []byte, keep []string) (about, error) {
	var bundle struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(text, &bundle); err != nil {
		return about{}, err
	}
	first := func(keys []string) string {
		for _, k := range keys {
			if v := bundle.Annotations[k]; v != "" {
				return clip(v)
			}
		}
		return ""
	}
	a := about{
		name: first(keysName), image: first(keysImage), state: "running",
		namespace: first(keysNamespace), pod: first(keysPod), workload: first(keysContainer),
	}
	a.labels = keepLabels(annotations(bundle.Annotations), keep)
	if first(keysType) == "sandbox" {
		a.workload = sandbox
	}
	return a, nil
}

// sandbox is the name that Kubernetes' dashboards know the container by that holds a pod's network.
const sandbox = "POD"

// annotations returns those of a bundle with the pod's, which CRI-O keeps as JSON under two names.
func annotations(bundle map[string]string) map[string]string {
	all := map[string]string{}
	for _, key := range []string{"io.kubernetes.cri-o.Labels", "io.kubernetes.cri-o.Annotations"} {
		var more map[string]string
		if json.Unmarshal([]byte(bundle[key]), &more) == nil { // what is no such text tells nothing
			maps.Copy(all, more)
		}
	}
	maps.Copy(all, bundle)
	return all
}
