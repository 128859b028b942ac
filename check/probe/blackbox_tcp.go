package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// probe is the prober tcp.
func (m *ModuleTCP) probe(ctx context.Context, place string, rep *report) bool {
	failed := newDialogue(rep)
	host, port, err := net.SplitHostPort(place)
	if err != nil {
		return failed("Error splitting target address and port", err)
	}
	ip, _, err := choose(ctx, m.IPProtocol, m.IPProtocolFallback, host, rep)
	if err != nil {
		return failed("Error resolving address", err)
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return failed("Error reading the port", err)
	}
	t := target{host: host, port: number}
	if m.SourceIPAddress != "" {
		if t.source, err = netip.ParseAddr(m.SourceIPAddress); err != nil {
			return failed("Error parsing source ip address", err)
		}
	}
	c, err := t.dialer().DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(number)))
	if err != nil {
		return failed("Error dialing TCP", err)
	}
	return converse(ctx, c, host, m.TLS, m.TLSConfig, m.QueryResponse, rep, failed)
}

// probe is the prober unix.
func (m *ModuleUnix) probe(ctx context.Context, path string, rep *report) bool {
	failed := newDialogue(rep)
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return failed("Error dialing unix", err)
	}
	return converse(ctx, c, "", m.TLS, m.TLSConfig, m.QueryResponse, rep, failed)
}

// newDialogue begins a report of a dialogue, and returns how to end it with an error.
func newDialogue(rep *report) func(what string, err error) bool {
	rep.metric("probe_failed_due_to_regex", helpRegex, 0)
	rep.metric("probe_failed_due_to_bytes", "Indicates if probe failed due to bytes", 0)
	return func(what string, err error) bool {
		rep.log.Error(what, "err", err)
		return false
	}
}

// handshakeAs speaks TLS with blackbox_exporter's configuration, and gives its series.
func handshakeAs(ctx context.Context, s *session, o config.TLSConfig, host string) error {
	c, err := config.NewTLSConfigWithContext(ctx, &o)
	if err != nil {
		return err
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	secured := tls.Client(s.Conn, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	s.secured = secured
	s.in.Reset(secured)
	state := secured.ConnectionState()
	reportTLS(s.rep, &state, state.VerifiedChains)
	return nil
}

// converse is the dialogue of the probers tcp and unix.
func converse(ctx context.Context, c net.Conn, host string, secure bool, o config.TLSConfig, steps []QueryResponse, rep *report, failed func(string, error) bool) bool {
	s := newSession(ctx, c, host, rep)
	defer s.end()
	rep.log.Info("Successfully dialed")
	if secure {
		if err := handshakeAs(ctx, s, o, host); err != nil {
			return failed("TLS handshake failed", err)
		}
	}
	for i := range steps {
		st := &steps[i]
		rep.log.Info("Processing query response entry", "entry_number", i)
		send := []byte(st.Send)
		if st.Expect.Regexp != nil {
			line, match, err := s.expectLine(st.Expect.Regexp)
			if err != nil {
				if errors.Is(err, io.EOF) { // all lines came, and none was it
					rep.metric("probe_failed_due_to_regex", helpRegex, 1)
				}
				return failed("Regexp did not match", err)
			}
			send = st.Expect.ExpandString(nil, st.Send, line, match)
			if len(st.Labels) > 0 {
				var labels []string
				for _, l := range st.Labels {
					labels = append(labels, l.Name, label(string(st.Expect.ExpandString(nil, l.Value, line, match))))
				}
				rep.metric("probe_expect_info", "Explicit content matched", 1, sortPairs(labels)...)
			}
		}
		if st.ExpectBytes != "" {
			data, err := s.read(len(st.ExpectBytes), maxTalk)
			if err != nil {
				return failed("Error reading from connection", err)
			}
			if string(data) != st.ExpectBytes {
				rep.metric("probe_failed_due_to_bytes", "Indicates if probe failed due to bytes", 1)
				return failed("Bytes did not match", fmt.Errorf("got %q", printable(string(data), 80)))
			}
		}
		if len(send) > 0 {
			if err := s.send(append(send, '\n')); err != nil {
				return failed("Failed to send", err)
			}
		}
		if st.StartTLS {
			if err := handshakeAs(ctx, s, o, host); err != nil {
				return failed("TLS handshake failed", err)
			}
		}
	}
	return true
}

// sortPairs sorts pairs of name and value by name, and drops names that no label can have.
func sortPairs(pairs []string) []string {
	sorted := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if model.LegacyValidation.IsValidLabelName(pairs[i]) {
			sorted[pairs[i]] = pairs[i+1]
		}
	}
	var out []string
	for _, name := range sortedKeys(sorted) {
		out = append(out, name, sorted[name])
	}
	return out
}
