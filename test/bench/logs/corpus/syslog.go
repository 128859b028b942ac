package corpus

import (
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

type syslogStream struct {
	index  int
	host   string
	labels []model.Field
}

// programs are # a number, @ an address, & an interface.
var programs = []string{
	"<38>$ sshd[#]: Accepted publickey for deploy from @ port # ssh2: ED25519",
	"<38>$ sshd[#]: Connection closed by authenticating user root @ port # [preauth]",
	"<30>$ systemd[1]: Started session-#.scope - Session # of User deploy.",
	"<78>$ CRON[#]: (root) CMD (test -x /usr/sbin/anacron || run-parts --report /etc/cron.hourly)",
	"<6>$ kernel: [#.#] & port 3(veth#) entered forwarding state",
	"<4>$ kernel: [UFW BLOCK] IN=eth0 OUT= SRC=@ DST=@ LEN=# TTL=51 ID=# PROTO=TCP SPT=# DPT=23",
	"<30>$ dhclient[#]: DHCPREQUEST for @ on & to @ port 67",
	"<29>$ postfix/smtpd[#]: disconnect from unknown[@] ehlo=1 auth=0/1 quit=1 commands=2/3",
}

func newSyslogStream(index, i int) syslogStream {
	host := "host-" + two(i)
	return syslogStream{index: index, host: host, labels: []model.Field{
		{Name: "host", Value: host}, {Name: "job", Value: "syslog"},
	}}
}

func (c *Corpus) appendSyslog(s *syslogStream, at time.Time) {
	for _, b := range []byte(c.skewed(programs)) {
		switch b {
		case '$':
			c.buf = at.AppendFormat(c.buf, time.Stamp)
			c.text(" ", s.host)
		case '#':
			c.number(1 + c.r.IntN(60_000))
		case '@':
			c.text(c.skewed(c.clients))
		case '&':
			c.text("eth")
			c.number(c.r.IntN(4))
		default:
			c.buf = append(c.buf, b)
		}
	}
}
