package rowgroup

import (
	"fmt"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// Scratch is the buffers and decoders of one goroutine that reads groups. Give the same one to call after call.
type Scratch struct {
	zstd    *zstd.Decoder
	huff    huff0.Scratch
	bytes   slab[byte]
	codes   slab[uint32]
	numbers slab[int64]
	floats  slab[float64]
	texts   slab[string]
	words   slab[uint64]
	places  slab[int32]
	loaded  []loaded
	buf     []byte
}

// NewScratch returns a Scratch.
func NewScratch() *Scratch { return &Scratch{} }

// reset takes back everything that was handed out.
func (s *Scratch) reset() {
	s.bytes.reset()
	s.codes.reset()
	s.numbers.reset()
	s.floats.reset()
	s.texts.reset()
	s.words.reset()
	s.places.reset()
}

func (s *Scratch) decoder() (*zstd.Decoder, error) {
	if s.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*MaxLine), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("cannot make a decoder of groups: %w", err)
		}
		s.zstd = z
	}
	return s.zstd, nil
}

// slab hands out pieces of one array, which it takes back all at once. What it hands out holds anything.
type slab[T any] struct {
	buf  []T
	used int
	need int
}

// The most that a slab keeps for the next group, in elements: what a large line took is given back.
const slabKeeps = 4 << 20

func (s *slab[T]) take(n int) []T {
	s.need += n
	if s.used+n > len(s.buf) {
		s.buf = make([]T, max(n, 2*len(s.buf), 4096))
		s.used = 0
	}
	out := s.buf[s.used : s.used+n : s.used+n]
	s.used += n
	return out
}

// zeroed is take, all zero.
func (s *slab[T]) zeroed(n int) []T {
	out := s.take(n)
	clear(out)
	return out
}

func (s *slab[T]) reset() {
	if len(s.buf) > slabKeeps {
		s.buf = nil
	}
	s.used, s.need = 0, 0
}
