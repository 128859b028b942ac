package zabbix

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A packet, little endian (Zabbix' manual, appendix "Header"):
//
//	"ZBXD"
//	uint8  flags: 1 always, 2 compressed with zlib, 4 large
//	uint32 length of the data, as it is sent       both uint64 when large
//	uint32 length before compression, or 0
//	data
const (
	magic          = "ZBXD"
	flagAlways     = 1
	flagCompressed = 2
	flagLarge      = 4
)

// errTooLarge is what readFrame answers to a length beyond its limit.
var errTooLarge = errors.New("the packet is too large")

// appendFrame adds a packet to dst.
func appendFrame(dst, data []byte) []byte {
	dst = append(dst, magic...)
	dst = append(dst, flagAlways)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data))) //nolint:gosec // what we send is small
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, data...)
}

// appendCompressed adds a compressed packet to dst.
func appendCompressed(dst, data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(data) // into memory
	_ = w.Close()
	dst = append(dst, magic...)
	dst = append(dst, flagAlways|flagCompressed)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b.Len()))   //nolint:gosec // what we send is small
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data))) //nolint:gosec // what we send is small
	return append(dst, b.Bytes()...)
}

// readFrame reads one packet, of at most limit bytes before and after it is unpacked. Memory is taken as bytes come, not as they
// are announced. plain answers for what does not begin with "ZBXD"; nil when that is an error.
func readFrame(r io.Reader, limit int64, plain func(start []byte) ([]byte, error)) ([]byte, error) {
	var head [21]byte
	for n := range len(magic) {
		if _, err := io.ReadFull(r, head[n:n+1]); err != nil {
			if n > 0 && plain != nil {
				return plain(head[:n])
			}
			if n > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if head[n] == magic[n] {
			continue
		}
		if plain == nil {
			return nil, errors.New("the packet does not begin with ZBXD")
		}
		return plain(head[:n+1])
	}
	if _, err := io.ReadFull(r, head[4:5]); err != nil {
		return nil, noEOF(err)
	}
	flags := head[4]
	if flags&flagAlways == 0 || flags > 7 {
		return nil, fmt.Errorf("the packet has the flags %#x, which are unknown", flags)
	}
	size := 13
	if flags&flagLarge != 0 {
		size = 21
	}
	if _, err := io.ReadFull(r, head[5:size]); err != nil {
		return nil, noEOF(err)
	}
	length, unpacked := uint64(binary.LittleEndian.Uint32(head[5:])), uint64(binary.LittleEndian.Uint32(head[9:]))
	if flags&flagLarge != 0 {
		length, unpacked = binary.LittleEndian.Uint64(head[5:]), binary.LittleEndian.Uint64(head[13:])
	}
	if length > uint64(limit) || flags&flagCompressed != 0 && unpacked > uint64(limit) { //nolint:gosec // a limit is positive
		return nil, fmt.Errorf("%w: %d bytes, the most is %d", errTooLarge, max(length, unpacked), limit)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(length)); err != nil { //nolint:gosec // at most limit
		return nil, noEOF(err)
	}
	if flags&flagCompressed == 0 {
		return b.Bytes(), nil
	}
	return unpack(&b, int64(unpacked)) //nolint:gosec // at most limit
}

// unpack reads as many bytes as were announced; more or fewer is an error.
func unpack(r io.Reader, length int64) ([]byte, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("the packet cannot be unpacked: %w", err)
	}
	defer z.Close()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(z, length+1))
	if err != nil {
		return nil, fmt.Errorf("the packet cannot be unpacked: %w", err)
	}
	if n != length {
		return nil, fmt.Errorf("the packet does not have the %d bytes that it announces", length)
	}
	return b.Bytes(), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
