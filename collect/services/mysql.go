package services

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

type mysqlOptions struct {
	TLS string `json:"tls" doc:"preferred (as when empty), true, skip-verify or false"`
}

func mysqlKind() Kind {
	return withOptions(Kind{
		Name: "mysql", Exporter: "mysqld_exporter", Job: "mysql", Up: "mysql_up", Address: "127.0.0.1:3306",
		Doc: "MySQL's and MariaDB's global status and variables, replication, InnoDB compression.",
		Setup: "Nothing when Hulotte runs as root on the server's machine: it uses the server's Unix socket, or what `~/.my.cnf` or `/etc/mysql/debian.cnf` says. Else give this user:\n\n" +
			"```sql\nCREATE USER 'hulotte'@'localhost' IDENTIFIED BY '...' WITH MAX_USER_CONNECTIONS 3;\nGRANT PROCESS, REPLICATION CLIENT, SELECT ON *.* TO 'hulotte'@'localhost';\n```\n\n" +
			"On MariaDB from 10.5, replication wants `GRANT SLAVE MONITOR` too.",
	}, newMysql)
}

const mysqlHint = "give a user with the rights PROCESS and REPLICATION CLIENT"

type mysqld struct {
	target Target
	opts   mysqlOptions
	files  []string // where credentials may be
}

func newMysql(t Target, o mysqlOptions) (reader, error) {
	switch o.TLS {
	case "":
		o.TLS = "preferred"
	case "preferred", "true", "skip-verify", "false":
	default:
		return nil, fmt.Errorf("option tls: %q: use preferred, true, skip-verify or false", o.TLS)
	}
	m := &mysqld{target: t, opts: o, files: []string{"/etc/mysql/debian.cnf"}}
	if home, err := os.UserHomeDir(); err == nil {
		m.files = []string{filepath.Join(home, ".my.cnf"), "/etc/mysql/debian.cnf"}
	}
	return m.read, nil
}

func (m *mysqld) read(ctx context.Context, f *families) error {
	config, err := m.config()
	if err != nil {
		return err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("cannot make the connection's configuration: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	defer func() { _ = db.Close() }() // nothing is written
	if err := db.PingContext(ctx); err != nil {
		return mysqlRefused(err)
	}
	for _, part := range []struct {
		about string
		read  func(context.Context, *sql.DB, *families) error
	}{
		{"the global status", readMysqlStatus}, {"the global variables", readMysqlVariables},
		{"replication", readMysqlReplication}, {"InnoDB's compression", readInnodbCompression},
	} {
		if err := part.read(ctx, db, f); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: %w", part.about, err)
			}
			f.warn(fmt.Errorf("%s: %w", part.about, mysqlRefused(err)))
		}
	}
	if !f.has("mysql_global_status_uptime") {
		return errors.New("SHOW GLOBAL STATUS gave nothing: is it MySQL or MariaDB?")
	}
	return nil
}

func (m *mysqld) config() (*mysql.Config, error) {
	password, err := m.target.Credentials.password()
	if err != nil {
		return nil, err
	}
	c := mysql.NewConfig()
	c.Net, c.Addr = splitAddress(m.target.Address)
	c.User, c.Passwd = m.target.Credentials.Username, password
	if m.target.Credentials == (Credentials{}) {
		m.automatic(c)
	}
	c.TLSConfig = m.opts.TLS
	if c.Net == "unix" {
		c.TLSConfig = "false"
	}
	c.Timeout, c.ReadTimeout, c.WriteTimeout = m.target.Timeout, m.target.Timeout, m.target.Timeout
	c.Logger = &mysql.NopLogger{}
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &limitedConn{Conn: conn, left: maxAnswerBytes}, nil
	}
	return c, nil
}

// automatic finds how to log in to a server of this machine: root over its socket, or the files that its tools use.
func (m *mysqld) automatic(c *mysql.Config) {
	local := c.Net == "unix"
	if host, port, err := net.SplitHostPort(c.Addr); c.Net == "tcp" && err == nil {
		local = port == "3306" && (host == "localhost" || net.ParseIP(host).IsLoopback())
	}
	if !local {
		c.User = "root"
		return
	}
	for _, file := range m.files {
		text, err := readFile(file, 64<<10)
		if err != nil {
			continue
		}
		if o := readMyCnf(string(text)); o["user"] != "" && o["password"] != "" {
			c.User, c.Passwd = o["user"], o["password"]
			return
		}
	}
	c.User = "root"
	for _, socket := range []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"} {
		if info, err := os.Stat(socket); c.Net == "tcp" && os.Geteuid() == 0 && err == nil && info.Mode().Type() == os.ModeSocket {
			c.Net, c.Addr = "unix", socket
		}
	}
}

// readMyCnf returns the options of the group [client].
func readMyCnf(text string) map[string]string {
	out := map[string]string{}
	client := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			client = line == "[client]"
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !client || !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		out[strings.TrimSpace(key)] = value
	}
	return out
}

const maxMysqlRows = 10_000

// eachRow gives the rows of a query as text by column; NULL is "".
func eachRow(ctx context.Context, db *sql.DB, text string, add func(columns []string, row []sql.RawBytes)) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for n := 0; rows.Next(); n++ {
		if n >= maxMysqlRows {
			return fmt.Errorf("more than %d rows: %w", maxMysqlRows, errTooLong)
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		add(columns, row)
	}
	return rows.Err()
}

func readMysqlStatus(ctx context.Context, db *sql.DB, f *families) error {
	texts := map[string]string{}
	err := eachRow(ctx, db, "SHOW GLOBAL STATUS", func(_ []string, row []sql.RawBytes) {
		if len(row) == 2 {
			addMysqlStatus(f, mysqlName(string(row[0])), string(row[1]), texts)
		}
	})
	if uuid := texts["wsrep_local_state_uuid"]; uuid != "" {
		f.gauge("mysql_galera_status_info", "1; the labels tell about the cluster.", 1, "wsrep_local_state_uuid", uuid,
			"wsrep_cluster_state_uuid", texts["wsrep_cluster_state_uuid"], "wsrep_provider_version", texts["wsrep_provider_version"])
	}
	addReplLatency(f, strings.Split(texts["wsrep_evs_repl_latency"], "/"))
	return err
}

// addReplLatency adds min, avg, max, standard deviation and sample size.
func addReplLatency(f *families, parts []string) {
	names := [...]string{"min_seconds", "avg_seconds", "max_seconds", "stdev", "sample_size"}
	if len(parts) != len(names) {
		return
	}
	for i, name := range names {
		if v, err := strconv.ParseFloat(parts[i], 64); err == nil {
			f.gauge("mysql_galera_evs_repl_latency_"+name, "Latency of the group's communication.", v)
		}
	}
}

// mysqlFamilies take the status variables that begin with their prefix, with the rest as a label.
var mysqlFamilies = [...]struct{ prefix, name, label, help string }{
	{"com_", "mysql_global_status_commands_total", "command", "Statements, by command."},
	{"handler_", "mysql_global_status_handlers_total", "handler", "Requests to storage engines, by handler."},
	{"connection_errors_", "mysql_global_status_connection_errors_total", "error", "Connections that failed, by error."},
	{"innodb_rows_", "mysql_global_status_innodb_row_ops_total", "operation", "Operations on rows of InnoDB tables."},
	{"performance_schema_", "mysql_global_status_performance_schema_lost_total", "instrumentation", "What the performance schema could not record."},
}

func addMysqlStatus(f *families, key, text string, texts map[string]string) {
	v, ok := mysqlNumber(text)
	if !ok {
		if strings.HasPrefix(key, "wsrep_") {
			texts[key] = text
		}
		return
	}
	if state, ok := strings.CutPrefix(key, "innodb_buffer_pool_pages_"); ok {
		addBufferPool(f, state, v)
		return
	}
	for _, fam := range mysqlFamilies {
		if rest, ok := strings.CutPrefix(key, fam.prefix); ok {
			f.counter(fam.name, fam.help, v, fam.label, rest)
			return
		}
	}
	if isWord(key) {
		f.untyped("mysql_global_status_"+key, "The status variable "+key+".", v)
	}
}

func addBufferPool(f *families, state string, v float64) {
	switch state {
	case "data", "free", "misc", "old":
		f.gauge("mysql_global_status_buffer_pool_pages", "Pages of InnoDB's buffer pool, by state.", v, "state", state)
	case "dirty":
		f.gauge("mysql_global_status_buffer_pool_dirty_pages", "Pages of InnoDB's buffer pool that are not written yet.", v)
	case "total": // the sum of the others
	default:
		f.counter("mysql_global_status_buffer_pool_page_changes_total", "Changes of pages of InnoDB's buffer pool.", v, "operation", state)
	}
}

func readMysqlVariables(ctx context.Context, db *sql.DB, f *families) error {
	texts := map[string]string{}
	err := eachRow(ctx, db, "SHOW GLOBAL VARIABLES", func(_ []string, row []sql.RawBytes) {
		if len(row) != 2 {
			return
		}
		key := mysqlName(string(row[0]))
		if v, ok := mysqlNumber(string(row[1])); ok && isWord(key) {
			f.gauge("mysql_global_variables_"+key, "The variable "+key+".", v)
			return
		}
		texts[key] = string(row[1])
	})
	if err != nil {
		return err
	}
	f.gauge("mysql_version_info", "1; the labels tell the version.", 1, "innodb_version", texts["innodb_version"], "version", texts["version"], "version_comment", texts["version_comment"])
	if name := texts["wsrep_cluster_name"]; name != "" {
		f.gauge("mysql_galera_variables_info", "1; the label tells the cluster.", 1, "wsrep_cluster_name", name)
	}
	if options := texts["wsrep_provider_options"]; options != "" {
		f.gauge("mysql_galera_gcache_size_bytes", "Size of Galera's cache of write sets.", gcacheSize(options))
	}
	for _, key := range []string{"transaction_isolation", "tx_isolation"} {
		if level := texts[key]; level != "" {
			f.gauge("mysql_transaction_isolation", "1; the label tells the level of isolation.", 1, "level", level)
			break
		}
	}
	return nil
}

var gcacheOption = regexp.MustCompile(`gcache\.size = (\d+)([MG]?);`)

func gcacheSize(options string) float64 {
	m := gcacheOption.FindStringSubmatch(options)
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	switch m[2] {
	case "M":
		v *= 1 << 20
	case "G":
		v *= 1 << 30
	}
	return v
}

// readMysqlReplication asks as MariaDB, MySQL before 8.4 and MySQL since then want it.
func readMysqlReplication(ctx context.Context, db *sql.DB, f *families) error {
	var first error
	for _, text := range []string{"SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"} {
		err := eachRow(ctx, db, text, func(columns []string, row []sql.RawBytes) { addReplica(f, columns, row) })
		if err == nil {
			return nil
		}
		var said *mysql.MySQLError
		if first == nil || errors.As(err, &said) && said.Number != mysqlSyntaxError {
			first = err
		}
	}
	return first
}

const (
	mysqlSyntaxError  = 1064
	mysqlAccessDenied = 1045
	mysqlWantsRight   = 1227
)

func addReplica(f *families, columns []string, row []sql.RawBytes) {
	get := func(names ...string) string {
		for _, name := range names {
			for i, c := range columns {
				if c == name && len(row[i]) > 0 {
					return string(row[i])
				}
			}
		}
		return ""
	}
	pairs := []string{
		"master_host", get("Master_Host", "Source_Host"), "master_uuid", get("Master_UUID", "Source_UUID"),
		"channel_name", get("Channel_Name"), "connection_name", get("Connection_name"),
	}
	for i, c := range columns {
		key := mysqlName(c)
		if v, ok := mysqlNumber(string(row[i])); ok && isWord(key) {
			f.untyped("mysql_slave_status_"+key, "The column "+c+" of the replica's status.", v, pairs...)
		}
	}
	for _, c := range []string{"Gtid_IO_Pos", "Gtid_Slave_Pos"} {
		for gtid := range strings.SplitSeq(get(c), ",") {
			parts := strings.Split(gtid, "-")
			if len(parts) != 3 {
				continue
			}
			if v, err := strconv.ParseFloat(parts[2], 64); err == nil {
				f.gauge("mysql_slave_status_"+mysqlName(c), "The sequence number of "+c+".", v, append([]string{"domain_id", parts[0], "server_id", parts[1]}, pairs...)...)
			}
		}
	}
}

func readInnodbCompression(ctx context.Context, db *sql.DB, f *families) error {
	for _, q := range innodbQueries {
		var bad error
		err := eachRow(ctx, db, q.text, func(_ []string, row []sql.RawBytes) {
			cells := make([][]byte, len(row))
			for i := range row {
				cells[i] = row[i]
			}
			bad = q.add(f, cells)
		})
		if err := errors.Join(err, bad); err != nil {
			return err
		}
	}
	return nil
}

var innodbQueries = []query{
	{
		about: "innodb_cmp", labels: []string{"page_size"},
		text: "SELECT page_size, compress_ops, compress_ops_ok, compress_time, uncompress_ops, uncompress_time FROM information_schema.innodb_cmp",
		columns: []column{
			counterOf("Pages compressed.", "mysql_info_schema_innodb_cmp_compress_ops_total"),
			counterOf("Pages compressed with success.", "mysql_info_schema_innodb_cmp_compress_ops_ok_total"),
			counterOf("Time that compressing took.", "mysql_info_schema_innodb_cmp_compress_time_seconds_total"),
			counterOf("Pages uncompressed.", "mysql_info_schema_innodb_cmp_uncompress_ops_total"),
			counterOf("Time that uncompressing took.", "mysql_info_schema_innodb_cmp_uncompress_time_seconds_total"),
		},
	},
	{
		about: "innodb_cmpmem", labels: []string{"page_size", "buffer_pool"},
		text: "SELECT page_size, buffer_pool_instance, pages_used, pages_free, relocation_ops, relocation_time / 1000000 FROM information_schema.innodb_cmpmem",
		columns: []column{
			counterOf("Blocks in use.", "mysql_info_schema_innodb_cmpmem_pages_used_total"),
			counterOf("Blocks that are free.", "mysql_info_schema_innodb_cmpmem_pages_free_total"),
			counterOf("Blocks moved.", "mysql_info_schema_innodb_cmpmem_relocation_ops_total"),
			counterOf("Time that moving took.", "mysql_info_schema_innodb_cmpmem_relocation_time_seconds_total"),
		},
	},
}

// mysqlName makes part of a family's name of a variable's.
func mysqlName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, s)
}

// mysqlNumber reads a number, a truth value, a state or a time.
func mysqlNumber(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case "yes", "on", "primary":
		return 1, true
	case "no", "off", "disabled", "connecting", "non-primary", "disconnected":
		return 0, true
	}
	for _, layout := range []string{"Jan _2 15:04:05 2006 MST", time.DateTime} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.Unix()), true
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

func mysqlRefused(err error) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return err
	}
	text := fmt.Errorf("the server answers %s (%d)", excerpt(said.Message), said.Number)
	switch said.Number {
	case mysqlAccessDenied, mysqlWantsRight, 1698, 1044, 1142: // access denied: of a user without password, to a database, to a table
		return fmt.Errorf("%w: %s", text, mysqlHint)
	}
	return text
}
