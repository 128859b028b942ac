package discovery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzSocketLines(f *testing.F) {
	f.Add("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 123 1 0000000000000000 100 0 0 10 0\n")
	f.Add("   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 123 1 0 100\n")
	f.Add("0000000000000000: 00000002 00000000 00010000 0001 01 20361 /run/a b.sock\n")
	f.Add("0000000000000000: 00000002 00000000 00010000 0001 01 20361 @/tmp/.X11-unix/X0\x00\xff\n")
	f.Fuzz(func(t *testing.T, line string) {
		for _, network := range []string{networkTCP, networkUDP, networkUnix} {
			s, ok, err := parseLine([]byte(line), network)
			if ok && err != nil {
				t.Errorf("%q is good and bad: %v", line, err)
			}
			if ok && network != networkUnix && !s.addr.IsValid() {
				t.Errorf("%q has no address", line)
			}
			if !utf8.ValidString(s.path) || len(s.path) > 4*108 {
				t.Errorf("%q has the path %q", line, s.path)
			}
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("heading\n   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0     0        0 123 1 0 100\n"))
	f.Add([]byte(strings.Repeat("x", 70_000)))
	path := filepath.Join(f.TempDir(), "tcp")
	var r tableReader
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{networkTCP, networkUDP, networkUnix} {
			if _, err := r.read(path, network, func(socket) {}); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzNetworkFiles(f *testing.F) {
	f.Add([]byte("Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.42.0.9\n        /32 host LOCAL\n"))
	f.Add([]byte("fd000000000000000000000000000002 02 40 00 80     eth0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, list := range [][]string{texts(parseFibTrie(text)), texts(parseIfInet6(text))} {
			if len(list) > maxLocal {
				t.Errorf("%d addresses", len(list))
			}
		}
	})
}

func texts[T interface{ String() string }](list []T) []string {
	var out []string
	for _, x := range list {
		out = append(out, x.String())
	}
	return out
}

func FuzzLabels(f *testing.F) {
	f.Add("hulotte.port", "80")
	f.Add("hulotte.check.path", "/healthz")
	f.Add("glouton.check.ignore.port.80", "true")
	f.Add("annotation.prometheus.io/scrape", "true")
	f.Add("prometheus.io/path", "/metrics?x=1")
	f.Fuzz(func(t *testing.T, name, value string) {
		s := readLabels(map[string]string{name: value})
		for _, p := range append(s.ignore, s.port, s.scrapePort) {
			if p < 0 || p > 65535 {
				t.Errorf("%q=%q gives port %d", name, value, p)
			}
		}
		for _, path := range []string{s.path, s.scrapePath} {
			if path != "" && (path[0] != '/' || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\ \r\n")) {
				t.Errorf("%q=%q gives the path %q", name, value, path)
			}
		}
		for _, n := range []string{s.name, s.job} {
			if n != "" && !validKind.MatchString(n) {
				t.Errorf("%q=%q gives the name %q", name, value, n)
			}
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("nginx", "nginx: master process", "/usr/sbin/nginx")
	f.Add("java", "java\x00-cp\x00x\x00kafka.Kafka", "/usr/bin/java")
	f.Add("python3", "python3\x00-m\x00gunicorn", "")
	d := newForTest(f, Options{RootFS: f.TempDir()})
	f.Fuzz(func(t *testing.T, comm, args, exe string) {
		p := program{comm: comm, args: strings.Split(args, "\x00"), exe: exe}
		e, why := d.catalogue.match(&p)
		if e == nil {
			return
		}
		if why == "" || !utf8.ValidString(why) {
			t.Errorf("%q is %s because of %q", args, e.Kind, why)
		}
		in := &instance{entry: e, procs: []*proc{{pid: 7, prog: p, why: why, entry: e}}, ns: &namespace{host: true}, sockets: []socket{socketOf(t, "0.0.0.0:80", 1)}}
		nameInstances([]*instance{in}, d.life)
		if s, ok := d.describe(in); ok && (strings.ContainsAny(s.service.ID, "/ \n") || !utf8.ValidString(s.service.ID)) {
			t.Errorf("the service of %q is called %q", args, s.service.ID)
		}
	})
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte("Package: nginx\nStatus: install ok installed\nVersion: 1:1.22.1-9+deb12u1\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		for _, v := range parsePackages(text, map[string]bool{"nginx": true}) {
			_ = short(upstream(v))
		}
		_ = imageVersion(string(text))
	})
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"version":1,"services":[{"service":{"id":"redis","kind":"redis","state":"gone"},"base":"","key":"1:2"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newLife(1, 1, 10)
		if l.decode(text) != nil {
			return
		}
		l.update(time0, nil)
		if _, err := l.encode(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzEntry(f *testing.F) {
	for _, kind := range []string{"nginx", "rabbitmq", "django"} {
		text, err := catalogueFiles.ReadFile("catalogue/" + kind + ".yml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseEntry("x", text) })
}

var time0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
