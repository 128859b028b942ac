package cassandra

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// The states of a segment.
const (
	// segmentOpen is being written; which of its last rows count is not decided.
	segmentOpen = iota
	// segmentClosing gets no more acknowledged rows; whoever comes first decides which rows count, by looking at what is there.
	segmentClosing
	// segmentSealed says which rows count, for ever.
	segmentSealed
)

const (
	stateVersion = 1
	maxSegments  = 100_000 // 6 TiB; so much is an error of whoever should truncate
	// maxAbandoned bounds the undecided rows of a segment: those in flight when a writer died, and what lies between them.
	maxAbandoned = 4096
)

// segment is one partition of journal_rows.
type segment struct {
	number    uint64
	state     int
	rows      uint64    // sealed: rows below this number count, but the abandoned ones
	last      uint64    // sealed: position of the last entry that counts; else the least position minus one
	bytes     uint64    // sealed: size of its rows, as far as the one who sealed it knew
	abandoned []numbers // sealed: ordered ranges
}

// numbers is the range of numbers from from to below to.
type numbers struct{ from, to uint64 }

func (s *segment) counts(seq uint64) bool {
	return seq < s.rows && !slices.ContainsFunc(s.abandoned, func(r numbers) bool { return r.from <= seq && seq < r.to })
}

// journalState is what a journal's row says of its segments.
//
//	1 byte   version, 1
//	uvarint  least position of the next entry
//	uvarint  number of the next segment
//	uvarint  number of segments, then each of them in order:
//	   uvarint  its number minus that of the one before (the first: its number)
//	   1 byte   state: 0 open, 1 closing, 2 sealed
//	   uvarint  last position
//	   sealed:  uvarint rows, uvarint bytes, uvarint number of abandoned ranges; each: uvarint from minus the end of the one before, uvarint length
//	uvarint  number of segments that are let go of, whose rows may still be there; then their numbers, each minus the one before
//	4 bytes  CRC32C of the journal's id and all of the above
type journalState struct {
	next        uint64
	nextSegment uint64
	segments    []segment
	leaving     []uint64
}

func (s *journalState) encode(id gocql.UUID) []byte {
	b := []byte{stateVersion}
	b = binary.AppendUvarint(b, s.next)
	b = binary.AppendUvarint(b, s.nextSegment)
	b = binary.AppendUvarint(b, uint64(len(s.segments)))
	var before uint64
	for i := range s.segments {
		b = s.segments[i].append(b, before)
		before = s.segments[i].number
	}
	b = binary.AppendUvarint(b, uint64(len(s.leaving)))
	before = 0
	for _, n := range s.leaving {
		b = binary.AppendUvarint(b, n-before)
		before = n
	}
	return binary.BigEndian.AppendUint32(b, stateChecksum(id, b))
}

func stateChecksum(id gocql.UUID, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, b)
}

func (s *segment) append(b []byte, before uint64) []byte {
	b = binary.AppendUvarint(b, s.number-before)
	b = append(b, byte(s.state))
	b = binary.AppendUvarint(b, s.last)
	if s.state != segmentSealed {
		return b
	}
	b = binary.AppendUvarint(b, s.rows)
	b = binary.AppendUvarint(b, s.bytes)
	b = binary.AppendUvarint(b, uint64(len(s.abandoned)))
	var end uint64
	for _, r := range s.abandoned {
		b = binary.AppendUvarint(b, r.from-end)
		b = binary.AppendUvarint(b, r.to-r.from)
		end = r.to
	}
	return b
}

func decodeState(id gocql.UUID, data []byte) (journalState, error) {
	var s journalState
	if len(data) < 1+4+4 {
		return s, corrupt("the state has %d bytes, which is too few", len(data))
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if got := stateChecksum(id, body); got != sum {
		return s, corrupt("the state's checksum is %08x, its bytes have %08x", sum, got)
	}
	if body[0] != stateVersion {
		return s, corrupt("the state has version %d of the format, this program reads %d", body[0], stateVersion)
	}
	d := decoder{b: body[1:]}
	s.next, s.nextSegment = d.uvarint(), d.uvarint()
	n := d.uvarint()
	if n > maxSegments || n > uint64(len(d.b)/3) { // each has three bytes at least
		return s, corrupt("the state claims %d segments", n)
	}
	s.segments = make([]segment, 0, n)
	var before uint64
	for range n {
		seg := d.segment(before)
		before = seg.number
		s.segments = append(s.segments, seg)
	}
	n = d.uvarint()
	if n > uint64(len(d.b)) {
		return s, corrupt("the state claims %d segments that are let go of", n)
	}
	before = 0
	for range n {
		before += d.uvarint()
		s.leaving = append(s.leaving, before)
	}
	if d.bad || len(d.b) > 0 || before >= s.nextSegment && n > 0 || !s.ordered() {
		return s, corrupt("the state makes no sense")
	}
	return s, nil
}

func (d *decoder) segment(before uint64) segment {
	s := segment{number: before + d.uvarint(), state: int(d.byte()), last: d.uvarint()}
	if s.state > segmentSealed {
		d.bad = true
	}
	if s.state != segmentSealed {
		return s
	}
	s.rows, s.bytes = d.uvarint(), d.uvarint()
	n := d.uvarint()
	if n > maxAbandoned || n > uint64(len(d.b)/2) {
		d.bad = true
		return s
	}
	var end uint64
	for range n {
		r := numbers{from: end + d.uvarint()}
		r.to = r.from + d.uvarint()
		if r.from < end || r.to <= r.from || r.to > s.rows {
			d.bad = true
		}
		end = r.to
		s.abandoned = append(s.abandoned, r)
	}
	return s
}

// ordered says whether segments are in order and below the next ones.
func (s *journalState) ordered() bool {
	for i := range s.segments {
		seg := &s.segments[i]
		if seg.number >= s.nextSegment || seg.last >= s.next || i > 0 && seg.number <= s.segments[i-1].number {
			return false
		}
	}
	return s.next > 0
}

func (s *journalState) find(number uint64) *segment {
	for i := range s.segments {
		if s.segments[i].number == number {
			return &s.segments[i]
		}
	}
	return nil
}

func (s *journalState) clone() journalState {
	c := *s
	c.segments = slices.Clone(s.segments)
	c.leaving = slices.Clone(s.leaving)
	return c
}

// begin adds a segment to write to.
func (s *journalState) begin() {
	s.segments = append(s.segments, segment{number: s.nextSegment, state: segmentOpen, last: s.next - 1})
	s.nextSegment++
}

// seal puts the decision about a segment into the state; one without entries is let go of at once.
func (s *journalState) seal(sealed segment) {
	i := slices.IndexFunc(s.segments, func(x segment) bool { return x.number == sealed.number })
	if sealed.rows == 0 {
		s.segments = slices.Delete(s.segments, i, i+1)
		s.leave(sealed.number)
		return
	}
	s.segments[i] = sealed
	s.next = max(s.next, sealed.last+1)
}

func (s *journalState) leave(number uint64) {
	i, found := slices.BinarySearch(s.leaving, number)
	if !found {
		s.leaving = slices.Insert(s.leaving, i, number)
	}
}

// truncate lets go of the sealed segments that have nothing at or above a position, and says which ones.
func (s *journalState) truncate(before medium.Position) []uint64 {
	var gone []uint64
	s.segments = slices.DeleteFunc(s.segments, func(x segment) bool {
		if x.state != segmentSealed || medium.Position(x.last) >= before {
			return false
		}
		gone = append(gone, x.number)
		s.leave(x.number)
		return true
	})
	return gone
}
