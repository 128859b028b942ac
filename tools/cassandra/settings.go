package cassandra

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed cassandra.yaml.tmpl
var yamlTemplate string

//go:embed logback.xml.tmpl
var logbackTemplate string

// settings are what a node's files are written from.
type settings struct {
	Nodes    int
	Index    int    // of this node, from 0
	Dir      string // of this node
	HeapMB   int
	Optimize bool
	Password bool
	TLS      TLSMode
	TLSDir   string // holds server.pem and ca.pem, unless TLS is off
	Ports    ports
}

func (s settings) IP() string { return nodeIP(s.Index) }

// tokensPerNode is num_tokens: a few, so that ranges of several owners occur as in production, and no more, because every
// token adds work to repairs and range scans.
const tokensPerNode = 4

// Tokens gives each node every Nodes-th point of an even ring. Known tokens let all nodes start at once: nobody has to
// wait until the others' tokens are known.
func (s settings) Tokens() string {
	total := uint64(s.Nodes * tokensPerNode)
	step := ^uint64(0)/total + 1
	var tokens []string
	for i := range tokensPerNode {
		at := step * uint64(i*s.Nodes+s.Index)
		tokens = append(tokens, fmt.Sprint(int64(at-1<<63)))
	}
	return strings.Join(tokens, ",")
}

// Seeds are all nodes: a seed never waits for the ring, and whoever starts finds whoever is there.
func (s settings) Seeds() string {
	var seeds []string
	for i := range s.Nodes {
		seeds = append(seeds, fmt.Sprintf("%s:%d", nodeIP(i), s.Ports.Storage))
	}
	return strings.Join(seeds, ",")
}

// MutualTLS says whether the node checks clients' certificates.
func (s settings) MutualTLS() bool { return s.TLS == TLSMutual }

// JMXPort of this node.
func (s settings) JMXPort() int { return s.Ports.JMX[s.Index] }

func (s settings) yaml() (string, error)    { return s.render("cassandra.yaml", yamlTemplate) }
func (s settings) logback() (string, error) { return s.render("logback.xml", logbackTemplate) }

func (s settings) render(name, text string) (string, error) {
	var b strings.Builder
	t, err := template.New(name).Parse(text)
	if err == nil {
		err = t.Execute(&b, s)
	}
	if err != nil {
		return "", fmt.Errorf("cannot write %s: %w", name, err)
	}
	return b.String(), nil
}

// javaArgs are the arguments of the java program up to the main class.
func (s settings) javaArgs(jars string) []string {
	args := []string{
		fmt.Sprintf("-Xms%dm", s.HeapMB),
		fmt.Sprintf("-Xmx%dm", s.HeapMB),
		// Buffers outside the heap: 1 MiB values in flight, and the pages that reads uncompress.
		fmt.Sprintf("-XX:MaxDirectMemorySize=%dm", s.HeapMB),
		"-Xss384k",
		"-XX:+UseSerialGC",            // the least threads and memory for a heap this small
		"-XX:+ExitOnOutOfMemoryError", // a node that is half dead would only hang its test
		"-XX:-UsePerfData",            // no file in /tmp for every start
	}
	if !s.Optimize {
		args = append(args, "-XX:TieredStopAtLevel=1")
	}
	args = append(args, moduleArgs()...)
	return append(args,
		"-Djdk.attach.allowAttachSelf=true",
		"-Dio.netty.tryReflectionSetAccessible=true",
		// All nodes know the whole ring from their configuration: nothing to wait for.
		"-Dcassandra.skip_wait_for_gossip_to_settle=0",
		"-Dcassandra.ring_delay_ms=0",
		"-Dcassandra.superuser_setup_delay_ms=0",
		fmt.Sprintf("-Dcassandra.jmx.local.port=%d", s.JMXPort()),
		"-Dcassandra-foreground=yes",
		"-Dcassandra.storagedir="+s.Dir,
		"-Dcassandra.config=file://"+filepath.Join(s.Dir, "cassandra.yaml"),
		"-Dlogback.configurationFile="+filepath.Join(s.Dir, "logback.xml"),
		"-cp", filepath.Join(jars, "*"))
}

// moduleArgs open the JDK's insides that Cassandra 5.0 reaches into (its documentation: conf/jvm17-server.options).
func moduleArgs() []string {
	var args []string
	for _, m := range strings.Fields(`java.base/java.lang.ref java.base/jdk.internal.misc
		java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server
		java.sql/java.sql jdk.attach/sun.tools.attach jdk.unsupported/sun.misc`) {
		args = append(args, "--add-exports="+m+"=ALL-UNNAMED")
	}
	for _, m := range strings.Fields(`java.base/java.io java.base/java.lang java.base/java.lang.module
		java.base/java.lang.reflect java.base/java.nio java.base/java.util java.base/jdk.internal.loader
		java.base/jdk.internal.math java.base/jdk.internal.module java.base/jdk.internal.ref
		java.base/jdk.internal.reflect java.base/jdk.internal.util.jar java.base/sun.nio.ch
		jdk.management/com.sun.management.internal`) {
		args = append(args, "--add-opens="+m+"=ALL-UNNAMED")
	}
	return args
}
