package tail

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// ContainerOptions says how containers are followed. The zero value follows the files of Docker, podman and Kubernetes in their
// usual places, and asks Docker for what is in no file.
type ContainerOptions struct {
	// Sockets of engines that speak Docker's API. Nil is those of Docker and podman; empty asks none.
	Sockets []string
	// Labels are put on every record.
	Labels map[string]string
}

// sockets are those that are asked.
func (o *ContainerOptions) sockets(root string) []string {
	if o.Sockets == nil {
		return below(root, defaultSockets)
	}
	return o.Sockets
}

// dockerFiles are where engines keep what containers write: Docker as JSON, podman as Kubernetes does.
var dockerFiles = []string{
	"/var/lib/docker/containers/*/*-json.log", "/var/snap/docker/common/var-lib-docker/containers/*/*-json.log",
	"/var/lib/containers/storage/overlay-containers/*/userdata/ctr.log",
}

const (
	// maxContainerConfig bounds the description of a container that is read from its folder.
	maxContainerConfig = 4 << 20
	// maxContainers bounds what is remembered of containers, and those that are followed through an engine's API.
	maxContainers = 1000
)

// dockerInput is the files of containers.
func dockerInput(t *Tailer) *input {
	in := &input{FileInput: FileInput{Paths: below(t.opts.RootFS, dockerFiles), Start: StartRecent, container: containerCRI}, exclude: t.opts.Exclude}
	known := map[string]*input{} // only the scan uses it
	in.customize = func(path string) *input {
		if c := known[path]; c != nil {
			return c
		}
		c := *in
		about, ok := readContainerConfig(filepath.Join(filepath.Dir(path), "config.v2.json"))
		if !ok {
			about = t.engineNames.of(containerID(path))
		}
		c.labels = about.labels(containerID(path), t.opts.Containers.Labels)
		if len(known) > 10*maxContainers {
			clear(known)
		}
		if about.Name != "" {
			known[path] = &c
		}
		return &c
	}
	return in
}

// containerID returns the identifier in the path of a container's log: the first folder from the end that is one.
func containerID(path string) string {
	for dir := filepath.Dir(path); len(dir) > 1; dir = filepath.Dir(dir) {
		if base := filepath.Base(dir); isContainerID(base) {
			return base
		}
	}
	return ""
}

// isContainerID says whether s is an identifier: 64 hexadecimal digits.
func isContainerID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// containerAbout is what names a container.
type containerAbout struct {
	Name   string
	Labels map[string]string
}

// readContainerConfig reads what Docker keeps beside the log.
func readContainerConfig(path string) (containerAbout, bool) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return containerAbout{}, false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxContainerConfig))
	if err != nil {
		return containerAbout{}, false
	}
	return parseContainerConfig(text)
}

func parseContainerConfig(text []byte) (containerAbout, bool) {
	var c struct {
		Name   string
		Config struct{ Labels map[string]string }
	}
	if json.Unmarshal(text, &c) != nil || c.Name == "" {
		return containerAbout{}, false
	}
	return containerAbout{Name: strings.TrimPrefix(c.Name, "/"), Labels: c.Config.Labels}, true
}

// labels are those of the container's streams.
func (a containerAbout) labels(id string, more map[string]string) []model.Field {
	name := a.Name
	if name == "" {
		name = id[:min(len(id), 12)]
	}
	service := a.Labels["com.docker.compose.service"]
	labels := []model.Field{
		{Name: "container", Value: text(name)}, {Name: "compose_project", Value: text(a.Labels["com.docker.compose.project"])},
		{Name: "namespace", Value: text(a.Labels["io.kubernetes.pod.namespace"])}, {Name: "pod", Value: text(a.Labels["io.kubernetes.pod.name"])},
	}
	if c := a.Labels["io.kubernetes.container.name"]; c != "" {
		labels[0].Value, service = text(c), c
	}
	if service == "" {
		service = name
	}
	labels = append(labels, model.Field{Name: "service_name", Value: text(service)})
	for n, v := range more {
		labels = append(labels, model.Field{Name: n, Value: v})
	}
	return model.SortFields(labels)
}
