package probe

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hulotte-dev/hulotte/model"
)

// answers serves bytes after each request: one per element.
func answers(t testing.TB, all ...string) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		buf := make([]byte, 64<<10)
		for _, a := range all {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		}
		_, _ = c.Read(buf)
	})
}

func TestRedis(t *testing.T) {
	info := "redis_version:7.2.4\r\nrole:slave\r\nmaster_link_status:down\r\nmaster_host:10.0.0.1\r\n"
	infoAnswer := fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)
	f := func(options string, status model.Status, output string, all ...string) {
		t.Helper()
		want(t, ask(t, "redis", answers(t, all...), options), status, output)
	}
	f(`{}`, model.Warning, "its link to the master 10.0.0.1 is down; Redis 7.2.4 OK, PONG as slave in ", "+PONG\r\n", infoAnswer)
	f(`{"role":"master"}`, model.Critical, "it is a slave, not a master", "+PONG\r\n", infoAnswer)
	f(`{}`, model.OK, "Redis OK, asks for a password", "-NOAUTH Authentication required.\r\n")
	f(`{"role":"master"}`, model.Critical, "declare password", "-NOAUTH Authentication required.\r\n")
	f(`{}`, model.Critical, "LOADING Redis is loading", "-LOADING Redis is loading the dataset in memory\r\n")
	f(`{"password":"x"}`, model.Critical, "cannot log in: WRONGPASS", "-WRONGPASS invalid\r\n")
	f(`{"password":"x","username":"joe"}`, model.OK, "Redis OK, PONG in", "+OK\r\n", "+PONG\r\n", "-NOPERM no\r\n")
	f(`{"commands":[{"command":["LLEN","jobs"],"warn":10,"crit":20}]}`, model.Warning, "LLEN jobs is 15 (warning 10)", "+PONG\r\n", "-NOPERM no\r\n", ":15\r\n")
	f(`{"commands":[{"command":["GET","a"],"equals":"b"}]}`, model.Critical, `GET a is "c", not "b"`, "+PONG\r\n", "-NOPERM no\r\n", "$1\r\nc\r\n")
	f(`{"commands":[{"command":["GET","a"],"matches":"^b"}]}`, model.Critical, `GET a is "", which does not match "^b"`, "+PONG\r\n", "-NOPERM no\r\n", "$-1\r\n")
	f(`{}`, model.Critical, `does not speak Redis' protocol: it sent "HTTP/1.1 400 Bad Request"`, "HTTP/1.1 400 Bad Request\r\n\r\n")
	f(`{}`, model.Critical, "announced 999999999 bytes", "$999999999\r\n")
	refuses(t, "redis", `{"role":"x"}`, "role: ")
	refuses(t, "redis", `{"commands":[{}]}`, "commands[0]: command: ")
}

func TestMemcached(t *testing.T) {
	want(t, ask(t, "memcached", answers(t, "VERSION 1.6.18\r\n"), ""), model.OK, "Memcached 1.6.18 OK in ")
	want(t, ask(t, "memcached", answers(t, "ERROR\r\n"), ""), model.Critical, `the answer to version is "ERROR"`)
	stats := "STAT curr_connections 90\r\nSTAT threads 4\r\nEND\r\n"
	want(t, ask(t, "memcached", answers(t, "VERSION 1\r\n", stats), `{"stats":[{"name":"curr_connections","warn":50,"crit":100}]}`), model.Warning, "curr_connections is 90 (warning 50)")
	want(t, ask(t, "memcached", answers(t, "VERSION 1\r\n", stats), `{"stats":[{"name":"x"}]}`), model.Unknown, `no stat "x"`)
}

func TestSMTP(t *testing.T) {
	talk := "220 mail.example.com ESMTP\n> EHLO me\n250-mail.example.com\n250-STARTTLS\n250 AUTH PLAIN\n"
	f := func(dialogue, options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "smtp", script(t, dialogue), `{"helo":"me"`+options+`}`), status, output)
	}
	f(talk+"> QUIT\n221 bye", ``, model.OK, "SMTP OK, mail.example.com ESMTP in ")
	f(talk+"> QUIT\n221 bye", `,"expect":"Postfix"`, model.Critical, `the greeting is "mail.example.com ESMTP", without "Postfix"`)
	f("554 no", ``, model.Critical, "greeting: the answer is 554 no")
	f("220 hi\n> EHLO me\n502 no", ``, model.Critical, "EHLO: the answer is 502 no")
	f("220 hi\n> EHLO me\n250 hi", `,"starttls":true`, model.Critical, "does not offer STARTTLS")
	f(talk, `,"username":"joe","password":"x"`, model.Unknown, "no login without TLS")
	f(talk+"> AUTH PLAIN AGpvZQB4\n235 ok\n> QUIT\n221 bye", `,"username":"joe","password":"x","plain_login":true`, model.OK, "joe logged in")
	f(talk+"> AUTH PLAIN AGpvZQB4\n535 wrong", `,"username":"joe","password":"x","plain_login":true`, model.Critical, "login of joe: the answer is 535 wrong")
	f("220 hi\n> EHLO me\n250-hi\n250 AUTH LOGIN\n> AUTH LOGIN\n334 VXNlcm5hbWU6\n> am9l\n334 UGFzc3dvcmQ6\n> eA==\n235 ok\n> QUIT\n221 bye", `,"username":"joe","password":"x","plain_login":true`, model.OK, "joe logged in")
	f(talk+"> MAIL FROM:<a@b>\n250 ok\n> RCPT TO:<c@d>\n550 no such user", `,"from":"a@b","to":"c@d"`, model.Critical, "RCPT TO c@d: the answer is 550 no such user")
	f(talk+"> MAIL FROM:<a@b>\n250 ok\n> RCPT TO:<c@d>\n250 ok\n> RSET\n250 ok\n> QUIT\n221 bye", `,"from":"a@b","to":"c@d"`, model.OK, "takes mail for c@d")
	f("220 hi\n> LHLO me\n250 hi\n> QUIT\n221 bye", `,"lmtp":true`, model.OK, "SMTP OK, hi")
	f("what?", ``, model.Critical, `the answer has no code: "what?"`)
	refuses(t, "smtp", `{"to":"a\r\nDATA"}`, "from, to and helo")
	refuses(t, "smtp", `{"tls":true,"starttls":true}`, "tls and starttls")
	refuses(t, "smtp", `{"username":"a\r\nb"}`, "they hold a line break")
}

func TestFTP(t *testing.T) {
	f := func(dialogue, options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "ftp", script(t, dialogue), options), status, output)
	}
	f("220-Welcome\n to us\n220 ready\n> QUIT\n221 bye", ``, model.OK, "FTP OK, Welcome in ")
	f("421 too many users", ``, model.Critical, "greeting: the answer is 421 too many users")
	f("220 hi\n> USER anonymous\n331 mail?\n> PASS me\n230 ok\n> QUIT\n221 bye", `{"username":"anonymous","password":"me"}`, model.OK, "anonymous logged in")
	f("220 hi\n> USER joe\n331 ok\n> PASS me\n530 no", `{"username":"joe","password":"me","plain_login":true}`, model.Critical, "login of joe: the answer is 530 no")
	f("220 hi", `{"username":"joe","password":"me"}`, model.Unknown, "no login without TLS")
	f("220 hi\n> AUTH TLS\n502 no", `{"starttls":true}`, model.Critical, "AUTH TLS: the answer is 502 no")
}

func TestIMAP(t *testing.T) {
	f := func(dialogue, options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "imap", script(t, dialogue), options), status, output)
	}
	talk := "* OK [CAPABILITY IMAP4rev1] Dovecot ready.\n> a1 CAPABILITY\n* CAPABILITY IMAP4rev1 STARTTLS\na1 OK done\n"
	f(talk+"> a9 LOGOUT\n* BYE\na9 OK", ``, model.OK, "IMAP OK, Dovecot ready. in ")
	f("* BYE overloaded", ``, model.Critical, `the greeting is "* BYE overloaded"`)
	f(talk+"> a3 LOGIN \"jo\\\"e\" \"x\"\na3 OK\n> a9 LOGOUT\na9 OK", `{"username":"jo\"e","password":"x","plain_login":true}`, model.OK, "logged in")
	f(talk+"> a3 LOGIN \"joe\" \"x\"\na3 NO wrong", `{"username":"joe","password":"x","plain_login":true}`, model.Critical, "login of joe: the answer to LOGIN is NO wrong")
	f(talk+"> a2 STARTTLS\na2 BAD no", `{"starttls":true}`, model.Critical, "the answer to STARTTLS is BAD no")
}

func TestPOP3(t *testing.T) {
	f := func(dialogue, options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "pop3", script(t, dialogue), options), status, output)
	}
	f("+OK ready\n> QUIT\n+OK", ``, model.OK, "POP3 OK, ready in ")
	f("-ERR no", ``, model.Critical, `greeting: the answer is "-ERR no"`)
	f("+OK hi\n> USER joe\n+OK\n> PASS x\n+OK\n> STAT\n+OK 3 100\n> QUIT\n+OK", `{"username":"joe","password":"x","plain_login":true}`, model.OK, "joe logged in; 3 messages")
	f("+OK hi\n> USER joe\n+OK\n> PASS x\n-ERR wrong", `{"username":"joe","password":"x","plain_login":true}`, model.Critical, `login of joe: the answer is "-ERR wrong"`)
}

func TestNATS(t *testing.T) {
	f := func(dialogue, options string, status model.Status, output string) {
		t.Helper()
		server := serve(t, func(c net.Conn) {
			fmt.Fprintf(c, "%s\r\n", strings.Split(dialogue, "\n")[0])
			buf := make([]byte, 4096)
			if n, _ := c.Read(buf); n > 0 {
				if !strings.HasPrefix(string(buf), "CONNECT {") || !strings.HasSuffix(string(buf[:n]), "}\r\nPING\r\n") {
					t.Errorf("the client said %q", buf[:n])
				}
				for _, line := range strings.Split(dialogue, "\n")[1:] {
					fmt.Fprintf(c, "%s\r\n", line)
				}
			}
		})
		want(t, ask(t, "nats", server, options), status, output)
	}
	info := `INFO {"version":"2.9.10","server_name":"n1"}`
	f(info+"\nPING\nPONG", ``, model.OK, "NATS 2.9.10 OK, n1, PONG in ")
	f(info+"\n-ERR 'Authorization Violation'", `{"username":"a","password":"b"}`, model.Critical, "the server says 'Authorization Violation'")
	f(`INFO {"version":"2","server_name":"n1","auth_required":true}`, ``, model.OK, "asks for a login")
	f(`INFO {"version":"2","server_name":"n1","ldm":true}`, ``, model.Critical, "lame duck")
	f("HELLO", ``, model.Critical, `the server began with "HELLO"`)
	f("INFO {", ``, model.Critical, "INFO cannot be read")
}

func TestZookeeper(t *testing.T) {
	f := func(answer, options string, status model.Status, output string) {
		t.Helper()
		server := serve(t, func(c net.Conn) {
			buf := make([]byte, 4)
			_, _ = io.ReadFull(c, buf)
			fmt.Fprint(c, answer)
		})
		want(t, ask(t, "zookeeper", server, options), status, output)
	}
	srvr := "Zookeeper version: 3.8.0-abc, built on 2022\nMode: standalone\n"
	f("imok", ``, model.OK, "ZooKeeper OK, imok in ")
	f(srvr, `{"command":"srvr"}`, model.OK, "ZooKeeper 3.8.0 OK, standalone in ")
	f(srvr, `{"mode":"leader"}`, model.Critical, "it is standalone, not leader")
	f("This ZooKeeper instance is not currently serving requests\n", `{"command":"srvr"}`, model.Critical, "does not serve")
	f("ruok is not executed because it is not in the whitelist.\n", ``, model.OK, "does not allow the command ruok")
	f("", ``, model.Critical, "closed the connection")
	f("x", ``, model.Critical, `the answer to ruok is "x"`)
}

func TestAMQP(t *testing.T) {
	properties := "\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8\x0ccapabilitiesF\x00\x00\x00\x00\x02okt\x01"
	start := "\x00\x09" + lengthed(properties) + lengthed("PLAIN") + lengthed("en_US")
	frame := func(class, method uint16, arguments string) string {
		b := binary.BigEndian.AppendUint16([]byte{1, 0, 0, 0, 0, 0, byte(4 + len(arguments))}, class)
		if n := 4 + len(arguments); n > 255 {
			panic("too long")
		}
		return string(binary.BigEndian.AppendUint16(b, method)) + arguments + "\xce"
	}
	f := func(options string, status model.Status, output string, all ...string) {
		t.Helper()
		want(t, ask(t, "amqp", answers(t, all...), options), status, output)
	}
	f(``, model.OK, "RabbitMQ 3.10.8 OK in ", frame(10, 10, start))
	f(``, model.Critical, "does not speak AMQP 0-9-1, but 010000", "AMQP\x01\x00\x00")
	f(``, model.Critical, "does not speak AMQP", "HTTP/1.1 400\r\n\r\n")
	f(``, model.Critical, "announced", "\x01\x00\x00\xff\xff\xff\xf0")
	login := `{"username":"joe","password":"x"}`
	f(login, model.OK, "joe logged in to /", frame(10, 10, start), frame(10, 30, "\x00\x00\x00\x02\x00\x00\x00\x3c"), frame(10, 41, "\x00"), frame(10, 51, ""))
	f(login, model.Critical, "login of joe: the broker closed: 403 ACCESS_REFUSED", frame(10, 10, start), frame(10, 50, "\x01\x93\x0eACCESS_REFUSED\x00\x00\x00\x00"))
}

func lengthed(text string) string { return string(appendLong(nil, text)) }

func TestMQTT(t *testing.T) {
	f := func(options string, status model.Status, output string, all ...string) {
		t.Helper()
		want(t, ask(t, "mqtt", answers(t, all...), options), status, output)
	}
	f(``, model.OK, "MQTT OK, connection accepted in ", "\x20\x02\x00\x00")
	f(``, model.Critical, "user or password is wrong", "\x20\x02\x00\x04")
	f(``, model.Critical, "does not let this user in", "\x20\x02\x00\x05")
	f(``, model.Critical, "the answer to CONNECT is packet 0x48", "HTTP/1.1 400 Bad Request and then some more text that is long enough for a packet.......\r\n\r\n")
	f(`{"topic":"t"}`, model.Critical, "refuses the subscription to t", "\x20\x02\x00\x00", "\x90\x03\x00\x01\x80")
	refuses(t, "mqtt", `{"topic":"a/#"}`, "topic: ")
}

func TestMongoDB(t *testing.T) {
	doc := func(elements string) string {
		body := elements + "\x00"
		d := string(binary.LittleEndian.AppendUint32(nil, uint32(4+len(body)))) + body
		head := binary.LittleEndian.AppendUint32(nil, uint32(16+5+len(d)))
		head = append(head, 0, 0, 0, 0, 1, 0, 0, 0)
		head = binary.LittleEndian.AppendUint32(head, 2013)
		return string(head) + "\x00\x00\x00\x00\x00" + d
	}
	ok := "\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f"
	primary := doc("\x08isWritablePrimary\x00\x01\x02setName\x00\x04\x00\x00\x00rs0\x00" + ok)
	build := doc("\x02version\x00\x06\x00\x00\x007.0.4\x00" + ok)
	f := func(options string, status model.Status, output string, all ...string) {
		t.Helper()
		want(t, ask(t, "mongodb", answers(t, all...), options), status, output)
	}
	f(``, model.OK, "MongoDB 7.0.4 OK, primary in ", primary, build)
	f(`{"role":"primary","replica_set":"rs0"}`, model.OK, "replica set rs0", primary, build)
	f(`{"role":"secondary"}`, model.Critical, "it is primary, not secondary", primary, build)
	f(`{"replica_set":"rs1"}`, model.Critical, `its replica set is "rs0", not "rs1"`, primary, build)
	f(``, model.Critical, "neither primary nor secondary", doc(ok), build)
	f(``, model.Critical, "hello: no", doc("\x02errmsg\x00\x03\x00\x00\x00no\x00"+strings.Replace(ok, "\xf0\x3f", "\x00\x00", 1)))
	f(``, model.Critical, "does not speak MongoDB's protocol", "HTTP/1.1 400 Bad Request\r\n\r\n")
}

func TestCassandra(t *testing.T) {
	body := "\x00\x02\x00\x0bCQL_VERSION\x00\x01\x00\x053.4.6\x00\x0bCOMPRESSION\x00\x02\x00\x03lz4\x00\x06snappy"
	want(t, ask(t, "cassandra", answers(t, "\x84\x00\x00\x00\x06"+lengthed(body)), ""), model.OK, "Cassandra OK, CQL 3.4.6 in ")
	want(t, ask(t, "cassandra", answers(t, "\x84\x00\x00\x00\x00"+lengthed("\x00\x00\x00\x0a\x00\x05wrong")), ""), model.Critical, "the server says: wrong")
	want(t, ask(t, "cassandra", answers(t, "HTTP/1.1 400\r\n"), ""), model.Critical, "does not speak CQL")
	want(t, ask(t, "cassandra", answers(t, "\x84\x00\x00\x00\x06"+lengthed("\x00\x09\x00")), ""), model.Critical, "cut short")
}

func TestKafka(t *testing.T) {
	answer := func(b ...byte) string { return lengthed("\x00\x00\x00\x07" + string(b)) }
	versions := answer(0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3)
	f := func(options string, status model.Status, output string, all ...string) {
		t.Helper()
		want(t, ask(t, "kafka", answers(t, all...), options), status, output)
	}
	f(``, model.OK, "Kafka OK, 1 APIs in ", versions)
	f(``, model.Critical, "the answer to ApiVersions is error 35", answer(0, 35, 0, 0, 0, 0))
	f(``, model.Critical, "does not speak Kafka's protocol", "HTTP/1.1 400 Bad Request\r\n\r\n")
	// One broker (1, "h", 9092, no rack), controller 1, topic "t" with one partition of two replicas of which one is in sync.
	metadata := answer(0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 'h', 0, 0, 35, 132, 255, 255, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 't', 0, 0, 0, 0, 1,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1)
	f(`{"topics":["t"]}`, model.Warning, "topic t: 1 of 1 partitions have replicas that are not in sync", versions, metadata)
	f(`{"brokers":"3:"}`, model.Critical, "the cluster has 1 brokers (critical 3:)", versions, metadata)
}

func TestPostgreSQLReady(t *testing.T) {
	errorAnswer := func(code, text string) string {
		body := "SFATAL\x00C" + code + "\x00M" + text + "\x00\x00"
		return "E" + string(binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))) + body
	}
	f := func(options string, status model.Status, output string, all ...string) {
		t.Helper()
		want(t, ask(t, "postgresql", answers(t, all...), options), status, output)
	}
	f(``, model.OK, "PostgreSQL OK, takes connections in ", "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00")
	f(``, model.OK, `PostgreSQL OK, answers: role "hulotte" does not exist in `, errorAnswer("28000", `role "hulotte" does not exist`))
	f(`{"username":"joe"}`, model.Critical, `the server says: role "joe" does not exist (28000)`, errorAnswer("28000", `role "joe" does not exist`))
	f(``, model.Critical, "the server says: the database system is starting up (57P03)", errorAnswer("57P03", "the database system is starting up"))
	f(``, model.Critical, "does not speak PostgreSQL's protocol", "HTTP/1.1 400\r\n")
	f(`{"tls":true}`, model.Critical, "the server does not offer TLS", "N")
	refuses(t, "postgresql", `{"query":"SELECT 1"}`, "username: declare it for a query")
	refuses(t, "postgresql", `{"username":"a","result":{"warn":1}}`, "query: declare it with result")
}

func TestMySQLGreeting(t *testing.T) {
	packet := func(number byte, body string) string { return string([]byte{byte(len(body)), 0, 0, number}) + body }
	f := func(status model.Status, output, greeting string) {
		t.Helper()
		server := serve(t, func(c net.Conn) {
			fmt.Fprint(c, greeting)
			_, _ = c.Read(make([]byte, 100))
		})
		want(t, ask(t, "mysql", server, ""), status, output)
	}
	f(model.OK, "MySQL 10.11.6-MariaDB OK, asks for a login in ", packet(0, "\x0a10.11.6-MariaDB\x00\x01\x00\x00\x00abcdefgh\x00"))
	f(model.Critical, "the server says: Too many connections (1040)", packet(0, "\xff\x10\x04Too many connections"))
	f(model.Critical, "the server says: blocked (1129)", packet(0, "\xff\x69\x04#HY000blocked"))
	f(model.Critical, "does not speak MySQL's protocol", packet(0, "SSH-2.0"))
	f(model.Critical, "cut short", packet(0, "\x0a10"))
}

func TestSSH(t *testing.T) {
	want(t, ask(t, "ssh", script(t, "SSH-2.0-OpenSSH_9.2p1\n> SSH-2.0-Hulotte"), `{"banner_only":true}`), model.OK, "SSH OK, OpenSSH_9.2p1 in ")
	want(t, ask(t, "ssh", script(t, "hello\nSSH-2.0-OpenSSH_9.2p1\n> SSH-2.0-Hulotte"), `{"banner_only":true,"version":"dropbear"}`), model.Critical, `version is "OpenSSH_9.2p1", without "dropbear"`)
	want(t, ask(t, "ssh", script(t, "SSH-1.5-old"), ``), model.Critical, "speaks only SSH-1.5-old")
	want(t, ask(t, "ssh", script(t, "SSH-2.0-x\n> SSH-2.0-Hulotte\nnonsense that is no packet"), ``), model.Critical, "exchange of keys: ")
	refuses(t, "ssh", `{"fingerprints":["aa:bb"]}`, "fingerprints: ")
}

func TestGRPC(t *testing.T) {
	ca := newAuthority(t)
	start := func(options ...grpc.ServerOption) string {
		s := grpc.NewServer(options...)
		h := health.NewServer()
		h.SetServingStatus("good", grpc_health_v1.HealthCheckResponse_SERVING)
		h.SetServingStatus("bad", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		grpc_health_v1.RegisterHealthServer(s, h)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(s.Stop)
		return l.Addr().String()
	}
	plain := start()
	r := ask(t, "grpc", plain, "")
	want(t, r, model.OK, "gRPC OK, server is SERVING in ")
	if sample(t, r, "probe_grpc_status_code") != 0 || sample(t, r, "probe_grpc_ssl") != 0 || sample(t, r, "probe_grpc_healthcheck_response", "serving_status=SERVING") != 1 {
		t.Errorf("metrics are %v", r.Metrics)
	}
	want(t, ask(t, "grpc", plain, `{"service":"good"}`), model.OK, "service good is SERVING")
	want(t, ask(t, "grpc", plain, `{"service":"bad"}`), model.Critical, "service bad is NOT_SERVING")
	want(t, ask(t, "grpc", plain, `{"service":"none"}`), model.Critical, "does not know the service none")
	secured := start(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}})))
	r = ask(t, "grpc", secured, `{"tls":true,"ca_file":"`+ca.file+`"}`)
	want(t, r, model.OK, "; certificate ends in 89 days")
	if sample(t, r, "probe_grpc_ssl") != 1 {
		t.Error("TLS is not told")
	}
	want(t, ask(t, "grpc", secured, `{"tls":true}`), model.Critical, "authority that is not known here")
	bare := grpc.NewServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = bare.Serve(l) }()
	t.Cleanup(bare.Stop)
	want(t, ask(t, "grpc", l.Addr().String(), ""), model.Critical, "does not have the health service")
	want(t, ask(t, "grpc", l.Addr().String(), `{"no_health":true}`), model.OK, "does not have the health service")
}

func TestWebSocket(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		_ = c.Write(context.Background(), websocket.MessageText, []byte("welcome"))
		for {
			kind, data, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), kind, append([]byte("echo "), data...)) != nil {
				return
			}
		}
	})
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	f := func(options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "websocket", address(s), options), status, output)
	}
	f(``, model.OK, "WebSocket OK in ")
	f(`{"send":"hi","expect":"^echo hi$"}`, model.OK, `message "echo hi" came`)
	f(`{"path":"/no"}`, model.Critical, "does not open a WebSocket: HTTP 403 Forbidden")
	f(`{"subprotocols":["chat"]}`, model.OK, "WebSocket OK, chat in ")
	f(`{"subprotocols":["other"]}`, model.Critical, "takes none of the subprotocols")
	secured := httptest.NewTLSServer(handler)
	t.Cleanup(secured.Close)
	want(t, ask(t, "websocket", address(secured), `{"tls":true,"insecure_skip_verify":true}`), model.OK, "WebSocket OK")
	refuses(t, "websocket", `{"expect":"("}`, "expect: ")
}

func TestTLSKind(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, NextProtos: []string{"h2"}}
	server := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, tls.Server(c, config)) })
	r := ask(t, "tls", server, `{"ca_file":"`+ca.file+`","alpn":["h2"]}`)
	want(t, r, model.OK, "TLS OK, TLS 1.3, TLS_AES_128_GCM_SHA256 in ")
	want(t, r, model.OK, "certificate ends in 89 days; speaks h2")
	sample(t, r, "probe_ssl_last_chain_expiry_timestamp_seconds")
	want(t, ask(t, "tls", server, `{"server_name":"x.example.com","ca_file":"`+ca.file+`"}`), model.Critical, "certificate is for another name")
	starting := func(dialogue ...string) string {
		return serve(t, func(c net.Conn) {
			buf := make([]byte, 512)
			for i, line := range dialogue {
				if i > 0 {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
				fmt.Fprint(c, line)
			}
			_, _ = io.Copy(io.Discard, tls.Server(c, config))
		})
	}
	for protocol, server := range map[string]string{
		"smtp": starting("220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n"), "imap": starting("* OK hi\r\n", "a1 OK go\r\n"), "pop3": starting("+OK hi\r\n", "+OK go\r\n"),
		"ftp": starting("220 hi\r\n", "234 go\r\n"), "postgresql": starting("", "S"), "ldap": starting("", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
	} {
		r := ask(t, "tls", server, `{"starttls":"`+protocol+`","ca_file":"`+ca.file+`"}`)
		want(t, r, model.OK, "TLS OK")
	}
	refuses(t, "tls", `{"starttls":"x"}`, "starttls: ")
}
