package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// kafkaOptions are those of the kind kafka.
type kafkaOptions struct {
	serviceOptions
	Brokers check.Range `json:"brokers,omitempty" doc:"how many brokers the cluster must have, such as 3: for at least three; CRITICAL otherwise"`
	Topics  []string    `json:"topics,omitempty" doc:"topics whose partitions must have leaders (CRITICAL) and all their replicas in sync (WARNING)"`
}

func kafkaKind() check.Kind {
	return newService[kafkaOptions]("kafka", "Asks a Kafka broker: ApiVersions, and brokers and topics of the cluster.", 9092, 9093)
}

func (o *kafkaOptions) prepare() error {
	for _, t := range o.Topics {
		if t == "" || len(t) > 249 {
			return fmt.Errorf("topics: %q is no topic", t)
		}
	}
	return nil
}

func (o *kafkaOptions) talk(_ context.Context, s *session, rep *report) error {
	versions, err := s.kafka(18, 0, nil)
	if err != nil {
		return err
	}
	code, n := versions.int16(), versions.int32()
	if versions.bad || n < 0 || n > 1000 {
		return errors.New("the other side does not speak Kafka's protocol: its answer to ApiVersions cannot be read")
	}
	if code != 0 {
		return fmt.Errorf("the answer to ApiVersions is error %d", code)
	}
	rep.hello("Kafka OK, %d APIs", n)
	if !o.Brokers.Set() && len(o.Topics) == 0 {
		return nil
	}
	return o.cluster(s, rep)
}

// cluster asks for Metadata, version 1.
func (o *kafkaOptions) cluster(s *session, rep *report) error {
	body := binary.BigEndian.AppendUint32(nil, uint32(len(o.Topics)))
	for _, t := range o.Topics {
		body = appendText(body, t)
	}
	m, err := s.kafka(3, 1, body)
	if err != nil {
		return err
	}
	brokers := m.count()
	for range brokers {
		m.int32()
		_, _, _ = m.text(), m.int32(), m.text() // host, port, rack
	}
	m.int32() // controller
	rep.value("brokers", float64(brokers), "", check.Range{}, o.Brokers, "the cluster has %s brokers")
	for range m.count() {
		code, name := m.int16(), m.text()
		m.take(1)
		var leaderless, behind, partitions int
		for range m.count() {
			partitions++
			m.int16()
			m.int32()
			if m.int32() < 0 {
				leaderless++
			}
			replicas, inSync := m.int32s(), m.int32s()
			if inSync < replicas {
				behind++
			}
		}
		switch {
		case m.bad:
		case code != 0:
			rep.problem(model.Critical, "topic %s: error %d", printable(name, 100), code)
		case leaderless > 0:
			rep.problem(model.Critical, "topic %s: %d of %d partitions have no leader", printable(name, 100), leaderless, partitions)
		case behind > 0:
			rep.problem(model.Warning, "topic %s: %d of %d partitions have replicas that are not in sync", printable(name, 100), behind, partitions)
		}
	}
	if m.bad {
		return errors.New("the answer to Metadata is cut short")
	}
	return nil
}

// keep asks once: brokers close connections after minutes of silence (connections.max.idle.ms), and let one come back.
func (o *kafkaOptions) keep(_ context.Context, s *session) error {
	_, err := s.kafka(18, 0, nil)
	return err
}

// kafka asks and returns the answer after its correlation number.
//
//	length 4 | API key 2 | version 2 | correlation 4 | client name | body      (big endian)
func (s *session) kafka(key, version uint16, body []byte) (*kafkaAnswer, error) {
	b := binary.BigEndian.AppendUint16(nil, key)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint32(b, 7)
	b = append(appendText(b, "hulotte"), body...)
	if err := s.send(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return nil, err
	}
	head, err := s.read(8, 8)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(head[4:]) != 7 {
		return nil, fmt.Errorf("the other side does not speak Kafka's protocol: it sent %q", strings.ToValidUTF8(string(head), "?"))
	}
	answer, err := s.read(int(int32(binary.BigEndian.Uint32(head)))-4, maxTalk)
	return &kafkaAnswer{b: answer}, err
}

// kafkaAnswer reads big endian numbers and texts; bad when it ended too early.
type kafkaAnswer struct {
	b   []byte
	bad bool
}

func (a *kafkaAnswer) take(n int) []byte {
	if n < 0 || n > len(a.b) {
		a.bad, a.b = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	part := a.b[:n]
	a.b = a.b[n:]
	return part
}

func (a *kafkaAnswer) int16() int { return int(int16(binary.BigEndian.Uint16(a.take(2)))) }
func (a *kafkaAnswer) int32() int { return int(int32(binary.BigEndian.Uint32(a.take(4)))) }

// count is a count of things of which each has at least two bytes.
func (a *kafkaAnswer) count() int {
	n := a.int32()
	if n < 0 || n > len(a.b)/2 {
		a.bad = a.bad || n > 0
		return 0
	}
	return n
}

// int32s skips a list of numbers, and says how many there were.
func (a *kafkaAnswer) int32s() int {
	n := a.count()
	a.take(4 * n)
	return n
}

func (a *kafkaAnswer) text() string {
	n := a.int16()
	if n < 0 {
		return ""
	}
	return string(a.take(n))
}
