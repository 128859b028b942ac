package services

import (
	"os"
	"os/exec"
)

// mail are servers of mail.
func mail() map[string]definition {
	return map[string]definition{
		"postfix": {
			programs: []string{"postfix", "/usr/lib/postfix/sbin/master"}, packages: "postfix", root: true,
			prepare: func(s *Service) error {
				for _, dir := range []string{"conf", "queue", "data"} {
					if err := os.MkdirAll(s.path(dir), 0o755); err != nil {
						return err
					}
				}
				s.Extra["queue"] = s.path("queue")
				if err := s.give(s.path("data"), "postfix"); err != nil {
					return err
				}
				if err := s.write("conf/main.cf", postfixMain); err != nil {
					return err
				}
				if err := s.write("conf/master.cf", postfixMaster); err != nil {
					return err
				}
				return s.run(s.args("postfix", "-c {dir}/conf check")) // makes the folders of the queue
			},
			// What "postfix start" starts; by itself it would leave the group of processes.
			command: func(s *Service) *exec.Cmd { return s.args("/usr/lib/postfix/sbin/master", "-c {dir}/conf -d") },
		},
		"dovecot": {
			programs: []string{"dovecot", "/usr/lib/dovecot/imap-login"}, packages: "dovecot-imapd", root: true,
			prepare: func(s *Service) error {
				s.Extra["user"], s.Extra["password"] = "alice", "secret"
				s.Extra["stats"] = s.path("run/old-stats")
				if err := s.write("users", "alice:{PLAIN}secret:65534:65534::{dir}/home::\n"); err != nil {
					return err
				}
				return s.write("dovecot.conf", dovecotConf)
			},
			command: func(s *Service) *exec.Cmd { return s.args("dovecot", "-F -c {dir}/dovecot.conf") },
		},
	}
}

const postfixMain = `
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_relay_restrictions = reject_unauth_destination
maillog_file = /dev/stdout
alias_maps =
alias_database =
multi_instance_name =
`

const postfixMaster = `
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

const dovecotConf = `
base_dir = {dir}/run
state_dir = {dir}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{dir}/mail/%u
default_internal_user = dovecot
default_login_user = dovenull
service imap-login {
  chroot =
  inet_listener imap {
    port = {port}
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = passwd-file
  args = {dir}/users
}
userdb {
  driver = passwd-file
  args = {dir}/users
}
`
