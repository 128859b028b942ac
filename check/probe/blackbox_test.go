package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	commonmodel "github.com/prometheus/common/model"
)

// modulesOfTests are what both are asked with.
func modulesOfTests(ca string) string {
	return `modules:
  http_2xx:
    prober: http
    timeout: 5s
  http_codes: {prober: http, http: {valid_status_codes: [404, 503]}}
  http_no_redirects: {prober: http, http: {follow_redirects: false, valid_status_codes: [302]}}
  http_no_redirects_old: {prober: http, http: {no_follow_redirects: true}}
  http_body: {prober: http, http: {fail_if_body_not_matches_regexp: ["^Hello"], fail_if_body_matches_regexp: ["secret"]}}
  http_body_bad: {prober: http, http: {fail_if_body_not_matches_regexp: ["^Bye"]}}
  http_header: {prober: http, http: {fail_if_header_not_matches: [{header: Last-Modified, regexp: "2009"}], fail_if_header_matches: [{header: Set-Cookie, regexp: ".*", allow_missing: true}]}}
  http_header_bad: {prober: http, http: {fail_if_header_matches: [{header: Last-Modified, regexp: "2009"}]}}
  http_not_ssl: {prober: http, http: {fail_if_not_ssl: true}}
  http_tls: {prober: http, http: {tls_config: {ca_file: "` + ca + `"}}}
  http_tls_no_h2: {prober: http, http: {enable_http2: false, tls_config: {ca_file: "` + ca + `"}}}
  http_if_ssl: {prober: http, http: {fail_if_ssl: true, tls_config: {insecure_skip_verify: true}}}
  http_versions: {prober: http, http: {valid_http_versions: ["HTTP/2.0"]}}
  http_post: {prober: http, http: {method: POST, headers: {Content-Type: text/plain, X-Test: "yes", User-Agent: x}, body: "a=1", fail_if_body_not_matches_regexp: ["POST .*a=1 \"yes\""]}}
  http_auth: {prober: http, http: {headers: {User-Agent: x}, basic_auth: {username: joe, password: secret}, fail_if_body_not_matches_regexp: ["Basic am9l"]}}
  http_ip4: {prober: http, http: {preferred_ip_protocol: ip4, ip_protocol_fallback: false}}
  http_ip6: {prober: http, http: {preferred_ip_protocol: ip6, ip_protocol_fallback: false}}
  http_gzip: {prober: http, http: {compression: gzip, headers: {Accept-Encoding: gzip}, fail_if_body_not_matches_regexp: ["was compressed"]}}
  http_limit: {prober: http, http: {body_size_limit: 1KB}}
  tcp_connect: {prober: tcp, timeout: 5s}
  tcp_dialogue:
    prober: tcp
    tcp:
      query_response:
        - expect: "^220 ([^ ]+)"
          send: "HELO $1"
        - expect: "^HELO mail"
  tcp_unexpected: {prober: tcp, tcp: {query_response: [{expect: "^500"}]}}
  tcp_tls: {prober: tcp, tcp: {tls: true, tls_config: {ca_file: "` + ca + `"}}}
  tcp_starttls: {prober: tcp, tcp: {query_response: [{expect: "^220", send: "STARTTLS", starttls: true}], tls_config: {ca_file: "` + ca + `"}}}
  dns_a: {prober: dns, dns: {query_name: www.example.com, query_type: A}}
  dns_tcp: {prober: dns, dns: {query_name: www.example.com, query_type: A, transport_protocol: tcp}}
  dns_soa: {prober: dns, dns: {query_name: example.com, query_type: SOA}}
  dns_none: {prober: dns, dns: {query_name: none.example.com, query_type: A}}
  dns_nxdomain: {prober: dns, dns: {query_name: none.example.com, query_type: A, valid_rcodes: [NXDOMAIN]}}
  dns_records: {prober: dns, dns: {query_name: www.example.com, query_type: A, validate_answer_rrs: {fail_if_not_matches_regexp: ["192.0.2"], fail_if_matches_regexp: ["127.0.0"]}}}
  dns_records_bad: {prober: dns, dns: {query_name: www.example.com, query_type: A, validate_answer_rrs: {fail_if_none_matches_regexp: ["10.0.0"]}}}
  icmp: {prober: icmp, timeout: 2s}
  grpc: {prober: grpc, timeout: 3s}
  grpc_bad: {prober: grpc, timeout: 3s, grpc: {service: bad}}
`
}

func TestReadModules(t *testing.T) {
	modules, err := ReadModules([]byte(modulesOfTests("/nowhere")))
	if err != nil || len(modules) < 30 {
		t.Fatalf("%d modules, %v", len(modules), err)
	}
	if m := modules["http_no_redirects_old"]; m.HTTP.Client.FollowRedirects {
		t.Error("the old name for not following redirects has no effect")
	}
	if m := modules["dns_a"]; !m.DNS.Recursion || !m.DNS.IPProtocolFallback {
		t.Error("defaults are missing")
	}
	f := func(text, want string) {
		t.Helper()
		modules, err := ReadModules([]byte("modules:\n  good: {prober: tcp}\n  bad: " + text))
		if err == nil || !strings.Contains(err.Error(), "module bad: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
		if _, ok := modules["good"]; !ok {
			t.Errorf("%s: the good module is gone too", text)
		}
	}
	f("{prober: xmpp}", `prober: "xmpp"`)
	f("{prober: http, http: {enable_http3: true}}", "HTTP/3 is not spoken here")
	f("{prober: http, http: {fail_if_body_json_matches_cel: 'body.a'}}", "CEL is not understood here")
	f("{prober: http, http: {body: a, body_file: b}}", "declare one of them")
	f("{prober: http, http: {compression: lzma}}", "compression: ")
	f("{prober: http, http: {vaild_status_codes: [1]}}", "vaild_status_codes")
	f("{prober: http, http: {fail_if_body_matches_regexp: ['(']}}", "is no regular expression")
	f("{prober: http, http: {fail_if_header_matches: [{header: A}]}}", "needs header and regexp")
	f("{prober: dns, dns: {query_type: A}}", "query_name")
	f("{prober: dns, dns: {query_name: a, query_type: XX}}", "query_type")
	f("{prober: icmp, icmp: {ttl: 300}}", "ttl")
	f("{prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}}", "query_response[0]")
	if _, err := ReadModules([]byte("module: {}")); err == nil {
		t.Error("an unknown key is no error")
	}
}

// bothTargets starts what is asked, and lists what is asked how.
func bothTargets(t *testing.T, ca *testCA) [][2]string {
	plain := site(t)
	plain.Start()
	secured := site(t)
	secured.EnableHTTP2 = true
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", "localhost", "www.example.com")}}
	secured.TLS = config
	secured.StartTLS()
	greeter := serve(t, func(c net.Conn) {
		fmt.Fprint(c, "220 mail.example.com ESMTP\r\n")
		echoed(c)
	})
	starting := serve(t, func(c net.Conn) {
		fmt.Fprint(c, "220 ready\r\n")
		line := make([]byte, len("STARTTLS\n"))
		if _, err := io.ReadFull(c, line); err == nil {
			_, _ = io.Copy(io.Discard, tls.Server(c, config))
		}
	})
	secure := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, tls.Server(c, config)) })
	brief := serve(t, func(c net.Conn) { fmt.Fprint(c, "220 mail.example.com ESMTP\r\n") })
	closed, names := closedPort(t), zone(t)
	all := [][2]string{
		{"http_2xx", "http://" + closed}, {"http_2xx", "http://no-such-host.invalid/"}, {"http_codes", plain.URL + "/code/404"}, {"http_codes", plain.URL},
		{"http_2xx", plain.URL + "/code/500"}, {"http_2xx", plain.URL + "/to/3"}, {"http_2xx", plain.URL + "/to/20"}, {"http_no_redirects", plain.URL + "/to/3"},
		{"http_no_redirects_old", plain.URL + "/to/3"}, {"http_2xx", address(plain)},
		{"http_post", plain.URL + "/echo"}, {"http_auth", plain.URL + "/echo"}, {"http_gzip", plain.URL + "/gzip"}, {"http_limit", plain.URL + "/zeros"}, {"http_limit", plain.URL},
		{"http_ip4", strings.Replace(plain.URL, "127.0.0.1", "localhost", 1)}, {"http_ip6", plain.URL},
		{"http_tls", secured.URL + "/to/2"}, {"http_tls_no_h2", secured.URL}, {"http_if_ssl", secured.URL}, {"http_2xx", secured.URL}, {"http_versions", plain.URL},
		{"tcp_connect", greeter}, {"tcp_connect", closed}, {"tcp_connect", "nonsense"}, {"tcp_dialogue", greeter}, {"tcp_unexpected", greeter}, {"tcp_unexpected", brief},
		{"tcp_tls", secure}, {"tcp_starttls", starting}, {"icmp", "127.0.0.1"}, {"icmp", "no-such-host.invalid"},
	}
	for _, m := range []string{"http_2xx", "http_body", "http_body_bad", "http_header", "http_header_bad", "http_not_ssl"} {
		all = append(all, [2]string{m, plain.URL})
	}
	for _, m := range []string{"dns_a", "dns_tcp", "dns_soa", "dns_none", "dns_nxdomain", "dns_records", "dns_records_bad"} {
		all = append(all, [2]string{m, names})
	}
	return append(all, [2]string{"dns_a", closed})
}

func TestAgainstBlackboxExporter(t *testing.T) {
	program, err := exec.LookPath("prometheus-blackbox-exporter")
	if err != nil {
		t.Skip("prometheus-blackbox-exporter is not installed")
	}
	ca := newAuthority(t)
	text := modulesOfTests(ca.file)
	theirs := startBlackbox(t, program, text)
	modules, err := ReadModules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	ours := httptest.NewServer(Handler(func() map[string]Module { return modules }, slog.New(slog.DiscardHandler)))
	t.Cleanup(ours.Close)
	for _, c := range bothTargets(t, ca) {
		query := "/probe?module=" + c[0] + "&target=" + url.QueryEscape(c[1])
		name := c[0] + " " + c[1]
		compareProbes(t, name, scrape(t, theirs+query), scrape(t, ours.URL+query))
	}
}

// laterSeries are those of newer versions than the one that Debian has; the label serialnumber is newer too.
var laterSeries = []string{"probe_timeout_seconds", "probe_tls_cipher_info", "probe_failed_due_to_bytes"}

// varies says whether a value is another one each time.
func varies(name string) bool {
	return strings.HasSuffix(name, "duration_seconds") || name == "probe_dns_lookup_time_seconds"
}

func compareProbes(t *testing.T, name string, theirs, ours map[string]*dto.MetricFamily) {
	t.Helper()
	for family, f := range theirs {
		if ours[family] == nil {
			t.Errorf("%s: %s is missing", name, family)
			continue
		}
		if f.GetHelp() != ours[family].GetHelp() {
			t.Errorf("%s: %s has the help %q, theirs is %q", name, family, ours[family].GetHelp(), f.GetHelp())
		}
		a, b := samples(f), samples(ours[family])
		for key, v := range a {
			got, ok := b[key]
			switch {
			case !ok:
				t.Errorf("%s: %s%s is missing; there is %v", name, family, key, b)
			case !varies(family) && got != v:
				t.Errorf("%s: %s%s is %v, theirs is %v", name, family, key, got, v)
			}
		}
		if len(b) > len(a) {
			t.Errorf("%s: %s has %v, theirs %v", name, family, b, a)
		}
	}
	for family := range ours {
		if theirs[family] == nil && !slices.Contains(laterSeries, family) {
			t.Errorf("%s: %s is too much", name, family)
		}
	}
}

// samples are values by labels.
func samples(f *dto.MetricFamily) map[string]float64 {
	all := map[string]float64{}
	for _, m := range f.Metric {
		var labels []string
		for _, l := range m.Label {
			if l.GetName() != "serialnumber" {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
		}
		slices.Sort(labels)
		all[fmt.Sprint(labels)] = m.GetGauge().GetValue()
	}
	return all
}

func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "2.5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s %s", address, resp.Status, body)
	}
	parser := expfmt.NewTextParser(commonmodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// startBlackbox runs the real program until the test ends, and returns its URL.
func startBlackbox(t *testing.T, program, modules string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "blackbox.yml")
	if err := os.WriteFile(file, []byte(modules), 0o600); err != nil {
		t.Fatal(err)
	}
	listen := closedPort(t)
	cmd := exec.Command(program, "--config.file="+file, "--web.listen-address="+listen)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	done := make(chan string, 1)
	var once sync.Once
	go func() {
		var said strings.Builder
		for in := bufio.NewScanner(out); in.Scan(); {
			said.WriteString(in.Text() + "\n")
			if strings.Contains(in.Text(), "Listening on") {
				once.Do(func() { close(ready) })
			}
		}
		done <- said.String()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	select {
	case <-ready:
	case said := <-done:
		t.Fatalf("the exporter ended: %s", said)
	case <-time.After(20 * time.Second):
		t.Fatal("the exporter does not listen")
	}
	return "http://" + listen
}

func TestHandler(t *testing.T) {
	s := site(t)
	s.Start()
	modules, err := ReadModules([]byte(`modules:
  http_2xx: {prober: http, timeout: 5s, http: {headers: {User-Agent: x}, basic_auth: {username: joe, password: hidden-word}}}
  http_host: {prober: http, http: {headers: {Host: a.example.com}}}`))
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(func() map[string]Module { return modules }, slog.New(slog.DiscardHandler))
	f := func(query string, code int, want ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/probe?"+query, nil))
		for _, text := range want {
			if w.Code != code || !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s: got %d %s, want %d with %q", query, w.Code, w.Body, code, text)
			}
		}
		if strings.Contains(w.Body.String(), "hidden-word") {
			t.Errorf("%s: the password is shown: %s", query, w.Body)
		}
	}
	f("target="+s.URL, 200, "\nprobe_success 1\n", "probe_http_status_code 200", "# HELP probe_success Displays whether or not the probe was a success\n")
	f("target="+s.URL+"&debug=true", 200, "Logs for the probe:\n", "Making HTTP request", "Metrics that would have been returned:\n", "probe_success 1", "Module configuration:\nprober: http")
	f("module=x&target=a", 400, `Unknown module "x"`)
	f("module=http_2xx", 400, "Target parameter is missing")
	f("module=http_host&hostname=b.example.com&target=a", 400, "host header defined both")
}

func TestProbeTimeout(t *testing.T) {
	f := func(header string, module, want time.Duration) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", header)
		}
		if got, err := probeTimeout(r, module); err != nil || got != want {
			t.Errorf("%q %s: got %s, %v, want %s", header, module, got, err, want)
		}
	}
	f("", 0, 119500*time.Millisecond)
	f("", 5*time.Second, 5*time.Second)
	f("3", 5*time.Second, 2500*time.Millisecond)
	f("10", 5*time.Second, 5*time.Second)
	f("0.2", 5*time.Second, 5*time.Second)
	f("0.2", 0, 500*time.Millisecond)
	f("1e30", 0, 119500*time.Millisecond)
}

func TestProbeUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "hello joe\n")
			c.Close()
		}
	}()
	modules, err := ReadModules([]byte(`modules: {u: {prober: unix, unix: {query_response: [{expect: "^hello (.*)", labels: [{name: who, value: $1}]}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	families, debug, err := Probe(context.Background(), modules["u"], path)
	if err != nil || value(families, "probe_success") != 1 || value(families, "probe_expect_info") != 1 {
		t.Errorf("%v %v\n%s", families, err, debug)
	}
}

func FuzzReadModules(f *testing.F) {
	f.Add([]byte(modulesOfTests("/ca.pem")))
	f.Add([]byte("modules: {a: {prober: dns, dns: {query_name: a}}}"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		modules, _ := ReadModules(data)
		for name, m := range modules {
			if m.validate() != nil {
				panic("module " + name + " was taken, though it is wrong")
			}
		}
	})
}
