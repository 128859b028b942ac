// Command demo runs Hulotte with two small applications and a bounded load on them, until Ctrl-C, so that every page has
// something to show. `make demo` builds what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The addresses that hulotte.yml names too.
const (
	shopAddress   = "127.0.0.1:8081"
	quotesAddress = "127.0.0.1:8082"
)

type options struct {
	hulotte string // the binary
	folder  string // for data, the virtual environment and logs
	listen  string
	rate    float64       // requests a second
	length  time.Duration // 0: until Ctrl-C
}

func main() {
	var o options
	flag.StringVar(&o.hulotte, "hulotte", "bin/hulotte", "the binary of Hulotte")
	flag.StringVar(&o.folder, "folder", "bin/demo", "where data, logs and the Python environment are kept")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:9070", "where Hulotte serves")
	flag.Float64Var(&o.rate, "rate", 4, "requests a second, at most 50")
	flag.DurationVar(&o.length, "for", 0, "how long to run; 0: until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.rate <= 0 || o.rate > 50 {
		return fmt.Errorf("-rate is %g: 0.1 to 50 requests a second are sensible", o.rate)
	}
	var err error
	if o.folder, err = filepath.Abs(o.folder); err != nil {
		return err
	}
	if o.hulotte, err = filepath.Abs(o.hulotte); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.folder, "logs"), 0o755); err != nil {
		return err
	}
	if o.length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.length)
		defer stop()
	}
	python, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	p := &programs{logs: filepath.Join(o.folder, "logs")}
	defer p.stop()
	if err := p.startAll(ctx, o, python); err != nil {
		return err
	}
	fmt.Printf("\nHulotte is at http://%s: see Service map, Traces, Logs, Checks.\nThe shop is at http://%s, the quotations at http://%s. What they print is in %s. Ctrl-C ends it.\n\n",
		o.listen, shopAddress, quotesAddress, p.logs)
	ended := make(chan error, 1)
	go func() { ended <- p.wait() }()
	load := newLoad("http://"+shopAddress, o.rate)
	go load.run(ctx)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		fmt.Println(load.told())
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil
		}
		return ctx.Err()
	}
}
