package cassandra

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

var testKey = rowKey{gocql.UUID{1, 2, 3, 15: 9}, 7, 42}

// rowOf makes a row the way the writer does.
func rowOf(watermark uint64, entries ...journalEntry) []byte {
	r := newRow(entries[0].at, 100)
	r.watermark = watermark
	for _, e := range entries {
		r.buf = appendEntry(r.buf, uint64(e.at-r.last), e.data)
		r.last = e.at
		r.count++
	}
	return r.finish(testKey)
}

func pieceOf(at medium.Position, total, off uint64, data []byte) []byte {
	r := newRow(at, len(data))
	r.count, r.fragment, r.total, r.off = 1, true, total, off
	r.buf = append(r.buf, data...)
	return r.finish(testKey)
}

type journalEntry struct {
	at   medium.Position
	data []byte
}

func entriesOf(data []byte) ([]journalEntry, error) {
	r, err := decodeRow(testKey, data)
	if err != nil || r.fragment {
		return nil, err
	}
	var all []journalEntry
	err = r.entries(func(at medium.Position, b []byte) error {
		all = append(all, journalEntry{at, b})
		return nil
	})
	return all, err
}

func TestRow(t *testing.T) {
	f := func(entries ...journalEntry) {
		t.Helper()
		data := rowOf(5, entries...)
		got, err := entriesOf(data)
		same := slices.EqualFunc(got, entries, func(a, b journalEntry) bool { return a.at == b.at && bytes.Equal(a.data, b.data) })
		if err != nil || !same {
			t.Errorf("%v comes back as %v, %v", entries, got, err)
		}
		for i := range len(data) * 8 {
			flipped := bytes.Clone(data)
			flipped[i/8] ^= 1 << (i % 8)
			if _, err := decodeRow(testKey, flipped); !errors.Is(err, medium.ErrCorrupt) {
				t.Fatalf("bit %d of %d can be flipped unseen: %v", i, len(data)*8, err)
			}
		}
		for n := range data {
			if _, err := decodeRow(testKey, data[:n]); !errors.Is(err, medium.ErrCorrupt) {
				t.Fatalf("the row is taken after %d of %d bytes", n, len(data))
			}
		}
	}
	f(journalEntry{1, nil})
	f(journalEntry{1, []byte("a")}, journalEntry{2, nil}, journalEntry{3, []byte("ccc")})
	f(journalEntry{1 << 40, []byte("a")}, journalEntry{1<<40 + 1_000_000, bytes.Repeat([]byte{0}, 300)})
	f(journalEntry{1<<64 - 2, []byte("a")}, journalEntry{1<<64 - 1, nil})
}

func TestRowIsBoundToItsPlace(t *testing.T) {
	data := rowOf(0, journalEntry{1, []byte("a")})
	for _, key := range []rowKey{{gocql.UUID{1}, 7, 42}, {testKey.id, 8, 42}, {testKey.id, 7, 41}} {
		if _, err := decodeRow(key, data); !errors.Is(err, medium.ErrCorrupt) {
			t.Errorf("the row of %v is taken for that of %v: %v", testKey, key, err)
		}
	}
}

func TestFragment(t *testing.T) {
	r, err := decodeRow(testKey, pieceOf(9, 1_000_000, 999_997, []byte("end")))
	if err != nil || !r.fragment || r.first != 9 || r.last != 9 || r.off != 999_997 || string(r.payload) != "end" || !r.lastFragment() {
		t.Errorf("a fragment comes back as %+v, %v", r, err)
	}
	bad := func(total, off uint64, n int) {
		t.Helper()
		if _, err := decodeRow(testKey, pieceOf(9, total, off, make([]byte, n))); !errors.Is(err, medium.ErrCorrupt) {
			t.Errorf("a fragment of %d bytes at %d of %d is taken: %v", n, off, total, err)
		}
	}
	bad(10, 8, 3)
	bad(10, 11, 1)
	bad(10, 1<<64-1, 11)
	bad(medium.MaxEntry+1, 0, 1)
	bad(10, 0, 0)
}

// reseal gives bytes of a fuzzer a checksum that fits, so that what lies behind the checksum is fuzzed too.
func reseal(data []byte, sum func([]byte) uint32) []byte {
	if len(data) < 4 {
		return data
	}
	body := bytes.Clone(data[:len(data)-4])
	return binary.BigEndian.AppendUint32(body, sum(body))
}

func FuzzRow(f *testing.F) {
	f.Add(rowOf(0, journalEntry{1, nil}))
	f.Add(rowOf(300, journalEntry{1, []byte("a")}, journalEntry{500, nil}, journalEntry{501, make([]byte, 200)}))
	f.Add(pieceOf(9, 1_000_000, 999_997, []byte("end")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, b := range [][]byte{data, reseal(data, testKey.checksum)} {
			r, err := decodeRow(testKey, b)
			if err != nil {
				if !errors.Is(err, medium.ErrCorrupt) {
					t.Fatalf("error %v is not damage", err)
				}
				continue
			}
			var last medium.Position
			n := uint64(0)
			err = r.entries(func(at medium.Position, b []byte) error {
				if at <= last || at < r.first || at > r.last || len(b) > len(data) {
					t.Fatalf("entry at %d with %d bytes, after %d, in a row from %d to %d", at, len(b), last, r.first, r.last)
				}
				last = at
				n++
				return nil
			})
			if err == nil && n != r.count {
				t.Fatalf("%d entries of %d", n, r.count)
			}
		}
	})
}
