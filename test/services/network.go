package services

import (
	"fmt"
	"os"
	"os/exec"
)

// network are servers of names, time and the like.
func network() map[string]definition {
	return map[string]definition{
		"bind": {
			programs: []string{"named"}, packages: "bind9",
			prepare: func(s *Service) error {
				s.Extra["status"] = fmt.Sprintf("http://127.0.0.1:%d", s.port("status"))
				s.Extra["zone"] = "example.test"
				if err := s.write("example.test.zone", bindZone); err != nil {
					return err
				}
				return s.write("named.conf", bindConf)
			},
			command: func(s *Service) *exec.Cmd { return s.args("named", "-f -c {dir}/named.conf") },
		},
		"unbound": {
			programs: []string{"unbound"}, packages: "unbound",
			prepare: func(s *Service) error { return s.write("unbound.conf", unboundConf) },
			command: func(s *Service) *exec.Cmd { return s.args("unbound", "-d -c {dir}/unbound.conf") },
		},
		"sshd": {
			programs: []string{"/usr/sbin/sshd", "ssh-keygen"}, packages: "openssh-server", root: true,
			prepare: func(s *Service) error {
				if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
					return err
				}
				if err := s.run(exec.Command(find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", s.path("key"))); err != nil {
					return err
				}
				return s.write("sshd_config", "ListenAddress 127.0.0.1:{port}\nHostKey {dir}/key\nPidFile none\nUsePAM no\n")
			},
			command: func(s *Service) *exec.Cmd { return s.args("/usr/sbin/sshd", "-D -e -f {dir}/sshd_config") },
		},
	}
}

const bindConf = `
options {
    directory "{dir}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} { 127.0.0.1; };
    listen-on-v6 { none; };
    recursion no;
    allow-query { 127.0.0.1; };
    dnssec-validation no;
    managed-keys-directory "{dir}";
};
controls { };
statistics-channels { inet 127.0.0.1 port {status} allow { 127.0.0.1; }; };
zone "example.test" { type master; file "{dir}/example.test.zone"; };
`

const bindZone = `$TTL 300
@ IN SOA ns.example.test. root.example.test. 1 3600 600 86400 300
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.7
`

const unboundConf = `
server:
    interface: 127.0.0.1@{port}
    username: ""
    chroot: ""
    directory: "{dir}"
    pidfile: ""
    use-syslog: no
    logfile: ""
    do-daemonize: no
    local-zone: "example.test." static
    local-data: "www.example.test. A 192.0.2.7"
`
