package discovery

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const tick = 10 * time.Second

func TestWorkersBelongToOneInstance(t *testing.T) {
	m := newMachine(t)
	http, https := m.listen(0, "0.0.0.0:80"), m.listen(0, "0.0.0.0:443")
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx: master process nginx"}, sockets: []int{http, https}, cgroup: "/system.slice/nginx.service"})
	for pid := 11; pid < 15; pid++ {
		m.add(fake{pid: pid, parent: 10, comm: "nginx", args: []string{"nginx: worker process"}, sockets: []int{http, https}, cgroup: "/system.slice/nginx.service"})
	}
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d, "nginx running 127.0.0.1:80 http")
	s := find(t, d, "nginx")
	if !slices.Equal(s.PIDs, []int{10, 11, 12, 13, 14}) || s.Unit != "nginx.service" {
		t.Errorf("it has the processes %v and the unit %q", s.PIDs, s.Unit)
	}
	if len(s.Listen) != 2 || !s.Listen[1].TLS {
		t.Errorf("it listens on %v, want TLS on the second", s.Listen)
	}
}

func TestInstancesOfOneKind(t *testing.T) {
	m := newMachine(t)
	m.add(fake{pid: 10, comm: "redis-server", args: []string{"/usr/bin/redis-server 127.0.0.1:6379"}, sockets: []int{m.listen(0, "127.0.0.1:6379")}, cgroup: "/system.slice/redis-server.service"})
	m.add(fake{pid: 11, comm: "redis-server", args: []string{"redis-server *:6380"}, sockets: []int{m.listen(0, "0.0.0.0:6380")}})
	m.add(fake{pid: 12, comm: "postgres", args: []string{"/usr/lib/postgresql/15/bin/postgres"}, sockets: []int{m.listen(0, "127.0.0.1:5432")}, cgroup: "/system.slice/system-postgresql.slice/postgresql@15-main.service"})
	m.add(fake{pid: 13, comm: "postgres", args: []string{"/usr/lib/postgresql/16/bin/postgres"}, sockets: []int{m.listen(0, "127.0.0.1:5433")}, cgroup: "/system.slice/system-postgresql.slice/postgresql@16-main.service"})
	m.add(fake{pid: 14, parent: 13, comm: "postgres", args: []string{"postgres: 16/main: walwriter "}, cgroup: "/system.slice/system-postgresql.slice/postgresql@16-main.service"})
	m.add(fake{pid: 15, comm: "node", args: []string{"node", "/srv/api/server.js"}, sockets: []int{m.listen(0, "[::]:3000")}})
	m.add(fake{pid: 16, comm: "node", args: []string{"node", "/srv/shop/server.js"}, sockets: []int{m.listen(0, "[::]:3001")}})
	m.add(fake{pid: 17, comm: "node", args: []string{"node", "/srv/build.js"}}) // it serves nothing
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d,
		"node@api-server running 127.0.0.1:3000 tcp",
		"node@shop-server running 127.0.0.1:3001 tcp",
		"postgresql@15-main running 127.0.0.1:5432 postgresql",
		"postgresql@16-main running 127.0.0.1:5433 postgresql",
		"redis running 127.0.0.1:6379 redis",
		"redis@6380 running 127.0.0.1:6380 redis",
	)
}

func TestPorts(t *testing.T) {
	f := func(listen []string, want string) {
		t.Helper()
		m := newMachine(t)
		var inodes []int
		for _, l := range listen {
			inodes = append(inodes, m.listen(0, l))
		}
		m.add(fake{pid: 10, comm: "redis-server", args: []string{"redis-server"}, sockets: inodes, cgroup: "/system.slice/redis.service"})
		d := m.discovery(Options{})
		m.scan(d, 0)
		if got := find(t, d, "redis").Address.String(); got != want {
			t.Errorf("%q is asked at %q, want %q", listen, got, want)
		}
	}
	f([]string{"0.0.0.0:6379", "[::]:6379"}, "127.0.0.1:6379")
	f([]string{"[::1]:6379"}, "[::1]:6379")
	f([]string{"192.0.2.7:6379", "127.0.0.1:6379"}, "127.0.0.1:6379")
	f([]string{"192.0.2.7:6379"}, "192.0.2.7:6379")
	f([]string{"127.0.0.1:45000", "127.0.0.1:7000"}, "127.0.0.1:7000")
	f([]string{"127.0.0.1:45000"}, "127.0.0.1:45000")                  // there is no other
	f([]string{"127.0.0.1:16379", "127.0.0.1:7000"}, "127.0.0.1:7000") // of the cluster
	f([]string{"127.0.0.1:16379"}, "")
	f([]string{"udp 127.0.0.1:6379"}, "")
	f([]string{"/run/redis/redis-server.sock"}, "unix:/run/redis/redis-server.sock")
	f([]string{"/run/other.sock"}, "")
	f([]string{"[fe80::1]:6379"}, "")
	f(nil, "")
}

// A socket that systemd made and handed on is the service's, and one that a child keeps open is its parent's.
func TestSocketsOfSeveral(t *testing.T) {
	m := newMachine(t)
	ssh, web := m.listen(0, "0.0.0.0:22"), m.listen(0, "0.0.0.0:8080")
	m.add(fake{pid: 1, comm: "systemd", args: []string{"/sbin/init"}, sockets: []int{ssh}})
	m.add(fake{pid: 20, parent: 1, comm: "sshd", args: []string{"sshd: /usr/sbin/sshd -D [listener]"}, sockets: []int{ssh}})
	m.add(fake{pid: 30, parent: 1, comm: "java", args: []string{"java", "-jar", "jenkins.war"}, sockets: []int{web}})
	m.add(fake{pid: 31, parent: 30, comm: "node", args: []string{"node", "job.js"}, sockets: []int{web}})
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d, "jenkins running 127.0.0.1:8080 http", "sshd running 127.0.0.1:22 ssh")
}

// A service that gives up its port and does not end is still asked there.
func TestPortThatIsGivenUp(t *testing.T) {
	m := newMachine(t)
	main, other := m.listen(0, "127.0.0.1:6379"), m.listen(0, "127.0.0.1:9999")
	m.add(fake{pid: 10, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{main, other}})
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d, "redis running 127.0.0.1:6379 redis")
	m.write("namespaces/4026531840/tcp", "")
	for range 5 {
		m.scan(d, tick)
	}
	wantTold(t, d, "redis running 127.0.0.1:6379 redis")
	if why := strings.Join(find(t, d, "redis").Why, "\n"); !strings.Contains(why, "does not listen there any more") {
		t.Errorf("it is not said that the port is gone:\n%s", why)
	}
}

// What was given another port is asked there.
func TestPortThatMoves(t *testing.T) {
	m := newMachine(t)
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx: master process nginx"}, sockets: []int{m.listen(0, "127.0.0.1:8080")}})
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d, "nginx running 127.0.0.1:8080 http")
	m.write("namespaces/4026531840/tcp", "")
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx: master process nginx"}, sockets: []int{m.listen(0, "127.0.0.1:80")}})
	m.scan(d, tick)
	wantTold(t, d, "nginx running 127.0.0.1:80 http")
}

// Where open files cannot be seen, sockets are found by their user and port.
func TestSocketsByGuess(t *testing.T) {
	ns := &namespace{host: true, guessed: map[uint64]bool{}, sockets: map[uint64]socket{}, owners: map[uint64][]int{}}
	for n, text := range []string{"127.0.0.1:6379", "127.0.0.1:6380", "127.0.0.1:22"} {
		s := socketOf(t, text, uint64(n+1))
		s.uid = 100
		ns.sockets[s.inode] = s
	}
	e := Embedded().Lookup("redis")
	f := func(uid uint32, line string, want ...string) {
		t.Helper()
		clear(ns.guessed)
		in := &instance{entry: e, ns: ns, procs: []*proc{{pid: 7, uid: uid, blind: true, entry: e, prog: program{comm: "redis-server", args: []string{line}}}}}
		guessSockets([]*instance{in}, &namespaces{})
		var got []string
		for _, s := range in.sockets {
			got = append(got, s.addr.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q of user %d has %q, want %q", line, uid, got, want)
		}
	}
	f(100, "redis-server", "127.0.0.1:6379")
	f(100, "redis-server 127.0.0.1:6380", "127.0.0.1:6379", "127.0.0.1:6380")
	f(200, "redis-server")
}

// The kernel's own sockets are nobody's: they are looked for less and less often, and hide no new one.
func TestSocketsOfNobody(t *testing.T) {
	m := newMachine(t)
	m.listen(0, "0.0.0.0:2049")
	m.add(fake{pid: 10, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{m.listen(0, "127.0.0.1:6379")}})
	d := m.discovery(Options{})
	looked := 0
	for range 40 {
		m.scan(d, tick)
		if d.namespaces.fds > 0 {
			looked++
		}
	}
	if looked < 2 || looked > 8 {
		t.Errorf("open files were looked at in %d of 40 scans, want a few", looked)
	}
	m.add(fake{pid: 11, comm: "memcached", args: []string{"memcached"}, sockets: []int{m.listen(0, "127.0.0.1:11211")}})
	m.scan(d, tick)
	wantTold(t, d, "memcached running 127.0.0.1:11211 memcached", "redis running 127.0.0.1:6379 redis")
	if others := d.Strangers(); len(others) != 1 || others[0].Address != "0.0.0.0:2049" {
		t.Errorf("others are %v, want that of the kernel", others)
	}
}
