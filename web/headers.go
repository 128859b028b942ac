package web

import (
	"net/http"
	"path"
	"strings"
)

const htmlType = "text/html; charset=utf-8"

// contentType goes by the extension and not by the machine's MIME tables, which differ and may call a script text/plain.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return htmlType
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".woff2":
		return "font/woff2"
	case ".png":
		return "image/png"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".wasm":
		return "application/wasm"
	default:
		return "application/octet-stream"
	}
}

// commonHeader goes with every answer.
func commonHeader() http.Header {
	return http.Header{
		"X-Content-Type-Options": {"nosniff"},
		"Referrer-Policy":        {"same-origin"},
	}
}

// pageHeader goes with the page. The policy (CSP level 3, Trusted Types) has no nonce, so the page can be cached and revalidated:
// scripts and styles come from files of our origin alone, and no text is ever turned into code or, but by Svelte's own templates,
// into HTML.
func pageHeader(frameAncestors string) http.Header {
	policy := []string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data: blob:",
		"font-src 'self'",
		"connect-src 'self'",
		"worker-src 'self'",
		"manifest-src 'self'",
		"base-uri 'self'",
		"form-action 'self'",
		"frame-ancestors " + frameAncestors,
		"require-trusted-types-for 'script'",
		"trusted-types svelte-trusted-html",
	}
	return http.Header{
		"Content-Security-Policy":    {strings.Join(policy, "; ")},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Permissions-Policy":         {"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
	}
}

// stubPage stands in for the interface in a binary that was built without it. The API works all the same.
const stubPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Hulotte</title></head>
<body>
<h1>Hulotte runs, without its user interface</h1>
<p>This binary was built before the user interface was. Run <code>make web</code>, then <code>make build</code>, in the source tree.</p>
<p>The HTTP API works: <a href="api/v1/status/buildinfo">api/v1/status/buildinfo</a>, <a href="metrics">metrics</a>.</p>
</body>
</html>
`
