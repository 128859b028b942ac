package cassandra

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

var testStates = []journalState{
	{next: 1},
	{next: 5, nextSegment: 2, segments: []segment{{number: 1, state: segmentOpen, last: 4}}},
	{next: 1 << 41, nextSegment: 2000, segments: []segment{
		{number: 3, state: segmentSealed, rows: 10, last: 400, bytes: 1 << 30},
		{number: 1000, state: segmentSealed, rows: 50, last: 1 << 40, abandoned: []numbers{{0, 1}, {7, 12}, {49, 50}}},
		{number: 1001, state: segmentClosing, last: 1 << 40},
	}, leaving: []uint64{0, 2, 1500}},
}

func TestState(t *testing.T) {
	id := gocql.UUID{5}
	for _, want := range testStates {
		data := want.encode(id)
		got, err := decodeState(id, data)
		if err != nil || got.next != want.next || got.nextSegment != want.nextSegment || len(got.segments) != len(want.segments) ||
			!reflect.DeepEqual(got.leaving, want.leaving) {
			t.Fatalf("%+v comes back as %+v, %v", want, got, err)
		}
		for i := range got.segments {
			if !reflect.DeepEqual(got.segments[i], want.segments[i]) {
				t.Errorf("segment %+v comes back as %+v", want.segments[i], got.segments[i])
			}
		}
		for i := range len(data) * 8 {
			flipped := bytes.Clone(data)
			flipped[i/8] ^= 1 << (i % 8)
			if _, err := decodeState(id, flipped); !errors.Is(err, medium.ErrCorrupt) {
				t.Fatalf("bit %d can be flipped unseen: %v", i, err)
			}
		}
		if _, err := decodeState(gocql.UUID{6}, data); !errors.Is(err, medium.ErrCorrupt) {
			t.Errorf("the state of one journal is taken for another's: %v", err)
		}
	}
}

func TestSegmentCounts(t *testing.T) {
	s := segment{rows: 20, abandoned: []numbers{{0, 2}, {7, 12}}}
	for seq := range uint64(25) {
		want := seq >= 2 && seq < 7 || seq >= 12 && seq < 20
		if s.counts(seq) != want {
			t.Errorf("counts(%d) = %v", seq, !want)
		}
	}
}

func TestTruncateState(t *testing.T) {
	f := func(before medium.Position, want ...uint64) {
		t.Helper()
		s := journalState{next: 100, nextSegment: 5, segments: []segment{
			{number: 1, state: segmentSealed, last: 10}, {number: 2, state: segmentSealed, last: 20}, {number: 3, state: segmentClosing, last: 20}, {number: 4, last: 30},
		}}
		if got := s.truncate(before); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(s.leaving, want) || len(s.segments) != 4-len(want) || s.next != 100 {
			t.Errorf("truncate(%d) lets go of %v and leaves %+v", before, got, s)
		}
	}
	f(0)
	f(10)
	f(11, 1)
	f(20, 1)
	f(21, 1, 2)
	f(1000, 1, 2)
}

func FuzzState(f *testing.F) {
	id := gocql.UUID{5}
	for _, s := range testStates {
		f.Add(s.encode(id))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, b := range [][]byte{data, reseal(data, func(b []byte) uint32 { return stateChecksum(id, b) })} {
			s, err := decodeState(id, b)
			if err != nil {
				if !errors.Is(err, medium.ErrCorrupt) {
					t.Fatalf("error %v is not damage", err)
				}
				continue
			}
			again, err := decodeState(id, s.encode(id))
			if err != nil || again.next != s.next || len(again.segments) != len(s.segments) {
				t.Fatalf("%+v comes back as %+v, %v", s, again, err)
			}
		}
	})
}
