package nrpe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The types of packets. A response with more to come was never in NRPE itself, but in some distributions' version 2.
const (
	query        = 1
	response     = 2
	responseMore = 3
)

const (
	// defaultPayload is the text of a version 2 packet; NSClient++ can be told another size, on both sides.
	defaultPayload = 1024
	// maxPayload is what a packet may hold at most, as in NRPE itself.
	maxPayload = 64 << 10
	smallest   = 1036 // shorter packets of versions 3 and 4 are filled up
)

// packet is a question or an answer.
type packet struct {
	version, kind, result int16
	text                  []byte // without the NUL
}

// Errors of readPacket that callers tell apart.
var (
	errCRC     = errors.New("the checksum of the packet is wrong")
	errVersion = errors.New("the version of the packet is unknown")
)

// encode writes a packet, big endian:
//
//	version 2                          versions 3 and 4
//	int16  version                     int16  version
//	int16  type                        int16  type
//	uint32 CRC-32, of all with 0 here  uint32 CRC-32, of all with 0 here
//	int16  result                      int16  result
//	[1024] text, NUL, filler           int16  0
//	[2]    filler                      uint32 length of the text with NUL and filler
//	                                   [length] text, NUL, filler
//	                                   [3] 0, in version 3 only
//
// Versions 3 and 4 have at least 1036 bytes. A text that is too long is cut.
func (p packet) encode(payload int) []byte {
	limit := payload
	if p.version != 2 {
		limit = maxPayload
	}
	text := p.text[:min(len(p.text), limit-1)]
	head, tail := 16, 0
	var size int
	switch p.version {
	case 2:
		head = 10
		size = (head + payload + 3) &^ 3 // as C lays out the structure
	case 3:
		tail = 3
		size = max(smallest, head+len(text)+1+tail)
	default:
		size = max(smallest, head+len(text)+1)
	}
	b := make([]byte, size)
	binary.BigEndian.PutUint16(b, uint16(p.version))    //nolint:gosec // the same bits
	binary.BigEndian.PutUint16(b[2:], uint16(p.kind))   //nolint:gosec // the same bits
	binary.BigEndian.PutUint16(b[8:], uint16(p.result)) //nolint:gosec // the same bits
	if p.version != 2 {
		binary.BigEndian.PutUint32(b[12:], uint32(size-head-tail)) //nolint:gosec // at most 64 KiB and a bit
	}
	copy(b[head:], text)
	binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b))
	return b
}

// readPacket reads one packet: it takes no more memory than the packet has, and no more than maxPayload.
func readPacket(r io.Reader, payload int) (packet, error) {
	b := make([]byte, 10, smallest)
	if _, err := io.ReadFull(r, b); err != nil {
		return packet{}, err
	}
	p := packet{
		version: int16(binary.BigEndian.Uint16(b)),     //nolint:gosec // the same bits
		kind:    int16(binary.BigEndian.Uint16(b[2:])), //nolint:gosec // the same bits
		result:  int16(binary.BigEndian.Uint16(b[8:])), //nolint:gosec // the same bits
	}
	var err error
	switch p.version {
	case 2:
		b, err = readMore(r, b, (10+payload+3)&^3-10)
		p.text = b[min(10, len(b)):]
	case 3, 4:
		if b, err = readMore(r, b, 6); err != nil {
			break
		}
		length := binary.BigEndian.Uint32(b[12:])
		if length > maxPayload {
			return packet{}, fmt.Errorf("the packet says that it has %d bytes of text; the most is %d", length, maxPayload)
		}
		b, err = readMore(r, b, int(length))
		p.text = b[min(16, len(b)):]
	default:
		return packet{}, fmt.Errorf("%w: %d", errVersion, p.version)
	}
	if err != nil {
		return packet{}, err
	}
	if err := verify(r, b, p.version); err != nil {
		return packet{}, err
	}
	if i := bytes.IndexByte(p.text, 0); i >= 0 {
		p.text = p.text[:i]
	}
	return p, nil
}

func readMore(r io.Reader, b []byte, n int) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(r, b[start:])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// verify compares the checksum. NRPE's version 3 counts three bytes behind the text, other programs' does not: when they are
// counted they were also sent, and are read, so that the connection does not end with something unread.
func verify(r io.Reader, b []byte, version int16) error {
	want := binary.BigEndian.Uint32(b[4:])
	clear(b[4:8])
	sum := crc32.ChecksumIEEE(b)
	if sum == want {
		return nil
	}
	if version == 3 {
		var three [3]byte
		if crc32.Update(sum, crc32.IEEETable, three[:]) == want {
			_, err := io.ReadFull(r, three[:])
			return err
		}
	}
	return errCRC
}
