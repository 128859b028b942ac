package services

import (
	"bufio"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	programs "github.com/hulotte-dev/hulotte/test/services"
)

func TestMysqlGolden(t *testing.T) {
	f := newFamilies(defaultMaxSeries)
	texts := map[string]string{}
	s := bufio.NewScanner(strings.NewReader(recorded(t, "mysql.status")))
	for s.Scan() {
		key, v, _ := strings.Cut(s.Text(), "\t")
		addMysqlStatus(f, mysqlName(key), v, texts)
	}
	addReplLatency(f, strings.Split("0.1/0.2/0.3/0.01/5", "/"))
	addReplica(f, []string{"Connection_name", "Master_Host", "Slave_IO_Running", "Slave_SQL_Running", "Seconds_Behind_Master", "Master_Log_File", "Last_Error", "Gtid_IO_Pos"},
		[]sql.RawBytes{sql.RawBytes("c"), sql.RawBytes("db1"), sql.RawBytes("Connecting"), sql.RawBytes("Yes"), nil, sql.RawBytes("mysql-bin.000123"), sql.RawBytes(""), sql.RawBytes("0-1-77,1-2-5")})
	wantGolden(t, "mysql", f.result())
}

func TestMariadbReal(t *testing.T) {
	s := programs.Start(t, "mariadb")
	target := Target{Address: s.Addr, Credentials: Credentials{Username: "root"}}
	ours := untilRead(t, "mysql", target)
	wantValue(t, ours, 1, "mysql_up")
	wantAbove(t, ours, 0, "mysql_global_status_threads_connected")
	wantValue(t, ours, 16<<20, "mysql_global_variables_innodb_buffer_pool_size")
	wantValue(t, ours, 1, "mysql_version_info")
	wantValue(t, mustRead(t, "mysql", Target{Address: "unix:" + s.Extra["socket"]}), 1, "mysql_up")
	wantDown(t, "mysql", Target{Address: s.Addr, Credentials: Credentials{Username: "u", Password: "wrong"}}, "Access denied", "PROCESS")

	exporter := program(t, "prometheus-mysqld-exporter")
	port := freePort(t)
	conf := write(t, t.TempDir()+"/my.cnf", fmt.Sprintf("[client]\nuser=root\nhost=127.0.0.1\nport=%d\n", s.Port))
	cmd := exec.Command(exporter, "--config.my-cnf", conf, "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port))
	cmd.Env = append(os.Environ(), fmt.Sprintf("DATA_SOURCE_NAME=root@(%s)/", s.Addr))
	theirs := scrapeExporter(t, port, cmd)
	wantShape(t, ours, theirs, map[string]string{
		"mysql_exporter_*":  "the exporter about itself",
		"mysqld_exporter_*": "the exporter about itself",
	})
}

func TestReadMyCnf(t *testing.T) {
	got := readMyCnf("[mysqld]\nuser = mysql\n[client]\n# password = no\nuser=\"adm\"\n password = 'p#1'\n[mysql]\nuser=x\n")
	if got["user"] != "adm" || got["password"] != "p#1" || len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

// TestMysqlFalseLengths: packets that promise more than they hold.
func TestMysqlFalseLengths(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		address := serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, answer) })
		wantDown(t, "mysql", Target{Address: address, Timeout: 2e9, Credentials: Credentials{Username: "u", Password: "p"}})
	}
	f("\xff\xff\xff\x00\x0a")
	f("\x05\x00\x00\x00\x0a5.7\x00")
	f("\x00\x00\x00\x00")
	f("\x10\x00\x00\x00\xff\x10\x04Too many conn")
}

func FuzzMysqlStatus(f *testing.F) {
	f.Add("Com_select", "12", "k=v\n[client]\na='b'")
	f.Add("Innodb_buffer_pool_pages_dirty", "ON", "")
	f.Fuzz(func(t *testing.T, key, v, file string) {
		fam := newFamilies(10)
		addMysqlStatus(fam, mysqlName(key), v, map[string]string{})
		addReplica(fam, []string{key}, []sql.RawBytes{sql.RawBytes(v)})
		_ = readMyCnf(file)
		_ = gcacheSize(file)
	})
}
