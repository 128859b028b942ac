package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// validate checks what a key alone cannot know.
func (c *Config) validate() Errors {
	var errs Errors
	fail := func(key, text string) {
		errs = append(errs, c.origins[key].errorAt(key, text))
	}
	c.validateServer(fail)
	c.validateAgent(fail)
	c.validateMedium(fail)
	c.validateSockets(fail)
	c.validateLogs(fail)
	c.validateStatusPages(fail)
	c.validateSNMPTrap(fail)
	c.validateAlerting(fail)
	if h := c.Host; h.Enabled && h.Timeout >= h.Interval {
		key := "host.timeout"
		if c.origins[key] == (origin{}) {
			key = "host.interval"
		}
		fail(key, fmt.Sprintf("host.timeout (%s) must be shorter than host.interval (%s)", formatDuration(h.Timeout), formatDuration(h.Interval)))
	}
	return errs
}

func (c *Config) validateAgent(fail func(key, text string)) {
	a := c.Agent
	if c.role == AgentRole && a.Server == "" {
		fail("agent.server", "is not set: `hulotte agent` needs the URL of the server that it sends to, such as https://obs.example.org/")
	}
	if a.Username == "" && (a.Password != "" || a.PasswordFile != "") {
		fail("agent.basic_auth.username", "is not set, but its password is")
	}
	if a.Username != "" && (a.BearerToken != "" || a.BearerTokenFile != "") {
		fail("agent.basic_auth.username", "stands beside a bearer token: choose one")
	}
	if a.Password != "" && a.PasswordFile != "" {
		fail("agent.basic_auth.password", "stands beside agent.basic_auth.password_file: choose one")
	}
	if a.BearerToken != "" && a.BearerTokenFile != "" {
		fail("agent.bearer_token", "stands beside agent.bearer_token_file: choose one")
	}
	if (a.TLS.CertFile == "") != (a.TLS.KeyFile == "") {
		fail("agent.tls.cert_file", "and agent.tls.key_file need each other")
	}
}

func (c *Config) validateServer(fail func(key, text string)) {
	if s := c.Server; (s.TLS.CertFile == "") != (s.TLS.KeyFile == "") {
		if s.TLS.CertFile == "" {
			fail("server.tls.key_file", "needs server.tls.cert_file beside it")
		} else {
			fail("server.tls.cert_file", "needs server.tls.key_file beside it")
		}
	}
	if s := c.Server; s.TLS.ClientCAFile != "" && s.TLS.CertFile == "" {
		fail("server.tls.client_ca_file", "needs server.tls.cert_file and server.tls.key_file beside it")
	}
	if s := c.Server; !loopback(s.Listen) && len(s.Users) == 0 && !s.AllowUnauthenticated && s.TLS.ClientCAFile == "" {
		fail("server.listen", s.Listen+" can be reached from other machines, and nobody has to log in: "+
			"add server.users, or listen on 127.0.0.1, or set server.allow_unauthenticated: true when something else decides who gets through")
	}
}

// loopback says whether only this machine reaches the address. A name other than localhost is taken for a public one.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Prefix returns the path under which everything is served: "" for the root, else "/path" without a slash at its end.
func (s Server) Prefix() string {
	if s.RoutePrefix != "" {
		return cleanPath(s.RoutePrefix)
	}
	return s.BasePath()
}

// BasePath returns the path under which browsers see everything, in the form of Prefix. It is another one than
// Prefix behind a proxy that takes the path away.
func (s Server) BasePath() string {
	if u, err := url.Parse(s.ExternalURL); err == nil && s.ExternalURL != "" {
		return cleanPath(u.Path)
	}
	return cleanPath(s.RoutePrefix)
}

func cleanPath(p string) string { return strings.TrimSuffix(path.Clean("/"+p), "/") }
