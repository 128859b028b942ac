package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/hulotte-dev/hulotte/check"
)

// mongodbOptions are those of the kind mongodb.
type mongodbOptions struct {
	serviceOptions
	Role       string `json:"role,omitempty" doc:"primary, secondary, arbiter or mongos: CRITICAL when it is another"`
	ReplicaSet string `json:"replica_set,omitempty" doc:"name of the replica set to which it must belong"`
}

func mongodbKind() check.Kind {
	return newService[mongodbOptions]("mongodb", "Asks MongoDB: hello, which needs no login; role and replica set.", 27017, 0)
}

func (o *mongodbOptions) prepare() error {
	switch o.Role {
	case "", "primary", "secondary", "arbiter", "mongos":
		return nil
	}
	return fmt.Errorf("role: %q: write primary, secondary, arbiter or mongos", o.Role)
}

func (o *mongodbOptions) talk(_ context.Context, s *session, rep *report) error {
	hello, err := s.mongo("hello")
	if err != nil {
		return err
	}
	if ok := hello["ok"]; ok != "1" {
		return fmt.Errorf("hello: %s", printable(hello["errmsg"], 200))
	}
	role := mongoRole(hello)
	version := ""
	if build, err := s.mongo("buildInfo"); err == nil {
		version = " " + printable(build["version"], 40)
	}
	rep.hello("MongoDB%s OK, %s", version, role)
	set := hello["setName"]
	if set != "" {
		rep.fact("replica set %s", set)
	}
	switch {
	case o.Role != "" && role != o.Role:
		return fmt.Errorf("it is %s, not %s", role, o.Role)
	case o.ReplicaSet != "" && set != o.ReplicaSet:
		return fmt.Errorf("its replica set is %q, not %q", printable(set, 80), o.ReplicaSet)
	case role == "not ready":
		return errors.New("it is neither primary nor secondary: starting, recovering or removed")
	}
	return nil
}

func mongoRole(hello map[string]string) string {
	switch {
	case hello["msg"] == "isdbgrid":
		return "mongos"
	case hello["isWritablePrimary"] == "true":
		return "primary"
	case hello["secondary"] == "true":
		return "secondary"
	case hello["arbiterOnly"] == "true":
		return "arbiter"
	}
	return "not ready"
}

// keep says hello: MongoDB lets connections stay.
func (o *mongodbOptions) keep(_ context.Context, s *session) error {
	_, err := s.mongo("hello")
	return err
}

// maxDocument is how big an answer of MongoDB may be; hello with its topology has about 1 kB, buildInfo 3 kB.
const maxDocument = 256 << 10

// mongo runs a command without arguments against admin in an OP_MSG and returns the answer's plain values as texts.
//
//	length 4 | request 4 | response to 4 | opcode 2013 4 | flags 4 | section kind 0 | BSON document      (all little endian)
func (s *session) mongo(command string) (map[string]string, error) {
	doc := append([]byte{0x10}, command+"\x00"...)
	doc = binary.LittleEndian.AppendUint32(doc, 1)
	doc = append(append(doc, 0x02), "$db\x00\x06\x00\x00\x00admin\x00\x00"...)
	msg := binary.LittleEndian.AppendUint32(nil, uint32(16+5+4+len(doc)))
	msg = binary.LittleEndian.AppendUint32(msg, 1)
	msg = binary.LittleEndian.AppendUint32(msg, 0)
	msg = binary.LittleEndian.AppendUint32(msg, 2013)
	msg = append(msg, 0, 0, 0, 0, 0)
	msg = binary.LittleEndian.AppendUint32(msg, uint32(4+len(doc)))
	if err := s.send(append(msg, doc...)); err != nil {
		return nil, err
	}
	head, err := s.read(16, 16)
	if err != nil {
		return nil, err
	}
	if op := binary.LittleEndian.Uint32(head[12:]); op != 2013 {
		return nil, fmt.Errorf("the other side does not speak MongoDB's protocol: it sent %q", head)
	}
	body, err := s.read(int(int32(binary.LittleEndian.Uint32(head)))-16, maxDocument)
	if err != nil {
		return nil, err
	}
	if len(body) < 5 || body[4] != 0 {
		return nil, errors.New("the server's answer is cut short")
	}
	return parseBSON(body[5:])
}

var errBSON = errors.New("the server sent a broken document")

// parseBSON returns the plain values at the top of a document (bsonspec.org, version 1.1). What is inside of others is skipped.
func parseBSON(b []byte) (map[string]string, error) {
	if len(b) < 5 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)) || binary.LittleEndian.Uint32(b) < 5 {
		return nil, errBSON
	}
	b = b[4 : binary.LittleEndian.Uint32(b)-1]
	values := map[string]string{}
	for len(b) > 0 {
		kind := b[0]
		end := indexZero(b[1:])
		if end < 0 {
			return nil, errBSON
		}
		name := string(b[1 : 1+end])
		b = b[end+2:]
		text, n := bsonValue(kind, b)
		if n < 0 || n > len(b) {
			return nil, errBSON
		}
		if text != "" {
			values[name] = text
		}
		b = b[n:]
	}
	return values, nil
}

func indexZero(b []byte) int {
	for i, c := range b {
		if c == 0 {
			return i
		}
	}
	return -1
}

// bsonValue returns a value's text, and how long it is; -1 for one that is not understood.
func bsonValue(kind byte, b []byte) (string, int) {
	size := func(extra int) int {
		if len(b) < 4 {
			return -1
		}
		n := int64(binary.LittleEndian.Uint32(b)) + int64(extra)
		if n > int64(len(b)) || n < 0 {
			return -1
		}
		return int(n)
	}
	fixed := map[byte]int{0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0a: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7f: 0, 0xff: 0}
	if n, ok := fixed[kind]; ok {
		if len(b) < n {
			return "", -1
		}
		switch kind {
		case 0x01:
			return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)), 'f', -1, 64), n
		case 0x08:
			return strconv.FormatBool(b[0] != 0), n
		case 0x10:
			return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(b)))), n
		case 0x12:
			return strconv.FormatInt(int64(binary.LittleEndian.Uint64(b)), 10), n
		}
		return "", n
	}
	switch kind {
	case 0x02, 0x0d, 0x0e: // texts: length with the zero at the end
		n := size(4)
		if n < 5 {
			return "", -1
		}
		return string(b[4 : n-1]), n
	case 0x03, 0x04, 0x0f: // documents: length of all
		n := size(0)
		if n < 5 {
			return "", -1
		}
		return "", n
	case 0x05: // bytes: length, subtype
		return "", size(5)
	case 0x0c:
		return "", size(4 + 12)
	case 0x0b: // two texts that end with zero
		first := indexZero(b)
		if first < 0 {
			return "", -1
		}
		second := indexZero(b[first+1:])
		if second < 0 {
			return "", -1
		}
		return "", first + second + 2
	}
	return "", -1
}
