package probe

import (
	"crypto/md5"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hulotte-dev/hulotte/model"
)

// datagramServer answers each datagram by f until the test ends; no answer for nil.
func datagramServer(t testing.TB, f func(question []byte) [][]byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, answer := range f(buf[:n]) {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return c.LocalAddr().String()
}

func TestNTP(t *testing.T) {
	f := func(options string, status model.Status, output string, leap, stratum byte, shift time.Duration) {
		t.Helper()
		server := datagramServer(t, func(q []byte) [][]byte {
			a := make([]byte, 48)
			a[0], a[1] = leap<<6|4<<3|4, stratum
			copy(a[12:], "GPS\x00")
			copy(a[24:], q[40:48])
			now := time.Now().Add(shift)
			for _, at := range []int{32, 40} {
				binary.BigEndian.PutUint32(a[at:], uint32(now.Unix()+2208988800))
				binary.BigEndian.PutUint32(a[at+4:], uint32(now.Nanosecond()<<32/1e9))
			}
			return [][]byte{a}
		})
		want(t, ask(t, "ntp", server, options), status, output)
	}
	f(``, model.OK, "NTP OK, stratum 1, offset ", 0, 1, 0)
	f(``, model.Warning, "(warning 0.5)", 0, 1, 2*time.Second)
	f(``, model.Critical, "(critical 5)", 0, 1, -9*time.Second)
	f(`{"warn_offset":10}`, model.OK, "NTP OK, stratum 1", 0, 1, 9*time.Second)
	f(``, model.Critical, "not synchronised", 3, 16, 0)
	f(``, model.Critical, "the server refuses (GPS", 0, 0, 0)
	f(`{"warn_stratum":"2:4"}`, model.Warning, "stratum is 1 (warning 2:4)", 0, 1, 0)
	f(`{"samples":3}`, model.OK, "NTP OK", 0, 1, 0)
	refuses(t, "ntp", `{"samples":9}`, "samples: ")
}

func TestNTPTimesComeRoundIn2036(t *testing.T) {
	now := time.Date(2036, 2, 8, 0, 0, 0, 0, time.UTC)
	b := binary.BigEndian.AppendUint32(nil, uint32(now.Unix()+2208988800-1<<32))
	if got := ntpTime(append(b, 0, 0, 0, 0), now.Add(time.Minute)); !got.Equal(now) {
		t.Errorf("got %v", got.UTC())
	}
}

func TestSIP(t *testing.T) {
	f := func(first, options string, status model.Status, output string) {
		t.Helper()
		server := datagramServer(t, func(q []byte) [][]byte {
			if !strings.HasPrefix(string(q), "OPTIONS sip:127.0.0.1:") {
				t.Errorf("the question is %q", q)
			}
			_, via, _ := strings.Cut(string(q), "Via: ")
			via, _, _ = strings.Cut(via, "\r\n")
			return [][]byte{[]byte("SIP/2.0 100 Trying\r\nVia: " + via + "\r\n\r\n"), []byte("SIP/2.0 200 OK\r\nVia: other\r\n\r\n"),
				[]byte(first + "\r\nVia: " + via + "\r\nServer: Kamailio\r\nContent-Length: 0\r\n\r\n")}
		})
		want(t, ask(t, "sip", server, options), status, output)
	}
	f("SIP/2.0 200 OK", ``, model.OK, "SIP 200 OK, Kamailio in ")
	f("SIP/2.0 404 Not Found", ``, model.OK, "SIP 404 Not Found")
	f("SIP/2.0 404 Not Found", `{"codes":["200"]}`, model.Critical, "code 404 is not good here")
	f("SIP/2.0 503 Service Unavailable", ``, model.Critical, "code 503 is not good here")
	tcp := serve(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		n, _ := c.Read(buf)
		_, via, _ := strings.Cut(string(buf[:n]), "Via: ")
		via, _, _ = strings.Cut(via, "\r\n")
		_, _ = c.Write([]byte("SIP/2.0 200 OK\r\nVia: " + via + "\r\n\r\n"))
	})
	want(t, ask(t, "sip", tcp, `{"transport":"tcp"}`), model.OK, "SIP 200 OK")
	refuses(t, "sip", `{"transport":"x"}`, "transport: ")
}

func TestRADIUS(t *testing.T) {
	answer := func(q []byte, code byte, secret string) []byte {
		a := []byte{code, q[1], 0, 20}
		sum := md5.Sum(append(append(append([]byte{}, a...), q[4:20]...), secret...))
		return append(a, sum[:]...)
	}
	f := func(options, secret string, code byte, status model.Status, output string) {
		t.Helper()
		server := datagramServer(t, func(q []byte) [][]byte { return [][]byte{answer(q, code, secret)} })
		r := ask(t, "radius", server, `{"secret":"s3"`+options+`}`)
		want(t, r, status, output)
	}
	f(``, "s3", 2, model.OK, "RADIUS, Access-Accept in ")
	f(`,"username":"joe","password":"x"`, "s3", 2, model.OK, "Access-Accept")
	f(`,"username":"joe","password":"x"`, "s3", 3, model.Critical, "joe is rejected; RADIUS, Access-Reject")
	f(`,"username":"joe","password":"x","rejected":true`, "s3", 3, model.OK, "Access-Reject")
	f(`,"username":"joe","password":"x","rejected":true`, "s3", 2, model.Critical, "joe is accepted, though")
	refuses(t, "radius", `{}`, "secret or secret_file")
	server := datagramServer(t, func(q []byte) [][]byte { return [][]byte{answer(q, 2, "other")} })
	p := build(t, "radius", server, `{"secret":"s3"}`)
	want(t, brief(t, p), model.Critical, "not signed with our secret")
}

func TestRADIUSHidesPasswords(t *testing.T) {
	// The example of RFC 2865, 7.1: user nemo, password arctangent, secret xyzzy5461.
	random := [16]byte{0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a}
	want := "\x0d\xbe\x70\x8d\x93\xd4\x13\xce\x31\x96\xe4\x3f\x78\x2a\x0a\xee"
	if got := string(hidePassword("arctangent", "xyzzy5461", random)); got != want {
		t.Errorf("got %x", got)
	}
}

// zone answers for example.com.
func zone(t testing.TB) string {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		m.AuthenticatedData = q.Question[0].Name == "signed.example.com."
		add := func(text string) {
			r, err := dns.NewRR(text)
			if err != nil {
				t.Error(err)
			}
			m.Answer = append(m.Answer, r)
		}
		switch question := q.Question[0]; {
		case question.Name == "none.example.com.":
			m.Rcode = dns.RcodeNameError
		case question.Name == "big.example.com." && w.RemoteAddr().Network() == "udp":
			m.Truncated = true
		case question.Qtype == dns.TypeA:
			add(question.Name + " 300 IN A 192.0.2.1")
			add(question.Name + " 60 IN A 192.0.2.2")
		case question.Qtype == dns.TypeMX:
			add(question.Name + " 300 IN MX 10 mail.example.com.")
		case question.Qtype == dns.TypeTXT:
			add(question.Name + ` 300 IN TXT "v=spf1 -all"`)
		case question.Qtype == dns.TypeSOA:
			add(question.Name + " 300 IN SOA ns. root. 2024010101 1 2 3 4")
		case question.Qtype == dns.TypePTR:
			add(question.Name + " 300 IN PTR host.example.com.")
		}
		_ = w.WriteMsg(m)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: handler}, {PacketConn: p, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return l.Addr().String()
}

func TestDNS(t *testing.T) {
	server := zone(t)
	f := func(options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "dns", server, options), status, output)
	}
	f(`{"name":"www.example.com"}`, model.OK, "DNS NOERROR, www.example.com. A: 192.0.2.1, 192.0.2.2 in ")
	f(`{"name":"www.example.com","transport":"tcp"}`, model.OK, "DNS NOERROR")
	f(`{"name":"big.example.com"}`, model.OK, "192.0.2.1")
	f(`{"name":"www.example.com","answers":["192.0.2.2"]}`, model.OK, "DNS NOERROR")
	f(`{"name":"www.example.com","answers":["192.0.2.2"],"exact":true}`, model.Critical, "there is a record that should not be: 192.0.2.1")
	f(`{"name":"www.example.com","answers":["192.0.2.3"]}`, model.Critical, "there is no record 192.0.2.3")
	f(`{"name":"example.com","type":"mx","answers":["10 MAIL.example.com"]}`, model.OK, "10 mail.example.com.")
	f(`{"name":"example.com","type":"TXT","answers":["v=spf1 -all"],"matches":["spf1"],"not_matches":["\\+all"]}`, model.OK, "v=spf1")
	f(`{"name":"example.com","type":"TXT","matches":["spf2"]}`, model.Critical, `no record matches "spf2"`)
	f(`{"name":"example.com","type":"TXT","not_matches":["spf1"]}`, model.Critical, `matches "spf1"`)
	f(`{"name":"192.0.2.1","type":"PTR"}`, model.OK, "1.2.0.192.in-addr.arpa. PTR: host.example.com.")
	f(`{"name":"example.com","type":"AAAA"}`, model.Critical, "there is no AAAA record for example.com.")
	f(`{"name":"example.com","type":"AAAA","empty":true}`, model.OK, "no records")
	f(`{"name":"none.example.com"}`, model.Critical, "response code is NXDOMAIN (3)")
	f(`{"name":"none.example.com","rcodes":["nxdomain"]}`, model.OK, "DNS NXDOMAIN")
	f(`{"name":"www.example.com","dnssec":true}`, model.Critical, "no AD flag")
	f(`{"name":"signed.example.com","dnssec":true,"authoritative":true}`, model.OK, "DNS NOERROR")
	f(`{"name":"www.example.com","warn_ttl":"100:"}`, model.Warning, "smallest TTL is 60 s (warning 100:)")
	r := ask(t, "dns", server, `{"name":"example.com","type":"SOA"}`)
	want(t, r, model.OK, "2024010101")
	if sample(t, r, "probe_dns_serial") != 2024010101 || sample(t, r, "probe_dns_answer_rrs") != 1 || sample(t, r, "probe_dns_query_succeeded") != 1 {
		t.Errorf("metrics are %v", r.Metrics)
	}
	refuses(t, "dns", `{}`, "name: ")
	refuses(t, "dns", `{"name":"a","type":"X1"}`, "type: ")
	refuses(t, "dns", `{"name":"a","class":"X1"}`, "class: ")
	refuses(t, "dns", `{"name":"a","rcodes":["X1"]}`, "rcodes: ")
	refuses(t, "dns", `{"name":"a","transport":"x"}`, "transport: ")
}

func TestICMP(t *testing.T) {
	r := ask(t, "icmp", "127.0.0.1", `{"packets":3,"interval":"10ms"}`)
	if r.Status == model.Unknown && strings.Contains(r.Output, "may not ping") {
		t.Skip(r.Output)
	}
	want(t, r, model.OK, "PING OK, 127.0.0.1 answers in ")
	if sample(t, r, "probe_icmp_reply_hop_limit") != 64 || sample(t, r, "probe_icmp_duration_seconds", "phase=rtt") <= 0 {
		t.Errorf("metrics are %v", r.Metrics)
	}
	want(t, ask(t, "icmp", "127.0.0.1", `{"packets":1,"warn_rta":"@0:1h"}`), model.Warning, "average round trip is ")
	want(t, ask(t, "icmp", "::1", `{"packets":1}`), model.OK, "PING OK, ::1")
	refuses(t, "icmp", `{"packets":1000}`, "packets: ")
	refuses(t, "icmp", `{"size":70000}`, "size: ")
	refuses(t, "icmp", `{"ttl":256}`, "ttl: ")
}

func TestEchoStats(t *testing.T) {
	st := echoStats{sent: 4, rtts: []time.Duration{10 * time.Millisecond, 30 * time.Millisecond, 20 * time.Millisecond}}
	if st.average() != 20*time.Millisecond || st.jitter() != 15*time.Millisecond || st.best() != 10*time.Millisecond || st.worst() != 30*time.Millisecond {
		t.Errorf("%v %v %v %v", st.average(), st.jitter(), st.best(), st.worst())
	}
	rep := newReport()
	(&icmpProbe{icmpOptions: &icmpOptions{}}).judge(&st, "h", rep)
	if rep.perf[0].Value != 25 {
		t.Errorf("loss is %v", rep.perf[0].Value)
	}
}
