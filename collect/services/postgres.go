package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

type postgresOptions struct {
	Database string `json:"database" doc:"database to connect to, whose tables are read; postgres when empty"`
	SSLMode  string `json:"sslmode" doc:"disable, allow, prefer (as when empty), require, verify-ca or verify-full, as in libpq"`
}

func postgresKind() Kind {
	return withOptions(Kind{
		Name: "postgresql", Exporter: "postgres_exporter", Job: "postgres", Up: "pg_up", Address: "127.0.0.1:5432",
		Doc: "Databases, background writer, archiver, activity, locks, sizes, replication, settings and, of one database, the 200 largest tables.",
		Setup: "Nothing when Hulotte runs as root or as postgres on the server's machine: it uses the server's Unix socket with peer authentication. Else give this user:\n\n" +
			"```sql\nCREATE USER hulotte PASSWORD '...';\nGRANT pg_monitor TO hulotte;\n```\n\nSessions are read-only, with the gather's timeout as statement_timeout.",
	}, newPostgres)
}

const (
	postgresHint      = "give a user with the role pg_monitor"
	maxPgMessageBytes = 1 << 20 // a row or an error: far above what these queries return
)

type postgres struct {
	target  Target
	opts    postgresOptions
	queries []query
}

func newPostgres(t Target, o postgresOptions) (reader, error) {
	if o.Database == "" {
		o.Database = "postgres"
	}
	if _, err := pgconn.ParseConfig("host=localhost sslmode=" + pgQuote(o.SSLMode, "prefer")); err != nil {
		return nil, fmt.Errorf("option sslmode: %q: use disable, allow, prefer, require, verify-ca or verify-full", o.SSLMode)
	}
	p := &postgres{target: t, opts: o, queries: pgQueries()}
	return p.read, nil
}

// pgQuote writes a value of a connection string.
func pgQuote(v, otherwise string) string {
	if v == "" {
		v = otherwise
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

func (p *postgres) read(ctx context.Context, f *families) error {
	config, err := p.config()
	if err != nil {
		return err
	}
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return pgRefused(err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(end) // nothing depends on a clean end
	}()
	version := c.ParameterStatus("server_version")
	number := pgVersion(version)
	if number == 0 {
		return fmt.Errorf("the server's version is %s: is it PostgreSQL?", excerpt(version))
	}
	f.gauge("pg_static", "1; the labels tell the version.", 1, "version", version, "short_version", shortVersion(version))
	for i := range p.queries {
		q := &p.queries[i]
		if !q.forVersion(number) {
			continue
		}
		if err := p.ask(ctx, c, f, q.text, func(row [][]byte) error { return q.add(f, row) }); err != nil {
			if c.IsClosed() || ctx.Err() != nil {
				return fmt.Errorf("%s: %w", q.about, err)
			}
			if !q.optional {
				f.warn(fmt.Errorf("%s: %w", q.about, pgRefused(err)))
			}
		}
	}
	return p.ask(ctx, c, f, pgSettings, func(row [][]byte) error { addPgSetting(f, row); return nil })
}

const maxPgRows = 20_000

// ask runs one query and gives its rows to add, without holding them all.
func (p *postgres) ask(ctx context.Context, c *pgconn.PgConn, f *families, text string, add func([][]byte) error) error {
	results := c.Exec(ctx, text)
	rows := 0
	var bad error
	for results.NextResult() {
		r := results.ResultReader()
		for r.NextRow() {
			if rows++; rows > maxPgRows {
				f.drop("rows of a query")
				continue
			}
			if err := add(r.Values()); err != nil && bad == nil {
				bad = err
			}
		}
	}
	return errors.Join(results.Close(), bad)
}

// config makes the connection's configuration. Nothing is taken from the environment but what the target says.
func (p *postgres) config() (*pgconn.Config, error) {
	password, err := p.target.Credentials.password()
	if err != nil {
		return nil, err
	}
	username, dialer := p.target.Credentials.Username, net.Dialer{}
	dial := dialer.DialContext
	network, address := splitAddress(p.target.Address)
	if password == "" && network == "tcp" {
		if socket := pgLocalSocket(address); socket != "" {
			network, address = "unix", socket
		}
	}
	if network == "unix" && password == "" {
		owner, name := socketOwner(address)
		if username == "" {
			username = name
		}
		if os.Geteuid() == 0 && owner > 0 && username == name {
			dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialAs(ctx, owner, network, addr)
			}
		}
	}
	if username == "" {
		username = "postgres"
	}
	host, port := "localhost", "5432" // what is dialled is address
	if network == "tcp" {
		if host, port, err = net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("address %q: %w", address, err)
		}
	}
	text := fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s sslmode=%s passfile=/dev/null servicefile=/dev/null application_name=hulotte",
		pgQuote(host, ""), pgQuote(port, ""), pgQuote(username, ""), pgQuote(password, ""), pgQuote(p.opts.Database, ""), pgQuote(p.opts.SSLMode, "prefer"))
	if network == "unix" {
		text += " sslmode=disable"
	}
	config, err := pgconn.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("cannot make the connection's configuration: %w", errors.Unwrap(err))
	}
	config.Password = password // an empty one must not be replaced from elsewhere
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["statement_timeout"] = strconv.FormatInt(p.target.Timeout.Milliseconds(), 10)
	config.LookupFunc = func(ctx context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &limitedConn{Conn: c, left: maxAnswerBytes}, nil
	}
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		front := pgproto3.NewFrontend(r, w)
		front.SetMaxBodyLen(maxPgMessageBytes)
		return front
	}
	return config, nil
}

// limitedConn gives at most so many bytes.
type limitedConn struct {
	net.Conn
	left int64
}

// Read implements io.Reader.
func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// pgLocalSocket is the socket of the server that listens at a loopback address, when there is one that is asked more easily.
func pgLocalSocket(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return ""
	}
	for _, dir := range []string{"/run/postgresql", "/var/run/postgresql", "/tmp"} {
		socket := dir + "/.s.PGSQL." + port
		if owner, name := socketOwner(socket); name != "" && (os.Geteuid() == 0 || owner == os.Geteuid()) {
			return socket
		}
	}
	return ""
}

// socketOwner tells who owns a socket: the user as whom the server runs.
func socketOwner(path string) (uid int, name string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return 0, ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, ""
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(st.Uid), 10))
	if err != nil {
		return int(st.Uid), ""
	}
	return int(st.Uid), u.Username
}

// dialAs connects to a Unix socket as another user, which is what peer authentication looks at. Only this thread changes its user, and
// it ends with the goroutine, as it stays locked.
func dialAs(ctx context.Context, uid int, network, address string) (net.Conn, error) {
	type result struct {
		c   net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := setThreadUser(uid); err != nil {
			done <- result{nil, fmt.Errorf("cannot become user %d: %w", uid, err)}
			return
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		done <- result{c, err}
	}()
	r := <-done
	return r.c, r.err
}

// pgVersion makes 150018 of "15.18 (Debian 15.18-0+deb12u1)" and 90624 of "9.6.24"; 0 when it is none.
func pgVersion(text string) int {
	parts := strings.Split(shortVersion(text), ".")
	var n [3]int
	for i, p := range parts[:min(len(parts), 3)] {
		v, err := strconv.Atoi(strings.TrimRightFunc(p, func(r rune) bool { return r < '0' || r > '9' }))
		if err != nil || v < 0 || v > 999 {
			return 0
		}
		n[i] = v
	}
	if n[0] >= 10 {
		return n[0]*10000 + n[1]
	}
	return n[0]*10000 + n[1]*100 + n[2]
}

func shortVersion(text string) string {
	word, _, _ := strings.Cut(text, " ")
	for i, c := range word { // 17beta1
		if c != '.' && (c < '0' || c > '9') {
			return word[:i]
		}
	}
	return word
}

// pgRefused tells what to do about an error. The library's own text holds the whole configuration; the server's is enough.
func pgRefused(err error) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) && connect.Unwrap() != nil {
			err = connect.Unwrap()
		}
		var tries interface{ Unwrap() []error }
		if errors.As(err, &tries) && len(tries.Unwrap()) > 0 { // with TLS, then without
			err = tries.Unwrap()[len(tries.Unwrap())-1]
		}
		return err
	}
	text := fmt.Errorf("PostgreSQL answers %s (%s)", excerpt(said.Message), said.Code)
	switch {
	case strings.HasPrefix(said.Code, "28"), said.Code == "42501": // invalid authorization, insufficient privilege
		return fmt.Errorf("%w: %s", text, postgresHint)
	case said.Code == "3D000":
		return fmt.Errorf("%w: set the option database", text)
	}
	return text
}
