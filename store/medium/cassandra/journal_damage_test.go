package cassandra

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// fillJournal appends n entries one after the other, so that each is a row, and returns the journal.
func fillJournal(t *testing.T, m *Medium, name string, n int) *journal {
	t.Helper()
	j, err := m.Journals().Open(t.Context(), name, medium.JournalOptions{})
	check(t, err)
	for i := range n {
		_, err := j.Append(t.Context(), fmt.Appendf(nil, "entry %d", i+1))
		check(t, err)
	}
	return j.(*journal)
}

func replayed(t *testing.T, m *Medium, name string, from medium.Position) ([]medium.Position, []medium.Damage) {
	t.Helper()
	var all []medium.Position
	damage, err := m.Journals().Replay(t.Context(), name, from, func(at medium.Position, data []byte) error {
		if want := fmt.Sprintf("entry %d", at); string(data) != want && len(data) < 100 {
			t.Errorf("position %d has %q", at, data)
		}
		all = append(all, at)
		return nil
	})
	check(t, err)
	return all, damage
}

// testJournalDamage harms rows of segments that are sealed and of one that is being written. The rows around them are
// replayed, and each harm is named by Replay and by Verify.
func testJournalDamage(t *testing.T, m *Medium) {
	flip := func(j *journal, segment, seq uint64) {
		var data []byte
		check(t, m.session.db.Query("SELECT data FROM journal_rows WHERE id = ? AND segment = ? AND seq = ?", j.id, int64(segment), int64(seq)).Scan(&data))
		data = bytes.Clone(data)
		data[len(data)/2] ^= 1
		execAll(t, m, "INSERT INTO journal_rows (id, segment, seq, data) VALUES (?, ?, ?, ?)", j.id, int64(segment), int64(seq), data)
	}
	remove := func(j *journal, segment, seq uint64) {
		execAll(t, m, "DELETE FROM journal_rows WHERE id = ? AND segment = ? AND seq = ?", j.id, int64(segment), int64(seq))
	}
	f := func(name string, sealed bool, harm func(j *journal, segment uint64), want string, after, before medium.Position, lost ...medium.Position) {
		t.Helper()
		j := fillJournal(t, m, name, 10)
		segment := j.segment
		if sealed {
			check(t, j.Close())
		}
		harm(j, segment)
		got, damage := replayed(t, m, name, 0)
		wantPositions := []medium.Position{}
		for at := medium.Position(1); at <= 10; at++ {
			if at <= after || before > 0 && at >= before {
				wantPositions = append(wantPositions, at)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(wantPositions) {
			t.Errorf("%s: replay yields %v, want %v", name, got, wantPositions)
		}
		if len(damage) != 1 || damage[0].After != after || damage[0].Before != before || !strings.Contains(damage[0].Problem, want) || !strings.Contains(damage[0].Where, j.id.String()) {
			t.Errorf("%s: damage %+v, want %q after %d before %d", name, damage, want, after, before)
		}
		if before > 0 {
			if got, damage := replayed(t, m, name, before); len(got) != int(10-before+1) || len(damage) > 0 {
				t.Errorf("%s: replay from behind the damage yields %v and %+v", name, got, damage)
			}
		}
		found := verifyAll(t, m)
		if len(found) != 1 || found[0].Area != "journal" || found[0].Name != name || !strings.Contains(found[0].Problem, want) || found[0].Effect == "" {
			t.Errorf("%s: verify finds %+v", name, found)
		}
		if !sealed {
			check(t, j.Close())
		}
		check(t, m.Journals().Delete(t.Context(), name))
	}
	for _, sealed := range []bool{true, false} {
		kind := map[bool]string{true: "sealed", false: "open"}[sealed]
		f(kind+"/flipped", sealed, func(j *journal, s uint64) { flip(j, s, 3) }, "checksum", 3, 5)
		f(kind+"/first", sealed, func(j *journal, s uint64) { remove(j, s, 0) }, "not there", 0, 2)
		f(kind+"/missing", sealed, func(j *journal, s uint64) { remove(j, s, 4); remove(j, s, 5) }, "not there", 4, 7)
		f(kind+"/both", sealed, func(j *journal, s uint64) { remove(j, s, 4); flip(j, s, 5) }, "not there", 4, 7)
	}
	f("sealed/last", true, func(j *journal, s uint64) { remove(j, s, 9) }, "not there", 9, 0)
	f("sealed/all", true, func(j *journal, s uint64) {
		execAll(t, m, "DELETE FROM journal_rows WHERE id = ? AND segment = ?", j.id, int64(s))
	}, "not there", 0, 0)
	if found := verifyAll(t, m); len(found) > 0 {
		t.Errorf("what was deleted left %+v", found)
	}
}

// testJournalStateDamage harms the journal's own row: it cannot be read or opened, and is named, and others are not concerned.
func testJournalStateDamage(t *testing.T, m *Medium) {
	check(t, fillJournal(t, m, "bad", 3).Close())
	check(t, fillJournal(t, m, "good", 3).Close())
	var state []byte
	check(t, m.session.db.Query("SELECT state FROM journals WHERE name = 'bad'").Scan(&state))
	state[2] ^= 1
	execAll(t, m, "UPDATE journals SET state = ? WHERE name = 'bad'", state)
	_, err := m.Journals().Open(t.Context(), "bad", medium.JournalOptions{})
	wantIs(t, err, medium.ErrCorrupt)
	_, err = m.Journals().Replay(t.Context(), "bad", 0, func(medium.Position, []byte) error { return nil })
	wantIs(t, err, medium.ErrCorrupt)
	list, err := m.Journals().List(t.Context())
	wantIs(t, err, medium.ErrCorrupt)
	if len(list) != 1 || list[0].Name != "good" {
		t.Errorf("the list is %+v", list)
	}
	found := verifyAll(t, m)
	if len(found) != 1 || found[0].Name != "bad" || !strings.Contains(found[0].Problem, "checksum") {
		t.Errorf("verify finds %+v", found)
	}
	if got, damage := replayed(t, m, "good", 0); len(got) != 3 || len(damage) > 0 {
		t.Errorf("the other journal replays %v, %+v", got, damage)
	}
	state[2] ^= 1
	execAll(t, m, "UPDATE journals SET state = ? WHERE name = 'bad'", state)
	check(t, m.Journals().Delete(t.Context(), "bad"))
}

// testStrayJournalRows wants rows of a segment that is gone to be named, and not replayed.
func testStrayJournalRows(t *testing.T, m *Medium) {
	j := fillJournal(t, m, "stray", 3)
	old := j.segment
	check(t, j.Truncate(t.Context(), 4))
	check(t, j.Close())
	key := rowKey{j.id, old, 0}
	r := newRow(1, 10)
	r.buf = appendEntry(r.buf, 0, []byte("entry 1"))
	r.count = 1
	execAll(t, m, "INSERT INTO journal_rows (id, segment, seq, data) VALUES (?, ?, 0, ?)", j.id, int64(old), r.finish(key))
	if got, damage := replayed(t, m, "stray", 0); len(got) > 0 || len(damage) > 0 {
		t.Errorf("replay yields %v and %+v", got, damage)
	}
	found := verifyAll(t, m)
	if len(found) != 1 || found[0].Name != "stray" || found[0].Effect != "" || !strings.Contains(found[0].Where, fmt.Sprintf("segment=%d", old)) {
		t.Errorf("verify finds %+v", found)
	}
	execAll(t, m, "DELETE FROM journal_rows WHERE id = ? AND segment = ?", j.id, int64(old))
}
