package tail

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// ownQueue is how many lines of this process' own log may wait: those of a noisy start.
const ownQueue = 2000

// OwnLog takes what this process logs, a line with each Write, so that it is followed too. It never blocks and never fails: lines that come while the
// queue is full are dropped and counted.
type OwnLog struct {
	lines   chan ownLine
	dropped atomic.Int64
}

type ownLine struct {
	at   time.Time
	text string
}

// NewOwnLog returns one for Options.
func NewOwnLog() *OwnLog { return &OwnLog{lines: make(chan ownLine, ownQueue)} }

// Write is io.Writer.
func (o *OwnLog) Write(p []byte) (int, error) {
	select {
	case o.lines <- ownLine{time.Now(), string(bytes.TrimRight(p, "\n"))}:
	default:
		o.dropped.Add(1)
	}
	return len(p), nil
}

// followOwn delivers what this process logs until ctx ends.
func (t *Tailer) followOwn(ctx context.Context, o *OwnLog) {
	labels := model.SortFields(t.withLabels([]model.Field{
		{Name: "job", Value: "hulotte"}, {Name: "service_name", Value: "hulotte"}, {Name: "instance", Value: t.opts.Instance},
	}))
	var c clock
	for {
		var records []model.Record
		select {
		case <-ctx.Done():
			return
		case l := <-o.lines:
			records = append(records, ownRecord(l, &c))
		}
		for more := true; more && len(records) < ownQueue; {
			select {
			case l := <-o.lines:
				records = append(records, ownRecord(l, &c))
			default:
				more = false
			}
		}
		t.metrics.lines.WithLabelValues("own").Add(float64(len(records)))
		if !t.sink.deliver(ctx, "own", []model.Stream{{Labels: labels, Records: records}}) {
			return
		}
	}
}

func ownRecord(l ownLine, c *clock) model.Record {
	r := model.Record{Time: c.next(l.at.UnixNano()), Line: strings.ToValidUTF8(l.text, "�")}
	if level := logformat.Level(r.Line); level != "" {
		r.Fields = []model.Field{{Name: model.FieldLevel, Value: level}}
	}
	return r
}
