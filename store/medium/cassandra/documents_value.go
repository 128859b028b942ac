package cassandra

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// The column value of a document:
//
//	 0        1              5
//	+--------+--------------+-------------------------+
//	| format |    CRC32C    |  value (JSON)  ...      |
//	+--------+--------------+-------------------------+
//	  u8 = 1   u32 LE         0 to MaxDocument bytes
//
// The checksum covers kind, key and version besides the value, so that a sound value in the wrong row is found too:
// the kind's length (u16 LE), the kind, the key's length (u16 LE), the key, the version (u64 LE), the value.
const (
	valueFormat = 1
	valueHeader = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func valueChecksum(kind, key string, version medium.Version, value []byte) uint32 {
	b := make([]byte, 0, 2*medium.MaxName+12)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(kind)))
	b = append(b, kind...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, key...)
	b = binary.LittleEndian.AppendUint64(b, uint64(version))
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, value)
}

// appendValue appends the column's bytes.
func appendValue(dst []byte, kind, key string, version medium.Version, value []byte) []byte {
	dst = append(dst, valueFormat)
	dst = binary.LittleEndian.AppendUint32(dst, valueChecksum(kind, key, version, value))
	return append(dst, value...)
}

// parseValue returns the value inside b, without copying it. Its error wraps ErrCorrupt and names the row.
func parseValue(kind, key string, version medium.Version, b []byte) ([]byte, error) {
	var problem string
	switch {
	case version == medium.Absent:
		problem = "it has no version"
	case len(b) < valueHeader:
		problem = fmt.Sprintf("it has %d bytes, at least %d are needed", len(b), valueHeader)
	case b[0] != valueFormat:
		problem = fmt.Sprintf("its format is %d, and this hulotte knows only %d", b[0], valueFormat)
	case len(b) > valueHeader+medium.MaxDocument:
		problem = fmt.Sprintf("it has %d bytes, at most %d are allowed", len(b)-valueHeader, medium.MaxDocument)
	case binary.LittleEndian.Uint32(b[1:]) != valueChecksum(kind, key, version, b[valueHeader:]):
		problem = "its checksum does not match"
	default:
		return b[valueHeader:], nil
	}
	return nil, fmt.Errorf("table documents, kind %q, key %q: %s: %w", kind, key, problem, medium.ErrCorrupt)
}
