package services

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

func TestHaproxyGolden(t *testing.T) {
	address := servePages(t, map[string]string{"/stats;csv": recorded(t, "haproxy.csv")})
	wantGolden(t, "haproxy", mustRead(t, "haproxy", Target{Address: address}))
	wantDown(t, "haproxy", Target{Address: servePages(t, nil)}, "404", "stats socket")
	wantDown(t, "haproxy", Target{Address: "unix:" + t.TempDir() + "/none"}, "no such file")
}

func TestHaproxyReal(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	conf := write(t, dir+"/haproxy.cfg", fmt.Sprintf(`global
  stats socket %[1]s/s mode 600 level user
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend fe
  bind 127.0.0.1:%[2]d
  http-request use-service prometheus-exporter if { path /metrics }
  stats enable
  stats uri /stats
  default_backend be
backend be
  server a 127.0.0.1:1 check
  server b 127.0.0.1:%[2]d
`, dir, port))
	run(t, "haproxy", "-db", "-f", conf)
	socket := "unix:" + dir + "/s"
	untilRead(t, "haproxy", Target{Address: socket})
	address := fmt.Sprintf("127.0.0.1:%d", port)

	native := mustRead(t, "haproxy", Target{Address: address})
	wantValue(t, native, 1, "haproxy_up")
	wantAbove(t, native, 0, "haproxy_process_max_connections")
	page := mustRead(t, "haproxy", Target{Options: map[string]any{"url": "http://" + address + "/stats;csv"}})
	wantValue(t, page, 0, "haproxy_server_up", "backend", "be", "server", "a")
}

func TestHaproxyExporter(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	conf := write(t, dir+"/haproxy.cfg", fmt.Sprintf("global\n stats socket %[1]s/s\ndefaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\nfrontend fe\n bind 127.0.0.1:%[2]d\n compression algo gzip\n default_backend be\nbackend be\n server b 127.0.0.1:%[2]d check inter 100ms\n", dir, port))
	run(t, "haproxy", "-db", "-f", conf)
	untilRead(t, "haproxy", Target{Address: "unix:" + dir + "/s"})
	until(t, "a check", func() error {
		fams, err := read(t, "haproxy", Target{Address: "unix:" + dir + "/s"})
		if _, ok := value(fams, "haproxy_server_check_duration_seconds"); !ok && err == nil {
			return fmt.Errorf("no check yet")
		}
		return err
	})
	exporter := program(t, "prometheus-haproxy-exporter")
	listen := freePort(t)
	theirs := scrapeExporter(t, listen, exec.Command(exporter, "--haproxy.scrape-uri", "unix:"+dir+"/s", "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", listen)))
	ours := mustRead(t, "haproxy", Target{Address: "unix:" + dir + "/s"})
	wantValue(t, ours, 0, "haproxy_server_current_sessions", "backend", "be", "server", "b")
	wantShape(t, ours, theirs, map[string]string{
		"haproxy_exporter_*":                "the exporter about itself",
		"haproxy_process_idle_time_percent": "newer than the exporter of Debian 12, as its documentation has it now",
	})
}

func FuzzHaproxy(f *testing.F) {
	f.Add([]byte("# pxname,svname,qcur,a,b,c,d,e,f,g,h,i,j,k,l,m,n,status,o,p,q,r,s,t,u,v,w,x,y,z,1,2,type\nfe,FRONTEND,1,,,,,,,,,,,,,,,OPEN,,,,,,,,,,,,,,,0\n"))
	names := mustTable("haproxy")
	f.Fuzz(func(t *testing.T, in []byte) {
		fam := newFamilies(100)
		_ = readHaproxyStats(in, names, fam)
		addHaproxyInfo(fam, string(bytes.ToValidUTF8(in, nil)))
	})
}
