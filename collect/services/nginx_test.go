package services

import (
	"fmt"
	"os/exec"
	"testing"
)

const nginxPage = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630947 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n"

func TestNginxGolden(t *testing.T) {
	address := servePages(t, map[string]string{"/basic_status": nginxPage})
	wantGolden(t, "nginx", mustRead(t, "nginx", Target{Address: address}))
	elsewhere := servePages(t, map[string]string{"/x": nginxPage})
	wantGolden(t, "nginx", mustRead(t, "nginx", Target{Address: elsewhere, Options: map[string]any{"url": "/x"}}))
	wantGolden(t, "nginx", mustRead(t, "nginx", Target{Options: map[string]any{"url": "http://" + elsewhere + "/x"}}))
	wantDown(t, "nginx", Target{Address: elsewhere}, "404", "stub_status")
	wantDown(t, "nginx", Target{Address: servePages(t, map[string]string{"/nginx_status": "<html>"})}, "not that of stub_status")
	wantDown(t, "nginx", Target{Address: fmt.Sprintf("127.0.0.1:%d", freePort(t))}, "refused")
}

func TestNginxReal(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	conf := write(t, dir+"/nginx.conf", fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
server { listen 127.0.0.1:%[2]d; location = /nginx_status { stub_status; } } }`, dir, port))
	run(t, "nginx", "-c", conf, "-p", dir)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ours := untilRead(t, "nginx", Target{Address: address})
	wantValue(t, ours, 1, "nginx_up")
	wantAbove(t, ours, 0, "nginx_http_requests_total")

	exporter := program(t, "prometheus-nginx-exporter")
	listen := freePort(t)
	theirs := scrapeExporter(t, listen, exec.Command(exporter, "-nginx.scrape-uri", "http://"+address+"/nginx_status", "-web.listen-address", fmt.Sprintf("127.0.0.1:%d", listen)))
	wantShape(t, ours, theirs, map[string]string{"nginxexporter_build_info": "the exporter about itself"})
}

func FuzzNginx(f *testing.F) {
	f.Add(nginxPage)
	f.Fuzz(func(t *testing.T, in string) { _ = readNginx(in, newFamilies(100)) })
}
