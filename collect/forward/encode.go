package forward

import (
	"slices"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// encode writes a push into b.push and returns how many records it has:
//
//	PushRequest { repeated Stream streams = 1 }
//	Stream      { string labels = 1; repeated Entry entries = 2 }
//	Entry       { Timestamp timestamp = 1; string line = 2; repeated LabelPair structuredMetadata = 3 }
//	Timestamp   { int64 seconds = 1; int32 nanos = 2 }
//	LabelPair   { string name = 1; string value = 2 }
//
// (https://github.com/grafana/loki/blob/main/pkg/push/push.proto describes the messages.)
func (f *Forwarder) encode(b *buffers, streams []model.Stream) (records int) {
	b.push = b.push[:0]
	for i := range streams {
		s := &streams[i]
		if len(s.Records) == 0 {
			continue
		}
		b.stream = wire.AppendBytes(b.stream[:0], 1, formatLabels(withLabels(s.Labels, f.labels)))
		for j := range s.Records {
			b.entry = appendEntry(b.entry[:0], &s.Records[j])
			b.stream = wire.AppendBytes(b.stream, 2, b.entry)
		}
		b.push = wire.AppendBytes(b.push, 1, b.stream)
		records += len(s.Records)
	}
	return records
}

func appendEntry(dst []byte, r *model.Record) []byte {
	seconds, nanos := r.Time/int64(time.Second), r.Time%int64(time.Second)
	if nanos < 0 {
		seconds, nanos = seconds-1, nanos+int64(time.Second)
	}
	stamp := wire.AppendVarint(make([]byte, 0, 24), 1, uint64(seconds))
	stamp = wire.AppendVarint(stamp, 2, uint64(nanos))
	dst = wire.AppendBytes(dst, 1, stamp)
	dst = wire.AppendBytes(dst, 2, []byte(r.Line))
	for _, field := range r.Fields {
		pair := wire.AppendBytes(make([]byte, 0, 64), 1, []byte(field.Name))
		pair = wire.AppendBytes(pair, 2, []byte(field.Value))
		dst = wire.AppendBytes(dst, 3, pair)
	}
	return dst
}

// withLabels adds those that are missing.
func withLabels(labels, more []model.Field) []model.Field {
	all := slices.Clip(labels)
	for _, l := range more {
		if !slices.ContainsFunc(labels, func(have model.Field) bool { return have.Name == l.Name }) {
			all = append(all, l)
		}
	}
	return model.SortFields(slices.Clone(all))
}

// formatLabels writes labels as the protocol has them: {a="b", c="d"}.
func formatLabels(labels []model.Field) []byte {
	dst := []byte{'{'}
	for i, l := range labels {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, l.Name...)
		dst = append(dst, '=')
		dst = strconv.AppendQuote(dst, l.Value)
	}
	return append(dst, '}')
}
