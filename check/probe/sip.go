package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// sipOptions are those of the kind sip.
type sipOptions struct {
	targetOptions
	Transport string `json:"transport,omitempty" doc:"udp (when nothing is declared), tcp or tls"`
	URI       string `json:"uri,omitempty" doc:"what OPTIONS asks about, such as sip:example.com; sip: and the address when nothing is declared"`
	From      string `json:"from,omitempty" doc:"who asks, such as sip:monitor@example.com"`
	Codes     []text `json:"codes,omitempty" doc:"codes that are good: 200, 2xx or 200-299; 2xx, 401, 403, 404, 405 and 407 when nothing is declared, as they show that the server works"`
	tlsOptions
}

func sipKind() check.Kind {
	return newKind("sip", "Asks a SIP server by OPTIONS.", func(p check.Params, o *sipOptions) (check.Prober, error) {
		port := 5060
		if o.Transport == "tls" {
			port = 5061
		}
		t, err := o.target(p, port)
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"", "udp", "tcp", "tls"}, o.Transport) {
			return nil, fmt.Errorf("transport: %q: write udp, tcp or tls", o.Transport)
		}
		if err := o.validate(); err != nil {
			return nil, err
		}
		if strings.ContainsAny(o.URI+o.From, "\r\n <>") {
			return nil, errors.New("uri and from: write them like sip:example.com")
		}
		codes := o.Codes
		if len(codes) == 0 {
			codes = []text{"2xx", "401", "403-405", "407"}
		}
		k := &sipProbe{sipOptions: o, at: t}
		if k.codes, err = parseCodes(codes); err != nil {
			return nil, err
		}
		return &prober{timeout: p.Timeout, ask: k.ask}, nil
	})
}

type sipProbe struct {
	*sipOptions
	at    target
	codes []codeRange
}

func (k *sipProbe) ask(ctx context.Context, rep *report) {
	start := time.Now()
	code, reason, server, err := k.options(ctx, rep)
	took := time.Since(start)
	if err != nil {
		rep.failed(err)
		return
	}
	rep.metric("probe_sip_status_code", "Response SIP status code", float64(code))
	rep.facts = append([]string{sentence("SIP %d %s, %s in %s", code, reason, server, duration(took))}, rep.facts...)
	if !slices.ContainsFunc(k.codes, func(c codeRange) bool { return code >= c.first && code <= c.last }) {
		rep.problem(model.Critical, "code %d is not good here", code)
	}
	rep.duration("time", took, k.WarnTime, k.CritTime, "answer took %s")
}

func (k *sipProbe) options(ctx context.Context, rep *report) (code int, reason, server string, err error) {
	branch := "z9hG4bK" + rand.Text()
	accept := func(b []byte, _ time.Time) (err error) {
		code, reason, server, err = parseSIP(b, branch)
		return err
	}
	if k.Transport == "" || k.Transport == "udp" {
		d, err := k.at.dialUDP(ctx, rep)
		if err != nil {
			return 0, "", "", err
		}
		defer d.end()
		if _, err := d.exchange(ctx, k.question("UDP", d.LocalAddr(), branch), accept); err != nil {
			return 0, "", "", err
		}
		return code, reason, server, nil
	}
	var secure *tlsOptions
	if k.Transport == "tls" {
		secure = &k.tlsOptions
	}
	s, err := open(ctx, &k.at, secure, rep)
	if err != nil {
		return 0, "", "", err
	}
	defer s.end()
	if err := s.send(k.question(strings.ToUpper(k.Transport), s.LocalAddr(), branch)); err != nil {
		return 0, "", "", err
	}
	head, err := readHead(s.in)
	if err != nil {
		return 0, "", "", err
	}
	return code, reason, server, accept(head, time.Time{})
}

// readHead reads lines up to an empty one.
func readHead(in *bufio.Reader) ([]byte, error) {
	var b bytes.Buffer
	for range maxReplyLines {
		line, err := readLine(in, maxLine)
		if err != nil {
			return nil, err
		}
		b.WriteString(line + "\r\n")
		if line == "" {
			return b.Bytes(), nil
		}
	}
	return nil, errors.New("the answer has too many lines")
}

func (k *sipProbe) question(transport string, from net.Addr, branch string) []byte {
	uri, sender := k.URI, k.From
	if uri == "" {
		uri = "sip:" + k.at.String()
	}
	if sender == "" {
		sender = "sip:hulotte@" + from.String()
	}
	return fmt.Appendf(nil, "OPTIONS %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\n"+
		"CSeq: 1 OPTIONS\r\nContact: <%s>\r\nAccept: application/sdp\r\nUser-Agent: Hulotte\r\nContent-Length: 0\r\n\r\n",
		uri, transport, from, branch, sender, rand.Text()[:10], uri, rand.Text(), sender)
}

// parseSIP reads the head of a response to our request (RFC 3261, 7.2). One that is only provisional is not yet the answer.
func parseSIP(b []byte, branch string) (code int, reason, server string, err error) {
	head, _, _ := strings.Cut(string(b), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	words := strings.SplitN(lines[0], " ", 3)
	if len(words) < 2 || words[0] != "SIP/2.0" {
		return 0, "", "", fmt.Errorf("the other side does not speak SIP: it sent %q", printable(lines[0], 80))
	}
	code, err = strconv.Atoi(words[1])
	if err != nil || code < 100 || code > 699 {
		return 0, "", "", fmt.Errorf("the answer has no code: %q", printable(lines[0], 80))
	}
	if !strings.Contains(head, branch) {
		return 0, "", "", errors.New("the answer is to another question")
	}
	if code < 200 {
		return 0, "", "", fmt.Errorf("the server only says %d", code)
	}
	if len(words) == 3 {
		reason = printable(words[2], 80)
	}
	server = "no name of the server"
	for _, line := range lines[1:] {
		name, v, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Server") || strings.EqualFold(name, "User-Agent") {
			server = printable(strings.TrimSpace(v), 80)
		}
	}
	return code, reason, server, nil
}
