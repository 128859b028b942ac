package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// cassandraOptions are those of the kind cassandra.
type cassandraOptions struct {
	serviceOptions
}

func cassandraKind() check.Kind {
	return newService[cassandraOptions]("cassandra", "Asks Cassandra or ScyllaDB by CQL's OPTIONS, which needs no login.", 9042, 0)
}

func (o *cassandraOptions) talk(_ context.Context, s *session, rep *report) error {
	supported, err := s.cqlOptions()
	if err != nil {
		return err
	}
	versions := strings.Join(supported["PROTOCOL_VERSIONS"], ", ")
	rep.hello("Cassandra OK, CQL %s", strings.Join(supported["CQL_VERSION"], ", "))
	if versions != "" {
		rep.detail("protocol versions %s", versions)
	}
	return nil
}

// keep asks once: who does not begin a session may stay.
func (o *cassandraOptions) keep(_ context.Context, s *session) error {
	_, err := s.cqlOptions()
	return err
}

// cqlOptions asks in version 4 of the protocol, which all servers since Cassandra 2.2 know (native_protocol_v4.spec, 2 and 4.2.4).
//
//	version 1 | flags 1 | stream 2 | opcode 1 | length 4 | body      (big endian)
func (s *session) cqlOptions() (map[string][]string, error) {
	if err := s.send([]byte{4, 0, 0, 0, 5, 0, 0, 0, 0}); err != nil {
		return nil, err
	}
	head, err := s.read(9, 9)
	if err != nil {
		return nil, err
	}
	if head[0]&0x80 == 0 || head[0]&0x7f > 6 {
		return nil, fmt.Errorf("the other side does not speak CQL: it sent %q", head)
	}
	body, err := s.read(int(binary.BigEndian.Uint32(head[5:])), 64<<10)
	if err != nil {
		return nil, err
	}
	switch head[4] {
	case 6:
		return parseCQLMultimap(body)
	case 0:
		if len(body) > 6 {
			return nil, fmt.Errorf("the server says: %s", printable(string(body[6:]), 200))
		}
		return nil, errors.New("the server answers with an error")
	}
	return nil, fmt.Errorf("the answer to OPTIONS has opcode %d", head[4])
}

// parseCQLMultimap reads a count and pairs of a text and a list of texts; all counts and lengths are 2 bytes.
func parseCQLMultimap(b []byte) (map[string][]string, error) {
	errShort := errors.New("the server's answer is cut short")
	number := func() int {
		if len(b) < 2 {
			return -1
		}
		n := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		return n
	}
	text := func() (string, bool) {
		n := number()
		if n < 0 || n > len(b) {
			return "", false
		}
		t := string(b[:n])
		b = b[n:]
		return t, true
	}
	all := map[string][]string{}
	for range max(number(), 0) {
		name, ok := text()
		n := number()
		if !ok || n < 0 {
			return nil, errShort
		}
		for range n {
			v, ok := text()
			if !ok {
				return nil, errShort
			}
			all[name] = append(all[name], printable(v, 100))
		}
	}
	return all, nil
}
