package services

import (
	"os"
	"os/exec"
)

// databases are what keeps data.
func databases() map[string]definition {
	return map[string]definition{
		"postgresql": {
			programs: []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/lib/postgresql/*/bin/postgres"}, packages: "postgresql", user: "postgres",
			prepare: func(s *Service) error {
				s.Extra["user"] = "postgres"
				return s.run(s.args("/usr/lib/postgresql/*/bin/initdb", "-D {dir}/data -A trust -U postgres -N"))
			},
			command: func(s *Service) *exec.Cmd {
				return s.args("/usr/lib/postgresql/*/bin/postgres", "-D {dir}/data -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={dir} -c fsync=off")
			},
		},
		"mariadb": {
			programs: []string{"mariadbd", "mariadb-install-db"}, packages: "mariadb-server", user: "mysql",
			prepare: func(s *Service) error {
				s.Extra["user"], s.Extra["socket"] = "root", s.path("mysqld.sock")
				// Two that install at the same time take the same names for temporary tables.
				if err := os.MkdirAll(s.path("tmp"), 0o777); err != nil {
					return err
				}
				return s.run(s.args("mariadb-install-db", "--no-defaults --datadir={dir}/data --tmpdir={dir}/tmp --auth-root-authentication-method=normal --skip-test-db"))
			},
			command: func(s *Service) *exec.Cmd {
				return s.args("mariadbd", "--no-defaults --datadir={dir}/data --tmpdir={dir}/tmp --port={port} --bind-address=127.0.0.1 --socket={dir}/mysqld.sock --pid-file={dir}/mysqld.pid --innodb-buffer-pool-size=16M --skip-log-bin")
			},
		},
		"redis": {
			programs: []string{"redis-server"}, packages: "redis-server", user: "redis",
			prepare: func(*Service) error { return nil },
			command: func(s *Service) *exec.Cmd {
				return s.args("redis-server", "--port {port} --bind 127.0.0.1 --dir {dir} --daemonize no --appendonly no")
			},
		},
		"memcached": {
			programs: []string{"memcached"}, packages: "memcached", user: "memcache",
			prepare: func(*Service) error { return nil },
			command: func(s *Service) *exec.Cmd { return s.args("memcached", "-l 127.0.0.1 -p {port} -m 16 -t 2") },
		},
		"slapd": {
			programs: []string{"slapd"}, packages: "slapd", user: "openldap",
			prepare: func(s *Service) error {
				s.Extra["user"], s.Extra["password"] = "cn=admin,dc=example,dc=org", "secret"
				if err := os.MkdirAll(s.path("data"), 0o755); err != nil {
					return err
				}
				return s.write("slapd.conf", slapdConf)
			},
			command: func(s *Service) *exec.Cmd {
				return s.args("slapd", "-h ldap://127.0.0.1:{port} -f {dir}/slapd.conf -d 0")
			},
		},
	}
}

const slapdConf = `
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload back_monitor
pidfile {dir}/slapd.pid
argsfile {dir}/slapd.args
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret
directory {dir}/data
database monitor
access to * by * read
`
