package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxSpoolFiles = 500_000 // a queue that is this long is an incident whatever its exact length
	maxSpoolDepth = 4       // Postfix and Exim hash into folders of one letter
)

// walkSpool calls add for each file beneath a folder, until the context ends or there are too many.
func walkSpool(ctx context.Context, dir string, add func(path string, info fs.FileInfo)) error {
	left := maxSpoolFiles
	return walkSpoolInto(ctx, dir, maxSpoolDepth, &left, add)
}

func walkSpoolInto(ctx context.Context, dir string, depth int, left *int, add func(string, fs.FileInfo)) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		entries, err := d.ReadDir(1000)
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if e.IsDir() {
				if depth > 0 {
					if err := walkSpoolInto(ctx, path, depth-1, left, add); err != nil && !errors.Is(err, fs.ErrNotExist) {
						return err
					}
				}
				continue
			}
			if *left--; *left < 0 {
				return fmt.Errorf("more than %d files: %w", maxSpoolFiles, errTooLong)
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // it may be gone
				add(path, info)
			}
		}
		if err != nil || len(entries) == 0 {
			return nil
		}
	}
}

type postfixOptions struct {
	Queue string `json:"queue" doc:"queue_directory of Postfix; /var/spool/postfix when empty"`
}

func postfixKind() Kind {
	return withOptions(Kind{
		Name: "postfix", Exporter: "postfix_exporter", Job: "postfix", Up: "postfix_up", Interval: time.Minute,
		Doc:   "Sizes and ages of the messages in each queue (active, deferred, hold, incoming, maildrop), from the spool. What the exporter counts in the log is for log queries.",
		Setup: "The queue's folders belong to postfix and let nobody else in: Hulotte has to run as root, or with the capability `CAP_DAC_READ_SEARCH`.",
	}, newPostfix)
}

var (
	postfixSizes = []float64{1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
	postfixAges  = []float64{1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}
)

// observed is a histogram that is being made.
type observed struct {
	bs    []bucket
	count uint64
	sum   float64
}

func newObserved(bounds []float64) *observed {
	o := &observed{}
	for _, b := range bounds {
		o.bs = append(o.bs, bucket{le: b})
	}
	return o
}

func (o *observed) add(v float64) {
	o.count++
	o.sum += v
	for i := range o.bs {
		if v <= o.bs[i].le {
			o.bs[i].count++
		}
	}
}

func newPostfix(_ Target, o postfixOptions) (reader, error) {
	if o.Queue == "" {
		o.Queue = "/var/spool/postfix"
	}
	if !filepath.IsAbs(o.Queue) {
		return nil, fmt.Errorf("option queue: %q is not an absolute path", o.Queue)
	}
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"path", filepath.Join(o.Queue, "public/showq")}
		now := time.Now()
		for _, queue := range []string{"active", "deferred", "hold", "incoming", "maildrop"} {
			sizes, ages := newObserved(postfixSizes), newObserved(postfixAges)
			err := walkSpool(ctx, filepath.Join(o.Queue, queue), func(_ string, info fs.FileInfo) {
				sizes.add(float64(info.Size()))
				ages.add(now.Sub(info.ModTime()).Seconds())
			})
			if errors.Is(err, errTooLong) {
				f.warn(fmt.Errorf("queue %s: %w", queue, err))
			} else if err != nil {
				return fmt.Errorf("queue %s: %w: run Hulotte as root, or with CAP_DAC_READ_SEARCH", queue, err)
			}
			f.histogram("postfix_showq_message_size_bytes", "Sizes of the messages in a queue.", sizes.count, sizes.sum, sizes.bs, "queue", queue)
			f.histogram("postfix_showq_message_age_seconds", "Ages of the messages in a queue.", ages.count, ages.sum, ages.bs, "queue", queue)
		}
		f.gauge("postfix_up", "1 while the queues can be read.", 1, f.upPairs...)
		return nil
	}, nil
}

type eximOptions struct {
	Spool string `json:"spool" doc:"spool_directory of Exim; /var/spool/exim4 or /var/spool/exim, whichever is there, when empty"`
}

func eximKind() Kind {
	return withOptions(Kind{
		Name: "exim", Exporter: "exim_exporter", Job: "exim", Up: "exim_up", Interval: time.Minute,
		Doc:   "Messages in the queue and those of them that are frozen, from the spool.",
		Setup: "The spool lets only Exim's group in: Hulotte has to run as root, with the capability `CAP_DAC_READ_SEARCH`, or in that group (Debian: `Debian-exim`).",
	}, newExim)
}

func newExim(_ Target, o eximOptions) (reader, error) {
	if o.Spool != "" && !filepath.IsAbs(o.Spool) {
		return nil, fmt.Errorf("option spool: %q is not an absolute path", o.Spool)
	}
	return func(ctx context.Context, f *families) error {
		spool := o.Spool
		if spool == "" {
			spool = "/var/spool/exim4"
			if _, err := os.Stat(spool); err != nil {
				spool = "/var/spool/exim"
			}
		}
		queued, frozen := 0, 0
		err := walkSpool(ctx, filepath.Join(spool, "input"), func(path string, _ fs.FileInfo) {
			if !strings.HasSuffix(path, "-H") { // each message has a header file and a data file
				return
			}
			queued++
			if isFrozen(path) {
				frozen++
			}
		})
		if errors.Is(err, errTooLong) {
			f.warn(err)
		} else if err != nil {
			return fmt.Errorf("%w: run Hulotte as root, with CAP_DAC_READ_SEARCH, or in Exim's group", err)
		}
		f.gauge("exim_queue", "Messages in the queue.", float64(queued))
		f.gauge("exim_queue_frozen", "Messages in the queue that are frozen.", float64(frozen))
		return nil
	}, nil
}

// isFrozen looks for the line -frozen among the first lines of a header file (Exim's specification, "Format of spool files").
func isFrozen(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4<<10)
	n, _ := f.Read(head)
	return strings.Contains(string(head[:n]), "\n-frozen ")
}
