package process

import (
	"bytes"
	"strconv"
	"strings"
)

// serviceOf returns the systemd unit that /proc/PID/cgroup places a process in, without ".service"; "" when none does.
// A line is "number:controllers:path" (cgroups(7)); systemd's own tree is the one named systemd, or number 0 when there
// is only the unified one.
func serviceOf(text []byte) string {
	unified, found := "", ""
	for line := range bytes.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case fields[1] == "name=systemd":
			found = serviceInPath(fields[2])
		case fields[0] == "0":
			unified = serviceInPath(fields[2])
		}
	}
	if found != "" {
		return found
	}
	return unified
}

// serviceInPath returns the innermost service of a cgroup path. A container's processes belong to the container, not
// to the service of its engine; a user's session is no service, but what the user's manager runs is.
func serviceInPath(path string) string {
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		part := parts[i]
		if looksLikeContainer(part) {
			return ""
		}
		name, ok := strings.CutSuffix(part, ".service")
		if !ok {
			continue
		}
		if strings.HasPrefix(name, "user@") {
			return ""
		}
		return cleanName(withoutConnection(unescapeUnit(name)))
	}
	return ""
}

// looksLikeContainer tells a container's cgroup by the 64 hex digits of its identifier.
func looksLikeContainer(part string) bool {
	part = strings.TrimSuffix(part, ".scope")
	if len(part) < 64 {
		return false
	}
	for _, c := range part[len(part)-64:] {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return true
}

// withoutConnection takes off the instance of units that systemd starts for each connection (systemd.socket(5),
// Accept=): "sshd@3-10.0.0.1:22-10.0.0.9:4711", "podman@5-1234-0". Instances that people name stay.
func withoutConnection(name string) string {
	unit, instance, ok := strings.Cut(name, "@")
	if !ok {
		return name
	}
	number, rest, ok := strings.Cut(instance, "-")
	if _, err := strconv.ParseUint(number, 10, 64); !ok || err != nil {
		return name
	}
	if strings.ContainsRune(rest, ':') {
		return unit
	}
	pid, uid, ok := strings.Cut(rest, "-")
	_, err1 := strconv.ParseUint(pid, 10, 64)
	_, err2 := strconv.ParseUint(uid, 10, 64)
	if ok && err1 == nil && err2 == nil {
		return unit
	}
	return name
}

// unescapeUnit undoes \xHH of systemd's unit names (systemd.unit(5), "String escaping").
func unescapeUnit(name string) string {
	if !strings.Contains(name, `\x`) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name) {
			if c, err := strconv.ParseUint(name[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}
