package discovery

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// What the kernel tells over netlink is what is in its tables.
func TestNetlinkTellsWhatTheTablesDo(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
	}
	for try := range 10 { // others come and go meanwhile
		told, read := map[uint64]socket{}, map[uint64]socket{}
		if _, err := listeningTCP("/proc/self/ns/net", inodeOf("/proc/self/ns/net"), func(s socket) { told[s.inode] = s }); err != nil {
			t.Skip(err)
		}
		var r tableReader
		for _, file := range []string{"tcp", "tcp6"} {
			if _, err := r.read("/proc/self/net/"+file, networkTCP, func(s socket) { read[s.inode] = s }); err != nil {
				t.Fatal(err)
			}
		}
		if maps.Equal(told, read) && len(told) >= 4 {
			return
		}
		if try == 9 {
			t.Errorf("netlink tells\n%v\nand the tables have\n%v", told, read)
		}
	}
}

// Sockets of another network namespace are seen, and the process stays in its own.
func TestSocketsOfAnotherNamespace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may enter another network namespace")
	}
	cmd := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up; exec redis-server --bind 0.0.0.0 --protected-mode no --port 6379 --save ''")
	cmd.Dir = t.TempDir()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}()
	own := inodeOf("/proc/self/ns/net")
	path := "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/net"
	var found []socket
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && len(found) == 0; time.Sleep(10 * time.Millisecond) {
		if id := inodeOf(path); id == 0 || id == own {
			continue
		}
		if _, err := listeningTCP(path, inodeOf(path), func(s socket) { found = append(found, s) }); err != nil {
			t.Skip(err)
		}
	}
	if len(found) != 1 || found[0].addr.String() != "0.0.0.0:6379" {
		t.Errorf("the sockets there are %v", found)
	}
	for range 100 {
		if now := inodeOf("/proc/thread-self/ns/net"); now != own {
			t.Fatalf("a thread is in namespace %d, not %d", now, own)
		}
	}
}

func FuzzDiag(f *testing.F) {
	f.Add(make([]byte, 88))
	msg := make([]byte, 88)
	msg[0], msg[4], msg[16], msg[17] = 88, diagByFamily, 2, stateOfListen
	f.Add(msg)
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = parseDiag(text, func(s socket) {
			if !s.addr.IsValid() {
				t.Errorf("%x has no address", text)
			}
		})
	})
}
