package services

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

func TestPhpfpmGolden(t *testing.T) {
	f := newFamilies(defaultMaxSeries)
	if err := readPhpfpm([]byte(recorded(t, "phpfpm.json")), "tcp://127.0.0.1:9000/status", f); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "phpfpm", f.result())
	address := servePages(t, map[string]string{"/status?json&full": recorded(t, "phpfpm.json")})
	fams := mustRead(t, "phpfpm", Target{Options: map[string]any{"url": "http://" + address + "/status"}})
	wantValue(t, fams, 1, "phpfpm_up", "scrape_uri", "http://"+address+"/status")
	wantDown(t, "phpfpm", Target{Options: map[string]any{"url": "http://" + address + "/x"}}, "404", "pm.status_path")
}

func TestPhpfpmReal(t *testing.T) {
	var php string
	for _, name := range []string{"php-fpm8.2", "php-fpm8.3", "php-fpm8.4", "php-fpm"} {
		if found, _ := filepath.Glob("/usr/sbin/" + name); len(found) > 0 {
			php = found[0]
			break
		}
	}
	if php == "" {
		t.Skip("php-fpm is not installed")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	conf := write(t, dir+"/fpm.conf", fmt.Sprintf("[global]\npid=%[1]s/pid\nerror_log=/dev/stderr\ndaemonize=no\n[www]\nuser=%[3]s\ngroup=%[3]s\nlisten=127.0.0.1:%[2]d\npm=static\npm.max_children=2\npm.status_path=/fpm\n", dir, port, me.Username))
	run(t, filepath.Base(php), "-F", "-R", "-y", conf)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	target := Target{Address: address, Options: map[string]any{"path": "/fpm"}}
	var fams = untilRead(t, "phpfpm", target)
	until(t, "one process that answers and one that is idle", func() error {
		fams, err = read(t, "phpfpm", target)
		idle0, _ := value(fams, "phpfpm_process_state", "child", "0", "state", "Idle")
		idle1, _ := value(fams, "phpfpm_process_state", "child", "1", "state", "Idle")
		if err == nil && idle0+idle1 != 1 {
			err = fmt.Errorf("%v processes are idle", idle0+idle1)
		}
		return err
	})
	wantValue(t, fams, 1, "phpfpm_up", "pool", "www", "scrape_uri", "tcp://"+address+"/fpm")
	wantValue(t, fams, 2, "phpfpm_total_processes")
	wantDown(t, "phpfpm", Target{Address: address}, "404", "pm.status_path")
}

func TestFastCGIRefuses(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		address := serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, in) })
		_, err := fcgiGet(t.Context(), address, "/status", "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
	f("HTTP/1.1 400", "is it FastCGI?")
	f("\x01\x06\x00\x01\xff\xff\x00\x00x", "")
	f("\x01\x03\x00\x01\x00\x00\x00\x00", "no head")
	f("\x01\x07\x00\x01\x00\x04\x00\x00oops\x01\x03\x00\x01\x00\x00\x00\x00", "oops")
	f("\x01\x06\x00\x01\x00\x19\x00\x00Status: 404 Not Found\r\n\r\n\x01\x03\x00\x01\x00\x00\x00\x00", "404")
}

func FuzzFastCGI(f *testing.F) {
	f.Add([]byte("\x01\x06\x00\x01\x00\x1e\x00\x00Content-Type: text/json\r\n\r\n{}\r\n\x01\x03\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := readFcgi(bufio.NewReader(bytes.NewReader(in)))
		if err == nil {
			if body, err := cgiBody(out, "/"); err == nil {
				_ = readPhpfpm(body, "", newFamilies(100))
			}
		}
	})
}
