package logs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// FieldTruncated is the field of a line that was cut: how many bytes it had.
const FieldTruncated = "truncated_from_bytes"

// push brings the streams of one call into their form. Its memory is used again.
type push struct {
	sink   *Sink
	now    int64
	newest int64
	oldest int64
	// fields is where fields and labels are put that had to be changed. Slices of it stay valid when it grows.
	fields    []model.Field
	refused   model.Refusals
	truncated int
}

func (p *push) begin(s *Sink, now time.Time) {
	p.sink, p.now, p.truncated = s, now.UnixNano(), 0
	p.newest, p.oldest = math.MaxInt64, math.MinInt64
	if s.limits.MaxAhead > 0 {
		p.newest = max(p.now+int64(s.limits.MaxAhead), p.now)
	}
	if s.limits.MaxAge > 0 {
		p.oldest = p.now - int64(s.limits.MaxAge)
	}
	p.fields = p.fields[:0]
}

// streams brings all streams into form and returns those of which something is left, in the same array.
func (p *push) streams(streams []model.Stream) []model.Stream {
	kept := streams[:0]
	for i := range streams {
		st := streams[i]
		if len(st.Records) == 0 {
			continue
		}
		if i >= p.sink.limits.MaxStreams {
			p.refuse(model.TooManyStreams, st.Labels, len(st.Records), func() string {
				return fmt.Sprintf("a push may have at most %d streams (ingest.logs.max_streams), this one has %d: send fewer labels whose values are all different, and such values as fields", p.sink.limits.MaxStreams, len(streams))
			})
			continue
		}
		var ok bool
		if st.Labels, ok = p.labels(st.Labels, len(st.Records)); !ok {
			continue
		}
		if st.Records = p.records(st); len(st.Records) > 0 {
			kept = append(kept, st)
		}
	}
	return kept
}

// records brings the records of a stream into form and returns those that are kept, in the same array.
func (p *push) records(st model.Stream) []model.Record {
	streamLevel := levelOfFields(st.Labels)
	kept := st.Records[:0]
	for i := range st.Records {
		r := st.Records[i]
		if r.Time == 0 {
			r.Time = p.now
		}
		if r.Time > p.newest || r.Time < p.oldest {
			p.refuseTime(st.Labels, r.Time)
			continue
		}
		if len(r.Line) > p.sink.limits.MaxLine && !p.cut(st.Labels, &r) {
			continue
		}
		if len(r.Fields) > 0 && !p.ownFields(st.Labels, &r) {
			continue
		}
		if p.sink.mask != nil {
			p.hide(&r)
		}
		p.level(&r, streamLevel)
		kept = append(kept, r)
	}
	return kept
}

func (p *push) refuseTime(labels []model.Field, t int64) {
	at := time.Unix(0, t).UTC().Format(time.RFC3339Nano)
	if t > p.newest {
		p.refuse(model.TooFarAhead, labels, 1, func() string {
			return fmt.Sprintf("the time %s is more than %s in the future (ingest.logs.max_ahead): is the clock of the sender right?", at, p.sink.limits.MaxAhead)
		})
		return
	}
	p.refuse(model.TooOld, labels, 1, func() string {
		return fmt.Sprintf("the time %s is before %s, the oldest that is taken (ingest.logs.max_age)", at, time.Unix(0, p.oldest).UTC().Format(time.RFC3339))
	})
}

// cut cuts a line that is too long, between two characters, or refuses it.
func (p *push) cut(labels []model.Field, r *model.Record) bool {
	most := p.sink.limits.MaxLine
	if p.sink.limits.RefuseLong {
		p.refuse(model.LineTooLong, labels, 1, func() string {
			return fmt.Sprintf("a line may have at most %d bytes (ingest.logs.max_line_size), this one has %d", most, len(r.Line))
		})
		return false
	}
	p.truncated++
	end := most
	for end > most-utf8.UTFMax && end > 0 && !utf8.RuneStart(r.Line[end]) {
		end--
	}
	whole := len(r.Line)
	r.Line = r.Line[:end]
	r.Fields = p.with(r.Fields, model.Field{Name: FieldTruncated, Value: strconv.Itoa(whole)})
	return true
}

// hide masks secrets in the line and in the values of fields.
func (p *push) hide(r *model.Record) {
	r.Line = p.sink.mask(r.Line)
	own := false
	for i, f := range r.Fields {
		masked := p.sink.mask(f.Value)
		if masked == f.Value {
			continue
		}
		if !own {
			r.Fields, own = p.copied(r.Fields), true
		}
		if masked == "" {
			masked = " " // a field without a value would be no field
		}
		r.Fields[i].Value = masked
	}
}

// level gives the record a level when it has none.
func (p *push) level(r *model.Record, ofStream string) {
	if len(r.Fields) == 0 {
		if ofStream == "" {
			ofStream = p.sink.level(r.Line)
		}
		r.Fields = onlyLevel(ofStream) // unknown, when it is none
		return
	}
	at, has := slices.BinarySearchFunc(r.Fields, model.FieldLevel, func(f model.Field, name string) int { return strings.Compare(f.Name, name) })
	if has {
		return
	}
	level := levelOfFields(r.Fields)
	if level == "" {
		level = ofStream
	}
	if level == "" {
		level = known(p.sink.level(r.Line))
	}
	start := len(p.fields)
	p.fields = append(p.fields, r.Fields[:at]...)
	p.fields = append(p.fields, model.Field{Name: model.FieldLevel, Value: level})
	p.fields = append(p.fields, r.Fields[at:]...)
	r.Fields = p.fields[start:len(p.fields):len(p.fields)]
}

// copied returns a copy that may be changed.
func (p *push) copied(fields []model.Field) []model.Field {
	start := len(p.fields)
	p.fields = append(p.fields, fields...)
	return p.fields[start:len(p.fields):len(p.fields)]
}

// with returns a copy with one field more, anywhere.
func (p *push) with(fields []model.Field, more model.Field) []model.Field {
	start := len(p.fields)
	p.fields = append(append(p.fields, fields...), more)
	return p.fields[start:len(p.fields):len(p.fields)]
}

// maxRefusals bounds the refusals that a push tells one by one; those beyond it go to the first of their reason.
const maxRefusals = 100

// refuse counts n records of a stream. text is made only for the first of them.
func (p *push) refuse(why model.RefusalReason, labels []model.Field, n int, text func() string) {
	if last := len(p.refused) - 1; last >= 0 && p.refused[last].Reason == why && len(p.refused) >= maxRefusals {
		p.refused[last].Count += n
		return
	}
	stream := shownLabels(labels)
	for i := range p.refused {
		r := &p.refused[i]
		if r.Reason == why && (r.Stream == stream || len(p.refused) >= maxRefusals) {
			r.Count += n
			return
		}
	}
	p.refused = append(p.refused, model.Refusal{Reason: why, Stream: stream, Count: n, Text: text()})
}

// maxShown bounds what a refusal repeats of labels, in bytes.
const maxShown = 512

func shownLabels(labels []model.Field) string {
	size := 0
	for i, l := range labels {
		if size += len(l.Name) + len(l.Value); size > maxShown {
			short := slices.Clone(labels[:i+1])
			short[i].Name = short[i].Name[:min(len(l.Name), maxShown)]
			short[i].Value = short[i].Value[:min(len(l.Value), maxShown)] + "..."
			return strings.ToValidUTF8(model.FormatLabels(short), "\uFFFD")
		}
	}
	return strings.ToValidUTF8(model.FormatLabels(labels), "\uFFFD")
}
