package discovery

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func compose(project, service, number string) map[string]string {
	return map[string]string{"com.docker.compose.project": project, "com.docker.compose.service": service, "com.docker.compose.container-number": number}
}

func TestContainerIsAskedAtItsAddress(t *testing.T) {
	m := newMachine(t)
	m.engine()
	group := m.container(1, "web", "nginx:1.27-alpine", "172.17.0.2", nil)
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx: master process"}, namespace: 77, cgroup: group, sockets: []int{m.listen(77, "0.0.0.0:80"), m.listen(77, "127.0.0.1:8081")}})
	m.add(fake{pid: 11, comm: "docker-proxy", args: []string{"/usr/bin/docker-proxy", "-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "8080", "-container-ip", "172.17.0.2", "-container-port", "80"},
		sockets: []int{m.listen(0, "0.0.0.0:8080")}})
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d, "nginx@web running 172.17.0.2:80 http")
	s := find(t, d, "nginx@web")
	if s.Version != "1.27-alpine" || s.Container == nil || s.Container.Image != "nginx:1.27-alpine" {
		t.Errorf("its version is %q and its container %+v", s.Version, s.Container)
	}
	if why := strings.Join(s.Why, "\n"); !strings.Contains(why, "127.0.0.1 only") {
		t.Errorf("it is not said that a port cannot be reached:\n%s", why)
	}
}

// Without an engine the address comes out of the routing table of the container.
func TestContainerWithoutEngine(t *testing.T) {
	m := newMachine(t)
	m.add(fake{pid: 10, comm: "redis-server", args: []string{"redis-server"}, namespace: 77, cgroup: "/kubepods.slice/cri-containerd-" + containerID(1) + ".scope", sockets: []int{m.listen(77, "[::]:6379")}})
	m.write("namespaces/77/fib_trie", "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.42.0.9\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n")
	d := m.discovery(Options{Sockets: []string{}})
	m.scan(d, 0)
	wantTold(t, d, "redis@000000000000 running 10.42.0.9:6379 redis")
}

// A new container of the same service of Docker Compose takes the place of the old one.
func TestContainerIsReplaced(t *testing.T) {
	m := newMachine(t)
	m.engine()
	start := func(pid, id int, ip string) {
		m.list = nil
		group := m.container(id, "shop-db-1", "postgres:16", ip, compose("shop", "db", "1"))
		m.add(fake{pid: pid, comm: "postgres", args: []string{"postgres"}, namespace: 70 + id, cgroup: group, sockets: []int{m.listen(70+id, "0.0.0.0:5432")}})
	}
	start(10, 1, "172.18.0.2")
	d := m.discovery(Options{})
	for range 10 {
		m.scan(d, tick)
	}
	wantTold(t, d, "postgresql@shop-db running 172.18.0.2:5432 postgresql")
	m.end(10)
	start(20, 2, "172.18.0.3")
	m.scan(d, tick)
	wantTold(t, d, "postgresql@shop-db running 172.18.0.3:5432 postgresql")
	m.end(20)
	m.scan(d, tick)
	wantTold(t, d, "postgresql@shop-db gone 172.18.0.3:5432 postgresql")
	start(30, 3, "172.18.0.4")
	m.scan(d, tick)
	wantTold(t, d, "postgresql@shop-db running 172.18.0.4:5432 postgresql")
}

func pod(namespace, name, container string) map[string]string {
	return map[string]string{"io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.name": name, "io.kubernetes.container.name": container}
}

// Replicas of a deployment keep their names while they run; a new one takes that of one that is gone.
func TestReplicas(t *testing.T) {
	m := newMachine(t)
	m.engine()
	start := func(pid, id int, name, ip string) {
		group := m.container(id, "k8s_"+name, "redis:7", ip, pod("prod", name, "cache"))
		m.add(fake{pid: pid, comm: "redis-server", args: []string{"redis-server"}, namespace: 70 + id, cgroup: group, sockets: []int{m.listen(70+id, "0.0.0.0:6379")}})
	}
	start(10, 1, "web-5d4f8c7b9c-bcdfg", "10.0.0.1")
	start(20, 2, "web-5d4f8c7b9c-fghjk", "10.0.0.2")
	d := m.discovery(Options{})
	for range 10 {
		m.scan(d, tick)
	}
	wantTold(t, d, "redis@prod.web.cache running 10.0.0.1:6379 redis", "redis@prod.web.cache-2 running 10.0.0.2:6379 redis")
	m.end(10)
	start(5, 3, "web-77f6d9c8b4-zzzzz", "10.0.0.3")
	m.scan(d, tick)
	wantTold(t, d, "redis@prod.web.cache running 10.0.0.3:6379 redis", "redis@prod.web.cache-2 running 10.0.0.2:6379 redis")
	m.end(20) // it is scaled down
	m.scan(d, tick)
	wantTold(t, d, "redis@prod.web.cache running 10.0.0.3:6379 redis", "redis@prod.web.cache-2 gone 10.0.0.2:6379 redis")
	m.scan(d, 6*time.Minute)
	wantTold(t, d, "redis@prod.web.cache running 10.0.0.3:6379 redis", "redis@prod.web.cache-2 inactive 10.0.0.2:6379 redis")
}

func TestWorkload(t *testing.T) {
	f := func(pod, want string) {
		t.Helper()
		if got := workload(pod); got != want {
			t.Errorf("the workload of %q is %q, want %q", pod, got, want)
		}
	}
	f("web-5d4f8c7b9c-x7k2p", "web")
	f("api-server-7c9fd5b4d-2xkqz", "api-server")
	f("db-0", "db-0")
	f("kube-proxy-x7k2p", "kube-proxy")
	f("etcd-node1", "etcd-node1")
	f("", "")
}

// A container that the catalogue does not know is watched when a label asks for it.
func TestContainerThatAsksForIt(t *testing.T) {
	f := func(labels map[string]string, want string) {
		t.Helper()
		m := newMachine(t)
		m.engine()
		group := m.container(1, "thing", "thing:2", "172.17.0.9", labels)
		m.add(fake{pid: 10, comm: "thing", args: []string{"/thing"}, namespace: 77, cgroup: group, sockets: []int{m.listen(77, "0.0.0.0:7777")}})
		d := m.discovery(Options{})
		m.scan(d, 0)
		m.scan(d, tick)
		got := told(d)
		for _, s := range d.Services() {
			if url, ok := s.Metrics.Options["url"]; ok {
				got += " " + url.(string)
			}
		}
		if got != want {
			t.Errorf("%v: found %q, want %q", labels, got, want)
		}
	}
	f(nil, "")
	f(map[string]string{"hulotte.enable": "true"}, "application@thing running 172.17.0.9:7777 tcp")
	f(map[string]string{"hulotte.enable": "true", "hulotte.name": "shop"}, "shop@thing running 172.17.0.9:7777 tcp")
	f(map[string]string{"hulotte.port": "7070"}, "application@thing running 172.17.0.9:7070 tcp")
	f(map[string]string{"prometheus.io/scrape": "true"}, "application@thing running 172.17.0.9:7777 tcp http://172.17.0.9:7777/metrics")
	f(map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9000", "prometheus.io/path": "/m?x=1", "prometheus.io/scheme": "https"},
		"application@thing running 172.17.0.9:7777 tcp https://172.17.0.9:9000/m?x=1")
	f(map[string]string{"prometheus.io/scrape": "false"}, "")
	f(map[string]string{"hulotte.enable": "false", "prometheus.io/scrape": "true"}, "")
}

// Labels change what is on the safe list, and nothing else.
func TestLabels(t *testing.T) {
	f := func(labels map[string]string, want string, says ...string) {
		t.Helper()
		m := newMachine(t)
		m.engine()
		all := maps.Clone(labels)
		group := m.container(1, "web", "nginx", "172.17.0.2", all)
		m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx"}, namespace: 77, cgroup: group, sockets: []int{m.listen(77, "0.0.0.0:80"), m.listen(77, "0.0.0.0:8080")}})
		d := m.discovery(Options{})
		m.scan(d, 0)
		got := told(d)
		why := ""
		for _, s := range d.Services() {
			why = strings.Join(s.Why, "\n")
			if p, ok := s.Check.Options["path"]; ok {
				got += " " + p.(string)
			}
			if ip := s.Address.IP; ip != "172.17.0.2" {
				t.Errorf("%v: it is asked at %s", labels, ip)
			}
		}
		if got != want {
			t.Errorf("%v: found %q, want %q", labels, got, want)
		}
		for _, s := range says {
			if !strings.Contains(why, s) {
				t.Errorf("%v: %q is not said:\n%s", labels, s, why)
			}
		}
	}
	const usual = "nginx@web running 172.17.0.2:80 http"
	f(nil, usual)
	f(map[string]string{"hulotte.enable": "false"}, "")
	f(map[string]string{"glouton.enable": "false"}, "")
	f(map[string]string{"hulotte.port": "8080"}, "nginx@web running 172.17.0.2:8080 http", "a label of the container says so")
	f(map[string]string{"hulotte.ignore_ports": "80, 443"}, "nginx@web running 172.17.0.2:8080 http", "Port 80 is ignored")
	f(map[string]string{"glouton.check.ignore.port.80": "true"}, "nginx@web running 172.17.0.2:8080 http")
	f(map[string]string{"glouton.check.ignore.port.80": "false"}, usual)
	f(map[string]string{"hulotte.check.path": "/healthz"}, usual+" /healthz")
	f(map[string]string{"hulotte.check.enable": "false"}, "nginx@web running 172.17.0.2:80")
	f(map[string]string{"hulotte.name": "front"}, "front@web running 172.17.0.2:80 http")
	f(map[string]string{"annotation.hulotte.name": "front"}, "front@web running 172.17.0.2:80 http")
	f(map[string]string{"hulotte.check.command": "rm -rf /"}, usual, "hulotte.check.command", "refused")
	f(map[string]string{"hulotte.address": "192.0.2.1"}, usual, "hulotte.address", "refused")
	f(map[string]string{"hulotte.log_files": "/etc/shadow"}, usual, "refused")
	f(map[string]string{"hulotte.check.path": "//evil.example.org/"}, usual, "refused")
	f(map[string]string{"hulotte.check.path": "http://evil.example.org/"}, usual, "refused")
	f(map[string]string{"hulotte.check.path": "/\\evil"}, usual, "refused")
	f(map[string]string{"hulotte.port": "0"}, usual, "refused")
	f(map[string]string{"hulotte.port": "80 192.0.2.1"}, usual, "refused")
	f(map[string]string{"hulotte.name": "../../x"}, usual, "refused")
	f(map[string]string{"hulotte.enable": "perhaps"}, usual, "neither true nor false")
	f(map[string]string{"prometheus.io/path": "@192.0.2.1/"}, usual, "refused")
}

func TestLabelsMayBeIgnored(t *testing.T) {
	m := newMachine(t)
	m.engine()
	group := m.container(1, "web", "nginx", "172.17.0.2", map[string]string{"hulotte.enable": "false"})
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx"}, namespace: 77, cgroup: group, sockets: []int{m.listen(77, "0.0.0.0:80")}})
	d := m.discovery(Options{IgnoreLabels: true})
	m.scan(d, 0)
	wantTold(t, d, "nginx@web running 172.17.0.2:80 http")
}

// What is said of a service does not depend on the order in which its sockets are met, or others would hear of a change at
// each scan.
func TestReasonsAreInOrder(t *testing.T) {
	m := newMachine(t)
	m.engine()
	group := m.container(1, "web", "nginx", "172.17.0.2", nil)
	inodes := []int{m.listen(77, "0.0.0.0:80")}
	for _, addr := range []string{"127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003", "127.0.0.1:8004"} {
		inodes = append(inodes, m.listen(77, addr))
	}
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx"}, namespace: 77, cgroup: group, sockets: inodes})
	heard := 0
	d := m.discovery(Options{OnChange: func([]Service) { heard++ }})
	for range 20 {
		m.scan(d, tick)
	}
	if heard != 1 {
		t.Errorf("others heard of %d changes, want 1", heard)
	}
}
