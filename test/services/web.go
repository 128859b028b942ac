package services

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// web are servers and proxies of HTTP.
func web() map[string]definition {
	return map[string]definition{
		"nginx": {
			programs: []string{"nginx"}, packages: "nginx-light",
			prepare: func(s *Service) error {
				s.Extra["status"] = s.url("/nginx_status")
				return s.write("nginx.conf", nginxConf)
			},
			command: func(s *Service) *exec.Cmd {
				return exec.Command(find("nginx"), "-p", s.Dir, "-c", s.path("nginx.conf"), "-g", "daemon off;")
			},
		},
		"apache": {
			programs: []string{"apache2"}, packages: "apache2",
			prepare: func(s *Service) error {
				s.Extra["status"] = s.url("/server-status?auto")
				if err := s.write("www/index.html", "hello\n"); err != nil {
					return err
				}
				return s.write("apache2.conf", apacheConf)
			},
			command: func(s *Service) *exec.Cmd { return s.args("apache2", "-d {dir} -f {dir}/apache2.conf -DFOREGROUND") },
		},
		"haproxy": {
			programs: []string{"haproxy"}, packages: "haproxy",
			prepare: func(s *Service) error {
				s.Extra["status"] = fmt.Sprintf("http://127.0.0.1:%d/stats", s.port("status"))
				s.Extra["metrics"] = fmt.Sprintf("http://127.0.0.1:%d/metrics", s.Ports["status"])
				s.Extra["socket"] = s.path("admin.sock")
				return s.write("haproxy.cfg", haproxyConf)
			},
			command: func(s *Service) *exec.Cmd { return s.args("haproxy", "-W -db -f {dir}/haproxy.cfg") },
		},
		"squid": {
			programs: []string{"squid"}, packages: "squid",
			prepare: func(s *Service) error {
				if err := s.write("squid.conf", squidConf); err != nil {
					return err
				}
				if os.Getuid() == 0 {
					return s.give(s.Dir, "proxy")
				}
				return nil
			},
			command: func(s *Service) *exec.Cmd { return s.args("squid", "-N -f {dir}/squid.conf") },
		},
		"varnish": {
			programs: []string{"varnishd", "gcc"}, packages: "varnish gcc libc6-dev",
			prepare: func(s *Service) error {
				s.port("admin")
				return s.write("default.vcl", "vcl 4.1;\nbackend default none;\nsub vcl_recv { return (synth(200)); }\n")
			},
			command: func(s *Service) *exec.Cmd {
				// The folder of its shared memory is a path without anything else in it.
				return s.args("varnishd", "-F -f {dir}/default.vcl -a 127.0.0.1:{port} -T 127.0.0.1:{admin} -n {dir}/work -s malloc,16m")
			},
		},
		"php-fpm": {
			programs: []string{"/usr/sbin/php-fpm*"}, packages: "php-fpm",
			prepare: func(s *Service) error {
				s.Extra["status"] = "/status" // over FastCGI
				text := phpConf
				if os.Getuid() != 0 {
					text = strings.ReplaceAll(text, "user = www-data\n", "")
				}
				return s.write("php-fpm.conf", text)
			},
			command: func(s *Service) *exec.Cmd {
				return s.args("/usr/sbin/php-fpm*", "-F -R -n -y {dir}/php-fpm.conf -p {dir}")
			},
		},
		"lighttpd": {
			programs: []string{"lighttpd"}, packages: "lighttpd",
			prepare: func(s *Service) error {
				return s.write("lighttpd.conf", "server.document-root = \"{dir}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\nserver.modules = ( \"mod_status\" )\nstatus.status-url = \"/server-status\"\n")
			},
			command: func(s *Service) *exec.Cmd { return s.args("lighttpd", "-D -f {dir}/lighttpd.conf") },
		},
	}
}

// url is that of a path of the service.
func (s *Service) url(path string) string { return "http://" + s.Addr + path }

const nginxConf = `
pid {dir}/nginx.pid;
error_log {dir}/error.log;
worker_processes 2;
events { worker_connections 64; }
http {
    access_log {dir}/access.log;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {
        listen 127.0.0.1:{port};
        location / { return 200 "hello\n"; }
        location = /nginx_status { stub_status; allow 127.0.0.1; deny all; }
    }
}
`

const apacheConf = `
ServerRoot {dir}
ServerName localhost
PidFile {dir}/apache2.pid
DefaultRuntimeDir {dir}
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module /usr/lib/apache2/modules/mod_authz_host.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
TypesConfig /etc/mime.types
User www-data
Group www-data
ErrorLog {dir}/error.log
DocumentRoot {dir}/www
ExtendedStatus On
<Directory {dir}/www>
    Require all granted
</Directory>
<Location /server-status>
    SetHandler server-status
    Require local
</Location>
`

const haproxyConf = `
global
    stats socket {dir}/admin.sock mode 600 level admin
    log stdout format raw local0
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend web
    bind 127.0.0.1:{port}
    default_backend app
backend app
    http-request return status 200 content-type text/plain string hello
    server one 127.0.0.1:9 disabled
listen stats
    bind 127.0.0.1:{status}
    stats enable
    stats uri /stats
    http-request use-service prometheus-exporter if { path /metrics }
`

const squidConf = `
http_port 127.0.0.1:{port}
http_access allow localhost manager
http_access allow localhost
http_access deny all
pid_filename {dir}/squid.pid
access_log stdio:{dir}/access.log
cache_log {dir}/cache.log
coredump_dir {dir}
cache_mem 8 MB
cache deny all
pinger_enable off
shutdown_lifetime 1 second
netdb_filename none
visible_hostname localhost
`

const phpConf = `
[global]
error_log = {dir}/php-fpm.log
daemonize = no
[www]
user = www-data
listen = 127.0.0.1:{port}
pm = dynamic
pm.max_children = 3
pm.start_servers = 1
pm.min_spare_servers = 1
pm.max_spare_servers = 2
pm.status_path = /status
ping.path = /ping
`
