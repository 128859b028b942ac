package scrape

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/miekg/dns"
	promscrape "github.com/prometheus/prometheus/scrape"
)

const insideEnv = "HULOTTE_TEST_INSIDE_NAMESPACE"

// The DNS discovery asks the servers of /etc/resolv.conf on port 53. So the test runs itself again in a network
// and a file system of its own, where both are free to use.
func TestDNSDiscovery(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		resolv := filepath.Join(t.TempDir(), "resolv.conf")
		write(t, resolv, "nameserver 127.0.0.1\n")
		again := exec.Command("unshare", "-rnm", "sh", "-c",
			`ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`,
			"sh", resolv, os.Args[0], "-test.run=^TestDNSDiscovery$", "-test.v")
		again.Env = append(os.Environ(), insideEnv+"=1")
		out, err := again.CombinedOutput()
		if err != nil && !bytes.Contains(out, []byte("TestDNSDiscovery")) {
			t.Skipf("this system gives no namespaces (unshare -rnm, ip): %v: %s", err, out)
		}
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestDNSDiscovery")) {
			t.Errorf("inside: %v\n%s", err, out)
		}
		return
	}

	pc, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, "found 1\n")
	_, portText, _ := net.SplitHostPort(addr)
	port, _ := strconv.ParseUint(portText, 10, 16)
	server := &dns.Server{PacketConn: pc, Handler: zone(uint16(port))}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })

	r := start(t, fmt.Sprintf(`
scrape_configs:
  - job_name: by_address
    fallback_scrape_protocol: PrometheusText0.0.4
    dns_sd_configs: [{names: [owl.test.], type: A, port: %d}]
  - job_name: by_service
    fallback_scrape_protocol: PrometheusText0.0.4
    dns_sd_configs: [{names: [_metrics._tcp.owl.test.]}]
  - job_name: nowhere
    dns_sd_configs: [{names: [gone.test.], type: A, port: 1}]
`, port))
	for _, pool := range []string{"by_address", "by_service"} {
		if got := r.scraped(pool); got.Health != promscrape.HealthGood {
			t.Errorf("%s: %+v", pool, got)
		}
	}
	if active := r.Targets("nowhere").Active; len(active) != 0 {
		t.Errorf("targets of a name that does not exist: %v", active)
	}
}

// zone answers for owl.test: an address, and a service on port.
func zone(port uint16) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		ask := q.Question[0]
		head := dns.RR_Header{Name: ask.Name, Rrtype: ask.Qtype, Class: dns.ClassINET, Ttl: 1}
		switch {
		case ask.Name == "owl.test." && ask.Qtype == dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
		case ask.Name == "_metrics._tcp.owl.test." && ask.Qtype == dns.TypeSRV:
			m.Answer = append(m.Answer, &dns.SRV{Hdr: head, Target: "owl.test.", Port: port})
		case ask.Name != "owl.test.":
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	}
}
