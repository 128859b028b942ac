package tail

import (
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// kubernetesInput is the logs of the containers of a node.
func kubernetesInput(o Options) *input {
	in := &input{FileInput: FileInput{
		Paths: below(o.RootFS, []string{"/var/log/pods/*/*/*.log", "/var/log/containers/*.log"}), Start: StartRecent, container: containerCRI,
	}, exclude: o.Exclude}
	in.customize = func(path string) *input {
		c := *in
		c.labels = podLabels(path)
		return &c
	}
	return in
}

// podLabels reads who a log belongs to out of its path:
//
//	/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log
//	/var/log/containers/<pod>_<namespace>_<container>-<id>.log
func podLabels(path string) []model.Field {
	label := func(namespace, pod, container string) []model.Field {
		return model.SortFields([]model.Field{
			{Name: "namespace", Value: namespace}, {Name: "pod", Value: pod}, {Name: "container", Value: container},
			{Name: "service_name", Value: container},
		})
	}
	dir := filepath.Dir(path)
	if name := filepath.Base(dir); name == "containers" {
		parts := strings.SplitN(strings.TrimSuffix(filepath.Base(path), ".log"), "_", 3)
		if len(parts) != 3 {
			return nil
		}
		container := parts[2]
		if i := strings.LastIndexByte(container, '-'); i > 0 {
			container = container[:i]
		}
		return label(parts[1], parts[0], container)
	}
	parts := strings.SplitN(filepath.Base(filepath.Dir(dir)), "_", 3)
	if len(parts) != 3 {
		return nil
	}
	return label(parts[0], parts[1], filepath.Base(dir))
}
