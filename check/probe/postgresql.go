package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// sqlOptions are those of databases that speak SQL.
type sqlOptions struct {
	serviceOptions
	loginOptions
	Database string     `json:"database,omitempty" doc:"database to open"`
	Query    string     `json:"query,omitempty" doc:"query to run when logged in; the first value of its first row is judged"`
	Result   *condition `json:"result,omitempty" doc:"what that value must be"`
}

func (o *sqlOptions) prepare() error {
	if o.Query != "" && o.Username == "" {
		return errors.New("username: declare it for a query")
	}
	if o.Result != nil {
		if o.Query == "" {
			return errors.New("query: declare it with result")
		}
		if err := o.Result.prepare("result"); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	return o.validateLogin()
}

// asks says whether a login is to be made; without a password it is enough that one is asked for.
func (o *sqlOptions) logsIn() bool { return o.Password != "" || o.PasswordFile != "" || o.Query != "" }

// judgeRow tells the first value of a query.
func (o *sqlOptions) judgeRow(rep *report, value string, found bool) {
	if !found {
		if o.Result != nil {
			rep.problem(model.Critical, "the query found nothing")
		}
		return
	}
	rep.fact("query: %s", printable(value, 100))
	if o.Result != nil {
		o.Result.judge(rep, "query's result", value)
	}
}

// postgresqlOptions are those of the kind postgresql.
type postgresqlOptions struct{ sqlOptions }

// upgrades: TLS begins after a request in plain.
func (o *postgresqlOptions) upgrades() {}

func postgresqlKind() check.Kind {
	return newService[postgresqlOptions]("postgresql", "Asks PostgreSQL or PgBouncer: whether it takes connections; login; a query whose result is judged.", 5432, 0)
}

func (o *postgresqlOptions) talk(ctx context.Context, s *session, rep *report) error {
	if o.TLS {
		if err := o.requestTLS(ctx, s); err != nil {
			return err
		}
	}
	if o.logsIn() {
		return o.login(ctx, s, rep)
	}
	return o.ready(s, rep)
}

// requestTLS is SSLRequest and its answer of one byte (postgresql.org/docs/current/protocol-flow.html).
func (o *postgresqlOptions) requestTLS(ctx context.Context, s *session) error {
	if err := s.send([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	answer, err := s.in.ReadByte()
	switch {
	case err != nil:
		return err
	case answer == 'N':
		return errors.New("the server does not offer TLS")
	case answer != 'S':
		return fmt.Errorf("the other side does not speak PostgreSQL's protocol: it sent %q", answer)
	}
	return s.startTLS(ctx, &o.tlsOptions)
}

// ready does what pg_isready does: it begins a session and leaves when the server asks who we are. The server logs nothing of that.
func (o *postgresqlOptions) ready(s *session, rep *report) error {
	user, database := o.Username, o.Database
	if user == "" {
		user = "hulotte"
	}
	if database == "" {
		database = "postgres"
	}
	body := "\x00\x03\x00\x00user\x00" + user + "\x00database\x00" + database + "\x00\x00"
	if err := s.send(append(binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body...)); err != nil {
		return err
	}
	for range maxStartup {
		kind, message, err := s.postgresMessage()
		switch {
		case err != nil:
			return err
		case kind == 'E':
			return o.refused(parsePostgresError(message), rep)
		case kind == 'R' && len(message) >= 4 && binary.BigEndian.Uint32(message) != 0: // it asks for a password
			rep.hello("PostgreSQL OK, takes connections")
			return nil
		case kind == 'Z': // let in without one: say goodbye
			rep.hello("PostgreSQL OK, takes connections")
			return s.send([]byte{'X', 0, 0, 0, 4})
		}
	}
	return errors.New("the server's welcome has no end")
}

// maxStartup is how many messages may come before a session is ready; the parameters of the server are some 15.
const maxStartup = 100

// postgresMessage reads one of those that come at the start: kind 1, length 4 with itself, body.
func (s *session) postgresMessage() (kind byte, body []byte, err error) {
	head, err := s.read(5, 5)
	if err != nil {
		return 0, nil, err
	}
	if !strings.ContainsRune("REvSKNZ", rune(head[0])) {
		return 0, nil, fmt.Errorf("the other side does not speak PostgreSQL's protocol: it sent %q", head)
	}
	body, err = s.read(int(binary.BigEndian.Uint32(head[1:]))-4, maxLine)
	return head[0], body, err
}

// parsePostgresError returns the fields of ErrorResponse: a letter and a text that ends with zero, until a zero.
func parsePostgresError(b []byte) map[byte]string {
	fields := map[byte]string{}
	for len(b) > 1 && b[0] != 0 {
		end := indexZero(b[1:])
		if end < 0 {
			break
		}
		fields[b[0]] = printable(string(b[1:1+end]), 200)
		b = b[end+2:]
	}
	return fields
}

// refused is fine when it is only about who we are: the server works. What it says of itself (starting, too many clients) is not.
func (o *postgresqlOptions) refused(fields map[byte]string, rep *report) error {
	code := fields['C']
	if code == "" {
		return errors.New("the server answers with an error that cannot be read")
	}
	who := slices.Contains([]string{"28000", "28P01", "3D000", "08P01"}, code)
	if who && o.Username == "" {
		rep.hello("PostgreSQL OK, answers: %s", fields['M'])
		return nil
	}
	return fmt.Errorf("the server says: %s (%s)", fields['M'], code)
}

func (o *postgresqlOptions) login(ctx context.Context, s *session, rep *report) error {
	conn, err := o.connect(ctx, s)
	if err != nil {
		return err
	}
	version, _, _ := strings.Cut(conn.ParameterStatus("server_version"), " ")
	rep.hello("PostgreSQL %s OK, %s logged in", version, o.Username)
	if conn.ParameterStatus("in_hot_standby") == "on" {
		rep.fact("standby")
	}
	if o.Query != "" {
		results, err := conn.Exec(ctx, o.Query).ReadAll()
		if err != nil {
			return fmt.Errorf("query: %w", postgresError(err))
		}
		value, found := "", false
		if n := len(results); n > 0 && len(results[n-1].Rows) > 0 && len(results[n-1].Rows[0]) > 0 {
			value, found = string(results[n-1].Rows[0][0]), true
		}
		o.judgeRow(rep, value, found)
	}
	return s.send([]byte{'X', 0, 0, 0, 4})
}

// talking is the session as a connection for a library that speaks the rest of a protocol. As of any net.Conn, several goroutines may read of
// it: pgx does when it gives a connection up.
type talking struct {
	net.Conn
	mu sync.Mutex
	in io.Reader // guarded by mu
}

func (t *talking) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.in.Read(p)
}

func (o *postgresqlOptions) connect(ctx context.Context, s *session) (*pgconn.PgConn, error) {
	password, err := o.secret()
	if err != nil {
		return nil, err
	}
	// Everything is set, so that nothing is taken from this process's environment or home.
	config, err := pgconn.ParseConfig("host=127.0.0.1 port=5432 user=x password=x dbname=x sslmode=disable passfile=/dev/null")
	if err != nil {
		return nil, notAsked("%w", err)
	}
	config.User, config.Password, config.Database = o.Username, password, o.Database
	if config.Database == "" {
		config.Database = o.Username
	}
	config.RuntimeParams = map[string]string{"application_name": "hulotte"}
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) { return &talking{Conn: s.out(), in: s.in}, nil }
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxTalk)
		return f
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("login of %s: %w", o.Username, postgresError(err))
	}
	return conn, nil
}

// postgresError is what the server said, without the words of the library.
func postgresError(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return fmt.Errorf("the server says: %s (%s)", said.Message, said.Code)
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// keep logs in, and then says nothing: PostgreSQL lets that stay. Without a login the connection alone is held: the server ends it
// after authentication_timeout (one minute) without logging it, and it is made anew.
func (o *postgresqlOptions) keep(ctx context.Context, s *session) error {
	if !o.logsIn() {
		return nil
	}
	if o.TLS {
		if err := o.requestTLS(ctx, s); err != nil {
			return err
		}
	}
	_, err := o.connect(ctx, s)
	return err
}
