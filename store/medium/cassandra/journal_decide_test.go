package cassandra

import (
	"fmt"
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// TestDecision looks at what counts of a segment that its writer left behind. A row is written as its number and what it
// has: an entry at the position number+1, or a piece of an entry ("a0" to "a2" are the three pieces of one).
func TestDecision(t *testing.T) {
	f := func(watermark uint64, rows []string, want string) {
		t.Helper()
		d := decision{segment: segment{number: testKey.segment}, watermark: watermark}
		d.seen = watermark - min(watermark, maxFragments)
		for _, r := range rows {
			var seq uint64
			var what string
			if n, _ := fmt.Sscanf(r, "%d:%s", &seq, &what); n == 0 {
				t.Fatalf("bad row %q", r)
			}
			key := rowKey{testKey.id, testKey.segment, seq}
			out := newRow(medium.Position(seq+1), 10)
			out.count = 1
			switch what {
			case "":
				out.buf = appendEntry(out.buf, 0, []byte("x"))
			case "bad":
				key.seq++
				out.buf = appendEntry(out.buf, 0, []byte("x"))
			default:
				off := uint64(what[1] - '0')
				out.first = medium.Position(seq + 1 - off)
				out.last = out.first
				out.fragment, out.total, out.off = true, 3, off
				out.buf = append(out.buf, 'x')
			}
			d.add(storedRow{seq, out.finish(key)}, rowKey{testKey.id, testKey.segment, seq})
		}
		d.end()
		if d.err != nil {
			t.Errorf("error %v", d.err)
		}
		var counted []uint64
		for seq := range d.rows + 3 {
			if d.counts(seq) {
				counted = append(counted, seq)
			}
		}
		if got := fmt.Sprint(counted, " last ", d.last); got != want {
			t.Errorf("watermark %d, rows %q: counts %s, want %s", watermark, rows, got, want)
		}
	}
	f(0, nil, "[] last 0")
	f(0, []string{"0", "1", "2"}, "[0 1 2] last 3")
	f(0, []string{"1", "2", "5"}, "[1 2 5] last 6")     // what is missing was never acknowledged
	f(3, []string{"0", "2", "5"}, "[0 1 2 5] last 6")   // row 1 was: it counts, and is damage
	f(5, []string{"0", "1"}, "[0 1 2 3 4] last 2")      // so were all up to 4
	f(2, []string{"0", "1", "3:bad"}, "[0 1 3] last 2") // may have been: it counts, as damage
	f(0, []string{"0", "1:a0", "2:a1", "3:a2", "4"}, "[0 1 2 3 4] last 5")
	f(0, []string{"0", "1:a0", "2:a1", "4"}, "[0 4] last 5") // without its last piece the entry is not there
	f(0, []string{"0", "1:a0", "2:a1"}, "[0] last 1")
	f(0, []string{"0", "2:a1", "3:a2", "4"}, "[0 4] last 5")
	f(0, []string{"0:a0", "2:a2", "3"}, "[3] last 4")
	f(0, []string{"0:a0", "1:a1", "2:a0", "3:a1", "4:a2"}, "[2 3 4] last 3")
	f(2, []string{"0:a0", "1:a1"}, "[0 1] last 0")           // durable pieces of an entry that was not: Replay leaves them out
	f(2, []string{"0:a0", "1:a1", "2:a2"}, "[0 1 2] last 1") // pieces before the watermark complete it
}

func TestAckedRows(t *testing.T) {
	r := ackedRows{above: map[uint64]struct{}{}}
	f := func(seq, want uint64) {
		t.Helper()
		if r.add(seq); r.below != want {
			t.Errorf("after row %d all below %d are acknowledged, want %d", seq, r.below, want)
		}
	}
	f(0, 1)
	f(2, 1)
	f(4, 1)
	f(1, 3)
	f(3, 5)
	if len(r.above) != 0 {
		t.Errorf("%v is left", r.above)
	}
}
