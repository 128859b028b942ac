package container

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestVersion2(t *testing.T) {
	tr := newTree(t)
	tr.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
	path := "/system.slice/docker-" + idWeb + ".scope"
	tr.v2Group(path, "100\n")
	tr.write("sys/fs/cgroup"+path+"/inner/cgroup.procs", "101\n102\n")
	tr.process(100, 6000, "net:[2]", 1000)
	tr.write("sys/dev/block/8:0/uevent", "MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\n")
	c := tr.collector(Options{})
	got := gather(t, c)
	want(t, got, fmt.Sprintf("id=%q,name=%q", path, idWeb), map[string]float64{
		"cpu_user_seconds_total": 3, "cpu_system_seconds_total": 2, "cpu_cfs_periods_total": 100, "cpu_cfs_throttled_periods_total": 25,
		"cpu_cfs_throttled_seconds_total": 1.5, "spec_cpu_quota": 50000, "spec_cpu_period": 100000, "spec_cpu_shares": 2597,
		"memory_usage_bytes": 1e6, "memory_working_set_bytes": 800000, "memory_rss": 600000, "memory_cache": 300000, "memory_swap": 4096,
		"memory_max_usage_bytes": 2e6, "memory_failcnt": 9, "memory_mapped_file": 50000, "memory_kernel_usage": 70000, "oom_events_total": 1,
		"spec_memory_limit_bytes": 0, "spec_memory_swap_limit_bytes": 0, "spec_memory_reservation_limit_bytes": 0,
		"processes": 3, "threads": 12, "threads_max": 0, "start_time_seconds": 1700000060,
		"pressure_cpu_waiting_seconds_total": 3, "pressure_cpu_stalled_seconds_total": 1, "pressure_memory_waiting_seconds_total": 0.5,
		"pressure_io_waiting_seconds_total": 0,
	})
	base := fmt.Sprintf("id=%q", path)
	want(t, got, "", map[string]float64{
		fmt.Sprintf("cpu_usage_seconds_total{cpu=\"total\",%s,name=%q}", base, idWeb):                                 5,
		fmt.Sprintf("memory_failures_total{failure_type=\"pgfault\",%s,name=%q,scope=\"hierarchy\"}", base, idWeb):    77,
		fmt.Sprintf("memory_failures_total{failure_type=\"pgmajfault\",%s,name=%q,scope=\"hierarchy\"}", base, idWeb): 5,
		fmt.Sprintf("fs_reads_bytes_total{device=\"/dev/sda\",%s,name=%q}", base, idWeb):                              4096,
		fmt.Sprintf("fs_writes_bytes_total{device=\"/dev/sda\",%s,name=%q}", base, idWeb):                             8192,
		fmt.Sprintf("fs_reads_total{device=\"253:7\",%s,name=%q}", base, idWeb):                                       1,
		fmt.Sprintf("network_receive_bytes_total{%s,interface=\"eth0\",name=%q}", base, idWeb):                        1000,
		fmt.Sprintf("network_receive_packets_dropped_total{%s,interface=\"eth0\",name=%q}", base, idWeb):              4,
		fmt.Sprintf("network_transmit_errors_total{%s,interface=\"eth0\",name=%q}", base, idWeb):                      7,
		fmt.Sprintf("hulotte_container_info{%s,name=%q,runtime=\"docker\",state=\"running\"}", base, idWeb):           1,
		"hulotte_container_skipped{}": 0,
	})
	if v := got[fmt.Sprintf("last_seen{%s,name=%q}", base, idWeb)]; v < 1.7e9 {
		t.Errorf("last_seen = %v", v)
	}
	for key := range got {
		if strings.Contains(key, `interface="lo"`) {
			t.Errorf("%s: the loopback interface is told", key)
		}
	}
}

func TestVersion1(t *testing.T) {
	tr := newTree(t)
	path := "/docker/" + idWeb
	tr.v1Group(path, "100\n")
	tr.process(100, 0, "net:[1]", 1000) // the machine's own network
	got := gather(t, tr.collector(Options{}))
	want(t, got, fmt.Sprintf("id=%q,name=%q", path, idWeb), map[string]float64{
		"cpu_user_seconds_total": 3, "cpu_system_seconds_total": 2, "cpu_cfs_periods_total": 100, "cpu_cfs_throttled_periods_total": 25,
		"cpu_cfs_throttled_seconds_total": 1.5, "spec_cpu_period": 100000, "spec_cpu_shares": 1024,
		"memory_usage_bytes": 1e6, "memory_working_set_bytes": 800000, "memory_rss": 600000, "memory_cache": 300000, "memory_swap": 4096,
		"memory_max_usage_bytes": 2e6, "memory_failcnt": 9, "memory_mapped_file": 50000, "memory_kernel_usage": 70000, "oom_events_total": 1,
		"spec_memory_limit_bytes": 0, "spec_memory_swap_limit_bytes": 3e6, "spec_memory_reservation_limit_bytes": 0,
		"processes": 1, "threads": 12, "threads_max": 500, "start_time_seconds": 1700000000,
	})
	want(t, got, "", map[string]float64{
		fmt.Sprintf("cpu_usage_seconds_total{cpu=\"total\",id=%q,name=%q}", path, idWeb): 5,
		fmt.Sprintf("fs_reads_bytes_total{device=\"8:0\",id=%q,name=%q}", path, idWeb):   4096,
		fmt.Sprintf("fs_writes_total{device=\"8:0\",id=%q,name=%q}", path, idWeb):        2,
	})
	for key := range got {
		if strings.HasPrefix(key, "network_") || strings.HasPrefix(key, "pressure_") || strings.HasPrefix(key, "spec_cpu_quota") {
			t.Errorf("%s is told, though it is the machine's, or unknown, or unlimited", key)
		}
	}
}

func TestNamesFromDocker(t *testing.T) {
	tr := newTree(t)
	tr.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	for _, id := range []string{idWeb, idDB, idPod} {
		tr.v2Group("/system.slice/docker-"+id+".scope", "")
	}
	var asked string
	socket := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String()
		// The form of Docker's Engine API 1.47, "List containers".
		fmt.Fprintf(w, `[
			{"Id":%q,"Names":["/shop/db","/web"],"Image":"nginx:1.27","ImageID":"sha256:1","Command":"nginx","Created":1700000000,"Ports":[],"State":"running","Status":"Up 5 minutes (healthy)",
			 "Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"web","secret":"x"},"NetworkSettings":{"Networks":{}},"Mounts":[]},
			{"Id":%q,"Names":["/k8s_db_db-0_prod"],"Image":"postgres:17","State":"running","Status":"Up 1 second","Labels":{"io.kubernetes.pod.namespace":"prod","io.kubernetes.pod.name":"db-0","io.kubernetes.container.name":"db"}},
			{"Id":%q,"Names":["/old"],"Image":"busybox","State":"exited","Status":"Exited (1) 2 days ago","Labels":null},
			{"Id":"../../etc","Names":["/evil"]}, {}]`, idWeb, idDB, idSide)
	})
	c := tr.collector(Options{Sockets: []string{socket, tr.root + "/absent.sock"}})
	got := gather(t, c)
	if asked != "GET /containers/json?all=1" {
		t.Errorf("the engine was asked %q", asked)
	}
	want(t, got, "", map[string]float64{
		fmt.Sprintf(`memory_rss{container_label_com_docker_compose_project="shop",container_label_com_docker_compose_service="web",id="/system.slice/docker-%s.scope",image="nginx:1.27",name="web"}`, idWeb): 600000,
		fmt.Sprintf(`memory_rss{container="db",id="/system.slice/docker-%s.scope",image="postgres:17",name="k8s_db_db-0_prod",namespace="prod",pod="db-0"}`, idDB):                                            600000,
		fmt.Sprintf(`memory_rss{id="/system.slice/docker-%s.scope",name=%q}`, idPod, idPod):                                                                                                                   600000,
		fmt.Sprintf(`hulotte_container_engine_up{socket=%q}`, socket):                                                                                                                                         1,
	})
	rows, err := c.List(context.Background())
	if err != nil || len(rows) != 4 {
		t.Fatalf("List = %v, %v; want four rows", rows, err)
	}
	byName := map[string]Row{}
	for _, r := range rows {
		byName[r.Name] = r
	}
	if r := byName["web"]; r.State != "running" || r.Health != "healthy" || r.Runtime != "docker" || r.WorkingSet != 800000 {
		t.Errorf("web: %+v", r)
	}
	if r := byName["old"]; r.State != "exited" || r.ID != idSide || r.Image != "busybox" {
		t.Errorf("old: %+v", r)
	}
}

func TestBadSockets(t *testing.T) {
	release := make(chan struct{})
	huge := strings.Repeat(" ", 1<<20)
	for name, handler := range map[string]http.HandlerFunc{
		"hangs":      func(http.ResponseWriter, *http.Request) { <-release },
		"garbage":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x00\xff") },
		"wrong form": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"message":"no"}`) },
		"an error":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := fmt.Fprint(w, huge); err != nil {
					return
				}
			}
		},
		"drips": func(w http.ResponseWriter, r *http.Request) {
			for {
				fmt.Fprint(w, "[")
				if http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			tr.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
			tr.v2Group("/docker/"+idWeb, "")
			socket := serve(t, handler)
			c := tr.collector(Options{Sockets: []string{socket}, SocketTimeout: 400 * time.Millisecond})
			key := fmt.Sprintf(`memory_rss{id="/docker/%s",name=%q}`, idWeb, idWeb)
			if got := gather(t, c); got[key] != 600000 {
				t.Errorf("%s = %v, want the container by its identifier", key, got[key])
			}
			e := c.engines[0]
			e.mu.Lock()
			running := e.running
			e.mu.Unlock()
			if running != nil {
				<-running // within the timeout
			}
			if up, known := e.state(); up || !known {
				t.Errorf("the engine is up: %v (known: %v), want that it does not answer", up, known)
			}
			if e.dueLocked(time.Now().Add(90*time.Second), true) {
				t.Error("it is asked again at once after a failure")
			}
			if !e.dueLocked(time.Now().Add(3*time.Minute), false) {
				t.Error("it is never asked again after a failure")
			}
		})
	}
	close(release)
}

func TestPodFromRuntimeFiles(t *testing.T) {
	tr := newTree(t)
	tr.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	pod := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
	tr.v2Group(pod+"cri-containerd-"+idDB+".scope", "200\n")
	tr.v2Group(pod+"cri-containerd-"+idPod+".scope", "201\n")
	tr.v2Group(pod+"crio-"+idSide+".scope", "202\n")
	tr.process(200, 50, "net:[7]", 70)
	tr.process(201, 60, "net:[7]", 70)
	tr.process(202, 1, "net:[7]", 70)
	bundle := func(path string, annotations map[string]string) {
		text, err := json.Marshal(map[string]any{"ociVersion": "1.2.0", "annotations": annotations, "process": map[string]any{"env": []string{"PASSWORD=x"}}})
		if err != nil {
			t.Fatal(err)
		}
		tr.write(path, string(text))
	}
	task := "run/containerd/io.containerd.runtime.v2.task/k8s.io/"
	bundle(task+idDB+"/config.json", map[string]string{
		"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.container-name": "db", "io.kubernetes.cri.image-name": "docker.io/library/postgres:17",
		"io.kubernetes.cri.sandbox-name": "db-0", "io.kubernetes.cri.sandbox-namespace": "prod"})
	bundle(task+idPod+"/config.json", map[string]string{
		"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-name": "db-0", "io.kubernetes.cri.sandbox-namespace": "prod"})
	bundle("run/containers/storage/overlay-containers/"+idSide+"/userdata/config.json", map[string]string{
		"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.container.name": "side", "io.kubernetes.pod.name": "db-0", "io.kubernetes.pod.namespace": "prod", "io.kubernetes.cri-o.Name": "k8s_side"})
	got := gather(t, tr.collector(Options{}))
	labels := func(scope, id string) string { return fmt.Sprintf("id=%q", pod+scope+id+".scope") }
	want(t, got, "", map[string]float64{
		fmt.Sprintf(`memory_rss{container="db",%s,image="docker.io/library/postgres:17",name=%q,namespace="prod",pod="db-0"}`, labels("cri-containerd-", idDB), idDB): 600000,
		fmt.Sprintf(`memory_rss{container="side",%s,name="k8s_side",namespace="prod",pod="db-0"}`, labels("crio-", idSide)):                                           600000,
		// The pod's traffic is told once, by its sandbox, though that is not the oldest.
		fmt.Sprintf(`network_receive_bytes_total{container="POD",%s,interface="eth0",name=%q,namespace="prod",pod="db-0"}`, labels("cri-containerd-", idPod), idPod): 70,
	})
	n := 0
	for key := range got {
		if strings.HasPrefix(key, "network_receive_bytes_total") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the pod's traffic is told %d times, want once", n)
	}
}

func TestRecognise(t *testing.T) {
	f := func(path, id, runtime string) {
		t.Helper()
		got, ok := recognise(path)
		if ok != (id != "") || ok && (got.id != id || got.runtime != runtime || got.path != path) {
			t.Errorf("recognise(%q) = %+v, %v; want %q of %q", path, got, ok, id, runtime)
		}
	}
	f("/docker/"+idWeb, idWeb, "docker")
	f("/system.slice/docker-"+idWeb+".scope", idWeb, "docker")
	f("/kubepods/burstable/pod1/"+idWeb, idWeb, "")
	f("/kubepods.slice/kubepods-pod1.slice/cri-containerd-"+idWeb+".scope", idWeb, "containerd")
	f("/default/"+idWeb, idWeb, "containerd")
	f("/system.slice/nerdctl-"+idWeb+".scope", idWeb, "containerd")
	f("/kubepods.slice/crio-"+idWeb+".scope", idWeb, "crio")
	f("/kubepods.slice/crio-conmon-"+idWeb+".scope", "", "")
	f("/machine.slice/libpod-"+idWeb+".scope", idWeb, "podman")
	f("/machine.slice/libpod-conmon-"+idWeb+".scope", "", "")
	f("/libpod_parent/libpod-"+idWeb, idWeb, "podman")
	f("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-"+idWeb+".scope", idWeb, "podman")
	f("/lxc/web", "web", "lxc")
	f("/lxc.payload.web", "web", "lxc")
	f("/lxc.payload/web", "web", "lxc")
	f("/lxc.monitor.web", "", "")
	f(`/machine.slice/machine-my\x2dbox.scope`, "my-box", "systemd-nspawn")
	f("/machine.slice/systemd-nspawn@box.service", "box", "systemd-nspawn")
	f(`/machine.slice/machine-qemu\x2d1\x2dvm.scope`, "", "")
	f("/system.slice/docker.service", "", "")
	f("/system.slice/docker-"+idWeb[:63]+".scope", "", "")
	f("/system.slice/docker-"+strings.ToUpper(idWeb)+".scope", "", "")
	f("/user.slice", "", "")
	f("/", "", "")
}

func TestNestedAndTooMany(t *testing.T) {
	tr := newTree(t)
	tr.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	for i := range 10 {
		tr.v2Group(fmt.Sprintf("/docker/%064x", i), "")
	}
	tr.v2Group(fmt.Sprintf("/docker/%064x/docker/%s", 0, idWeb), "")
	c := tr.collector(Options{MaxContainers: 4})
	got := gather(t, c)
	n := 0
	for key := range got {
		if strings.HasPrefix(key, "memory_rss{") {
			n++
		}
		if strings.Contains(key, idWeb) {
			t.Errorf("%s: a container in a container is told", key)
		}
	}
	if n != 4 || got["hulotte_container_skipped{}"] != 6 {
		t.Errorf("%d containers, %v skipped; want 4 and 6", n, got["hulotte_container_skipped{}"])
	}
}

func TestContainerGoesAndRates(t *testing.T) {
	tr := newTree(t)
	tr.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	tr.v2Group("/docker/"+idWeb, "100\n")
	tr.v2Group("/docker/"+idDB, "")
	tr.process(100, 5, "net:[5]", 1000)
	c := tr.collector(Options{})
	now := time.Now()
	c.measureLocked(now.Add(-10 * time.Second))
	tr.write("sys/fs/cgroup/docker/"+idWeb+"/cpu.stat", "usage_usec 10000000\nnr_periods 200\nnr_throttled 75\n")
	tr.write("proc/100/net/dev", "eth0: 3000 1 1 1 0 0 0 0 50 1 1 1 0 0 0 0\n")
	if err := os.RemoveAll(tr.root + "/sys/fs/cgroup/docker/" + idDB); err != nil {
		t.Fatal(err)
	}
	c.measureLocked(now)
	rows, err := c.List(context.Background())
	if err != nil || len(rows) != 1 {
		t.Fatalf("List = %v, %v; want one row", rows, err)
	}
	if r := rows[0]; r.CPU != 50 || r.Receive != 200 || r.Transmit != 0 || r.Throttled != 0.5 || r.Processes != 1 {
		t.Errorf("row %+v", r)
	}
	if len(c.known) != 1 {
		t.Errorf("%d containers are remembered, want 1", len(c.known))
	}
}

func TestNothingThere(t *testing.T) {
	tr := &tree{t, t.TempDir()}
	c := tr.collector(Options{})
	if got := gather(t, c); len(got) != 1 {
		t.Errorf("a machine without control groups has %v", got)
	}
	if _, err := New(Options{Sockets: []string{"docker.sock"}}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "Sockets") {
		t.Errorf("New with a relative socket = %v, want an error that names Sockets", err)
	}
	if _, err := New(Options{MaxContainers: -1}, nil); err == nil {
		t.Error("New with MaxContainers -1 gave no error")
	}
}

// TestLiveKernel makes a control group of the running kernel, moves a process there and reads it.
func TestLiveKernel(t *testing.T) {
	tree := openCgroups("/sys")
	if tree == nil {
		t.Skip("no control groups on this machine")
	}
	parent := fmt.Sprintf("/hulotte-test-%d", os.Getpid())
	path := parent + "/docker-" + idWeb + ".scope"
	roots := []string{tree.root()}
	if one, ok := tree.(*v1); ok {
		roots = nil
		for _, dir := range one.dirs {
			roots = append(roots, dir)
		}
	}
	cmd := exec.Command("sleep", "60")
	for _, root := range roots {
		if err := os.MkdirAll(root+path, 0o755); err != nil {
			t.Skipf("cannot make a control group: %v", err)
		}
		t.Cleanup(func() { os.Remove(root + path); os.Remove(root + parent) })
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for _, root := range roots {
		if err := os.WriteFile(root+path+"/cgroup.procs", []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
			t.Skipf("cannot move a process: %v", err)
		}
	}
	c, err := New(Options{Sockets: []string{}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := gather(t, c)
	labels := fmt.Sprintf("id=%q,name=%q", path, idWeb)
	want(t, got, labels, map[string]float64{"processes": 1, "oom_events_total": 0})
	started := got["start_time_seconds{"+labels+"}"]
	if age := float64(time.Now().Unix()) - started; age < -2 || age > 60 {
		t.Errorf("start_time_seconds = %v, %v s ago", started, age)
	}
	for _, name := range []string{"memory_usage_bytes", "memory_working_set_bytes", "cpu_user_seconds_total", "threads"} {
		if _, ok := got[name+"{"+labels+"}"]; !ok {
			t.Errorf("the kernel's group has no %s (hierarchy %T)", name, tree)
		}
	}
}

// TestLiveVersion2 reads a group of a mounted cgroup2 hierarchy, which has the CPU's and the pressure files whatever
// controllers it has.
func TestLiveVersion2(t *testing.T) {
	for _, base := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(base, "cgroup.controllers")); err != nil {
			continue
		}
		path := fmt.Sprintf("/hulotte-test2-%d", os.Getpid())
		if err := os.Mkdir(base+path, 0o755); err != nil {
			t.Skipf("cannot make a control group: %v", err)
		}
		t.Cleanup(func() { os.Remove(base + path) })
		s := (&v2{base: base}).read(path)
		if s.cpuUsage != 0 || len(s.pids) != 0 {
			t.Errorf("a new group has %v s of CPU and %d processes, want none", s.cpuUsage, len(s.pids))
		}
		return
	}
	t.Skip("no cgroup2 hierarchy is mounted")
}

func BenchmarkGather(b *testing.B) {
	tr := newTree(b)
	tr.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
	const n = 50
	for i := range n {
		tr.v2Group(fmt.Sprintf("/docker/%064x", i), fmt.Sprint(1000+i, "\n"))
		tr.process(1000+i, 5, fmt.Sprintf("net:[%d]", 100+i), 1)
	}
	c := tr.collector(Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Gather(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/container")
}
