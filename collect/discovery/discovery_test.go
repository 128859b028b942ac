package discovery

import (
	"context"
	"net"
	"os"
	"slices"
	"testing"
)

// A scan of the real machine finds the socket that this process listens on.
func TestScanOfThisMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := newForTest(t, Options{})
	d.processes.include = true
	self := program{comm: "discovery.test"}
	d.catalogue = newCatalogue([]*Entry{{Kind: "self", Title: "Self", Match: []rule{{Names: []string{self.comm}}}, Check: Check{Kind: "tcp"}}})
	if err := d.Scan(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.Services() {
		if slices.Contains(s.PIDs, os.Getpid()) {
			if want := l.Addr().String(); !slices.ContainsFunc(s.Listen, func(a Address) bool { return a.String() == want }) {
				t.Errorf("it listens on %v, want %s among them", s.Listen, want)
			}
			return
		}
	}
	t.Errorf("this process is not among %+v", d.Services())
}
