// Command cmd runs Apache Cassandra for people who work on Hulotte, until Ctrl-C: see docs/cassandra-development.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hulotte-dev/hulotte/tools/cassandra"
)

func main() {
	var o cassandra.Options
	flag.IntVar(&o.Nodes, "nodes", 1, "how many nodes: 1 or 3")
	flag.StringVar(&o.Dir, "dir", "bin/cassandra", "folder for data, configuration and logs; one per number of nodes is made in it")
	flag.IntVar(&o.HeapMB, "heap", cassandra.DefaultHeapMB, "each node's Java heap in MiB")
	flag.IntVar(&o.NativePort, "port", 0, "port for clients on every node's address; 0 keeps the folder's, or chooses a free one")
	flag.BoolVar(&o.Optimize, "optimize", true, "let Java optimize hot code as in production; off makes a start cheaper")
	flag.BoolVar(&o.Password, "password", false, "ask clients for a password; one node only")
	tls := flag.String("tls", "off", "off, server, or mutual: clients need a certificate, too")
	flag.Parse()
	mode, ok := map[string]cassandra.TLSMode{"off": cassandra.TLSOff, "server": cassandra.TLSServer, "mutual": cassandra.TLSMutual}[*tls]
	if !ok {
		fmt.Fprintf(os.Stderr, "cassandra: unknown -tls %q: off, server or mutual\n", *tls)
		os.Exit(2)
	}
	o.TLS = mode
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "cassandra: unknown argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "cassandra:", err)
		os.Exit(1)
	}
}

func run(o cassandra.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o.Dir = fmt.Sprintf("%s/%d", strings.TrimRight(o.Dir, "/"), o.Nodes)
	o.Log = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	c, err := cassandra.Start(ctx, o)
	if err != nil && ctx.Err() != nil { // Ctrl-C during the start
		return nil
	}
	if err != nil {
		return err
	}
	explain(c, o)
	<-ctx.Done()
	stop() // a second Ctrl-C ends this program, and the kernel the nodes
	fmt.Println("\nstopping")
	return errors.Join(c.Stop(), c.Close())
}

func explain(c *cassandra.Cluster, o cassandra.Options) {
	fmt.Println()
	for _, n := range c.Nodes() {
		fmt.Printf("  %s  pid %d  log %s\n", n.Address(), n.PID(), n.LogFile())
	}
	fmt.Printf("\nApache Cassandra %s is up, data centre datacenter1.\n", cassandra.Version)
	if o.Password {
		fmt.Printf("User %s, password %s.\n", cassandra.Username, cassandra.Password)
	}
	if f := c.TLSFiles(); o.TLS != cassandra.TLSOff {
		fmt.Printf("TLS: authority %s, client certificate %s, its key %s\n", f.CA, f.Cert, f.Key)
	}
	if !o.Password && o.TLS == cassandra.TLSOff {
		fmt.Printf("Tests use it with   TEST_CASSANDRA=%s\n", strings.Join(c.Addresses(), ","))
	}
	fmt.Printf("Ctrl-C stops it. Its data stays in %s.\n", c.Dir())
}
