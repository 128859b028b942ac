package tail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The limits of an entry of the journal; journald itself takes fields up to 768 MiB.
const (
	maxEntryBytes  = 64 << 20 // a longer one ends the reading with an error
	maxEntryFields = 1024
	maxFieldName   = 64 // journald allows no longer ones
)

// entryField is a field of an entry of the journal.
type entryField struct {
	name  string
	value []byte
}

// exportReader reads the Journal Export Format (https://systemd.io/JOURNAL_EXPORT_FORMATS):
//
//	entry = field* "\n"
//	field = name "=" text "\n"
//	      | name "\n" length (8 bytes, little endian) length bytes "\n"
//
// The same name may come several times.
type exportReader struct {
	r *bufio.Reader
	// maxField bounds the values that are kept; of a longer one the beginning is, and cut is what it had.
	maxField int
	fields   []entryField
	cut      map[string]int64
}

func newExportReader(r io.Reader, maxField int) *exportReader {
	return &exportReader{r: bufio.NewReaderSize(r, 64<<10), maxField: maxField}
}

var errEntryTooLong = fmt.Errorf("an entry of the journal has more than %d bytes", maxEntryBytes)

// next returns the next entry. Its values belong to the caller. The error is io.EOF behind the last one.
func (e *exportReader) next() ([]entryField, error) {
	e.fields, e.cut = nil, nil
	left := int64(maxEntryBytes)
	for {
		line, size, err := e.line()
		if left -= size; err == nil && left < 0 {
			err = errEntryTooLong
		}
		switch {
		case errors.Is(err, io.EOF) && (size > 0 || len(e.fields) > 0):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case len(line) == 0 && len(e.fields) == 0:
			continue // the program that writes may begin with an empty line
		case len(line) == 0:
			return e.fields, nil
		}
		name, value, isText := bytes.Cut(line, []byte("="))
		if len(name) == 0 || len(name) > maxFieldName {
			return nil, fmt.Errorf("%.40q is no field of a journal entry", line)
		}
		if isText {
			e.add(string(name), value, int64(len(value))+max(size-int64(len(line))-1, 0))
			continue
		}
		value, size, err = e.binary(left)
		if err != nil {
			return nil, err
		}
		left -= size
		e.add(string(name), value, size)
	}
}

func (e *exportReader) add(name string, value []byte, size int64) {
	if len(e.fields) >= maxEntryFields {
		return
	}
	if size > int64(len(value)) {
		if e.cut == nil {
			e.cut = map[string]int64{}
		}
		e.cut[name] = size
	}
	e.fields = append(e.fields, entryField{name, value})
}

// line reads up to the end of a line and returns, without it, at most maxField bytes and a name's; size is what was read.
func (e *exportReader) line() (line []byte, size int64, err error) {
	for {
		part, err := e.r.ReadSlice('\n')
		size += int64(len(part))
		if room := e.maxField + maxFieldName + 1 - len(line); room > 0 {
			line = append(line, bytes.TrimSuffix(part, []byte("\n"))[:min(room, len(bytes.TrimSuffix(part, []byte("\n"))))]...)
		}
		switch {
		case err == nil:
			return line, size, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, size, err
		case size > maxEntryBytes:
			return nil, size, errEntryTooLong
		}
	}
}

// binary reads a value with its length.
func (e *exportReader) binary(most int64) (value []byte, size int64, err error) {
	var length [8]byte
	if _, err := io.ReadFull(e.r, length[:]); err != nil {
		return nil, 0, unexpected(err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > uint64(max(most, 0)) {
		return nil, 0, errEntryTooLong
	}
	kept := min(int64(n), int64(e.maxField))
	var b bytes.Buffer // grows with what comes, whatever the length claims
	if _, err := io.CopyN(&b, e.r, kept); err != nil {
		return nil, 0, unexpected(err)
	}
	if _, err := io.CopyN(io.Discard, e.r, int64(n)-kept); err != nil {
		return nil, 0, unexpected(err)
	}
	end, err := e.r.ReadByte()
	if err != nil {
		return nil, 0, unexpected(err)
	}
	if end != '\n' {
		return nil, 0, errors.New("a value in the journal is not as long as it says")
	}
	return b.Bytes(), int64(n), nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
