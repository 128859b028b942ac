package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// amqpOptions are those of the kind amqp.
type amqpOptions struct {
	serviceOptions
	loginOptions
	Vhost string `json:"vhost,omitempty" doc:"virtual host to open when logged in; / when nothing is declared"`
}

func amqpKind() check.Kind {
	return newService[amqpOptions]("amqp", "Asks an AMQP 0-9-1 broker such as RabbitMQ: Connection.Start, with login up to an open connection.", 5672, 5671)
}

func (o *amqpOptions) prepare() error {
	if o.Vhost == "" {
		o.Vhost = "/"
	}
	if len(o.Vhost) > 255 {
		return errors.New("vhost: it is longer than 255 bytes")
	}
	return o.validateLogin()
}

// talk says hello and, with a login, opens and closes a connection as a client does. Without one the broker sees a client that leaves
// in the middle: RabbitMQ logs that as a warning, so declare a user where the log matters.
func (o *amqpOptions) talk(_ context.Context, s *session, rep *report) error {
	if err := s.send([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	start, err := s.amqpMethod(10, 10)
	if err != nil {
		return err
	}
	properties, err := parseAMQPStart(start)
	if err != nil {
		return err
	}
	product := strings.TrimSpace(properties["product"] + " " + properties["version"])
	if product == "" {
		product = "AMQP"
	}
	rep.hello("%s OK, %s", product, properties["cluster_name"])
	if properties["cluster_name"] == "" {
		rep.hello("%s OK", product)
	}
	if o.Username == "" {
		return nil
	}
	if err := o.login(s); err != nil {
		return err
	}
	rep.fact("%s logged in to %s", o.Username, o.Vhost)
	return nil
}

// login is Start-Ok, Tune, Tune-Ok, Open, Open-Ok, Close, Close-Ok (AMQP 0-9-1, 2.2.4).
func (o *amqpOptions) login(s *session) error {
	password, err := o.secret()
	if err != nil {
		return err
	}
	// The ability makes the broker say why it refuses, where it would only close the connection otherwise.
	abilities := append(appendShort(nil, "authentication_failure_close"), 't', 1)
	properties := append(appendLong(append(appendShort(nil, "product"), 'S'), "Hulotte"), appendShort(nil, "capabilities")...)
	properties = appendLong(append(properties, 'F'), string(abilities))
	body := appendLong(nil, string(properties))
	body = appendShort(body, "PLAIN")
	body = appendLong(body, "\x00"+o.Username+"\x00"+password)
	body = appendShort(body, "en_US")
	if err := s.send(amqpFrame(10, 11, body)); err != nil {
		return err
	}
	tune, err := s.amqpMethod(10, 30)
	if err != nil {
		return fmt.Errorf("login of %s: %w", o.Username, err)
	}
	if len(tune) < 8 {
		return errors.New("the broker's Connection.Tune is cut short")
	}
	accepted := amqpFrame(10, 31, append(tune[:6:6], 0, 0)) // its limits, no heartbeats
	if err := s.send(append(accepted, amqpFrame(10, 40, append(appendShort(nil, o.Vhost), 0, 0))...)); err != nil {
		return err
	}
	if _, err := s.amqpMethod(10, 41); err != nil {
		return fmt.Errorf("opening %s: %w", o.Vhost, err)
	}
	if err := s.send(amqpFrame(10, 50, append(appendShort([]byte{0, 200}, "done"), 0, 0, 0, 0))); err != nil {
		return err
	}
	_, err = s.amqpMethod(10, 51)
	return err
}

func appendShort(b []byte, text string) []byte { return append(append(b, byte(len(text))), text...) }

func appendLong(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

// amqpFrame is a method frame on channel 0: type, channel, length, class, method, arguments, end.
func amqpFrame(class, method uint16, arguments []byte) []byte {
	b := []byte{1, 0, 0}
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(arguments)))
	b = binary.BigEndian.AppendUint16(b, class)
	b = binary.BigEndian.AppendUint16(b, method)
	return append(append(b, arguments...), 0xce)
}

// maxFrame bounds one frame of AMQP: servers properties are some hundred bytes.
const maxFrame = 128 << 10

// amqpMethod reads a frame, which must be the method, and returns its arguments.
func (s *session) amqpMethod(class, method uint16) ([]byte, error) {
	head, err := s.read(7, 7)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) == "AMQP" {
		return nil, fmt.Errorf("the broker does not speak AMQP 0-9-1, but %x", head[4:])
	}
	if head[0] != 1 {
		return nil, fmt.Errorf("the other side does not speak AMQP: it began with %q", head)
	}
	body, err := s.read(int(binary.BigEndian.Uint32(head[3:]))+1, maxFrame)
	if err != nil {
		return nil, err
	}
	if len(body) < 5 || body[len(body)-1] != 0xce {
		return nil, errors.New("the broker sent a broken frame")
	}
	gotClass, gotMethod, arguments := binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:]), body[4:len(body)-1]
	switch {
	case gotClass == class && gotMethod == method:
		return arguments, nil
	case gotClass == 10 && gotMethod == 50 && len(arguments) > 3:
		text, _, _ := cutShort(arguments[2:])
		return nil, fmt.Errorf("the broker closed: %d %s", binary.BigEndian.Uint16(arguments), printable(text, 200))
	}
	return nil, fmt.Errorf("the broker sent method %d.%d, not %d.%d", gotClass, gotMethod, class, method)
}

func cutShort(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	return string(b[1 : 1+int(b[0])]), b[1+int(b[0]):], true
}

func cutLong(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint32(b))
	return b[4 : 4+n], b[4+n:], true
}

// parseAMQPStart returns the texts of the server's properties in Connection.Start: version (2 bytes), a table, two long strings.
// A table is its length and pairs of short string and typed value (AMQP 0-9-1, 4.2.5.5).
func parseAMQPStart(b []byte) (map[string]string, error) {
	errShort := errors.New("the broker's Connection.Start is cut short")
	if len(b) < 2 {
		return nil, errShort
	}
	table, _, ok := cutLong(b[2:])
	if !ok {
		return nil, errShort
	}
	properties := map[string]string{}
	for len(table) > 0 {
		name, rest, ok := cutShort(table)
		if !ok || len(rest) == 0 {
			return nil, errShort
		}
		kind := rest[0]
		switch rest = rest[1:]; kind {
		case 'S':
			v, left, ok := cutLong(rest)
			if !ok {
				return nil, errShort
			}
			properties[name] = printable(string(v), 100)
			table = left
		case 'F', 'A':
			_, left, ok := cutLong(rest)
			if !ok {
				return nil, errShort
			}
			table = left
		case 't', 'b', 'B':
			if len(rest) < 1 {
				return nil, errShort
			}
			table = rest[1:]
		case 'I', 'i':
			if len(rest) < 4 {
				return nil, errShort
			}
			table = rest[4:]
		default: // what else there is cannot be skipped: its length is not known
			return properties, nil
		}
	}
	return properties, nil
}
