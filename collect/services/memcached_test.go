package services

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestMemcachedGolden(t *testing.T) {
	address := serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, recorded(t, "memcached.txt")); <-t.Context().Done() })
	wantGolden(t, "memcached", mustRead(t, "memcached", Target{Address: address}))
	refuses := serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, "CLIENT_ERROR unauthenticated\r\n") })
	wantDown(t, "memcached", Target{Address: refuses}, "SASL")
	empty := serveTCP(t, func(c net.Conn) { go discard(c); fmt.Fprint(c, "END\r\n") })
	wantDown(t, "memcached", Target{Address: empty}, "is it memcached?")
}

func TestMemcachedReal(t *testing.T) {
	port := freePort(t)
	args := []string{"-l", "127.0.0.1", "-p", fmt.Sprint(port), "-U", "0"}
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	run(t, "memcached", args...)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	untilRead(t, "memcached", Target{Address: address})
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "set a 0 0 1\r\nx\r\nget a\r\nget b\r\n")
	r := bufio.NewReader(c)
	for _, want := range []string{"STORED", "VALUE a 0 1", "x", "END", "END"} {
		if line, err := readLine(r); err != nil || line != want {
			t.Fatalf("%q, %v, want %q", line, err, want)
		}
	}
	fams := mustRead(t, "memcached", Target{Address: address})
	wantValue(t, fams, 1, "memcached_up")
	wantValue(t, fams, 1, "memcached_commands_total", "command", "set", "status", "hit")
	wantValue(t, fams, 1, "memcached_commands_total", "command", "get", "status", "miss")
	wantValue(t, fams, 1, "memcached_slab_current_items", "slab", "1")
	wantAbove(t, fams, 100, "memcached_max_connections")
	if os.Getenv("TEST_RECORD") != "" { // writes the answer of which the golden file is
		text, err := askMemcached(address)
		if err != nil {
			t.Fatal(err)
		}
		write(t, "testdata/memcached.txt", text)
	}
}

func askMemcached(address string) (string, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	fmt.Fprint(c, "stats\r\nstats settings\r\nstats items\r\nstats slabs\r\n")
	var b strings.Builder
	r := bufio.NewReader(c)
	for ends := 0; ends < 4; {
		line, err := readLine(r)
		if err != nil {
			return "", err
		}
		b.WriteString(line + "\r\n")
		if line == "END" {
			ends++
		}
	}
	return b.String(), nil
}

func FuzzMemcached(f *testing.F) {
	f.Add("STAT pid 1\r\nSTAT cmd_set 5\r\nSTAT items:1:number 3\r\nSTAT 1:chunk_size 96\r\nEND\r\n")
	names := mustTable("memcached")
	f.Fuzz(func(t *testing.T, in string) {
		r := bufio.NewReader(strings.NewReader(in))
		stats, err := readMemcached(func() (string, error) { return readLine(r) })
		if err != nil {
			return
		}
		fam := newFamilies(100)
		for _, about := range []string{"", "settings.", "items.", "slabs."} {
			addMemcached(fam, names, about, stats)
		}
	})
}
