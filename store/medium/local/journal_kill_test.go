package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// The variables that make this binary the process that is killed.
const (
	killDir   = "TEST_JOURNAL_KILL_DIR"
	killRound = "TEST_JOURNAL_KILL_ROUND"
	killSync  = "TEST_JOURNAL_KILL_SYNC"
)

func killOptions(dir string, sync SyncPolicy) Options {
	return Options{Dir: dir, Sync: sync, SyncInterval: 5 * time.Millisecond, SegmentBytes: 64 << 10}
}

// TestKills starts a process that appends from several goroutines and says what was acknowledged, kills it at a random moment, and looks
// whether all of that is there. It does so again and again with one folder.
func TestKills(t *testing.T) {
	const kills = 24
	if os.Getenv(killDir) != "" {
		return // this is the process that is killed
	}
	dir, h, seed := t.TempDir(), newHistory(), uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for round := range kills {
		sync := []SyncPolicy{SyncAlways, SyncInterval}[round%2]
		if err := killOnce(dir, sync, round, 5+rnd.IntN(600), h); err != nil {
			t.Fatalf("kill %d: %v", round, err)
		}
		checkAfterKill(t, killOptions(dir, sync), h)
	}
	t.Logf("%d kills, %d entries acknowledged, none lost", kills, len(h.acked["n1/events"]))
}

// killOnce kills the process after so many acknowledgements, and notes all that it has told.
func killOnce(dir string, sync SyncPolicy, round, acks int, h *history) error {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killDir+"="+dir, killRound+"="+strconv.Itoa(round), killSync+"="+string(sync))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	killed := false
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if !h.learn(lines.Text()) {
			return errors.Join(fmt.Errorf("it says %q", lines.Text()), cmd.Process.Kill(), cmd.Wait())
		}
		if n == 1 {
			if _, err := Open(killOptions(dir, sync), discard(), nil); !errors.Is(err, medium.ErrInUse) {
				return errors.Join(fmt.Errorf("opening what another process has open: %w", err), cmd.Process.Kill(), cmd.Wait())
			}
		}
		if n == acks {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				return err
			}
		}
	}
	err = cmd.Wait()
	if !killed {
		return fmt.Errorf("it ended by itself: %w", err)
	}
	return nil
}

// learn notes one line of the process: "a POSITION ID" is an acknowledged entry, "t POSITION" a truncation that begins.
func (h *history) learn(line string) bool {
	var at medium.Position
	var id uint64
	if n, _ := fmt.Sscanf(line, "t %d", &at); n == 1 {
		h.truncated["n1/events"] = max(h.truncated["n1/events"], at)
		return true
	}
	if n, _ := fmt.Sscanf(line, "a %d %d", &at, &id); n != 2 {
		return false
	}
	if h.acked["n1/events"] == nil {
		h.acked["n1/events"] = map[medium.Position]uint64{}
	}
	_, used := h.acked["n1/events"][at]
	h.acked["n1/events"][at] = id
	return !used
}

func checkAfterKill(t *testing.T, o Options, h *history) {
	t.Helper()
	m := openTest(t, o)
	defer m.Close()
	got, err := survivors(m, "n1/events")
	if err != nil {
		t.Fatal(err)
	}
	for at, id := range h.acked["n1/events"] {
		if at >= h.truncated["n1/events"] && got[at] != id {
			t.Fatalf("entry %d at position %d was acknowledged, and %d is there", id, at, got[at])
		}
	}
}

// TestKilledProcess is the process that TestKills kills; it does nothing otherwise.
func TestKilledProcess(t *testing.T) {
	if os.Getenv(killDir) == "" {
		return
	}
	round, err := strconv.Atoi(os.Getenv(killRound))
	if err != nil {
		t.Fatal(err)
	}
	m := openTest(t, killOptions(os.Getenv(killDir), SyncPolicy(os.Getenv(killSync))))
	j := openJournal(t, m, "n1/events")
	err = together(4, func(w int) error { return appendForEver(j, os.Stdout, uint64(round)<<32|uint64(w)<<24, w == 0) })
	t.Fatal(err)
}

func appendForEver(j medium.Journal, say io.Writer, id uint64, truncate bool) error {
	for i := 1; ; i++ {
		id++
		at, err := j.Append(context.Background(), testEntry(id, int(id*7919%3000)))
		if err != nil {
			return err
		}
		// One write of one line: a kill leaves it whole or not at all.
		if _, err := fmt.Fprintf(say, "a %d %d\n", at, id); err != nil {
			return err
		}
		if !truncate || i%50 != 0 || at < 200 {
			continue
		}
		if _, err := fmt.Fprintf(say, "t %d\n", at-200); err != nil {
			return err
		}
		if err := j.Truncate(context.Background(), at-200); err != nil {
			return err
		}
	}
}
