package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// script writes an executable shell script.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check_it")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil { //nolint:gosec // a plugin is executable
		t.Fatal(err)
	}
	return path
}

func probe(t *testing.T, timeout time.Duration, options map[string]any) model.CheckResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return prober1(t, options).Probe(ctx)
}

func prober1(t *testing.T, options map[string]any) check.Prober {
	t.Helper()
	raw, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kinds(Options{})[0].New(check.Params{Host: "web1", Address: "127.0.0.1", Name: "it", Options: raw, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// noLeak checks that nothing stays behind once f has run.
func noLeak(t *testing.T, f func()) {
	t.Helper()
	fds, routines := descriptors(t), runtime.NumGoroutine()
	f()
	deadline := time.Now().Add(10 * time.Second)
	for descriptors(t) > fds || runtime.NumGoroutine() > routines {
		if time.Now().After(deadline) {
			t.Fatalf("leak: %d to %d descriptors, %d to %d goroutines", fds, descriptors(t), routines, runtime.NumGoroutine())
		}
		runtime.Gosched()
	}
}

func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive says whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestProbe(t *testing.T) {
	f := func(body string, status model.Status, output string) {
		t.Helper()
		r := probe(t, 10*time.Second, map[string]any{"command": []string{script(t, body), "-H", "$HOSTADDRESS$", "a  b", "$(id)"}})
		if r.Status != status || r.Output != output {
			t.Errorf("%s: %v %q", body, r.Status, r.Output)
		}
		if r.Duration <= 0 || r.Start.IsZero() {
			t.Errorf("%s: no times", body)
		}
	}
	f("echo fine", model.OK, "fine")
	f("echo bad; exit 2", model.Critical, "bad")
	f("exit 1", model.Warning, "(no output)")
	f(`echo "$1 $2 $3 $4"`, model.OK, "-H 127.0.0.1 a  b $(id)")
	f("echo hm; exit 42", model.Unknown, "exit code 42 is none of a plugin: hm")
	f("echo wrong >&2; exit 2", model.Critical, "(no output, but an error) wrong")
	f("echo text; kill -SEGV $$", model.Unknown, "the plugin was killed by signal 11 (SIGSEGV): text")
	f("pwd", model.OK, "/")
	f(`echo "$NAGIOS_HOSTNAME $SECRET_OF_HULOTTE ${PATH:+path}"`, model.OK, "web1  path")
}

func TestProbeOptions(t *testing.T) {
	t.Setenv("SECRET_OF_HULOTTE", "x")
	r := probe(t, 10*time.Second, map[string]any{"command": script(t, `echo "$SECRET_OF_HULOTTE$A $(pwd)"; exit 2`), "env": map[string]string{"A": "b"}, "dir": "/tmp", "negate": map[string]string{"CRITICAL": "OK"}})
	if r.Status != model.OK || r.Output != "b /tmp" {
		t.Errorf("%v %q", r.Status, r.Output)
	}
	r = probe(t, 10*time.Second, map[string]any{"command": script(t, `ulimit -n; ulimit -d; ulimit -t; ulimit -c`), "memory": 64 << 20, "open_files": 32, "cpu_time": "1500ms"})
	if got := r.Output + " " + strings.ReplaceAll(r.Long, "\n", " "); got != "32 65536 2 0" {
		t.Errorf("the limits are %s", got)
	}
	if os.Getuid() == 0 {
		r = probe(t, 10*time.Second, map[string]any{"command": []string{"/usr/bin/id", "-un"}, "user": "nobody"})
		if r.Output != "nobody" {
			t.Errorf("runs as %q: %v", r.Output, r)
		}
	}
	r = probe(t, 10*time.Second, map[string]any{"command": "/nonexistent/check_it"})
	if r.Status != model.Unknown || !strings.Contains(r.Output, "/nonexistent/check_it: no such file") {
		t.Error(r)
	}
	r = probe(t, 10*time.Second, map[string]any{"command": "check_not_installed"})
	if r.Status != model.Unknown || !strings.Contains(r.Output, "nor in PATH") {
		t.Error(r)
	}
}

func TestBadOptions(t *testing.T) {
	f := func(options, want string) {
		t.Helper()
		_, err := Kinds(Options{})[0].New(check.Params{Options: json.RawMessage(options)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", options, err)
		}
	}
	f(`{}`, "command: missing")
	f(`{"command":"a|b"}`, "no shell runs commands")
	f(`{"command":5}`, "as a list")
	f(`{"command":"x/y"}`, "relative path")
	f(`{"command":"x","comand":1}`, "comand")
	f(`{"command":"x","dir":"y"}`, "dir:")
	f(`{"command":"x","user":"no such user"}`, "user:")
	f(`{"command":"x","memory":-5}`, "memory:")
	f(`{"command":"x","max_output":99999999}`, "max_output:")
	f(`{"command":"x","timeout_status":"PENDING"}`, "timeout_status:")
	f(`{"command":"x","negate":{"OK":"no"}}`, "negate:")
	f(`{"command":"x","env":{"A=B":"no"}}`, "env:")
}

func TestTimeLimitKillsAllChildren(t *testing.T) {
	dir := t.TempDir()
	// A child in the group, one in a session of its own with no open output, and a grandchild whose parent has gone.
	body := fmt.Sprintf(`sleep 300 & echo $! > %[1]s/a
setsid sh -c 'echo $$ > %[1]s/b; exec sleep 300 >/dev/null 2>&1 </dev/null' &
(setsid sh -c 'echo $$ > %[1]s/c; trap "" TERM INT HUP; sleep 300; sleep 300' &)
trap "" TERM INT HUP
echo started
sleep 300`, dir)
	noLeak(t, func() {
		start := time.Now()
		r := probe(t, 1500*time.Millisecond, map[string]any{"command": script(t, body)})
		if r.Status != model.Critical || !strings.Contains(r.Output, "did not end in time: started") {
			t.Error(r.Status, r.Output)
		}
		if time.Since(start) > 8*time.Second {
			t.Error("it took", time.Since(start))
		}
		for _, name := range []string{"a", "b", "c"} {
			gone(t, pidIn(t, filepath.Join(dir, name)))
		}
	})
}

func TestChildLeftWithOpenOutput(t *testing.T) {
	dir := t.TempDir()
	noLeak(t, func() {
		r := probe(t, 60*time.Second, map[string]any{"command": script(t, "setsid sleep 300 & echo $! > "+dir+"/a; echo done; exit 1")})
		if r.Status != model.Warning || r.Output != "done" || r.Duration > 20*time.Second {
			t.Error(r)
		}
		gone(t, pidIn(t, filepath.Join(dir, "a")))
	})
}

func TestDaemonIsSwept(t *testing.T) {
	dir := t.TempDir()
	body := "setsid sh -c 'echo $$ > " + dir + "/a; exec sleep 300' >/dev/null 2>&1 & while ! [ -s " + dir + "/a ]; do :; done; echo done"
	r := NewRunner()
	for _, leave := range []bool{false, true} {
		if _, err := r.Run(t.Context(), Command{Argv: []string{script(t, body)}, LeaveChildren: leave}); err != nil {
			t.Fatal(err)
		}
		pid := pidIn(t, filepath.Join(dir, "a"))
		r.reaper.Sweep()
		if leave {
			if !alive(pid) {
				t.Error("a child that may stay is killed")
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		gone(t, pid)
		_ = os.Remove(filepath.Join(dir, "a"))
	}
}

func TestMuchOutput(t *testing.T) {
	noLeak(t, func() {
		r := probe(t, 60*time.Second, map[string]any{"command": []string{script(t, "echo first '|' a=1; seq 1 1000000; exit 1")}})
		if r.Status != model.Warning || r.Output != "first" || len(r.Perf) != 1 || len(r.Long) > 65<<10 || !strings.HasSuffix(r.Long, "are kept)") {
			t.Error(r.Status, r.Output, len(r.Long))
		}
	})
	noLeak(t, func() {
		r := probe(t, 60*time.Second, map[string]any{"command": []string{script(t, "exec yes no end")}})
		if r.Status != model.Unknown || !strings.HasPrefix(r.Output, "stopped: the plugin wrote more than 64 MiB") {
			t.Error(r.Status, r.Output)
		}
	})
	noLeak(t, func() {
		r := probe(t, 60*time.Second, map[string]any{"command": []string{script(t, "exec head -c 30000000 /dev/zero")}})
		if r.Status != model.OK || r.Output != "(no output)" {
			t.Error(r.Status, r.Output)
		}
	})
}

func TestForkBombInTheGroup(t *testing.T) {
	dir := t.TempDir()
	// Each generation starts the next one in a new session and goes; the marker finds the last.
	body := `f() { [ -e ` + dir + `/stop ] && exit; setsid "$0" again >/dev/null 2>&1 & }
[ "$1" = again ] || { echo started; setsid "$0" again >/dev/null 2>&1 & sleep 300; }
sleep 0.05; f`
	t.Cleanup(func() { _ = os.WriteFile(filepath.Join(dir, "stop"), nil, 0o600) })
	path := script(t, body)
	probe(t, 1500*time.Millisecond, map[string]any{"command": path})
	deadline := time.Now().Add(10 * time.Second)
	for running(path) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d still run", running(path))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func running(path string) int {
	n := 0
	for _, pid := range processes() {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(b), path) {
			n++
		}
	}
	return n
}

func TestMemoryLimit(t *testing.T) {
	r := probe(t, 30*time.Second, map[string]any{"command": script(t, `x=$(head -c 100000000 /dev/zero | tr '\0' a); echo ${#x}`), "memory": 32 << 20})
	if r.Status == model.OK {
		t.Errorf("100 MB are taken with a limit of 32: %v", r)
	}
}

func TestLimitsWithoutPrlimit(t *testing.T) {
	r := NewRunner()
	r.prlimit = ""
	ran, err := r.Run(t.Context(), Command{Argv: []string{script(t, "while [ $(ulimit -n) != 33 ]; do :; done; ulimit -d")}, Limits: Limits{Files: 33, Memory: 64 << 20}})
	if err != nil || strings.TrimSpace(string(ran.Stdout)) != "65536" {
		t.Errorf("%s %v", ran.Stdout, err)
	}
}
