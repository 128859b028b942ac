package cassandra

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestWrittenFiles(t *testing.T) {
	p := ports{Native: 19042, Storage: 17000, JMX: []int{17199, 17200, 17201}}
	f := func(name string, s settings) {
		t.Helper()
		s.Ports, s.HeapMB, s.Dir = p, 384, "/data/node"
		yaml, err := s.yaml()
		if err != nil {
			t.Fatal(err)
		}
		logback, err := s.logback()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, yaml+"\n== logback.xml\n"+logback+"\n== java\n"+strings.Join(s.javaArgs("/jars"), "\n")+"\n")
	}
	f("one.golden", settings{Nodes: 1})
	f("third-of-three.golden", settings{Nodes: 3, Index: 2, Optimize: true})
	f("secured.golden", settings{Nodes: 1, Password: true, TLS: TLSMutual, TLSDir: "/data/tls"})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and review the diff. Got:\n%s", path, got)
	}
}

// The nodes' tokens together are an even ring in which neighbours have different owners.
func TestTokensAreAnEvenRing(t *testing.T) {
	f := func(index int, want string) {
		t.Helper()
		if got := (settings{Nodes: 3, Index: index}).Tokens(); got != want {
			t.Errorf("tokens of node %d: %s, want %s", index, got, want)
		}
	}
	f(0, "-9223372036854775808,-4611686018427387902,4,4611686018427387910")
	f(1, "-7686143364045646506,-3074457345618258600,1537228672809129306,6148914691236517212")
	f(2, "-6148914691236517204,-1537228672809129298,3074457345618258608,7686143364045646514")
}

func TestOptionsAreChecked(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := o.withDefaults()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", o, err, want)
		}
	}
	f(Options{Nodes: 2}, "Nodes must be 1 or 3")
	f(Options{HeapMB: 10}, "HeapMB must be at least")
	f(Options{NativePort: 70000}, "NativePort must be")
	f(Options{Nodes: 3, Password: true}, "Password needs Nodes 1")
	f(Options{TLS: 7}, "TLS must be")
}

func TestParseJavaVersion(t *testing.T) {
	f := func(out string, want int) {
		t.Helper()
		if got, err := parseJavaVersion(out); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", out, got, err, want)
		}
	}
	f("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", 17)
	f("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"21\" 2023-09-19", 21)
	f("java version \"1.8.0_202\"", 1)
	if _, err := parseJavaVersion("command not found"); err == nil {
		t.Error("no version was no error")
	}
}

func TestChosenPortsAreFreeAndDiffer(t *testing.T) {
	p, err := choosePorts(3, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]int{p.Native, p.Storage}, p.JMX...)
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != 5 || all[0] < firstPort || all[4] > lastPort {
		t.Errorf("ports %v: want five different ones of the range", all)
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	l := listenOn(t, nodeIP(2)+":0")
	if _, err := choosePorts(3, l); err == nil || !strings.Contains(err.Error(), "cannot use port") {
		t.Errorf("a port that the third address uses: %v", err)
	}
	if _, err := choosePorts(1, l); err != nil {
		t.Errorf("one node does not need the third address: %v", err)
	}
}
