package cassandra

import (
	"bytes"
	"errors"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

var testInfos = []blobInfo{
	{put: gocql.UUID{1}, partSize: 1},
	{put: gocql.UUID{2, 15: 3}, size: medium.MaxBlob, partSize: blobPartSize},
	{put: gocql.UUID{3}, size: 700_000, partSize: maxPartSize, expires: time.Unix(1_800_000_000, 5), timed: true},
	{put: gocql.UUID{4}, size: 1, partSize: 7, expires: time.Unix(-1, 999_999_999)},
}

func TestBlobInfo(t *testing.T) {
	for _, want := range testInfos {
		data := want.encode("a/b")
		got, err := decodeInfo("a/b", data)
		if err != nil || !got.expires.Equal(want.expires) {
			t.Errorf("%+v comes back as %+v, %v", want, got, err)
		}
		if got.expires = want.expires; got != want {
			t.Errorf("%+v comes back as %+v", want, got)
		}
		for i := range len(data) * 8 {
			flipped := bytes.Clone(data)
			flipped[i/8] ^= 1 << (i % 8)
			if _, err := decodeInfo("a/b", flipped); !errors.Is(err, medium.ErrCorrupt) {
				t.Fatalf("bit %d can be flipped unseen: %v", i, err)
			}
		}
		if _, err := decodeInfo("a/c", data); !errors.Is(err, medium.ErrCorrupt) {
			t.Errorf("the row of one blob is taken for another's: %v", err)
		}
	}
}

func TestParts(t *testing.T) {
	f := func(size, partSize int64, parts, chunks, last int) {
		t.Helper()
		i := blobInfo{size: size, partSize: partSize}
		if i.parts() != parts || i.chunks() != chunks || parts > 0 && i.partBytes(parts-1) != last {
			t.Errorf("%d bytes in parts of %d: %d parts in %d chunks, want %d in %d", size, partSize, i.parts(), i.chunks(), parts, chunks)
		}
	}
	f(0, 10, 0, 0, 0)
	f(1, 10, 1, 1, 1)
	f(10, 10, 1, 1, 10)
	f(11, 10, 2, 1, 1)
	f(640, 10, 64, 1, 10)
	f(641, 10, 65, 2, 1)
	f(medium.MaxBlob, blobPartSize, 32768, 512, blobPartSize)
}

func partOf(put gocql.UUID, part int, content []byte) []byte {
	return encodePart(put, part, append([]byte{0}, content...))
}

func TestPart(t *testing.T) {
	put := gocql.UUID{8}
	data := partOf(put, 3, []byte("content"))
	got, err := decodePart(put, 3, data, 7)
	if err != nil || string(got) != "content" || cap(got) != 7 {
		t.Errorf("a part comes back as %q with room for %d, %v", got, cap(got), err)
	}
	bad := func(what string, put gocql.UUID, part int, data []byte, want int) {
		t.Helper()
		if _, err := decodePart(put, part, data, want); !errors.Is(err, medium.ErrCorrupt) {
			t.Errorf("a part %s is taken: %v", what, err)
		}
	}
	bad("of another put", gocql.UUID{9}, 3, data, 7)
	bad("of another place", put, 4, data, 7)
	bad("of another length", put, 3, data, 8)
	for i := range len(data) * 8 {
		flipped := bytes.Clone(data)
		flipped[i/8] ^= 1 << (i % 8)
		bad("with a flipped bit", put, 3, flipped, 7)
	}
	for n := range data {
		bad("that is cut", put, 3, data[:n], 7)
	}
}

func FuzzBlobInfo(f *testing.F) {
	for _, i := range testInfos {
		f.Add("a/b", i.encode("a/b"))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		for _, b := range [][]byte{data, reseal(data, func(b []byte) uint32 { return infoChecksum(name, b) })} {
			i, err := decodeInfo(name, b)
			if err != nil {
				if !errors.Is(err, medium.ErrCorrupt) {
					t.Fatalf("error %v is not damage", err)
				}
				continue
			}
			if i.size < 0 || i.size > medium.MaxBlob || i.parts() < 0 || i.partSize < 1 || i.partSize > maxPartSize {
				t.Fatalf("%+v is taken", i)
			}
		}
	})
}

func FuzzPart(f *testing.F) {
	put := gocql.UUID{8}
	f.Add(partOf(put, 3, []byte("content")), 7)
	f.Add(partOf(put, 3, nil), 0)
	f.Fuzz(func(t *testing.T, data []byte, want int) {
		for _, b := range [][]byte{data, reseal(data, func(b []byte) uint32 { return partChecksum(put, 3, b) })} {
			part, err := decodePart(put, 3, b, want)
			if err == nil && len(part) != want || err != nil && !errors.Is(err, medium.ErrCorrupt) {
				t.Fatalf("%d bytes, error %v", len(part), err)
			}
		}
	})
}
