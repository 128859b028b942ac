package events

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// refusals collects what is refused: one entry for each stream and reason.
type refusals struct {
	list model.Refusals
	at   map[refusalKey]int
}

type refusalKey struct {
	stream string
	reason model.RefusalReason
}

// maxRefusals bounds what one push is told; the counts of the rest are added to the last entry of their reason.
const maxRefusals = 1000

func (r *refusals) add(labels []model.Field, reason model.RefusalReason, n int, text func() string) {
	name := model.FormatLabels(labels)
	if len(name) > 1024 {
		name = name[:1024] + "..."
	}
	key := refusalKey{name, reason}
	i, ok := r.at[key]
	if !ok && len(r.list) >= maxRefusals {
		key.stream = ""
		i, ok = r.at[key]
	}
	if !ok {
		if r.at == nil {
			r.at = map[refusalKey]int{}
		}
		i = len(r.list)
		r.at[key] = i
		r.list = append(r.list, model.Refusal{Reason: reason, Stream: key.stream, Text: text()})
	}
	r.list[i].Count += n
}

// labelsFit checks the labels of a stream.
func (p *push) labelsFit(in *model.Stream) bool {
	l := &p.limits
	refuse := func(reason model.RefusalReason, format string, args ...any) bool {
		p.refused.add(in.Labels, reason, len(in.Records), func() string { return fmt.Sprintf(format, args...) })
		return false
	}
	if len(in.Labels) > l.MaxLabels {
		return refuse(model.TooManyLabels, "the stream has %d labels, at most %d are allowed (MaxLabels): put what differs from record to record into fields", len(in.Labels), l.MaxLabels)
	}
	for i := range in.Labels {
		f := &in.Labels[i]
		switch {
		case f.Name == "" || f.Value == "":
			return refuse(model.BadLabels, "the label %q has no value or no name", f.Name)
		case i > 0 && in.Labels[i-1].Name >= f.Name:
			return refuse(model.BadLabels, "the label %q is there twice or out of order", f.Name)
		case len(f.Name) > l.MaxLabelNameBytes:
			return refuse(model.BadLabels, "the name of the label %.40q... has %d bytes, at most %d are allowed (MaxLabelNameBytes)", f.Name, len(f.Name), l.MaxLabelNameBytes)
		case len(f.Value) > l.MaxLabelValueBytes:
			return refuse(model.BadLabels, "the value of the label %q has %d bytes, at most %d are allowed (MaxLabelValueBytes)", f.Name, len(f.Value), l.MaxLabelValueBytes)
		case !utf8.ValidString(f.Name) || !utf8.ValidString(f.Value):
			return refuse(model.BadLabels, "the label %q is not UTF-8", f.Name)
		}
	}
	return true
}

// active checks that the tenant may have the stream, whose labels are encoded in p.b.labels.
func (p *push) active(in *model.Stream) bool {
	id := maphash.Bytes(p.t.s.seed, p.b.labels)
	if p.t.active.seen(id, p.now, p.limits.MaxStreams) {
		return true
	}
	p.refused.add(in.Labels, model.TooManyStreams, len(in.Records), func() string {
		return fmt.Sprintf("the tenant has %d streams that had records within the last hour, which is the limit (storage.logs.max_streams): use fewer labels, or labels with fewer values, or raise the limit", p.limits.MaxStreams)
	})
	return false
}

// fits checks a record.
func (p *push) fits(in *model.Stream, r *model.Record) bool {
	l := &p.limits
	refuse := func(reason model.RefusalReason, format string, args ...any) bool {
		p.refused.add(in.Labels, reason, 1, func() string { return fmt.Sprintf(format, args...) })
		return false
	}
	if len(r.Line) > l.MaxLineBytes {
		return refuse(model.LineTooLong, "a line has %d bytes, at most %d are allowed (MaxLineBytes)", len(r.Line), l.MaxLineBytes)
	}
	if len(r.Fields) > l.MaxFields {
		return refuse(model.TooManyFields, "a record has %d fields, at most %d are allowed (MaxFields)", len(r.Fields), l.MaxFields)
	}
	bytes := 0
	for i := range r.Fields {
		f := &r.Fields[i]
		bytes += len(f.Name) + len(f.Value)
		if f.Name == "" || f.Value == "" || i > 0 && r.Fields[i-1].Name >= f.Name {
			return refuse(model.BadLabels, "the field %q of a record has no name, no value, is there twice or out of order", f.Name)
		}
	}
	if bytes > l.MaxFieldBytes {
		return refuse(model.TooManyFields, "the fields of a record have %d bytes, at most %d are allowed (MaxFieldBytes)", bytes, l.MaxFieldBytes)
	}
	if day, _ := dayOf(r.Time); day < minDay || day > maxDay {
		return refuse(model.TooOld, "the time of a record, %d, is out of range", r.Time)
	}
	if r.Time > p.newest {
		return refuse(model.TooFarAhead, "a record is of %s, more than %s ahead of the clock (RejectNewer)", stamp(r.Time), l.RejectNewer)
	}
	if r.Time < p.oldest {
		limit, name := p.longest()
		return refuse(model.TooOld, "a record is of %s, which is older than %s (%s)", stamp(r.Time), limit, name)
	}
	return true
}

func stamp(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano) }

// bound sets the times between which records are taken.
func (p *push) bound() {
	p.oldest, p.newest = minDay*dayLength, math.MaxInt64
	if limit, _ := p.longest(); limit > 0 {
		p.oldest = p.now.Add(-limit).UnixNano()
	}
	if ahead := p.limits.RejectNewer; ahead > 0 {
		p.newest = p.now.Add(ahead).UnixNano()
	}
}

// longest is how old a record may be, 0 when any age is right, and the limit that says so.
func (p *push) longest() (time.Duration, string) {
	limit, name := max(p.limits.RejectOlder, 0), "RejectOlder"
	if keep := p.t.s.o.Retention.longest(p.t.name); keep > 0 && (limit == 0 || keep < limit) {
		limit, name = keep, "storage.logs.retention_time"
	}
	return limit, name
}

// activeStreams counts the streams of a tenant that had records lately.
type activeStreams struct {
	mu     sync.Mutex
	last   map[uint64]int64 // seconds
	pruned int64
}

func newActiveStreams() *activeStreams { return &activeStreams{last: map[uint64]int64{}} }

// seen notes that the stream has records and says whether it may have them.
func (a *activeStreams) seen(id uint64, now time.Time, limit int) bool {
	at := now.Unix()
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.last[id]; !ok && limit >= 0 && len(a.last) >= limit {
		a.pruneLocked(at)
		if len(a.last) >= limit {
			return false
		}
	}
	a.last[id] = at
	return true
}

// pruneLocked forgets streams that had no records lately, at most once a minute.
func (a *activeStreams) pruneLocked(at int64) {
	if at < a.pruned+60 {
		return
	}
	a.pruned = at
	for id, last := range a.last {
		if last < at-int64(activeFor/time.Second) {
			delete(a.last, id)
		}
	}
}

// recentRecords remembers records by hash, those of the current and of the last span of time. Each span remembers at most maxRecent.
type recentRecords struct {
	seed maphash.Seed
	span time.Duration

	mu       sync.Mutex
	begun    time.Time
	now, old map[uint64]struct{}
}

const maxRecent = 1 << 19

func newRecentRecords(seed maphash.Seed, window time.Duration) *recentRecords {
	return &recentRecords{seed: seed, span: window, now: map[uint64]struct{}{}}
}

// hash is that of a record. The seed is this process's own, so that nobody can make two that are alike on purpose.
func (r *recentRecords) hash(labels []byte, x *model.Record) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	text := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		_, _ = h.Write(n[:])
		_, _ = h.WriteString(s)
	}
	_, _ = h.Write(labels)
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(x.Time))
	_, _ = h.Write(n[:])
	text(x.Line)
	for _, f := range x.Fields {
		text(f.Name)
		text(f.Value)
	}
	return h.Sum64()
}

func (r *recentRecords) has(hash uint64, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turnLocked(at)
	if _, ok := r.now[hash]; ok {
		return true
	}
	_, ok := r.old[hash]
	return ok
}

func (r *recentRecords) add(hashes []uint64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hashes {
		r.turnLocked(at)
		r.now[h] = struct{}{}
	}
}

func (r *recentRecords) turnLocked(at time.Time) {
	if at.Sub(r.begun) < r.span && len(r.now) < maxRecent {
		return
	}
	if at.Sub(r.begun) >= 2*r.span {
		r.now = map[uint64]struct{}{}
	}
	r.old, r.now, r.begun = r.now, map[uint64]struct{}{}, at
}

// duplicate says whether a record is left out because it was taken before. What is being taken right now counts only once it is
// durable: if that fails, the other copy is the one that is kept.
func (p *push) duplicate(in *model.Stream, r *model.Record) bool {
	if p.t.recent == nil {
		return false
	}
	hash := p.t.recent.hash(p.b.labels, r)
	if !p.t.recent.has(hash, p.now) {
		p.b.hashes = append(p.b.hashes, hash)
		return false
	}
	p.refused.add(in.Labels, model.Duplicate, 1, func() string {
		return fmt.Sprintf("a record of %s was taken before, within the last %s (storage.logs.drop_duplicates)", stamp(r.Time), p.t.s.o.DuplicateWindow)
	})
	return true
}

// remember notes the records of a push that are durable now.
func (t *tenant) remember(p *push) {
	if t.recent != nil {
		t.recent.add(p.b.hashes, p.now)
	}
	p.b.hashes = p.b.hashes[:0]
}
