package services

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type mosquittoOptions struct {
	TLS                bool `json:"tls" doc:"speak TLS"`
	InsecureSkipVerify bool `json:"insecure_skip_verify" doc:"accept any certificate, such as a self-signed one"`
}

func mosquittoKind() Kind {
	return withOptions(Kind{
		Name: "mosquitto", Exporter: "mosquitto-exporter", Job: "mosquitto", Up: "broker_up", Address: "127.0.0.1:1883", Interval: 30 * time.Second,
		Doc:   "What the broker publishes about itself under $SYS/broker: clients, messages, bytes, subscriptions, load.",
		Setup: "With `allow_anonymous false`, give a user that may read `$SYS/#` (`topic read $SYS/#` in the file of `acl_file`). `sys_interval` must not be 0.",
	}, newMosquitto)
}

// The control packets of MQTT 3.1.1 that are used (http://docs.oasis-open.org/mqtt/mqtt/v3.1.1). A packet is
//
//	byte type << 4 | flags, remaining length in 7 bits a byte (the highest bit: more follow), that many bytes
const (
	mqttConnect    = 1 << 4
	mqttConnAck    = 2
	mqttPublish    = 3
	mqttSubscribe  = 8<<4 | 2
	mqttSubAck     = 9
	mqttDisconnect = 14 << 4

	maxMqttPacket  = 64 << 10
	maxMqttPackets = 5000
)

// mqttQuiet is how long after the last retained message there are no more of them. The broker sends them at once.
const mqttQuiet = 300 * time.Millisecond

func newMosquitto(t Target, o mosquittoOptions) (reader, error) {
	return func(ctx context.Context, f *families) error {
		c, err := dial(ctx, t.Address)
		if err != nil {
			return err
		}
		defer func() { c.close() }()
		if o.TLS {
			network, address := splitAddress(t.Address)
			c = bound(ctx, startTLS(c.Conn, network, address, o.InsecureSkipVerify), maxAnswerBytes)
		}
		if err := mqttLogin(c, t.Credentials); err != nil {
			return err
		}
		if _, err := c.Write(appendMqttSubscribe(nil, "$SYS/broker/#")); err != nil {
			return err
		}
		if err := readMosquitto(c, f); err != nil {
			return err
		}
		_, _ = c.Write([]byte{mqttDisconnect, 0}) // a courtesy
		return nil
	}, nil
}

func mqttLogin(c *conn, creds Credentials) error {
	password, err := creds.password()
	if err != nil {
		return err
	}
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	if _, err := c.Write(appendMqttConnect(nil, "hulotte-"+hex.EncodeToString(id), creds.Username, password)); err != nil {
		return err
	}
	typ, body, err := readMqtt(c.r)
	if err != nil {
		return err
	}
	if typ != mqttConnAck || len(body) != 2 {
		return errors.New("the first answer is no CONNACK: is it MQTT?")
	}
	switch body[1] {
	case 0:
		return nil
	case 4, 5:
		return errors.New("the broker refuses: give a user that may read $SYS/#")
	}
	return fmt.Errorf("the broker refuses the connection with code %d", body[1])
}

// readMosquitto reads retained messages until there are none for a while.
func readMosquitto(c *conn, f *families) error {
	found := false
	for range maxMqttPackets {
		typ, body, err := readMqtt(c.r)
		if err != nil {
			if found && isTimeout(err) {
				return nil
			}
			if isTimeout(err) {
				return errors.New("nothing comes under $SYS/broker: the user may not read it, or sys_interval is 0")
			}
			return err
		}
		switch typ {
		case mqttSubAck:
			if len(body) < 3 || body[2] == 0x80 {
				return errors.New("the broker refuses the subscription: give a user that may read $SYS/#")
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * mqttQuiet)) // a connection that takes none has ended
		case mqttPublish:
			topic, payload, err := mqttMessage(body)
			if err != nil {
				return err
			}
			addMosquitto(f, topic, payload)
			found = true
			_ = c.SetReadDeadline(time.Now().Add(mqttQuiet)) // as above
		}
	}
	return nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

var mosquittoCounters = map[string]bool{
	"bytes/received": true, "bytes/sent": true, "messages/received": true, "messages/sent": true, "publish/bytes/received": true,
	"publish/bytes/sent": true, "publish/messages/received": true, "publish/messages/sent": true, "publish/messages/dropped": true,
	"uptime": true, "clients/maximum": true, "clients/total": true,
}

var mosquittoNumber = regexp.MustCompile(`-?\d+(?:\.\d+)?`)

// addMosquitto adds what $SYS/broker/clients/connected says as broker_clients_connected.
func addMosquitto(f *families, topic, payload string) {
	rest, ok := strings.CutPrefix(topic, "$SYS/broker/")
	switch {
	case !ok, rest == "timestamp", rest == "version", rest == "clients/active", rest == "clients/inactive":
		return
	}
	v, err := strconv.ParseFloat(mosquittoNumber.FindString(payload), 64)
	name := "broker_" + strings.NewReplacer("/", "_", " ", "_", "-", "_", ".", "_").Replace(rest)
	if err != nil || !isWord(name) {
		return
	}
	if f.has(name) { // an update while reading
		return
	}
	if mosquittoCounters[rest] {
		f.counter(name, "What "+topic+" says.", v)
	} else {
		f.gauge(name, "What "+topic+" says.", v)
	}
}

func appendMqttText(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(min(len(s), 0xffff))) //nolint:gosec // bounded
	return append(dst, s[:min(len(s), 0xffff)]...)
}

func appendMqtt(dst []byte, head byte, body []byte) []byte {
	dst = append(dst, head)
	for n := len(body); ; {
		b := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			dst = append(dst, b|0x80)
			continue
		}
		return append(append(dst, b), body...)
	}
}

func appendMqttConnect(dst []byte, id, user, password string) []byte {
	flags := byte(2) // a clean session
	body := appendMqttText(nil, "MQTT")
	if user != "" {
		flags |= 0x80
		if password != "" {
			flags |= 0x40
		}
	}
	body = append(body, 4, flags, 0, 30) // protocol level 4 is 3.1.1; keep alive for 30 s
	body = appendMqttText(body, id)
	if user != "" {
		body = appendMqttText(body, user)
		if password != "" {
			body = appendMqttText(body, password)
		}
	}
	return appendMqtt(dst, mqttConnect, body)
}

func appendMqttSubscribe(dst []byte, topic string) []byte {
	return appendMqtt(dst, mqttSubscribe, append(appendMqttText([]byte{0, 1}, topic), 0))
}

// readMqtt reads one packet.
func readMqtt(r *bufio.Reader) (typ byte, body []byte, err error) {
	head, err := r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		if n |= int(b&0x7f) << shift; b&0x80 == 0 {
			break
		}
		if shift == 21 {
			return 0, nil, errors.New("a length has more than four bytes: is it MQTT?")
		}
	}
	if n > maxMqttPacket {
		return 0, nil, fmt.Errorf("a packet of %d bytes: %w", n, errTooLong)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return head >> 4, body, err
}

// mqttMessage splits what was published with quality of service 0: uint16 length, topic, payload.
func mqttMessage(body []byte) (topic, payload string, err error) {
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) > len(body)-2 {
		return "", "", errors.New("a message is shorter than its topic")
	}
	n := int(binary.BigEndian.Uint16(body))
	return string(body[2 : 2+n]), string(body[2+n:]), nil
}
