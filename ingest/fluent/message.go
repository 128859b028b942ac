package fluent

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// message is one message, of which the entries are not read yet:
//
//	message   [tag, time, record, option]
//	forward   [tag, [[time, record], ...], option]
//	packed    [tag, "the entries, one behind the other", option], compressed when the option says so
type message struct {
	mode        string
	tag         string
	entries     []byte // one behind the other; of the mode message: time and record
	single      bool   // the entries are time and record
	count       int    // of the mode forward; else -1
	compression string // of entries, as Content-Encoding names it
	chunk       string // to be acknowledged with, when it is not empty
	logs        bool   // it holds log records
}

var errMalformed = errors.New("the message is not what Fluentd's forward protocol has")

func malformed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", errMalformed, what, err)
}

// parseMessage reads a whole message. Its strings lie in b.
func parseMessage(b []byte) (message, error) {
	m := message{count: -1, logs: true}
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return m, malformed("the outer list", err)
	}
	if n < 2 || n > 4 {
		return m, malformed("the outer list", fmt.Errorf("it has %d values, not 2 to 4", n))
	}
	tag, b, err := stringOf(b)
	if err != nil {
		return m, malformed("the tag", err)
	}
	m.tag = tag
	rest, used, err := m.readEntries(b)
	if err != nil {
		return m, malformed("the entries", err)
	}
	if n > used {
		if rest, err = m.readOption(rest); err != nil {
			return m, malformed("the option", err)
		}
	}
	if len(rest) > 0 || n > used+1 {
		return m, malformed("the outer list", errors.New("it has too many values"))
	}
	return m, nil
}

// readEntries sets entries to the bytes that hold them, and returns what follows and how many values of the outer list are used
// then.
func (m *message) readEntries(b []byte) (rest []byte, used uint32, err error) {
	switch msgp.NextType(b) {
	case msgp.ArrayType:
		m.mode = "forward"
		n, entries, err := msgp.ReadArrayHeaderBytes(b)
		if err != nil {
			return nil, 0, err
		}
		s := scanner{open: int(n)}
		if done, err := s.scan(entries); err != nil || !done {
			return nil, 0, errors.Join(errors.New("they are cut off"), err)
		}
		m.entries, m.count = entries[:s.at], int(n)
		return entries[s.at:], 2, nil
	case msgp.StrType, msgp.BinType:
		m.mode = "packed"
		text, rest, err := bytesOf(b)
		m.entries = text
		return rest, 2, err
	}
	m.mode, m.single = "message", true
	s := scanner{open: 2}
	if done, err := s.scan(b); err != nil || !done {
		return nil, 0, errors.Join(errors.New("time or record is missing"), err)
	}
	m.entries = b[:s.at]
	return b[s.at:], 3, nil
}

// readOption reads {"chunk": text, "compressed": "gzip", "size": number, "fluent_signal": number}; a missing one may be nil.
func (m *message) readOption(b []byte) ([]byte, error) {
	if msgp.NextType(b) == msgp.NilType {
		return msgp.ReadNilBytes(b)
	}
	n, b, err := msgp.ReadMapHeaderBytes(b)
	for range n {
		var key string
		if err == nil {
			key, b, err = stringOf(b)
		}
		if err != nil {
			return nil, err
		}
		switch {
		case key == "chunk" && isText(b):
			m.chunk, b, err = stringOf(b)
		case key == "compressed" && isText(b):
			m.compression, b, err = stringOf(b)
			if m.compression == "text" { // Fluentd's name for "not at all"
				m.compression = ""
			}
		case key == "fluent_signal" && msgp.NextType(b) != msgp.NilType: // Fluent Bit's: 0 logs, 1 metrics, 2 traces
			var signal int64
			signal, b, err = msgp.ReadInt64Bytes(b)
			m.logs = signal == 0
		default:
			b, err = skip(b)
		}
	}
	if m.compression != "" {
		m.mode = "compressed"
	}
	m.chunk = strings.Clone(m.chunk)
	return b, err
}

func isText(b []byte) bool {
	t := msgp.NextType(b)
	return t == msgp.StrType || t == msgp.BinType
}

// skip reads a value of any depth.
func skip(b []byte) ([]byte, error) {
	s := scanner{open: 1}
	if done, err := s.scan(b); err != nil || !done {
		return nil, errors.Join(msgp.ErrShortBytes, err)
	}
	return b[s.at:], nil
}

// bytesOf reads a text or a binary value, which older senders do not tell apart.
func bytesOf(b []byte) (text, rest []byte, err error) {
	if msgp.NextType(b) == msgp.BinType {
		return msgp.ReadBytesZC(b)
	}
	return msgp.ReadStringZC(b)
}

func stringOf(b []byte) (string, []byte, error) {
	text, rest, err := bytesOf(b)
	return asString(text), rest, err
}
