package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const testMark = 0x04030201

// testFile builds a file of records: each entry is its own group, acknowledged when the next one is written.
type testFile struct {
	bytes   []byte
	offsets []int64 // of the records
	next    uint64
}

func newTestFile(first uint64) *testFile {
	h := fileHeader{kind: journalFrames, mark: testMark, first: first, created: 1795469650000}
	return &testFile{bytes: appendFileHeader(nil, h), next: first}
}

// add appends a record; unsynced is how many bytes before it are not known to be on the disk.
func (f *testFile) add(unsynced uint32, payload string) *testFile {
	f.offsets = append(f.offsets, int64(len(f.bytes)))
	f.bytes = appendRecord(f.bytes, recordHeader{mark: testMark, kind: entryRecord, sequence: f.next, unsynced: unsynced}, []byte(payload))
	f.next++
	return f
}

func (f *testFile) close() *testFile {
	f.offsets = append(f.offsets, int64(len(f.bytes)))
	f.bytes = appendRecord(f.bytes, recordHeader{mark: testMark, kind: closeRecord, sequence: f.next}, nil)
	return f
}

func (f *testFile) zeros(n int) *testFile {
	f.bytes = append(f.bytes, make([]byte, n)...)
	return f
}

// scanned is what a scan of bytes gave, as text: one item a record, a damaged stretch, or a torn one.
func scanned(t testing.TB, b []byte, counts int64) (string, scanResult) {
	t.Helper()
	items := []string{}
	res, err := scanFile(context.Background(), bytes.NewReader(b), scanOptions{kind: journalFrames, first: 1, size: int64(len(b)), counts: counts},
		func(r record) error {
			items = append(items, fmt.Sprintf("%d=%s", r.sequence, r.payload))
			return nil
		},
		func(s stretch) error {
			items = append(items, fmt.Sprintf("damage[%d:%d]%d..%d", s.from, s.to, s.after, s.before))
			return nil
		})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	if res.torn.bytes() > 0 {
		items = append(items, fmt.Sprintf("torn[%d:%d]", res.torn.from, res.torn.to))
	}
	if res.closed {
		items = append(items, "closed")
	}
	return strings.Join(items, " "), res
}

func TestScan(t *testing.T) {
	f := func(b []byte, want string) {
		t.Helper()
		if got, _ := scanned(t, b, 0); got != want {
			t.Errorf("scan = %q, want %q", got, want)
		}
	}
	three := func() *testFile { return newTestFile(1).add(0, "aaaa").add(0, "bbbb").add(0, "cccc") }
	flip := func(f *testFile, at int64) []byte {
		b := slices.Clone(f.bytes)
		b[at] ^= 0x10
		return b
	}
	f(newTestFile(1).bytes, "")
	f(three().bytes, "1=aaaa 2=bbbb 3=cccc")
	f(three().zeros(5000).bytes, "1=aaaa 2=bbbb 3=cccc")
	f(three().close().bytes, "1=aaaa 2=bbbb 3=cccc closed")
	f(three().add(0, "").bytes, "1=aaaa 2=bbbb 3=cccc 4=")

	// Damage in the middle: a payload, a length, a mark.
	f(flip(three(), 96+28+1), "1=aaaa damage[96:128]1..3 3=cccc")
	f(flip(three(), 96+4), "1=aaaa damage[96:128]1..3 3=cccc")
	f(flip(three(), 96), "1=aaaa damage[96:128]1..3 3=cccc")
	// A flip in the last record, without and with a closing record.
	f(flip(three(), 128+28+1), "1=aaaa 2=bbbb damage[128:160]2..0")
	f(flip(three().close(), 128+28+1), "1=aaaa 2=bbbb damage[128:160]2..4 closed")
	// The same where room is set aside behind it: a flip does not look like an interrupted write.
	f(flip(three().zeros(5000), 128+28+1), "1=aaaa 2=bbbb damage[128:160]2..0")
	f(flip(three().zeros(5000), 128+4), "1=aaaa 2=bbbb damage[128:160]2..0")
	f(flip(three().zeros(5000), 128), "1=aaaa 2=bbbb damage[128:160]2..0")
	// The file's header.
	f(flip(three(), 12), "damage[0:64]0..0 1=aaaa 2=bbbb 3=cccc")
	b := flip(three(), 70)
	b[3] ^= 1
	f(b, "damage[0:64]0..0 damage[64:96]0..2 2=bbbb 3=cccc")

	// Torn ends.
	f(three().bytes[:159], "1=aaaa 2=bbbb torn[128:159]")
	f(three().bytes[:129], "1=aaaa 2=bbbb torn[128:129]")
	torn := three()
	torn.bytes = torn.bytes[:150]
	f(torn.zeros(4000).bytes, "1=aaaa 2=bbbb torn[128:150]")

	// A group of which the middle never reached the disk: nobody has acknowledged what is behind it.
	big := strings.Repeat("x", 2000)
	hole := func(f *testFile) *testFile {
		clear(f.bytes[512:1024])
		return f
	}
	group := func() *testFile { return newTestFile(1).add(0, "a").add(0, big).add(2028, "c") }
	f(hole(group()).bytes, "1=a torn[93:2150]")
	// The same hole, when a later record says that it was on the disk.
	f(hole(group().add(0, "d")).bytes, "1=a damage[93:2121]1..3 3=c 4=d")
	f(hole(group().close()).bytes, "1=a damage[93:2121]1..3 3=c closed")
}

func TestScanOfWhatCounts(t *testing.T) {
	f := func(b []byte, counts int64, want string) {
		t.Helper()
		if got, _ := scanned(t, b, counts); got != want {
			t.Errorf("scan = %q, want %q", got, want)
		}
	}
	b := newTestFile(1).add(0, "aaaa").add(0, "bbbb").bytes
	f(b, 128, "1=aaaa 2=bbbb")
	f(b, 96, "1=aaaa")
	f(b[:100], 128, "1=aaaa damage[96:100]1..0 damage[100:128]1..0")
	f(b[:96], 128, "1=aaaa damage[96:128]1..0")
	zeroed := slices.Clone(b)
	clear(zeroed[96:])
	f(zeroed, 128, "1=aaaa damage[96:128]1..0")
}

// Bytes that look like records, but are not of this file or of this place, are none.
func TestScanSkipsForeignRecords(t *testing.T) {
	other := appendRecord(nil, recordHeader{mark: testMark + 1, kind: entryRecord, sequence: 9}, []byte("stale"))
	older := appendRecord(nil, recordHeader{mark: testMark, kind: entryRecord, sequence: 1}, []byte("older"))
	f := newTestFile(1).add(0, "a").add(0, "b")
	f.bytes = append(append(f.bytes, other...), older...)
	f.add(0, "c")
	if got, want := first(scanned(t, f.bytes, 0)), "1=a 2=b damage[122:188]2..3 3=c"; got != want {
		t.Errorf("scan = %q, want %q", got, want)
	}
	// Inside the payload of a record that is damaged itself, too.
	f = newTestFile(1).add(0, "a").add(0, string(other)).add(0, "c").close()
	f.bytes[f.offsets[1]] ^= 1
	if got, want := first(scanned(t, f.bytes, 0)), "1=a damage[93:154]1..3 3=c closed"; got != want {
		t.Errorf("scan = %q, want %q", got, want)
	}
}

func first[A, B any](a A, _ B) A { return a }

// Whatever was in a file, the next sequence number is above it.
func TestScanNextIsAboveAllThatWasLost(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		f := newTestFile(1 + rnd.Uint64N(3))
		for range rnd.IntN(8) {
			f.add(uint32(rnd.IntN(100)), strings.Repeat("y", rnd.IntN(60)))
		}
		if rnd.IntN(2) == 0 {
			f.close()
		}
		used := f.next
		f.zeros(rnd.IntN(600))
		for range rnd.IntN(4) {
			i := fileHeaderSize + rnd.IntN(max(1, len(f.bytes)-fileHeaderSize))
			j := min(len(f.bytes), i+1+rnd.IntN(40))
			for ; i < j; i++ {
				f.bytes[i] ^= byte(1 + rnd.IntN(255))
			}
		}
		if _, res := scanned(t, f.bytes, 0); res.next < used {
			t.Fatalf("next is %d, and %d was used in %x", res.next, used-1, f.bytes)
		}
	}
}

func TestFileHeaderErrors(t *testing.T) {
	f := func(change func(b []byte), want error, text string) {
		t.Helper()
		b := newTestFile(1).bytes
		change(b)
		_, err := parseFileHeader(b, journalFrames)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("parseFileHeader = %v, want %v with %q", err, want, text)
		}
	}
	reseal := func(b []byte) { binary.LittleEndian.PutUint32(b[60:], crc32c(b[:60])) }
	f(func(b []byte) { b[0] = 'x' }, errFrameHeader, "does not begin")
	f(func(b []byte) { b[20] = 1 }, errFrameHeader, "checksum")
	f(func(b []byte) { b[8] = 2; reseal(b) }, errFrameVersion, "version 2, this program reads 1 to 1")
	f(func(b []byte) { b[8] = 0; reseal(b) }, errFrameVersion, "version 0")
	f(func(b []byte) { b[10] = 2; reseal(b) }, errFrameVersion, "a log of documents, and a journal's segment is expected")
	f(func(b []byte) { b[16] = 0; reseal(b) }, errFrameHeader, "do not fit together")
	if _, err := parseFileHeader(make([]byte, 63), journalFrames); !errors.Is(err, errFrameHeader) {
		t.Errorf("short header: %v", err)
	}
}

func TestMarksHaveNoZeroByte(t *testing.T) {
	for range 2000 {
		var b [4]byte
		if binary.LittleEndian.PutUint32(b[:], newMark()); slices.Contains(b[:], 0) {
			t.Fatalf("mark %x", b)
		}
	}
}

// badSectors is a disk that cannot read some of its pages.
type badSectors struct {
	*bytes.Reader
	from, to int64
}

func (d badSectors) ReadAt(b []byte, off int64) (int, error) {
	if off < d.to && d.from < off+int64(len(b)) {
		return 0, fmt.Errorf("read: %w", syscall.EIO)
	}
	return d.Reader.ReadAt(b, off)
}

func TestScanGoesAroundBadSectors(t *testing.T) {
	f := newTestFile(1)
	for i := range 20 {
		f.add(0, strings.Repeat(string(rune('a'+i)), 1000))
	}
	f.close()
	disk := badSectors{bytes.NewReader(f.bytes), 9000, 9001} // the page from 8192 to 12288: records 8 to 12
	var got, lost []uint64
	var problem string
	_, err := scanFile(context.Background(), disk, scanOptions{kind: journalFrames, first: 1, size: int64(len(f.bytes))},
		func(r record) error { got = append(got, r.sequence); return nil },
		func(s stretch) error { lost = append(lost, s.after, s.before); problem = s.problem; return nil })
	if err != nil || fmt.Sprint(got) != "[1 2 3 4 5 6 7 13 14 15 16 17 18 19 20]" || fmt.Sprint(lost) != "[7 13]" {
		t.Errorf("read %v, lost %v, %v", got, lost, err)
	}
	if problem != "the disk cannot read it" {
		t.Errorf("problem %q", problem)
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	cancel(why)
	b := newTestFile(1).add(0, "a").bytes
	_, err := scanFile(ctx, bytes.NewReader(b), scanOptions{kind: journalFrames, size: int64(len(b))}, nil, nil)
	if !errors.Is(err, why) {
		t.Errorf("err = %v", err)
	}
}

// Every single flip in a file whose writer was killed is found and named, also in the last record.
func TestScanEveryFlipWithoutAnOrderlyEnd(t *testing.T) {
	f := newTestFile(1)
	for i := range 4 {
		f.add(0, strings.Repeat(string(rune('a'+i)), 40*i+1))
	}
	f.add(uint32(len(f.bytes))-uint32(f.offsets[3]), "eee").add(uint32(len(f.bytes))-uint32(f.offsets[3])+31, strings.Repeat("f", 700))
	end := len(f.bytes)
	f.zeros(3000)
	want, _ := scanned(t, f.bytes, 0)
	entries := strings.Fields(want)
	for at := range end {
		for bit := range 8 {
			b := slices.Clone(f.bytes)
			b[at] ^= 1 << bit
			got, _ := scanned(t, b, 0)
			checkFlip(t, f, entries, got, at)
			if !strings.Contains(got, "damage[") {
				t.Fatalf("flip at %d is not reported as damage: %.200q", at, got)
			}
		}
	}
}

// Every single flip in a file that was closed is found and named, or changes nothing that is read; all other entries are read.
func TestScanEveryFlip(t *testing.T) {
	f := newTestFile(1)
	for i := range 6 {
		f.add(0, strings.Repeat(string(rune('a'+i)), 40*i))
	}
	f.add(68, "").close()
	want, _ := scanned(t, f.bytes, 0)
	entries := strings.Fields(strings.TrimSuffix(want, " closed"))
	for at := range f.bytes {
		for bit := range 8 {
			b := slices.Clone(f.bytes)
			b[at] ^= 1 << bit
			got, ok := scanFlipped(t, b)
			if !ok {
				continue // refused as a whole, with an error that names the version or kind
			}
			checkFlip(t, f, entries, got, at)
		}
	}
}

func scanFlipped(t *testing.T, b []byte) (string, bool) {
	t.Helper()
	if _, err := parseFileHeader(b, journalFrames); errors.Is(err, errFrameVersion) {
		t.Fatalf("a flip passes the header's checksum: %v", err)
	}
	s, _ := scanned(t, b, 0)
	return s, true
}

// checkFlip: got has all entries but the one that the flip at this offset lies in, and names the damage.
func checkFlip(t *testing.T, f *testFile, entries []string, got string, at int) {
	t.Helper()
	hit := -1
	for i, off := range f.offsets {
		if int64(at) >= off {
			hit = i
		}
	}
	for i, e := range entries {
		if has := slices.Contains(strings.Fields(got), e); has != (i != hit) {
			t.Fatalf("flip at %d, in record %d: entry %d is read: %v; got %.200q", at, hit, i, has, got)
		}
	}
	if !strings.Contains(got, "damage[") && !strings.Contains(got, "torn[") {
		t.Fatalf("flip at %d is not reported: %.200q", at, got)
	}
}

func FuzzScan(f *testing.F) {
	f.Add(newTestFile(1).bytes, int64(0))
	f.Add(newTestFile(1).add(0, "a").add(29, strings.Repeat("b", 700)).close().bytes, int64(0))
	f.Add(newTestFile(1).add(0, "a").add(29, strings.Repeat("b", 700)).zeros(600).bytes, int64(93))
	f.Add(newTestFile(7).add(0, "a").add(0, "b").add(0, "c").bytes[:140], int64(0))
	headless := newTestFile(1).add(0, "a").add(0, "b").bytes
	headless[1] = 0
	f.Add(headless, int64(2000))
	f.Fuzz(func(t *testing.T, b []byte, counts int64) {
		at, last := int64(0), uint64(0)
		res, err := scanFile(context.Background(), bytes.NewReader(b), scanOptions{kind: journalFrames, first: 1, size: int64(len(b)), counts: counts},
			func(r record) error {
				if r.offset < at || r.sequence <= last || len(r.payload) != r.length || crc32c(r.payload) != r.payloadCRC {
					t.Fatalf("record %+v after offset %d, sequence %d", r.recordHeader, at, last)
				}
				at, last = r.offset+r.size(), r.sequence
				return nil
			},
			func(s stretch) error {
				if s.from < at || s.to < s.from || s.problem == "" {
					t.Fatalf("damage %+v after offset %d", s, at)
				}
				at = s.to
				return nil
			})
		if err != nil {
			if !errors.Is(err, errFrameVersion) {
				t.Fatal(err)
			}
			return
		}
		if res.end > int64(len(b)) || last >= res.next && last != 0 || res.torn.bytes() > 0 && res.torn.from < at {
			t.Fatalf("result %+v, last %d, at %d", res, last, at)
		}
	})
}
