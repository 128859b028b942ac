package local

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

func TestBlobFooterRoundTrip(t *testing.T) {
	f := func(want blobFooter) {
		t.Helper()
		tail := appendBlobFooter(nil, want)
		got, err := parseBlobFooter(tail, want.fileSize())
		if err != nil || got != want {
			t.Errorf("parse = %+v, %v; want %+v", got, err, want)
		}
	}
	f(blobFooter{name: "a", chunkSize: blobChunkSize})
	f(blobFooter{name: "a/b", size: 1, chunkSize: blobChunkSize, tableSum: 7})
	f(blobFooter{name: "a", size: medium.MaxBlob, chunkSize: minBlobChunkSize, expires: time.Unix(1, 999_999_999).UTC()})
	f(blobFooter{name: "a", size: blobChunkSize + 1, chunkSize: blobChunkSize, expires: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
	f(blobFooter{name: strings.Repeat(strings.Repeat("x", 127)+"/", 3) + strings.Repeat("x", 128), chunkSize: maxBlobChunkSize, expires: time.Unix(0, 0).UTC()})
}

func TestBlobFooterThatCannotBe(t *testing.T) {
	sound := blobFooter{name: "a", size: 10, chunkSize: blobChunkSize}
	f := func(change func(*blobFooter), want string) {
		t.Helper()
		footer := sound
		change(&footer)
		_, err := parseBlobFooter(appendBlobFooter(nil, footer), 59)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse of %+v: %v, want %q", footer, err, want)
		}
	}
	f(func(b *blobFooter) { b.size = -1 }, "size of -1 bytes")
	f(func(b *blobFooter) { b.size = medium.MaxBlob + 1 }, "size of 17179869185 bytes")
	f(func(b *blobFooter) { b.size = 11 }, "the file has 59 bytes, not the 60")
	f(func(b *blobFooter) { b.chunkSize = 0 }, "chunks of 0 bytes")
	f(func(b *blobFooter) { b.chunkSize = maxBlobChunkSize + 1 }, "chunks of 16777217 bytes")
	f(func(b *blobFooter) { b.name = "" }, "a blob of 0 bytes")
	f(func(b *blobFooter) { b.name = "?" }, "name cannot be")
	tail := appendBlobFooter(nil, sound)
	if _, err := parseBlobFooter(tail, 59); err != nil {
		t.Fatalf("the sound one: %v", err)
	}
	for i := range tail {
		if _, err := parseBlobFooter(tail[i+1:], 59); err == nil {
			t.Errorf("a footer without its first %d bytes was believed", i+1)
		}
		for bit := range 8 {
			bad := bytes.Clone(tail)
			bad[i] ^= 1 << bit
			if _, err := parseBlobFooter(bad, 59); err == nil {
				t.Errorf("bit %d of byte %d flipped: not noticed", bit, i)
			}
		}
	}
}

func TestSizeByFile(t *testing.T) {
	for _, size := range []int64{0, 1, blobChunkSize - 1, blobChunkSize, blobChunkSize + 1, blobChunkSize + 5, 7*blobChunkSize + 3, medium.MaxBlob} {
		f := blobFooter{name: "a/b", size: size, chunkSize: blobChunkSize}
		if got := sizeByFile(f.fileSize(), f.name); got != size {
			t.Errorf("sizeByFile(%d) = %d, want %d", f.fileSize(), got, size)
		}
	}
	if got := sizeByFile(3, "a"); got != 0 {
		t.Errorf("of a file of 3 bytes: %d, want 0", got)
	}
}

func FuzzBlobFooter(f *testing.F) {
	for _, footer := range []blobFooter{
		{name: "a", size: 10, chunkSize: blobChunkSize},
		{name: "tenant/block/01J", size: medium.MaxBlob, chunkSize: blobChunkSize, expires: time.Unix(1_795_000_000, 5).UTC(), tableSum: 1},
		{name: "a/b", chunkSize: minBlobChunkSize},
	} {
		f.Add(appendBlobFooter(nil, footer), footer.fileSize())
	}
	f.Fuzz(func(t *testing.T, tail []byte, fileSize int64) {
		if len(tail) > maxBlobTail {
			tail = tail[len(tail)-maxBlobTail:]
		}
		tryBlobFooter(t, tail, fileSize)
		tryBlobFooter(t, withBlobSum(tail), fileSize)
	})
}

// withBlobSum returns tail with the checksum that belongs to it, so that the checks behind the checksum are tried too.
func withBlobSum(tail []byte) []byte {
	tail = bytes.Clone(tail)
	if len(tail) < blobFooterSize {
		return tail
	}
	n := int(binary.LittleEndian.Uint32(tail[len(tail)-blobFooterSize+32:]))
	if n < 0 || n > len(tail)-blobFooterSize {
		return tail
	}
	sum := crc32c(tail[len(tail)-blobFooterSize-n : len(tail)-4])
	binary.LittleEndian.PutUint32(tail[len(tail)-4:], sum)
	return tail
}

func tryBlobFooter(t *testing.T, tail []byte, fileSize int64) {
	t.Helper()
	footer, err := parseBlobFooter(tail, fileSize)
	if err != nil {
		return
	}
	if footer.size > fileSize || footer.chunks()*4 > fileSize {
		t.Fatalf("%+v of a file of %d bytes", footer, fileSize)
	}
	if again, err := parseBlobFooter(appendBlobFooter(nil, footer), fileSize); err != nil || again != footer {
		t.Fatalf("%+v is written and read as %+v, %v", footer, again, err)
	}
}
