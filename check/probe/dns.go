package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// dnsOptions are those of the kind dns.
type dnsOptions struct {
	targetOptions
	Name        string      `json:"name" doc:"name to ask for"`
	Type        string      `json:"type,omitempty" doc:"type of record: A (when nothing is declared), AAAA, MX, TXT, SOA, SRV, CAA, PTR (name may then be an IP address), DS, ..."`
	Class       string      `json:"class,omitempty" doc:"IN (when nothing is declared), CH, HS or ANY"`
	Transport   string      `json:"transport,omitempty" doc:"udp (when nothing is declared; an answer that does not fit is asked for again by tcp), tcp or tls"`
	NoRecursion bool        `json:"no_recursion,omitempty" doc:"ask the server only for what it knows itself"`
	DNSSEC      bool        `json:"dnssec,omitempty" doc:"ask for signatures; CRITICAL when the server has not verified the answer (no AD flag)"`
	Authority   bool        `json:"authoritative,omitempty" doc:"CRITICAL when the answer is not authoritative (no AA flag)"`
	Rcodes      []string    `json:"rcodes,omitempty" doc:"response codes that are good: NOERROR when nothing is declared; NXDOMAIN, REFUSED, ..."`
	Answers     []string    `json:"answers,omitempty" doc:"records that must be there, as dig shows their data: 192.0.2.1, 10 mail.example.com."`
	Exact       bool        `json:"exact,omitempty" doc:"there must be no others"`
	Matches     []string    `json:"matches,omitempty" doc:"regular expressions of which each must match a record"`
	NotMatches  []string    `json:"not_matches,omitempty" doc:"regular expressions that no record may match"`
	Empty       bool        `json:"empty,omitempty" doc:"no record is needed: without this an empty answer is CRITICAL, unless rcodes are declared"`
	Serial      check.Range `json:"serial,omitempty" doc:"for SOA: the zone's serial number, WARNING outside this range"`
	WarnTTL     check.Range `json:"warn_ttl,omitempty" doc:"WARNING when the smallest TTL in seconds is outside, such as 300:"`
	tlsOptions
}

func dnsKind() check.Kind {
	return newKind("dns", "Asks a DNS server, and judges its answer.", newDNS)
}

func newDNS(p check.Params, o *dnsOptions) (check.Prober, error) {
	k := &dnsProbe{dnsOptions: o, class: dns.ClassINET, kind: dns.TypeA}
	port := 53
	if o.Transport == "tls" {
		port = 853
	}
	var err error
	if k.at, err = o.target(p, port); err != nil {
		return nil, err
	}
	var ok bool
	if o.Type != "" {
		if k.kind, ok = dns.StringToType[strings.ToUpper(o.Type)]; !ok {
			return nil, fmt.Errorf("type: %q is no type of DNS record", o.Type)
		}
	}
	if o.Class != "" {
		if k.class, ok = dns.StringToClass[strings.ToUpper(o.Class)]; !ok {
			return nil, fmt.Errorf("class: %q: write IN, CH, HS or ANY", o.Class)
		}
	}
	if !slices.Contains([]string{"", "udp", "tcp", "tls"}, o.Transport) {
		return nil, fmt.Errorf("transport: %q: write udp, tcp or tls", o.Transport)
	}
	if k.question, err = dnsName(o.Name, k.kind); err != nil {
		return nil, err
	}
	for _, name := range o.Rcodes {
		if _, ok := dns.StringToRcode[strings.ToUpper(name)]; !ok {
			return nil, fmt.Errorf("rcodes: %q is no response code of DNS", name)
		}
	}
	if k.matches, err = compileAll("matches", o.Matches); err != nil {
		return nil, err
	}
	if k.notMatches, err = compileAll("not_matches", o.NotMatches); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &prober{timeout: p.Timeout, ask: k.ask}, nil
}

func dnsName(name string, kind uint16) (string, error) {
	if kind == dns.TypePTR && net.ParseIP(name) != nil {
		return dns.ReverseAddr(name)
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return "", fmt.Errorf("name: %q is no DNS name: write the one to ask for", name)
	}
	return dns.Fqdn(name), nil
}

type dnsProbe struct {
	*dnsOptions
	at                  target
	question            string
	kind, class         uint16
	matches, notMatches []*regexp.Regexp
}

func (k *dnsProbe) message() *dns.Msg {
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.RecursionDesired = !k.NoRecursion
	m.Question = []dns.Question{{Name: k.question, Qtype: k.kind, Qclass: k.class}}
	m.SetEdns0(1232, k.DNSSEC)
	if k.DNSSEC {
		m.AuthenticatedData = true
	}
	return m
}

func (k *dnsProbe) ask(ctx context.Context, rep *report) {
	start := time.Now()
	times := dialTimes{}
	answer, rtt, err := k.exchange(ctx, rep, &times)
	took := time.Since(start)
	for _, p := range []httpPhase{{"resolve", times.resolve}, {"connect", times.connect}, {"request", rtt}} {
		rep.metric("probe_dns_duration_seconds", helpDNSDuration, p.took.Seconds(), "phase", p.name)
	}
	if err != nil {
		rep.metric("probe_dns_query_succeeded", helpDNSSucceeded, 0)
		rep.failed(err)
		return
	}
	reportDNS(rep, answer, k.kind)
	k.judge(answer, rep)
	rep.facts = append([]string{k.summary(answer, took)}, rep.facts...)
	rep.duration("time", took, k.WarnTime, k.CritTime, "answer took %s")
}

// exchange asks by the transport, and again by TCP when an answer by UDP was cut.
func (k *dnsProbe) exchange(ctx context.Context, rep *report, times *dialTimes) (*dns.Msg, time.Duration, error) {
	question := k.message()
	if k.Transport == "" || k.Transport == "udp" {
		answer, rtt, err := k.byUDP(ctx, rep, times, question)
		if err != nil || !answer.Truncated {
			return answer, rtt, err
		}
		rep = newReport() // the address is told already
	}
	start := time.Now()
	var secure *tlsOptions
	if k.Transport == "tls" {
		secure = &k.tlsOptions
	}
	s, err := open(ctx, &k.at, secure, rep)
	times.connect = time.Since(start)
	if err != nil {
		return nil, 0, err
	}
	defer s.end()
	packed, err := question.Pack()
	if err != nil {
		return nil, 0, notAsked("question: %w", err)
	}
	start = time.Now()
	if err := s.send(append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...)); err != nil {
		return nil, 0, err
	}
	head, err := s.read(2, 2)
	if err != nil {
		return nil, 0, err
	}
	data, err := s.read(int(head[0])<<8|int(head[1]), 1<<16)
	if err != nil {
		return nil, 0, err
	}
	answer, err := parseDNS(data, question)
	return answer, time.Since(start), err
}

func (k *dnsProbe) byUDP(ctx context.Context, rep *report, times *dialTimes, question *dns.Msg) (answer *dns.Msg, rtt time.Duration, err error) {
	packed, err := question.Pack()
	if err != nil {
		return nil, 0, notAsked("question: %w", err)
	}
	start := time.Now()
	d, err := k.at.dialUDP(ctx, rep)
	times.resolve = time.Since(start)
	if err != nil {
		return nil, 0, err
	}
	defer d.end()
	rtt, err = d.exchange(ctx, packed, func(b []byte, _ time.Time) (err error) {
		answer, err = parseDNS(b, question)
		return err
	})
	return answer, rtt, err
}

// parseDNS reads an answer, which must be to the question.
func parseDNS(b []byte, question *dns.Msg) (*dns.Msg, error) {
	answer := new(dns.Msg)
	if err := answer.Unpack(b); err != nil {
		if !answer.Truncated || answer.Id != question.Id {
			return nil, fmt.Errorf("the answer cannot be read: %w", err)
		}
	}
	if answer.Id != question.Id || !answer.Response {
		return nil, errors.New("the answer is to another question")
	}
	if len(answer.Question) > 0 && (len(answer.Question) != 1 || !strings.EqualFold(answer.Question[0].Name, question.Question[0].Name) ||
		answer.Question[0].Qtype != question.Question[0].Qtype) {
		return nil, errors.New("the answer is to another question")
	}
	return answer, nil
}

const (
	helpDNSDuration  = "Duration of DNS request by phase"
	helpDNSSucceeded = "Displays whether or not the query was executed successfully"
)

// reportDNS gives blackbox_exporter's series.
func reportDNS(rep *report, answer *dns.Msg, kind uint16) {
	rep.metric("probe_dns_query_succeeded", helpDNSSucceeded, 1)
	rep.metric("probe_dns_answer_rrs", "Returns number of entries in the answer resource record list", float64(len(answer.Answer)))
	rep.metric("probe_dns_authority_rrs", "Returns number of entries in the authority resource record list", float64(len(answer.Ns)))
	rep.metric("probe_dns_additional_rrs", "Returns number of entries in the additional resource record list", float64(len(answer.Extra)))
	if kind != dns.TypeSOA {
		return
	}
	serial := 0.0
	for _, r := range answer.Answer {
		if soa, ok := r.(*dns.SOA); ok {
			serial = float64(soa.Serial)
		}
	}
	rep.metric("probe_dns_serial", "Returns the serial number of the zone", serial)
}

// data is a record without its head, as dig +short shows it.
func data(r dns.RR) string { return strings.TrimPrefix(r.String(), r.Header().String()) }

func (k *dnsProbe) summary(answer *dns.Msg, took time.Duration) string {
	var shown []string
	for _, r := range answer.Answer {
		if len(shown) == 4 {
			shown = append(shown, fmt.Sprintf("and %d more", len(answer.Answer)-4))
			break
		}
		shown = append(shown, data(r))
	}
	if len(shown) == 0 {
		shown = []string{"no records"}
	}
	return sentence("DNS %s, %s %s: %s in %s", dns.RcodeToString[answer.Rcode], k.question, dns.TypeToString[k.kind], strings.Join(shown, ", "), duration(took))
}

func (k *dnsProbe) judge(answer *dns.Msg, rep *report) {
	rcodes := k.Rcodes
	if len(rcodes) == 0 {
		rcodes = []string{"NOERROR"}
	}
	if rcode := dns.RcodeToString[answer.Rcode]; !slices.ContainsFunc(rcodes, func(r string) bool { return strings.EqualFold(r, rcode) }) {
		rep.problem(model.Critical, "response code is %s (%d)", rcode, answer.Rcode)
		return
	}
	if k.DNSSEC && !answer.AuthenticatedData {
		rep.problem(model.Critical, "the server has not verified the answer (no AD flag)")
	}
	if k.Authority && !answer.Authoritative {
		rep.problem(model.Critical, "the answer is not authoritative (no AA flag)")
	}
	records := slices.DeleteFunc(slices.Clone(answer.Answer), func(r dns.RR) bool { return r.Header().Rrtype == dns.TypeRRSIG && k.kind != dns.TypeRRSIG })
	found := slices.ContainsFunc(records, func(r dns.RR) bool { return k.kind == dns.TypeANY || r.Header().Rrtype == k.kind })
	if !found && !k.Empty && len(k.Rcodes) == 0 {
		rep.problem(model.Critical, "there is no %s record for %s", dns.TypeToString[k.kind], k.question)
		return
	}
	k.judgeRecords(records, rep)
	if k.Serial.Set() {
		for _, r := range records {
			if soa, ok := r.(*dns.SOA); ok {
				rep.value("serial", float64(soa.Serial), "", k.Serial, check.Range{}, "serial number is %s")
			}
		}
	}
	k.judgeTTL(records, rep)
}

func (k *dnsProbe) judgeRecords(records []dns.RR, rep *report) {
	same := func(a, b string) bool {
		return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
	}
	for _, want := range k.Answers {
		if !slices.ContainsFunc(records, func(r dns.RR) bool { return same(data(r), want) || same(strings.Trim(data(r), `"`), want) }) {
			rep.problem(model.Critical, "there is no record %s", want)
		}
	}
	for _, r := range records {
		if k.Exact && r.Header().Rrtype == k.kind && !slices.ContainsFunc(k.Answers, func(want string) bool { return same(data(r), want) || same(strings.Trim(data(r), `"`), want) }) {
			rep.problem(model.Critical, "there is a record that should not be: %s", data(r))
		}
		for _, re := range k.notMatches {
			if re.MatchString(data(r)) {
				rep.problem(model.Critical, "record %s matches %q", data(r), re)
			}
		}
		rep.detail("%s", strings.ReplaceAll(r.String(), "\t", " "))
	}
	for _, re := range k.matches {
		if !slices.ContainsFunc(records, func(r dns.RR) bool { return re.MatchString(data(r)) }) {
			rep.problem(model.Critical, "no record matches %q", re)
		}
	}
}

func (k *dnsProbe) judgeTTL(records []dns.RR, rep *report) {
	if len(records) == 0 || !k.WarnTTL.Set() {
		return
	}
	smallest := records[0].Header().Ttl
	for _, r := range records {
		smallest = min(smallest, r.Header().Ttl)
	}
	rep.value("ttl", float64(smallest), "s", k.WarnTTL, check.Range{}, "smallest TTL is %s")
}
