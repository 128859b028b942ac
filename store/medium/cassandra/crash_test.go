package cassandra

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// testLease is short, so that tests do not wait long for the journals of those that died.
const testLease = 3 * time.Second

// TestCrash kills and pauses processes that write, and looks at what they leave.
func TestCrash(t *testing.T) {
	o := testOptions(t)
	inSoundKeyspace(&o)
	m := open(t, func(x *Options) { *x = o })
	m.journals.lease = testLease
	t.Run("journal's writer killed", func(t *testing.T) { testWriterKilled(t, m, o) })
	t.Run("journal's writer paused", func(t *testing.T) { testWriterPaused(t, m, o) })
	t.Run("two clients", func(t *testing.T) { testTwoClients(t, m, o) })
	t.Run("put killed", func(t *testing.T) { testPutKilled(t, m, o) })
	t.Run("put given up", func(t *testing.T) { testPutGivenUp(t, m) })
	if found := verifyAll(t, m); len(found) > 0 {
		t.Errorf("verify finds %+v", found)
	}
}

// childEnv holds the options of a process that this test binary starts of itself; see TestChildProcess.
const childEnv = "TEST_CASSANDRA_CHILD"

type childOptions struct {
	Options Options
	Journal string // to append to, without end
	Blob    string // to put, without end
}

// child is such a process. Its lines are what it acknowledged.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, o childOptions) *child {
	t.Helper()
	env, err := json.Marshal(o)
	check(t, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildProcess$")
	cmd.Env = append(os.Environ(), childEnv+"="+string(env))
	cmd.Stderr = testWriter{t}
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd, bufio.NewScanner(out)}
}

// read calls f for up to n lines.
func (c *child) read(t *testing.T, n int, f func(line string)) {
	t.Helper()
	for range n {
		if !c.lines.Scan() {
			return
		}
		f(c.lines.Text())
	}
}

// TestChildProcess is the child: it does nothing unless the environment says so.
func TestChildProcess(t *testing.T) {
	env := os.Getenv(childEnv)
	if env == "" {
		return
	}
	var o childOptions
	check(t, json.Unmarshal([]byte(env), &o))
	m, err := Open(t.Context(), o.Options, nil, nil)
	check(t, err)
	m.journals.lease = testLease
	if o.Journal != "" {
		childAppends(t, m, o.Journal)
	} else {
		childPuts(t, m, o.Blob)
	}
	os.Exit(0)
}

// childAppends appends until it cannot, and tells of each entry that was acknowledged.
func childAppends(t *testing.T, m *Medium, name string) {
	j, err := m.Journals().Open(t.Context(), name, medium.JournalOptions{})
	check(t, err)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				entry := fmt.Sprintf("%d-%d-%s", w, i, strings.Repeat("x", i*37%700))
				if i%50 == 49 {
					entry += strings.Repeat("y", 2*maxRowPayload) // in several rows
				}
				at, err := j.Append(t.Context(), []byte(entry))
				if err != nil {
					fmt.Printf("error %v %v\n", errors.Is(err, medium.ErrInUse), err)
					return
				}
				fmt.Printf("ack %d %d-%d- %d\n", at, w, i, len(entry))
			}
		})
	}
	writers.Wait()
}

// acknowledged collects what a child says.
type acknowledged map[medium.Position]string

func (a acknowledged) add(t *testing.T, line string) {
	t.Helper()
	var at medium.Position
	var begin string
	var n int
	if _, err := fmt.Sscanf(line, "ack %d %s %d", &at, &begin, &n); err == nil {
		a[at] = fmt.Sprintf("%s %d", begin, n)
	}
}

// wantReplayed wants every acknowledged entry, and returns how many there are with the others.
func (a acknowledged) wantReplayed(t *testing.T, m *Medium, name string) int {
	t.Helper()
	seen, all := 0, 0
	damage, err := m.Journals().Replay(t.Context(), name, 0, func(at medium.Position, data []byte) error {
		all++
		if want, ok := a[at]; ok {
			seen++
			begin, n := "", 0
			if _, err := fmt.Sscanf(want, "%s %d", &begin, &n); err != nil || !bytes.HasPrefix(data, []byte(begin)) || len(data) != n {
				t.Errorf("position %d has %d bytes %.20q, want %s", at, len(data), data, want)
			}
		}
		return nil
	})
	check(t, err)
	if seen != len(a) || len(damage) > 0 {
		t.Errorf("%d of %d acknowledged entries are replayed, damage %+v", seen, len(a), damage)
	}
	return all
}

func testWriterKilled(t *testing.T, m *Medium, o Options) {
	acks := acknowledged{}
	for round := range 3 {
		c := startChild(t, childOptions{Options: o, Journal: "killed"})
		add := func(line string) { acks.add(t, line) }
		c.read(t, 150+round*100, add)
		check(t, c.cmd.Process.Kill())
		c.read(t, 1<<30, add) // what it had said before
		acks.wantReplayed(t, m, "killed")
		j, err := m.Journals().Open(t.Context(), "killed", medium.JournalOptions{})
		check(t, err)
		decided := acks.wantReplayed(t, m, "killed")
		at, err := j.Append(t.Context(), []byte("9-9-"))
		check(t, err)
		acks[at] = "9-9- 4"
		check(t, j.Close())
		if again := acks.wantReplayed(t, m, "killed"); again != decided+1 {
			t.Errorf("round %d: %d entries after taking the journal and one more, %d before", round, again, decided)
		}
	}
	t.Logf("%d entries acknowledged", len(acks))
}

// testWriterPaused takes the journal of a process that stands still. When that goes on, it acknowledges nothing any more.
func testWriterPaused(t *testing.T, m *Medium, o Options) {
	c := startChild(t, childOptions{Options: o, Journal: "paused"})
	acks := acknowledged{}
	c.read(t, 200, func(line string) { acks.add(t, line) })
	check(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	j, err := m.Journals().Open(t.Context(), "paused", medium.JournalOptions{})
	if errors.Is(err, medium.ErrInUse) { // its last sign of life was on its way
		j, err = m.Journals().Open(t.Context(), "paused", medium.JournalOptions{})
	}
	check(t, err)
	taken := acks.wantReplayed(t, m, "paused")
	at, err := j.Append(t.Context(), []byte("9-9-"))
	check(t, err)
	check(t, c.cmd.Process.Signal(syscall.SIGCONT))
	refused := 0
	c.read(t, 1<<30, func(line string) {
		acks.add(t, line)
		if strings.HasPrefix(line, "error true") {
			refused++
		}
	})
	if refused == 0 {
		t.Error("the paused writer was not told that the journal is in use by another")
	}
	for old := range acks {
		if old >= at {
			t.Errorf("the paused writer got position %d acknowledged, after the new one's %d", old, at)
		}
	}
	acks[at] = "9-9- 4"
	if n := acks.wantReplayed(t, m, "paused"); n != taken+1 {
		t.Errorf("%d entries after the old writer went on, want %d", n, taken+1)
	}
	check(t, j.Close())
}

// testTwoClients lets two clients fight for one journal: at most one has it at any time.
func testTwoClients(t *testing.T, m *Medium, o Options) {
	other := open(t, func(x *Options) { *x = o })
	other.journals.lease = testLease
	j := fillJournal(t, m, "two", 3)
	_, err := other.Journals().Open(t.Context(), "two", medium.JournalOptions{})
	wantIs(t, err, medium.ErrInUse)
	wantIs(t, other.Journals().Delete(t.Context(), "two"), medium.ErrInUse)
	if got, damage := replayed(t, other, "two", 0); len(got) != 3 || len(damage) > 0 {
		t.Errorf("the other client replays %v, %+v", got, damage)
	}
	check(t, j.Close())
	j2, err := other.Journals().Open(t.Context(), "two", medium.JournalOptions{})
	check(t, err)
	_, err = m.Journals().Open(t.Context(), "two", medium.JournalOptions{})
	wantIs(t, err, medium.ErrInUse)
	_, err = j2.Append(t.Context(), []byte("entry 4"))
	check(t, err)
	check(t, j2.Close())
	check(t, m.Journals().Delete(t.Context(), "two"))
}

// childPuts puts a blob that does not end, and tells how many parts were asked for.
func childPuts(t *testing.T, m *Medium, name string) {
	m.blobs.limits.partSize = 64 << 10
	n := 0
	_, err := m.Blobs().Put(t.Context(), name, readFunc(func(p []byte) (int, error) {
		n += len(p)
		fmt.Println("read", n)
		return len(p), nil
	}), medium.PutOptions{})
	fmt.Println("error", err)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func testPutKilled(t *testing.T, m *Medium, o Options) {
	c := startChild(t, childOptions{Options: o, Blob: "killed"})
	c.read(t, 200, func(string) {})
	check(t, c.cmd.Process.Kill())
	_ = c.cmd.Wait()
	_, err := m.Blobs().Open(t.Context(), "killed")
	wantIs(t, err, medium.ErrNotFound)
	if n := countChunks(t, m, "killed"); n < 2 {
		t.Fatalf("the put was killed after %d chunks, want some", n)
	}
	check(t, m.blobs.sweep(t.Context())) // it may be under way still
	if n := countChunks(t, m, "killed"); n < 2 {
		t.Errorf("a sweep left %d chunks of a put that gave a sign of life a moment ago", n)
	}
	if found := verifyAll(t, m); len(found) > 0 {
		t.Errorf("verify reports a put that may be under way: %+v", found)
	}
	putBlob(t, m, "killed", 100_000, medium.PutOptions{}) // the name is free
	sweepNow(t, m)
	if n := countChunks(t, m, "killed"); n != 1 {
		t.Errorf("%d chunks are there after the sweep, want the one of the second put", n)
	}
	wantContent(t, m, "killed", 100_000)
}

// sweepNow sweeps as if all that is under way had been given up long ago.
func sweepNow(t *testing.T, m *Medium) {
	t.Helper()
	limits := m.blobs.limits
	m.blobs.limits.abandoned = 0
	check(t, m.blobs.sweep(t.Context()))
	m.blobs.limits = limits
}

func countChunks(t *testing.T, m *Medium, blob string) int {
	t.Helper()
	n := 0
	check(t, m.session.read(t.Context(), request{table: "blob_parts", cql: chunksCQL[false]}, func(scan func(...any) error) error {
		var name string
		err := scan(nil, nil, &name)
		if name == blob {
			n++
		}
		return err
	}))
	return n
}

func wantContent(t *testing.T, m *Medium, name string, size int) {
	t.Helper()
	b, err := m.Blobs().Open(t.Context(), name)
	check(t, err)
	got, err := b.Range(t.Context(), 0, b.Size())
	if err != nil || !bytes.Equal(got, content(size)) {
		t.Errorf("blob %q reads as %d bytes, want %d: %v", name, len(got), size, err)
	}
	check(t, b.Close())
}

// testPutGivenUp sweeps the parts of a put away while it goes on: it fails, and leaves nothing.
func testPutGivenUp(t *testing.T, m *Medium) {
	for name, sweep := range map[string]func(){"swept": func() { sweepNow(t, m) }, "kept": func() { check(t, m.blobs.sweep(t.Context())) }} {
		whole := bytes.NewReader(content(3 << 20))
		_, err := m.Blobs().Put(t.Context(), name, readFunc(func(p []byte) (int, error) {
			if whole.Len() == 1<<20 {
				sweep()
			}
			return whole.Read(p[:min(len(p), 1<<19)])
		}), medium.PutOptions{})
		if name == "kept" {
			check(t, err)
			wantContent(t, m, name, 3<<20)
			continue
		}
		if !errors.Is(err, errGivenUp) || model.KindOf(err) != model.Unavailable {
			t.Errorf("the put whose parts were swept away returns %v", err)
		}
		_, err = m.Blobs().Open(t.Context(), name)
		wantIs(t, err, medium.ErrNotFound)
		for i := 0; countChunks(t, m, name) > 0; i++ { // the put removes what it wrote after the sweep, in the background
			if i > 100 {
				t.Fatal("parts of the put are left")
			}
			check(t, pause(t.Context(), 50*time.Millisecond))
		}
	}
}
