package services

import (
	"fmt"
	"os/exec"
	"testing"
)

func TestApacheGolden(t *testing.T) {
	address := servePages(t, map[string]string{"/server-status?auto": recorded(t, "apache.txt")})
	wantGolden(t, "apache", mustRead(t, "apache", Target{Address: address}))
	wantDown(t, "apache", Target{Address: servePages(t, nil)}, "404", "mod_status")
	wantDown(t, "apache", Target{Address: servePages(t, map[string]string{"/server-status?auto": "<html>"})}, "not that of mod_status")
}

func startApache(t *testing.T) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	conf := write(t, dir+"/apache.conf", fmt.Sprintf(`ServerRoot %[1]s
ServerName localhost
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Listen 127.0.0.1:%[2]d
ErrorLog /dev/stderr
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module /usr/lib/apache2/modules/mod_authz_host.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
ExtendedStatus On
User www-data
Group www-data
<Location "/server-status">
  SetHandler server-status
  Require local
</Location>
`, dir, port))
	run(t, "apache2", "-D", "FOREGROUND", "-f", conf)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func TestApacheReal(t *testing.T) {
	address := startApache(t)
	untilRead(t, "apache", Target{Address: address})
	exporter := program(t, "prometheus-apache-exporter")
	port := freePort(t)
	theirs := scrapeExporter(t, port, exec.Command(exporter, "--scrape_uri", "http://"+address+"/server-status?auto", "--telemetry.address", fmt.Sprintf("127.0.0.1:%d", port)))
	ours := mustRead(t, "apache", Target{Address: address})
	wantValue(t, ours, 1, "apache_up")
	wantAbove(t, ours, 0, "apache_accesses_total")
	wantAbove(t, ours, 0, "apache_scoreboard", "state", "idle")
	wantShape(t, ours, theirs, map[string]string{
		"apache_exporter_*": "the exporter about itself",
	})
}

func FuzzApache(f *testing.F) {
	f.Add("ServerVersion: Apache/2.4.7 (Debian)\nScoreboard: _W..\nCPUUser: .2\nProxyBalancer[0]Name: b\nProxyBalancer[0]Worker[0]Name: w\nProxyBalancer[0]Worker[0]Sent: 5k\n")
	names := mustTable("apache")
	f.Fuzz(func(t *testing.T, in string) { _ = readApache([]byte("Scoreboard:"+in), names, newFamilies(100)) })
}
