package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/logging"
)

// Key is one setting.
type Key struct {
	// Path is where it stands in the file, with dots between the levels.
	Path string
	// Default is how the default would be written.
	Default string
	// Doc is what the reference says about it.
	Doc string
	// Live tells that a reload applies a change; any other key needs a restart.
	Live bool
	// Secret values are never shown.
	Secret bool

	value value
}

// Env returns the name of the environment variable that sets the key.
func (k Key) Env() string {
	return "HULOTTE_" + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
}

// keys is the table of all settings, bound to c, in the order of the reference.
func keys(c *Config, s Sources) []Key {
	return []Key{
		{Path: "data_dir", value: text(&c.DataDir), Default: defaultDataDir(s.Dir),
			Doc: "The folder of everything that is kept. One process at a time uses it. The default is the folder `data` of the checkout when run from one, else `/var/lib/hulotte`."},

		{Path: "server.listen", value: address(&c.Server.Listen), Default: "127.0.0.1:9070",
			Doc: "Where the one HTTP port listens, as `host:port`. Port 0 takes a free one; the address in use is in the file `listen.addr` of the data folder."},
		{Path: "server.external_url", value: httpURL(&c.Server.ExternalURL),
			Doc: "The URL under which people reach the server, when it stands behind a proxy or under a path: `https://obs.example.org/hulotte/`. Its path becomes the prefix of everything that is served."},
		{Path: "server.route_prefix", value: urlPath(&c.Server.RoutePrefix),
			Doc: "The path under which everything is served; the default is that of `server.external_url`. Set it to `/` when a proxy takes the prefix away."},
		{Path: "server.allowed_hosts", value: list(&c.Server.AllowedHosts),
			Doc: "Names that the Host header of a request may have, besides localhost, loopback addresses and the host of `server.external_url`. On a loopback address this keeps foreign web sites out (DNS rebinding); on other addresses it is checked only when set."},
		{Path: "server.tls.cert_file", value: text(&c.Server.TLS.CertFile),
			Doc: "Certificate chain in PEM; with `server.tls.key_file` it turns HTTPS on. Changed files are taken into use without a restart."},
		{Path: "server.tls.key_file", value: text(&c.Server.TLS.KeyFile),
			Doc: "The certificate's private key in PEM."},
		{Path: "server.tls.client_ca_file", value: text(&c.Server.TLS.ClientCAFile),
			Doc: "Certificate authorities in PEM; when set, a client must show a certificate that one of them signed."},
		{Path: "server.users", value: textMap(&c.Server.Users, checkBcrypt), Secret: true, Live: true,
			Doc: "Users of HTTP basic authentication, each name with the bcrypt hash of its password (`htpasswd -nBC 10 alice`). With none, everybody who reaches the port may do everything. In the environment: `alice:hash,bob:hash`."},
		{Path: "server.allow_unauthenticated", value: boolean(&c.Server.AllowUnauthenticated), Default: "false",
			Doc: "Lets an address that is not loopback be served without users. Set it only when something else decides who gets through."},
		{Path: "server.max_connections", value: integer(&c.Server.MaxConnections, 1, 1_000_000), Default: "2048",
			Doc: "Connections open at the same time; a further one is closed at once and counted in `hulotte_http_connections_refused_total`."},
		{Path: "server.max_header_size", value: size(&c.Server.MaxHeaderSize, 1<<10, 16<<20), Default: "64KiB",
			Doc: "The most that the headers of a request may hold."},
		{Path: "server.max_body_size", value: size(&c.Server.MaxBodySize, 1<<10, 1<<40), Default: "64MiB",
			Doc: "The most that the body of a request may hold, as it is sent."},
		{Path: "server.read_header_timeout", value: duration(&c.Server.ReadHeaderTimeout), Default: "10s",
			Doc: "How long a client may take to send the headers of a request."},
		{Path: "server.read_timeout", value: duration(&c.Server.ReadTimeout), Default: "1m",
			Doc: "How long a client may take to send the body of a request."},
		{Path: "server.idle_timeout", value: duration(&c.Server.IdleTimeout), Default: "2m",
			Doc: "How long a connection is kept open between two requests."},
		{Path: "server.write_stall_timeout", value: duration(&c.Server.WriteStallTimeout), Default: "30s",
			Doc: "How long a client may take nothing of what is sent to it. A long answer, such as the live stream, never ends for its length."},

		{Path: "log.level", value: oneOf(&c.Log.Level, "debug", "info", "warn", "error"), Default: "info", Live: true,
			Doc: "The least level that is logged."},
		{Path: "log.format", value: oneOf(&c.Log.Format, logging.Auto, logging.Text, logging.JSON), Default: logging.Auto,
			Doc: "`auto` is text on a terminal and JSON otherwise."},

		{Path: "prometheus.config", value: text(&c.Prometheus.Config), Live: true,
			Doc: "A prometheus.yml that is taken as it is: scrape_configs, rule_files, remote_write and the rest. Write either this or these blocks in this file, not both."},
	}
}

// installedDataDir is the data folder of a packaged Hulotte, by the Filesystem Hierarchy Standard.
const installedDataDir = "/var/lib/hulotte"

const moduleLine = "module github.com/hulotte-dev/hulotte"

// defaultDataDir returns the folder data of the checkout that dir is in, else the installed one.
func defaultDataDir(dir string) string {
	for dir != "" {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if first, _, _ := strings.Cut(string(mod), "\n"); err == nil && strings.TrimSpace(first) == moduleLine {
			return filepath.Join(dir, "data")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return installedDataDir
}
