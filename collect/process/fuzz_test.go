package process

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte("12 (a b) c) S 1 1 1 0 -1 4194304 1 0 2 0 3 4 0 0 20 0 5 0 6 7 8 9 0\n"))
	f.Add([]byte("Name:\tx\nUid:\t0\t0\nVmSwap:\t 4 kB\nvoluntary_ctxt_switches:\t1\n"))
	f.Add([]byte("read_bytes: 1\nwrite_bytes: 2\n"))
	f.Add([]byte("Max open files            1024                 4096                 files     \nbtime 17\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseStat(text); err == nil && s.ppid < 0 {
			t.Errorf("parseStat(%q) = %+v", text, s)
		}
		_, _ = parseStatus(text)
		_, _, _ = parseIO(text)
		parseFDLimit(text)
		if b := parseBootTime(text); b < 0 {
			t.Errorf("parseBootTime(%q) = %v", text, b)
		}
		parsePasswd(text)
	})
}

func FuzzNames(f *testing.F) {
	f.Add("java", []byte("java\x00-cp\x00x\x00com.example.Main"), "0::/system.slice/nginx.service")
	f.Add("python3", []byte("python3\x00-m\x00"), `1:name=systemd:/a\x2`)
	f.Add("MainThread", []byte("/usr/bin/node\x00-r\x00"), "0::/sshd@3-1:2.service")
	f.Fuzz(func(t *testing.T, comm string, cmdline []byte, cgroup string) {
		args := splitArgs(cmdline)
		for _, name := range []string{programName(comm, args), cleanName(serviceOf([]byte(cgroup)))} {
			if name == "" || len(name) > maxName+2 || !utf8.ValidString(name) || name == otherGroup || name == kernelGroup {
				t.Errorf("a group is called %q", name)
			}
		}
		if c := maskCommand(args); len(c) > maxCommand || !utf8.ValidString(c) || strings.ContainsAny(c, "\n\x1b") {
			t.Errorf("maskCommand(%q) = %q", args, c)
		}
	})
}

func TestParseStat(t *testing.T) {
	s, err := parseStat([]byte("4242 (a) (b c)) R 7 1 1 0 -1 2129984 11 0 12 0 13 14 0 0 20 0 15 0 16 17 -1 9 0\n"))
	if err != nil || s != (stat{comm: "a) (b c)", state: 'R', ppid: 7, kernel: true, minflt: 11, majflt: 12, utime: 13, stime: 14, threads: 15, start: 16, vsize: 17, rss: 0}) {
		t.Errorf("parseStat = %+v, %v", s, err)
	}
	for _, bad := range []string{"", "1", "1 (a", "1 a) S", ")(", "1 (a) S 1 2 3", "1 (a) S 1 1 1 0 -1 x 11 0 12 0 13 14 0 0 20 0 15 0 16 17 1"} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = %+v, want an error", bad, s)
		}
	}
}
