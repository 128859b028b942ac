package probe

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/test/services"
)

// TestRealServers asks the distribution's programs, each as its kind does without options and with most of them.
func TestRealServers(t *testing.T) {
	type question struct {
		options string
		status  model.Status
		output  string
	}
	for name, c := range map[string]struct {
		kind      string
		questions []question
	}{
		"nginx":     {"http", []question{{`{}`, model.OK, "HTTP 200 OK"}}},
		"redis":     {"redis", []question{{`{}`, model.OK, "PONG as master"}, {`{"role":"slave"}`, model.Critical, "it is a master"}, {`{"commands":[{"command":["DBSIZE"],"warn":"1:","label":"keys"}]}`, model.Warning, "DBSIZE is 0"}, {`{"password":"x"}`, model.Critical, "cannot log in"}}},
		"memcached": {"memcached", []question{{`{}`, model.OK, "Memcached 1."}, {`{"stats":[{"name":"threads","equals":2}]}`, model.OK, "OK"}}},
		"postgresql": {"postgresql", []question{
			{`{}`, model.OK, "PostgreSQL OK, answers: role \"hulotte\" does not exist"}, {`{"username":"postgres"}`, model.OK, "takes connections"},
			{`{"username":"postgres","database":"none"}`, model.Critical, `database "none" does not exist`},
			{`{"username":"postgres","query":"SELECT 41+1","result":{"equals":42}}`, model.OK, "postgres logged in in "},
			{`{"username":"postgres","query":"SELECT 42","result":{"crit":10}}`, model.Critical, "query's result is 42 (critical 10)"},
			{`{"username":"postgres","query":"SELEC"}`, model.Critical, "query: the server says: syntax error"},
			{`{"username":"postgres","query":"SELECT 1 WHERE false","result":{"warn":1}}`, model.Critical, "the query found nothing"},
			{`{"tls":true}`, model.Critical, "does not offer TLS"},
		}},
		"mariadb": {"mysql", []question{
			{`{}`, model.OK, "asks for a login"}, {`{"username":"root","query":"SELECT 41+1","result":{"equals":42}}`, model.OK, "root logged in"},
			{`{"username":"root","query":"SELECT repeat('x', 300)"}`, model.OK, "xxxx"}, {`{"username":"root","query":"SELECT NULL","result":{"equals":"x"}}`, model.Critical, `is "", not "x"`},
			{`{"username":"root","password":"wrong"}`, model.Critical, "login of root: the server says: Access denied"},
			{`{"username":"root","query":"SELEC"}`, model.Critical, "You have an error in your SQL syntax"}, {`{"username":"root","query":"SET @a=1"}`, model.OK, "logged in"},
			{`{"username":"none","database":"x","query":"SELECT 1"}`, model.Critical, "login of none"},
		}},
		"slapd": {"ldap", []question{
			{`{}`, model.OK, "LDAP OK, anonymous bind, dc=example,dc=org"},
			{`{"bind_dn":"cn=admin,dc=example,dc=org","password":"secret","plain_login":true}`, model.OK, "bind as cn=admin"},
			{`{"bind_dn":"cn=admin,dc=example,dc=org","password":"wrong","plain_login":true}`, model.Critical, "bind: the server says 49 invalid credentials"},
			{`{"bind_dn":"cn=admin,dc=example,dc=org","password":"secret"}`, model.Unknown, "no login without TLS"},
			{`{"base":"dc=example,dc=org","entries":"1:"}`, model.Critical, "search: the server says 32 no such entry"},
			{`{"base":"cn=Monitor","entries":"2:"}`, model.OK, "entries below cn=Monitor"},
			{`{"base":"cn=Monitor","attribute":"objectClass","value":"nothing","entries":"1:"}`, model.Critical, "search found 0 entries (critical 1:)"},
			{`{"starttls":true}`, model.Critical, "StartTLS: the server says"},
		}},
		"mosquitto": {"mqtt", []question{{`{}`, model.OK, "connection accepted"}, {`{"topic":"a/b"}`, model.OK, "message came back in "}}},
		"nats":      {"nats", []question{{`{}`, model.OK, ", PONG in "}}},
		"postfix":   {"smtp", []question{{`{}`, model.OK, "SMTP OK, mail.example.org ESMTP Postfix"}, {`{"to":"joe@example.com"}`, model.Critical, "RCPT TO joe@example.com: the answer is "}, {`{"starttls":true}`, model.Critical, "does not offer STARTTLS"}}},
		"dovecot":   {"imap", []question{{`{}`, model.OK, "IMAP OK, "}, {`{"username":"alice","password":"secret","plain_login":true}`, model.OK, "alice logged in"}, {`{"username":"alice","password":"wrong","plain_login":true}`, model.Critical, "login of alice"}}},
		"bind": {"dns", []question{{`{"name":"www.example.test","answers":["192.0.2.7"],"authoritative":true}`, model.OK, "192.0.2.7"}, {`{"name":"www.example.test","transport":"tcp"}`, model.OK, "192.0.2.7"},
			{`{"name":"none.example.test"}`, model.Critical, "NXDOMAIN"}, {`{"name":"example.org"}`, model.Critical, "REFUSED"}, {`{"name":"example.test","type":"SOA"}`, model.OK, "ns.example.test."}}},
		"sshd": {"ssh", []question{{`{}`, model.OK, "SSH OK, OpenSSH_"}, {`{"banner_only":true}`, model.OK, "SSH OK, OpenSSH_"}, {`{"fingerprints":["SHA256:wrong"]}`, model.Critical, "host key is another: ssh-ed25519 SHA256:"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := services.Start(t, name)
			awaitOK(t, build(t, c.kind, s.Addr, c.questions[0].options))
			for _, q := range c.questions {
				want(t, ask(t, c.kind, s.Addr, q.options), q.status, q.output)
			}
		})
	}
}

// awaitOK waits until a program that listens also works: databases recover, name servers load their zones.
func awaitOK(t *testing.T, p check.Prober) {
	t.Helper()
	for range 200 {
		if r := brief(t, p); r.Status == model.OK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestRealRabbitMQ starts slowly, so it is alone.
func TestRealRabbitMQ(t *testing.T) {
	if os.Getenv("TEST_SLOW") == "" {
		t.Skip("it takes most of a minute: set TEST_SLOW=1")
	}
	s := services.Start(t, "rabbitmq")
	want(t, ask(t, "amqp", s.Addr, `{}`), model.OK, "RabbitMQ ")
	want(t, ask(t, "amqp", s.Addr, `{"username":"guest","password":"guest"}`), model.OK, "guest logged in to /")
	want(t, ask(t, "amqp", s.Addr, `{"username":"guest","password":"wrong"}`), model.Critical, "login of guest: the broker closed: 403 ACCESS_REFUSED")
	want(t, ask(t, "amqp", s.Addr, `{"username":"guest","password":"guest","vhost":"none"}`), model.Critical, "opening none: the broker closed: 530")
}

// TestRealSSHFingerprint wants the fingerprint that ssh-keygen shows.
func TestRealSSHFingerprint(t *testing.T) {
	s := services.Start(t, "sshd")
	out, err := exec.Command("ssh-keygen", "-l", "-f", s.Dir+"/key.pub").Output()
	if err != nil {
		t.Fatal(err)
	}
	want(t, ask(t, "ssh", s.Addr, `{"fingerprints":["`+strings.Fields(string(out))[1]+`"]}`), model.OK, "ssh-ed25519")
}

// TestRealDeathIsNoticed holds a connection to real servers, and stops them.
func TestRealDeathIsNoticed(t *testing.T) {
	for name, c := range map[string][2]string{"redis": {"redis", `{}`}, "memcached": {"memcached", `{}`}, "nats": {"nats", `{}`}, "mosquitto": {"mqtt", `{}`}, "slapd": {"ldap", `{}`},
		"postgresql": {"postgresql", `{"username":"postgres","query":"SELECT 1"}`}, "mariadb": {"mysql", `{"username":"root","query":"SELECT 1"}`}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := services.Start(t, name)
			awaitOK(t, build(t, c[0], s.Addr, c[1]))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			held := make(chan error, 1)
			go func() { held <- build(t, c[0], s.Addr, c[1]).(check.Holder).Hold(ctx) }()
			for range 100 { // until it is connected
				if out, _ := os.ReadFile("/proc/self/net/tcp"); strings.Count(string(out), hexPort(s.Port)) > 1 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			s.Stop()
			if err := <-held; err != nil {
				t.Errorf("the death is told as %v", err)
			}
		})
	}
}

// hexPort is a port as /proc/net/tcp has it.
func hexPort(p int) string { return fmt.Sprintf(":%04X ", p) }
