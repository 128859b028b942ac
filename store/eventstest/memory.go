// Package eventstest is for the tests of those who use store.Events and of those who implement it: Memory, the simplest
// implementation that keeps the contract, and Test, the suite that every implementation passes.
package eventstest

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Memory keeps records in lists and looks at every one of them. Its zero value is empty and ready for use. It parses no
// lines: Parsed always answers false; and it takes no hints, so that whoever relies on hints alone is found out.
type Memory struct {
	mu        sync.Mutex
	streams   map[string]*memoryStream // by model.FormatLabels
	followers map[*follower]bool

	deletions    []deletion // the newest last
	lastDeletion int
}

type memoryStream struct {
	labels  labels.Labels
	id      uint64
	records []model.Record // ascending in time
}

type follower struct {
	matchers []*labels.Matcher
	queue    chan followed
	dropped  int // guarded by Memory.mu
}

type followed struct {
	labels  labels.Labels
	records []model.Record
	dropped int
}

// AppendRecords implements store.EventAppender. It refuses nothing.
func (m *Memory) AppendRecords(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.streams == nil {
		m.streams = map[string]*memoryStream{}
	}
	for _, in := range streams {
		s := m.stream(in.Labels)
		records := cloneRecords(in.Records)
		s.records = append(s.records, records...)
		slices.SortStableFunc(s.records, func(a, b model.Record) int { return compare(a.Time, b.Time) })
		m.tell(s.labels, records)
	}
	return nil, nil
}

func (m *Memory) stream(fields []model.Field) *memoryStream {
	key := model.FormatLabels(fields)
	s := m.streams[key]
	if s == nil {
		h := fnv.New64a()
		_, _ = h.Write([]byte(key))
		b := labels.NewScratchBuilder(len(fields))
		for _, f := range fields {
			b.Add(strings.Clone(f.Name), strings.Clone(f.Value))
		}
		s = &memoryStream{labels: b.Labels(), id: h.Sum64()}
		m.streams[key] = s
	}
	return s
}

func cloneRecords(in []model.Record) []model.Record {
	out := make([]model.Record, len(in))
	for i, r := range in {
		out[i] = model.Record{Time: r.Time, Line: strings.Clone(r.Line)}
		for _, f := range r.Fields {
			out[i].Fields = append(out[i].Fields, model.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
		}
	}
	return out
}

func (m *Memory) tell(l labels.Labels, records []model.Record) {
	for f := range m.followers {
		if !matchAll(f.matchers, l) {
			continue
		}
		select {
		case f.queue <- followed{l, records, f.dropped}:
			f.dropped = 0
		default:
			f.dropped += len(records)
		}
	}
}

// Follow implements store.EventReader.
func (m *Memory) Follow(ctx context.Context, matchers []*labels.Matcher, f func(labels.Labels, []model.Record, int) error) error {
	me := &follower{matchers: matchers, queue: make(chan followed, 1000)}
	m.mu.Lock()
	if m.followers == nil {
		m.followers = map[*follower]bool{}
	}
	m.followers[me] = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.followers, me)
		m.mu.Unlock()
	}()
	if err := f(labels.EmptyLabels(), nil, 0); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case x := <-me.queue:
			if err := f(x.labels, x.records, x.dropped); err != nil {
				return err
			}
		}
	}
}

// Followers returns how many Follow now, so that a test can wait for them.
func (m *Memory) Followers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.followers)
}

// Streams implements store.EventReader.
func (m *Memory) Streams(_ context.Context, start, end int64, matchers ...*labels.Matcher) ([]store.StreamInfo, error) {
	var out []store.StreamInfo
	for _, s := range m.matching(matchers) {
		info := store.StreamInfo{Labels: s.labels, Chunks: 1}
		for _, r := range within(s.records, start, end) {
			info.Records++
			info.Bytes += size(r)
		}
		if info.Records > 0 {
			out = append(out, info)
		}
	}
	return out, nil
}

func size(r model.Record) int64 {
	n := len(r.Line)
	for _, f := range r.Fields {
		n += len(f.Name) + len(f.Value)
	}
	return int64(n)
}

// matching returns copies of the streams that match, sorted by labels.
func (m *Memory) matching(matchers []*labels.Matcher) []memoryStream {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []memoryStream
	for s := range maps.Values(m.streams) {
		if matchAll(matchers, s.labels) {
			out = append(out, memoryStream{s.labels, s.id, m.visibleLocked(s)})
		}
	}
	slices.SortFunc(out, func(a, b memoryStream) int { return labels.Compare(a.labels, b.labels) })
	return out
}

func matchAll(matchers []*labels.Matcher, l labels.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

func within(records []model.Record, start, end int64) []model.Record {
	from, _ := slices.BinarySearchFunc(records, start, func(r model.Record, t int64) int { return compare(r.Time, t) })
	to, _ := slices.BinarySearchFunc(records, end, func(r model.Record, t int64) int { return compare(r.Time, t) })
	return records[from:max(from, to)]
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Select implements store.EventReader. Its batches are small, so that whoever mixes their order up is found out.
func (m *Memory) Select(ctx context.Context, q store.EventQuery, f func(int, store.EventBatch) error) (store.EventStats, error) {
	var stats store.EventStats
	var batches []*Batch
	for _, s := range m.matching(q.Matchers) {
		records := within(s.records, q.Start, q.End)
		stats.HeadRecords += int64(len(records))
		for chunk := range slices.Chunk(records, 7) {
			b := &Batch{Labels: s.labels, ID: s.id}
			for _, r := range chunk {
				stats.BytesSearched += size(r)
				if passes(q.Filters, r) {
					b.Records = append(b.Records, r)
				}
			}
			if len(b.Records) > 0 {
				batches = append(batches, b)
			}
		}
	}
	stats.RecordsTotal, stats.BytesAll = stats.HeadRecords, stats.BytesSearched
	order(batches, q.Order)
	for _, b := range batches {
		if ctx.Err() != nil {
			return stats, context.Cause(ctx)
		}
		if q.Order != store.AnyOrder && q.Enough != nil && q.Enough(next(b, q.Order)) {
			break
		}
		stats.RecordsYielded += int64(len(b.Records))
		if err := f(0, b); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

func order(batches []*Batch, o store.EventOrder) {
	switch o {
	case store.Forward:
		slices.SortStableFunc(batches, func(a, b *Batch) int { return compare(next(a, o), next(b, o)) })
	case store.Backward:
		slices.SortStableFunc(batches, func(a, b *Batch) int { return compare(next(b, o), next(a, o)) })
	}
}

func next(b *Batch, o store.EventOrder) int64 {
	if o == store.Backward {
		return b.Records[len(b.Records)-1].Time
	}
	return b.Records[0].Time
}

// passes is the meaning of the filters, written as plainly as possible.
func passes(filters []store.RecordFilter, r model.Record) bool {
	for _, f := range filters {
		if recordPasses(f, r) == f.Not {
			return false
		}
	}
	return true
}

func recordPasses(f store.RecordFilter, r model.Record) bool {
	if textPasses(f, r.Line) {
		return true
	}
	return f.AnyField && slices.ContainsFunc(r.Fields, func(x model.Field) bool { return textPasses(f, x.Value) })
}

func textPasses(f store.RecordFilter, text string) bool {
	if f.Match != nil {
		return f.Match(text)
	}
	for _, any := range f.Needles {
		if !slices.ContainsFunc(any, func(n string) bool { return contains(text, n, f.Fold) }) {
			return false
		}
	}
	return true
}

func contains(text, needle string, fold bool) bool {
	if fold {
		return strings.Contains(lowerASCII(text), lowerASCII(needle))
	}
	return strings.Contains(text, needle)
}

func lowerASCII(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}

// Batch is a store.EventBatch over plain records.
type Batch struct {
	Labels  labels.Labels
	ID      uint64
	Records []model.Record
}

// Stream implements store.EventBatch.
func (b *Batch) Stream() labels.Labels { return b.Labels }

// StreamID implements store.EventBatch.
func (b *Batch) StreamID() uint64 { return b.ID }

// Len implements store.EventBatch.
func (b *Batch) Len() int { return len(b.Records) }

// Times implements store.EventBatch.
func (b *Batch) Times() []int64 {
	out := make([]int64, len(b.Records))
	for i, r := range b.Records {
		out[i] = r.Time
	}
	return out
}

// TimeRange implements store.EventBatch.
func (b *Batch) TimeRange() (oldest, newest int64) {
	return b.Records[0].Time, b.Records[len(b.Records)-1].Time
}

// Lines implements store.EventBatch.
func (b *Batch) Lines() []string {
	out := make([]string, len(b.Records))
	for i, r := range b.Records {
		out[i] = r.Line
	}
	return out
}

// LineLengths implements store.EventBatch.
func (b *Batch) LineLengths() []uint32 {
	out := make([]uint32, len(b.Records))
	for i, r := range b.Records {
		out[i] = uint32(len(r.Line)) //nolint:gosec // a line is below 4 GiB
	}
	return out
}

// FieldNames implements store.EventBatch.
func (b *Batch) FieldNames() []string {
	names := map[string]bool{}
	for _, r := range b.Records {
		for _, f := range r.Fields {
			names[f.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Column implements store.EventBatch. It is a Dict, Numbers or Texts by what the values are.
func (b *Batch) Column(name string) store.Column {
	texts := make([]string, len(b.Records))
	missing := make([]uint64, (len(b.Records)+63)/64)
	found := 0
	for i, r := range b.Records {
		at := slices.IndexFunc(r.Fields, func(f model.Field) bool { return f.Name == name })
		if at < 0 {
			missing[i/64] |= 1 << (i % 64)
			continue
		}
		found++
		texts[i] = r.Fields[at].Value
	}
	if found == 0 {
		return store.Column{}
	}
	c := columnOf(texts, missing)
	if found < len(texts) {
		c.Missing = missing
	}
	return c
}

func columnOf(texts []string, missing []uint64) store.Column {
	distinct := slices.Sorted(maps.Keys(setOf(texts)))
	if len(distinct) == 1 {
		return store.Column{Dict: distinct}
	}
	if numbers, ok := numbersOf(texts, missing); ok {
		return store.Column{Numbers: numbers, Text: func(i int) string { return texts[i] }}
	}
	if len(distinct) > 4 {
		return store.Column{Texts: texts}
	}
	codes := make([]uint32, len(texts))
	for i, t := range texts {
		at, _ := slices.BinarySearch(distinct, t)
		codes[i] = uint32(at) //nolint:gosec // at most 4
	}
	return store.Column{Dict: distinct, Codes: codes}
}

func setOf(texts []string) map[string]bool {
	set := map[string]bool{}
	for _, t := range texts {
		set[t] = true
	}
	return set
}

func numbersOf(texts []string, missing []uint64) ([]float64, bool) {
	out := make([]float64, len(texts))
	for i, t := range texts {
		if missing[i/64]>>(i%64)&1 == 1 {
			out[i] = math.NaN()
			continue
		}
		x, err := strconv.ParseFloat(t, 64)
		if err != nil {
			return nil, false
		}
		out[i] = x
	}
	return out, true
}

// Parsed implements store.EventBatch: it never can.
func (b *Batch) Parsed(store.Source) (store.ParsedLines, bool) { return nil, false }

// Tenants are Memories by tenant.
type Tenants struct {
	mu      sync.Mutex
	tenants map[string]*Memory
}

// Tenant returns the tenant's records; they are made when they are new.
func (t *Tenants) Tenant(name string) *Memory {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tenants == nil {
		t.tenants = map[string]*Memory{}
	}
	if t.tenants[name] == nil {
		t.tenants[name] = &Memory{}
	}
	return t.tenants[name]
}

// EventReader implements store.EventTenants.
func (t *Tenants) EventReader(tenant string) (store.EventReader, error) {
	return t.EventWriter(tenant)
}

// EventWriter implements store.EventTenants.
func (t *Tenants) EventWriter(tenant string) (store.Events, error) {
	if err := model.ValidTenant(tenant); err != nil {
		return nil, fmt.Errorf("cannot open the records of a tenant: %w", err)
	}
	return t.Tenant(tenant), nil
}

// Names implements store.EventTenants.
func (t *Tenants) Names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.tenants))
}
