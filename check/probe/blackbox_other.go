package probe

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/common/config"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// probe is the prober icmp: one packet.
func (m *ModuleICMP) probe(ctx context.Context, host string, rep *report) bool {
	phases := map[string]time.Duration{"resolve": 0, "setup": 0, "rtt": 0}
	defer func() {
		for _, name := range sortedKeys(phases) {
			rep.metric("probe_icmp_duration_seconds", helpICMPDuration, phases[name].Seconds(), "phase", name)
		}
	}()
	ip, took, err := choose(ctx, m.IPProtocol, m.IPProtocolFallback, host, rep)
	phases["resolve"] = took
	if err != nil {
		rep.log.Error("Error resolving address", "err", err)
		return false
	}
	o := echoOptions{to: ip, ttl: m.TTL, size: m.PayloadSize, dontFragment: m.DontFragment}
	if m.SourceIPAddress != "" {
		if o.from, err = netip.ParseAddr(m.SourceIPAddress); err != nil {
			rep.log.Error("Error parsing source ip address", "err", err)
			return false
		}
	}
	start := time.Now()
	e, err := openEcho(ctx, o)
	phases["setup"] = time.Since(start)
	if err != nil {
		rep.log.Error("Error listening to socket", "err", err)
		return false
	}
	defer e.end()
	st, err := e.run(ctx, 1, time.Second)
	if len(st.rtts) == 0 {
		rep.log.Warn("No reply", "err", err)
		return false
	}
	phases["rtt"] = st.rtts[0]
	if st.hopLimit >= 0 {
		rep.metric("probe_icmp_reply_hop_limit", helpHopLimit, float64(st.hopLimit))
	}
	return true
}

// probe is the prober dns: target is the server.
func (m *ModuleDNS) probe(ctx context.Context, target string, rep *report) bool {
	k := &dnsProbe{dnsOptions: &dnsOptions{NoRecursion: !m.Recursion, Transport: m.Transport}, kind: dns.TypeANY, class: dns.ClassINET, question: dns.Fqdn(m.QueryName)}
	if m.QueryType != "" {
		k.kind = dns.StringToType[m.QueryType]
	}
	if m.QueryClass != "" {
		k.class = dns.StringToClass[m.QueryClass]
	}
	phases := map[string]time.Duration{"resolve": 0, "connect": 0, "request": 0}
	var answer *dns.Msg
	defer func() {
		for _, name := range sortedKeys(phases) {
			rep.metric("probe_dns_duration_seconds", helpDNSDuration, phases[name].Seconds(), "phase", name)
		}
		if answer != nil {
			reportDNS(rep, answer, k.kind)
			return
		}
		reportDNS(rep, new(dns.Msg), 0)
		rep.metric("probe_dns_query_succeeded", helpDNSSucceeded, 0)
	}()
	port := "53"
	if m.DNSOverTLS {
		port = "853"
	}
	host, declared, err := net.SplitHostPort(target)
	if err != nil {
		host = strings.Trim(target, "[]")
	} else {
		port = declared
	}
	ip, took, err := choose(ctx, m.IPProtocol, m.IPProtocolFallback, host, rep)
	phases["resolve"] = took
	if err != nil {
		rep.log.Error("Error resolving address", "err", err)
		return false
	}
	start := time.Now()
	got, rtt, err := m.exchange(ctx, k, host, net.JoinHostPort(ip.String(), port))
	answer = got
	phases["request"], phases["connect"] = rtt, time.Since(start)-rtt
	if err != nil {
		rep.log.Error("Error while sending a DNS query", "err", err)
		return false
	}
	rep.log.Info("Got response", "response", answer.String())
	return m.judge(answer, rep)
}

// exchange asks as the module says, without falling back to TCP.
func (m *ModuleDNS) exchange(ctx context.Context, k *dnsProbe, host, address string) (*dns.Msg, time.Duration, error) {
	question := new(dns.Msg)
	question.Id, question.RecursionDesired = dns.Id(), m.Recursion
	question.Question = []dns.Question{{Name: k.question, Qtype: k.kind, Qclass: k.class}}
	client := &dns.Client{Net: m.Transport, Dialer: &net.Dialer{}}
	if m.SourceIPAddress != "" {
		ip, err := netip.ParseAddr(m.SourceIPAddress)
		if err != nil {
			return nil, 0, err
		}
		if client.Dialer.LocalAddr = net.Addr(net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))); m.Transport == "tcp" {
			client.Dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
		}
	}
	if m.DNSOverTLS {
		client.Net = "tcp-tls"
		c, err := config.NewTLSConfigWithContext(ctx, &m.TLSConfig)
		if err != nil {
			return nil, 0, err
		}
		if c.ServerName == "" {
			c.ServerName = host
		}
		client.TLSConfig = c
	}
	if end, ok := ctx.Deadline(); ok {
		client.Timeout = time.Until(end)
	}
	answer, rtt, err := client.ExchangeContext(ctx, question, address)
	if err == nil && !answer.Response {
		return nil, rtt, errors.New("the answer is a question")
	}
	return answer, rtt, err
}

func (m *ModuleDNS) judge(answer *dns.Msg, rep *report) bool {
	valid := m.ValidRcodes
	if len(valid) == 0 {
		valid = []string{"NOERROR"}
	}
	if rcode := dns.RcodeToString[answer.Rcode]; !slices.Contains(valid, rcode) {
		rep.log.Error("Rcode is not one of the valid rcodes", "rcode", rcode)
		return false
	}
	return m.Answer.hold(answer.Answer, "answer", rep) && m.Authority.hold(answer.Ns, "authority", rep) && m.Additional.hold(answer.Extra, "additional", rep)
}

// hold says whether records are what the patterns want.
func (p *RecordPatterns) hold(records []dns.RR, section string, rep *report) bool {
	bad := func(why string) bool {
		rep.log.Error("RRs validation failed", "section", section, "why", why)
		return false
	}
	if len(records) == 0 && len(p.FailIfNotMatches)+len(p.FailIfNoneMatches) > 0 {
		return bad("there are no records")
	}
	anyMatch, allMatch := false, true
	for _, r := range records {
		text := r.String()
		for _, re := range p.FailIfMatches {
			if re.MatchString(text) {
				return bad("a record matches " + re.String())
			}
		}
		for _, re := range p.FailIfNotMatches {
			if !re.MatchString(text) {
				return bad("a record does not match " + re.String())
			}
		}
		for _, re := range p.FailIfAllMatch {
			allMatch = allMatch && re.MatchString(text)
		}
		for _, re := range p.FailIfNoneMatches {
			anyMatch = anyMatch || re.MatchString(text)
		}
	}
	if len(p.FailIfAllMatch) > 0 && !allMatch { // as blackbox_exporter has it, whatever the name says
		return bad("not all records match")
	}
	if len(p.FailIfNoneMatches) > 0 && !anyMatch {
		return bad("no record matches")
	}
	return true
}

// probe is the prober grpc.
func (m *ModuleGRPC) probe(ctx context.Context, target string, rep *report) bool {
	text := target
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		text = "http://" + text
	}
	var answer healthAnswer
	var check time.Duration
	begun, resolve := false, time.Duration(0)
	defer func() {
		rep.metric("probe_grpc_duration_seconds", "Duration of gRPC request by phase", resolve.Seconds(), "phase", "resolve")
		if begun {
			reportGRPC(rep, answer, check)
			return
		}
		rep.metric("probe_grpc_ssl", "Indicates if SSL was used for the connection", 0)
		rep.metric("probe_grpc_status_code", "Response gRPC status code", 0)
	}()
	u, err := url.Parse(text)
	if err != nil {
		rep.log.Error("Could not parse target URL", "err", err)
		return false
	}
	creds := insecure.NewCredentials()
	port := "80"
	if m.TLS {
		port = "443"
		c, err := config.NewTLSConfigWithContext(ctx, &m.TLSConfig)
		if err != nil {
			rep.log.Error("Error creating TLS configuration", "err", err)
			return false
		}
		if c.ServerName == "" {
			c.ServerName = u.Hostname()
		}
		creds = credentials.NewTLS(c)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	ip, took, err := choose(ctx, m.IPProtocol, m.IPProtocolFallback, u.Hostname(), rep)
	resolve = took
	if err != nil {
		rep.log.Error("Error resolving address", "err", err)
		return false
	}
	begun = true
	start := time.Now()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port))
	if err != nil {
		answer.code, answer.err = 14, err // Unavailable
		check = time.Since(start)
		rep.log.Error("can't connect grpc server", "err", err)
		return false
	}
	s := newSession(ctx, conn, u.Hostname(), rep)
	defer s.end()
	answer = askHealth(metadata.NewOutgoingContext(ctx, metadata.MD(m.Metadata)), s.Conn, creds, u.Hostname(), m.Service)
	check = time.Since(start)
	if info, ok := answer.peer.AuthInfo.(credentials.TLSInfo); ok {
		reportTLS(rep, &info.State, info.State.VerifiedChains)
	}
	if answer.err != nil || answer.status.String() != "SERVING" {
		rep.log.Error("health check failed", "status", answer.status.String(), "err", answer.err)
		return false
	}
	return true
}

// probe is the prober websocket: the answers to its steps are messages.
func (m *ModuleWebsocket) probe(ctx context.Context, target string, rep *report) bool {
	const help = "Duration of websocket request by phase"
	code, upgraded, unexpected := 0.0, 0.0, 0.0
	defer func() {
		rep.metric("probe_websocket_status_code", "Response HTTP status code", code)
		rep.metric("probe_websocket_connection_upgraded", "Indicates if the websocket connection was successfully upgraded", upgraded)
		rep.metric("probe_websocket_failed_due_to_regex", helpRegex, unexpected)
	}()
	failed := func(what string, err error) bool {
		rep.log.Error(what, "err", err)
		return false
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" {
		return failed("Could not parse target URL", errors.Join(err, errors.New("write it like ws://host/path")))
	}
	ip, took, err := choose(ctx, m.IPProtocol, m.IPProtocolFallback, u.Hostname(), rep)
	rep.metric("probe_websocket_duration_seconds", help, took.Seconds(), "phase", "resolve")
	if err != nil {
		return failed("Error resolving address", err)
	}
	port := map[string]int{"ws": 80, "wss": 443}[u.Scheme]
	if n, err := strconv.Atoi(u.Port()); err == nil {
		port = n
	}
	o := &websocketOptions{Vhost: u.Host, Path: u.RequestURI(), Headers: map[string]string{}}
	if err := m.authenticate(o); err != nil {
		return failed("Error reading credentials", err)
	}
	start := time.Now()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(port)))
	if err != nil {
		return failed("Error dialing websocket", err)
	}
	rep.metric("probe_websocket_duration_seconds", help, time.Since(start).Seconds(), "phase", "connect")
	s := newSession(ctx, c, u.Hostname(), rep)
	defer s.end()
	start = time.Now()
	if u.Scheme == "wss" {
		if err := handshakeAs(ctx, s, m.Client.TLSConfig, u.Hostname()); err != nil {
			return failed("TLS handshake failed", err)
		}
	}
	conn, status, err := o.dial(ctx, s)
	code = float64(status)
	rep.metric("probe_websocket_duration_seconds", help, time.Since(start).Seconds(), "phase", "processing")
	if err != nil {
		return failed("Error dialing websocket", err)
	}
	defer func() { _ = conn.CloseNow() }()
	upgraded = 1
	start = time.Now()
	for _, st := range m.QueryResponse {
		step := &websocketOptions{expect: st.Expect.Regexp}
		if st.Expect.Regexp == nil {
			step.Send = st.Send
		}
		if err = step.converse(ctx, conn, newReport()); err != nil {
			unexpected = 1
			break
		}
		if st.Expect.Regexp != nil && st.Send != "" {
			if err = (&websocketOptions{Send: st.Send}).converse(ctx, conn, newReport()); err != nil {
				break
			}
		}
	}
	if len(m.QueryResponse) > 0 {
		rep.metric("probe_websocket_duration_seconds", help, time.Since(start).Seconds(), "phase", "transfer")
	}
	if err != nil {
		return failed("Dialogue failed", err)
	}
	return true
}

// authenticate takes the headers that the module's client configuration makes.
func (m *ModuleWebsocket) authenticate(o *websocketOptions) error {
	for name, v := range m.Headers {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		o.Headers[name] = fmt.Sprint(v)
	}
	switch c := m.Client; {
	case c.BasicAuth != nil:
		password := string(c.BasicAuth.Password)
		if c.BasicAuth.PasswordFile != "" {
			data, err := os.ReadFile(c.BasicAuth.PasswordFile)
			if err != nil {
				return err
			}
			password = strings.TrimSpace(string(data))
		}
		o.Headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.BasicAuth.Username+":"+password))
	case c.Authorization != nil:
		credentials := string(c.Authorization.Credentials)
		if c.Authorization.CredentialsFile != "" {
			data, err := os.ReadFile(c.Authorization.CredentialsFile)
			if err != nil {
				return err
			}
			credentials = strings.TrimSpace(string(data))
		}
		kind := c.Authorization.Type
		if kind == "" {
			kind = "Bearer"
		}
		o.Headers["Authorization"] = kind + " " + credentials
	case c.BearerToken != "":
		o.Headers["Authorization"] = "Bearer " + string(c.BearerToken)
	}
	return nil
}
