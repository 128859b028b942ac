package probe

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hulotte-dev/hulotte/check"
)

// answering is a connection whose peer says the same whatever it is asked, and then closes.
type answering struct{ io.Reader }

func (answering) Write(p []byte) (int, error)        { return len(p), nil }
func (answering) Close() error                       { return nil }
func (answering) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (answering) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (answering) SetDeadline(time.Time) error        { return nil }
func (answering) SetReadDeadline(time.Time) error    { return nil }
func (answering) SetWriteDeadline(t time.Time) error { return nil }

// talks are the dialogues that this package reads by itself, with most of their options.
func talks(f testing.TB) []speaker {
	login := loginOptions{Username: "u", Password: "p"}
	all := []speaker{
		&smtpOptions{loginOptions: login, PlainLogin: true, From: "a@b", To: "c@d", Helo: "h"}, &ftpOptions{loginOptions: login, PlainLogin: true},
		&imapOptions{mailboxOptions{loginOptions: login, PlainLogin: true}}, &pop3Options{mailboxOptions{loginOptions: login, PlainLogin: true}},
		&redisOptions{Password: "p", Role: "master", Commands: []redisCommand{{Command: []string{"A"}}}}, &memcachedOptions{Stats: []statCondition{{Name: "x"}}},
		&mongodbOptions{Role: "primary"}, &cassandraOptions{}, &mqttOptions{loginOptions: login, Topic: "t"}, &amqpOptions{loginOptions: login}, &natsOptions{loginOptions: login},
		&kafkaOptions{Brokers: check.Above(3), Topics: []string{"t"}}, &zookeeperOptions{Command: "srvr", Mode: "leader"}, &zookeeperOptions{Command: "ruok"},
		&ldapOptions{Base: "dc=x", Attribute: "a", Value: "b"}, &ldapOptions{}, &postgresqlOptions{}, &mysqlOptions{},
		&mysqlOptions{sqlOptions{loginOptions: login, Query: "SELECT 1"}}, &sshService{sshOptions: sshOptions{BannerOnly: true}},
	}
	for _, s := range all {
		if err := s.prepare(); err != nil {
			f.Fatal(err)
		}
	}
	return all
}

// FuzzTalk lets a peer say anything in any of the dialogues.
func FuzzTalk(f *testing.F) {
	for i, seed := range []string{
		"220 a\r\n250-a\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", "220 a\r\n331 a\r\n230 a\r\n", "* OK a\r\na1 OK\r\na3 OK\r\n", "+OK\r\n+OK\r\n+OK\r\n+OK 3 4\r\n",
		"+OK\r\n+PONG\r\n$10\r\nrole:slave\r\n*2\r\n:1\r\n$1\r\na\r\n", "VERSION 1\r\nSTAT x 1\r\nEND\r\n",
		"\x2d\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x18\x00\x00\x00\x10ok\x00\x01\x00\x00\x00\x08arbiterOnly\x00\x01\x00",
		"\x84\x00\x00\x00\x06\x00\x00\x00\x0a\x00\x01\x00\x01a\x00\x01\x00\x01b", "\x20\x02\x00\x00\x90\x03\x00\x01\x00\x30\x03\x00\x01t",
		"\x01\x00\x00\x00\x00\x00\x1b\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x0c\x01aS\x00\x00\x00\x01b\x02okt\x01\x00\x00\x00\x00\xce", "INFO {\"version\":\"2\"}\r\nPONG\r\n",
		"\x00\x00\x00\x10\x00\x00\x00\x07\x00\x00\x00\x00\x00\x01\x00\x12\x00\x00\x00\x03", "Zookeeper version: 3\nMode: leader\n", "imok",
		"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00", "\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00",
		"R\x00\x00\x00\x08\x00\x00\x00\x00E\x00\x00\x00\x12C57P03\x00Mstart\x00\x00", "\x0e\x00\x00\x00\x0a10.1\x00\x01\x00\x00\x00abcdefgh",
		"\x2a\x00\x00\x00\x0a1\x00\x01\x00\x00\x00abcdefgh\x00\xff\xff\x21\x02\x00\xff\xff\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abcdefghijkl\x00\x01\x00\x00\x02\x00\x01\x00\x00\x01\x01\x01\x00\x00\x02a\x01\x00\x00\x03\xfe\x02\x00\x00\x04\x01a",
		"hello\nSSH-2.0-x\r\n",
	} {
		f.Add(uint8(i), []byte(seed))
	}
	all := talks(f)
	f.Fuzz(func(t *testing.T, which uint8, said []byte) {
		rep := newReport()
		s := newSession(context.Background(), answering{bytes.NewReader(said)}, "h", rep)
		defer s.end()
		if err := all[int(which)%len(all)].talk(context.Background(), s, rep); err != nil {
			rep.failed(err)
		}
		if r := rep.result(time.Now(), 0); strings.ContainsAny(r.Output, "\r\n") {
			t.Errorf("output is %q", r.Output)
		}
	})
}

// FuzzAnswers reads datagrams and messages as they could come.
func FuzzAnswers(f *testing.F) {
	question := new(dns.Msg).SetQuestion("example.com.", dns.TypeA)
	packed, err := question.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(make([]byte, 48))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: b\r\nServer: x\r\n\r\n"))
	f.Add([]byte("\x02\x07\x00\x140123456789abcdef"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\x00\x02aaaaaaaabbbbbbbb"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parseDNS(b, question)
		_, _ = parseNTP(b, make([]byte, 8), time.Now(), time.Now())
		_, _, _, _ = parseSIP(b, "b")
		_, _ = parseRADIUS(b, bytes.Repeat([]byte{7}, 20), "s")
		(&echo{o: echoOptions{}}).parse(b)
		_, _ = readRESP(bufio.NewReader(bytes.NewReader(b)), 0)
	})
}
