package httpserver

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// refuseCrossOrigin keeps other web sites from changing anything through a visitor's browser (CSRF).
func refuseCrossOrigin(externalURL string, origins []string, next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	if u, err := url.Parse(externalURL); err == nil && u.Host != "" {
		// A proxy may hand on another Host header than the one that the browser used.
		_ = p.AddTrustedOrigin(u.Scheme + "://" + u.Host) // the URL was checked with the configuration
	}
	for _, o := range origins {
		_ = p.AddTrustedOrigin(o) // one that is no origin, such as *, is trusted with reading only
	}
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "refused: another web site sent this request; if it is this server under another name, set server.external_url", http.StatusForbidden)
	}))
	return p.Handler(next)
}

// checkHost keeps foreign web sites from reading through a visitor's browser by letting their own name point to
// this address (DNS rebinding). An address in the Host header is always good: a browser that was sent to an
// address gives its page no other origin. Off loopback names are only checked when some are configured, because
// nobody knows by which names a machine is called.
func (s *Server) checkHost(next http.Handler) http.Handler {
	allowed := slices.Clone(s.options.AllowedHosts)
	if !isLoopback(s.Addr()) && len(allowed) == 0 {
		return next
	}
	if u, err := url.Parse(s.options.ExternalURL); err == nil && u.Host != "" {
		allowed = append(allowed, u.Hostname())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostname(r.Host); !hostAllowed(host, allowed) {
			s.metrics.misdirected.Inc()
			http.Error(w, fmt.Sprintf("refused: this server does not know the name %q: add it to server.allowed_hosts, or set server.external_url", host), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname is a Host header without its port and without the brackets of IPv6.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func hostAllowed(host string, allowed []string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761: always loopback
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) })
}

// underPrefix serves h under a path, and sends whoever comes to the root there.
func underPrefix(prefix string, h http.Handler) http.Handler {
	if prefix == "" {
		return h
	}
	strip := http.StripPrefix(prefix, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, prefix+"/"):
			strip.ServeHTTP(w, r)
		case r.URL.Path == "/" || r.URL.Path == prefix:
			http.Redirect(w, r, prefix+"/", http.StatusFound)
		default:
			http.Error(w, "not found: everything is served under "+prefix+"/", http.StatusNotFound)
		}
	})
}
