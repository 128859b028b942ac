package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/hulotte-dev/hulotte/check"
)

// mysqlOptions are those of the kind mysql.
type mysqlOptions struct{ sqlOptions }

// upgrades: TLS begins after the server's greeting.
func (o *mysqlOptions) upgrades() {}

func mysqlKind() check.Kind {
	return newService[mysqlOptions]("mysql", "Asks MySQL or MariaDB: greeting; login; a query whose result is judged.", 3306, 0)
}

func (o *mysqlOptions) talk(ctx context.Context, s *session, rep *report) error {
	if o.logsIn() {
		return o.login(ctx, s, rep)
	}
	return o.greet(s, rep)
}

// greet reads the greeting. A client that leaves then is counted by the server as a broken one, and after max_connect_errors (100) of
// them it lets nobody from that address in; so we introduce ourselves and are refused, which counts as nothing. The server's own
// machine is not counted: from there we leave at once, and the server logs nothing.
func (o *mysqlOptions) greet(s *session, rep *report) error {
	packet, err := s.mysqlPacket()
	if err != nil {
		return err
	}
	g, err := parseMySQLGreeting(packet)
	if err != nil {
		return err
	}
	rep.hello("MySQL %s OK, asks for a login", g.version)
	if local(s.RemoteAddr()) && o.Username == "" {
		return nil
	}
	user := o.Username
	if user == "" {
		user = "hulotte"
	}
	b := append(append(mysqlHead(mysqlProtocol41|mysqlSecure|mysqlPlugins), user...), 0, 0)
	if err := s.sendMySQL(1, append(b, "mysql_native_password\x00"...)); err != nil {
		return err
	}
	err = s.mysqlAuthenticate("", nil)
	var refused errMySQL
	switch {
	case err == nil:
		return s.sendMySQL(0, []byte{1}) // let in: COM_QUIT
	case errors.As(err, &refused) && o.Username == "" && slices.Contains([]int{1044, 1045, 1251, 1524, 1698, 2059}, refused.code):
		return nil // who we are is the only objection
	case o.Username != "":
		return fmt.Errorf("login of %s: %w", user, err)
	}
	return err
}

// local says whether the server runs on this machine.
func local(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// mysqlPacket reads one: length 3, number 1, body (dev.mysql.com, client/server protocol, "MySQL Packets").
func (s *session) mysqlPacket() ([]byte, error) {
	packet, _, err := s.mysqlNumbered()
	return packet, err
}

func (s *session) mysqlNumbered() (packet []byte, number byte, err error) {
	head, err := s.read(4, 4)
	if err != nil {
		return nil, 0, err
	}
	packet, err = s.read(int(head[0])|int(head[1])<<8|int(head[2])<<16, 256<<10)
	return packet, head[3], err
}

func (s *session) sendMySQL(number byte, body []byte) error {
	return s.send(append([]byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), number}, body...))
}

func (o *mysqlOptions) login(ctx context.Context, s *session, rep *report) error {
	version, err := o.mysqlLogin(ctx, s)
	if err != nil {
		return err
	}
	rep.hello("MySQL %s OK, %s logged in", version, o.Username)
	if o.Query != "" {
		value, found, err := s.mysqlQuery(o.Query)
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		o.judgeRow(rep, value, found)
	}
	return s.sendMySQL(0, []byte{1}) // COM_QUIT
}

// keep logs in, and then says nothing; the server ends that after wait_timeout (eight hours), and it is made anew. Without a login the
// server would count a broken client, so nothing is held.
func (o *mysqlOptions) keep(ctx context.Context, s *session) error {
	if !o.logsIn() {
		return errors.New("only a connection that is logged in can be held: declare username and password")
	}
	_, err := o.mysqlLogin(ctx, s)
	return err
}
