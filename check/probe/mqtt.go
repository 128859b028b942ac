package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
)

// mqttOptions are those of the kind mqtt.
type mqttOptions struct {
	serviceOptions
	loginOptions
	ClientID string `json:"client_id,omitempty" doc:"client identifier; hulotte- and a random number when nothing is declared"`
	Topic    string `json:"topic,omitempty" doc:"topic for a round trip: it is subscribed to, a message is published to it (QoS 0, not retained), and must come back"`
}

func mqttKind() check.Kind {
	return newService[mqttOptions]("mqtt", "Asks an MQTT 3.1.1 broker: CONNECT, login, and the way of a message.", 1883, 8883)
}

func (o *mqttOptions) prepare() error {
	if strings.ContainsAny(o.Topic, "#+\x00") {
		return fmt.Errorf("topic: %q: one topic, without # and +", o.Topic)
	}
	if len(o.ClientID) > 1000 || len(o.Topic) > 1000 {
		return errors.New("client_id and topic: they may have 1000 bytes")
	}
	return o.validateLogin()
}

func (o *mqttOptions) talk(_ context.Context, s *session, rep *report) error {
	if err := o.connect(s); err != nil {
		return err
	}
	rep.hello("MQTT OK, connection accepted")
	if o.Topic != "" {
		took, err := o.roundTrip(s)
		if err != nil {
			return err
		}
		rep.fact("message came back in %s", duration(took))
		rep.duration("round_trip", took, check.Range{}, check.Range{}, "")
	}
	return s.send([]byte{0xe0, 0}) // DISCONNECT
}

// keep connects without keep alive: a broker then never asks for a sign of life (MQTT 3.1.1, 3.1.2.10).
func (o *mqttOptions) keep(_ context.Context, s *session) error { return o.connect(s) }

// mqttAnswers are CONNACK's return codes (MQTT 3.1.1, 3.2.2.3).
func mqttAnswer(code byte) string {
	switch code {
	case 1:
		return "the broker does not speak MQTT 3.1.1"
	case 2:
		return "the broker does not take this client_id"
	case 3:
		return "the broker is not available"
	case 4:
		return "user or password is wrong"
	case 5:
		return "the broker does not let this user in"
	}
	return fmt.Sprintf("the broker refuses with code %d", code)
}

func (o *mqttOptions) connect(s *session) error {
	password, err := o.secret()
	if err != nil {
		return err
	}
	id := o.ClientID
	if id == "" {
		id = "hulotte-" + strings.ToLower(rand.Text()[:12])
	}
	flags := byte(2) // clean session
	body := appendText(nil, "MQTT")
	payload := appendText(nil, id)
	if o.Username != "" {
		flags |= 0x80
		payload = appendText(payload, o.Username)
		if password != "" {
			flags |= 0x40
			payload = appendText(payload, password)
		}
	}
	body = append(append(body, 4, flags, 0, 0), payload...)
	if err := s.sendMQTT(0x10, body); err != nil {
		return err
	}
	kind, answer, err := s.mqttPacket()
	switch {
	case err != nil:
		return err
	case kind>>4 != 2 || len(answer) < 2:
		return fmt.Errorf("the answer to CONNECT is packet %#x with %d bytes", kind, len(answer))
	case answer[1] != 0:
		return errors.New(mqttAnswer(answer[1]))
	}
	return nil
}

// maxPackets that are not ours may come before the one that is waited for.
const maxPackets = 1000

// roundTrip subscribes, publishes, and waits for its own message.
func (o *mqttOptions) roundTrip(s *session) (time.Duration, error) {
	if err := s.sendMQTT(0x82, append(appendText([]byte{0, 1}, o.Topic), 0)); err != nil {
		return 0, err
	}
	if err := s.mqttWait(func(kind byte, body []byte) (bool, error) {
		if kind>>4 != 9 {
			return false, nil
		}
		if len(body) < 3 || body[2] >= 0x80 {
			return true, fmt.Errorf("the broker refuses the subscription to %s", o.Topic)
		}
		return true, nil
	}); err != nil {
		return 0, err
	}
	start := time.Now()
	message := "hulotte " + rand.Text()
	if err := s.sendMQTT(0x30, append(appendText(nil, o.Topic), message...)); err != nil {
		return 0, err
	}
	err := s.mqttWait(func(kind byte, body []byte) (bool, error) {
		return kind>>4 == 3 && strings.HasSuffix(string(body), message), nil
	})
	if err != nil {
		return 0, fmt.Errorf("the message did not come back: %w", err)
	}
	return time.Since(start), nil
}

func (s *session) mqttWait(f func(kind byte, body []byte) (bool, error)) error {
	for range maxPackets {
		kind, body, err := s.mqttPacket()
		if err != nil {
			return err
		}
		if done, err := f(kind, body); done || err != nil {
			return err
		}
	}
	return errors.New("too many other messages came")
}

func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}

// sendMQTT sends a packet: its kind, its length in 7 bits a byte, its body (MQTT 3.1.1, 2.2).
func (s *session) sendMQTT(kind byte, body []byte) error {
	return s.send(append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...))
}

func (s *session) mqttPacket() (kind byte, body []byte, err error) {
	if kind, err = s.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, shift := 0, 0
	for {
		b, err := s.in.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if shift += 7; shift > 21 {
			return 0, nil, errors.New("the other side does not speak MQTT: a length has more than four bytes")
		}
	}
	body, err = s.read(n, 256<<10)
	return kind, body, err
}
