package process

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestProgramName(t *testing.T) {
	f := func(want, comm string, args ...string) {
		t.Helper()
		if got := programName(comm, args); got != want {
			t.Errorf("programName(%q, %q) = %q, want %q", comm, args, got, want)
		}
	}
	f("nginx", "nginx", "nginx: worker process")
	f("redis-server", "redis-server", "/usr/bin/redis-server 127.0.0.1:6379")
	f("prometheus-node-exporter", "prometheus-node", "/usr/bin/prometheus-node-exporter", "--web.listen-address=:1")
	f("bash", "bash", "-bash")
	f("bash:backup", "bash", "bash", "-e", "/opt/backup.sh", "all")
	f("bash", "bash", "bash", "-c", "sleep 1")
	f("bash", "bash", "bash", "/dev/fd/63")
	f("npm", "npm exec playwr", "npm exec playwright test")
	f("sh:daily", "sh", "/bin/sh", "-o", "errexit", "/etc/cron/daily.sh")
	f("cleanup.sh", "cleanup.sh", "/bin/bash", "/opt/cleanup.sh") // started through its #! line
	f("python:manage", "python3.11", "python3", "manage.py", "runserver")
	f("python:shop/manage", "python3", "/usr/bin/python3", "-u", "-W", "ignore", "/srv/shop/manage.py", "runserver")
	f("python:http.server", "python3", "python3", "-m", "http.server")
	f("python", "python3", "python3", "-c", "print('password')")
	f("python", "python3", "python3")
	f("node:shop/index", "node", "node", "--max-old-space-size=4096", "/srv/shop/dist/index.js")
	f("node:worker-queue", "MainThread", "/usr/bin/node", "-r", "dotenv/config", "worker-queue.js")
	f("node", "node", "node", "-e", "1")
	f("ruby:sidekiq", "ruby3.1", "ruby3.1", "/usr/bin/sidekiq")
	f("perl:munin-node", "perl", "perl", "-w", "/usr/sbin/munin-node")
	f("dotnet:Shop", "dotnet", "dotnet", "exec", "/app/Shop.dll")
	f("deno:api", "deno", "deno", "run", "--allow-net", "api.ts")
	f("java:cassandra", "java", "java", "-Xmx1g", "-cp", "/a:/b", "org.apache.cassandra.service.CassandraDaemon")
	f("java:Main", "java", "/usr/bin/java", "-cp", "x", "-Dpassword=x", "com.example.Main", "arg")
	f("java:shop-api", "java", "java", "-jar", "/srv/shop-api-1.2.3-SNAPSHOT.jar", "--port=1")
	f("java:App", "java", "java", "-p", "mods", "-m", "shop/com.example.App")
	f("java:kafka", "java", "java", "@args", "kafka.Kafka", "server.properties")
	f("java", "java", "java", "-version")
	f("java", "java", "java", "-jar")
	f("beam", "beam.smp", "/usr/lib/erlang/erts/bin/beam.smp", "-W", "w")
	f("rabbitmq", "beam.smp", "beam.smp", "--", "-sname", "rabbit@host")
	f("ejabberd", "beam.smp", "beam.smp", "-sname", "ejabberd@localhost")
	f("php-fpm8.2", "php-fpm8.2", "php-fpm: pool www")
	f("php:cron", "php8.2", "php", "-d", "x=1", "/srv/cron.php")
	f("python", "python3", "python3: serving") // has changed its title
	f("unknown", "")
	f("'other'", "other", "other")
	f("'[kernel]'", "[kernel]")
	f("a_b", "a\nb")
	f("a_b", "a\xffb")
	f(strings.Repeat("x", maxName), "xxxxxxxxxxxxxxx", strings.Repeat("x", 300))
}

func TestServiceOf(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	f := func(want, text string) {
		t.Helper()
		if got := serviceOf([]byte(text)); got != want {
			t.Errorf("serviceOf(%q) = %q, want %q", text, got, want)
		}
	}
	f("nginx", "0::/system.slice/nginx.service\n")
	f("nginx", "12:cpu,cpuacct:/user.slice\n1:name=systemd:/system.slice/nginx.service\n0::/\n")
	f("nginx", "1:name=systemd:/user.slice/session-1.scope\n0::/system.slice/nginx.service\n")
	f("postgresql@15-main", "0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n")
	f("sshd", "0::/system.slice/system-sshd.slice/sshd@3-10.0.0.1:22-10.0.0.9:4711.service\n")
	f("podman", "0::/system.slice/podman@5-1234-0.service\n")
	f("getty@tty1", "0::/system.slice/system-getty.slice/getty@tty1.service\n")
	f("dev-disk", `0::/system.slice/dev\x2ddisk.service`)
	f("x", "0::/system.slice/x.service/inner\n")
	f("", "0::/user.slice/user-1000.slice/session-2.scope\n")
	f("", "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n")
	f("syncthing", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service\n")
	f("", "0::/system.slice/docker-"+id+".scope\n")
	f("", "0::/system.slice/docker.service/docker/"+id+"\n")
	f("", "0::/system.slice/containerd.service/kubepods/pod1/"+id+"\n")
	f("inner", "0::/system.slice/docker-"+id+".scope/system.slice/inner.service\n")
	f("", "0::/\n")
	f("", "garbage")
	f("", "")
}

func TestMaskCommand(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if got := maskCommand(args); got != want {
			t.Errorf("maskCommand(%q)\n got  %s\n want %s", args, got, want)
		}
	}
	f("nginx -c /etc/nginx.conf", "nginx", "-c", "/etc/nginx.conf")
	f("app --password=*** --user=me", "app", "--password=hunter2", "--user=me")
	f("app --password *** --user me", "app", "--password", "hunter2", "--user", "me")
	f("app --db-passwd *** -v", "app", "--db-passwd", "hunter2", "-v")
	f("app --api-key=*** --API_TOKEN=***", "app", "--api-key=abc", "--API_TOKEN=abc")
	f("env DB_PASSWORD=*** PATH=/bin app", "env", "DB_PASSWORD=hunter2", "PATH=/bin", "app")
	f("java -Dspring.datasource.password=*** -Dx=y Main", "java", "-Dspring.datasource.password=hunter2", "-Dx=y", "Main")
	f("mysql -u root -p*** shop", "mysql", "-u", "root", "-phunter2", "shop")
	f("redis-cli -h host -a *** ping", "redis-cli", "-h", "host", "-a", "hunter2", "ping")
	f("psql postgres://me:***@db/shop", "psql", "postgres://me:hunter2@db/shop")
	f("app amqp://:***@host", "app", "amqp://:hunter2@host")
	f("curl -H Authorization: *** https://x", "curl", "-H", "Authorization: Bearer abc.def", "https://x")
	f("curl -H X-Api-Key: *** https://x", "curl", "-H", "X-Api-Key: abc", "https://x")
	f("curl -u *** https://x", "curl", "-u", "me:hunter2", "https://x")
	f("sh -c curl --token=*** https://me:***@x", "sh", "-c", "curl --token=abc https://me:pw@x")
	f("app host=db user=me password=*** dbname=x", "app", "host=db user=me password=hunter2 dbname=x")
	f("app Server=db;Password=***;Port=1", "app", "Server=db;Password=hunter2;Port=1")
	f("app {\"password\":***}", "app", `{"password":"hun ter2"}`)
	f("app --password-file /run/secret.txt", "app", "--password-file", "/run/secret.txt")
	f("app --author me --keyboard de", "app", "--author", "me", "--keyboard", "de")
	f("a b c", "a", "b\n\x1bc"[:1], "c")
	f("", []string{}...)
	if got := maskCommand([]string{"x", strings.Repeat("é", 1000)}); len(got) > maxCommand || !utf8.ValidString(got) {
		t.Errorf("a long command has %d bytes, valid: %v", len(got), utf8.ValidString(got))
	}
}
