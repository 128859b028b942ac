package cassandra

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Nodetool runs Cassandra's nodetool against the node and returns what it prints: `status`, `flush`, `repair`,
// `snapshot`, `compact` and the rest. It is a Java program of its own: count on two seconds of CPU for each call.
func (n *Node) Nodetool(ctx context.Context, args ...string) (string, error) {
	if n.settings.Dir == "" {
		return "", fmt.Errorf("cannot run nodetool on %s: %w", n.address, ErrNotOurs)
	}
	java := append(moduleArgs(),
		"-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-Dlogback.configurationFile="+filepath.Join(n.settings.Dir, "logback-tools.xml"),
		"-Dcassandra.storagedir="+n.settings.Dir,
		"-cp", filepath.Join(n.cluster.jars, "*"),
		"org.apache.cassandra.tools.NodeTool",
		"-h", "127.0.0.1", "-p", strconv.Itoa(n.settings.JMXPort()))
	cmd := exec.CommandContext(ctx, n.cluster.java, append(java, args...)...)
	cmd.Dir = n.settings.Dir
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("cannot run nodetool %v on node %s: %w\n%s", args, n.address, err, lastLines(string(out), 10))
	}
	return string(out), nil
}
