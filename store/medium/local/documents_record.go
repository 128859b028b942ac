package local

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Payload of a record that puts or deletes a document, and of a snapshot's; the record's sequence is the document's version. Numbers
// are little-endian.
//
//	 0        2        4      8
//	+--------+--------+------+------+-----+-------
//	| kind   | key    | name | kind | key | value
//	| length | length | crc  |      |     |
//	+--------+--------+------+------+-----+-------
//
// name crc is the CRC32C of the two lengths, kind and key: when the value is damaged it is still known whose it was. A deletion has no
// value. A put without one stands in a snapshot for a document whose value was found damaged before: an empty value is no JSON.
const documentNameSize = 8

var errDocumentRecord = model.NewError(model.Corrupt, "not the record of a document")

func appendDocument(dst []byte, name documentName, value []byte) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = le.AppendUint16(dst, uint16(len(name.kind)))
	dst = le.AppendUint16(dst, uint16(len(name.key)))
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, name.kind...)
	dst = append(dst, name.key...)
	le.PutUint32(dst[start+4:], documentNameCRC(dst[start:]))
	return append(dst, value...)
}

// documentNameCRC is of a payload's beginning that has the name whole.
func documentNameCRC(b []byte) uint32 {
	return crc32.Update(crc32c(b[:4]), castagnoli, b[documentNameSize:])
}

// parseDocumentName reads the name at the beginning of a payload, whatever follows it. rest is what does.
func parseDocumentName(b []byte) (name documentName, rest []byte, err error) {
	if len(b) < documentNameSize {
		return name, nil, fmt.Errorf("%w: it has %d bytes", errDocumentRecord, len(b))
	}
	le := binary.LittleEndian
	kindEnd := documentNameSize + int(le.Uint16(b))
	keyEnd := kindEnd + int(le.Uint16(b[2:]))
	if keyEnd > len(b) {
		return name, nil, fmt.Errorf("%w: its name ends at %d of %d bytes", errDocumentRecord, keyEnd, len(b))
	}
	if got, stored := documentNameCRC(b[:keyEnd]), le.Uint32(b[4:]); got != stored {
		return name, nil, fmt.Errorf("%w: the checksum of its name is %08x, not %08x", errDocumentRecord, got, stored)
	}
	name = documentName{kind: string(b[documentNameSize:kindEnd]), key: string(b[kindEnd:keyEnd])}
	if err := name.check(); err != nil {
		return documentName{}, nil, fmt.Errorf("%w: %v", errDocumentRecord, err) //nolint:errorlint // whoever reads is not the one who gave a bad name
	}
	return name, b[keyEnd:], nil
}

// parseDocument reads a payload. value is nil when there is none, and points into b.
func parseDocument(b []byte) (name documentName, value []byte, err error) {
	name, value, err = parseDocumentName(b)
	switch {
	case err != nil:
		return name, nil, err
	case len(value) > medium.MaxDocument:
		return name, nil, fmt.Errorf("%w: its value has %d bytes", errDocumentRecord, len(value))
	case len(value) == 0:
		return name, nil, nil
	}
	return name, value, nil
}
