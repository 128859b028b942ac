package cassandra

import (
	"errors"
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// TestAnswerLost is about transactions that ended without an answer: whether they took place is found out by sending them again.
func TestAnswerLost(t *testing.T) {
	ctx := t.Context()
	d, other := open(t, nil).documents, open(t, nil).documents
	begin := func(kindName, key, value string, expected medium.Version) (*commit, *change) {
		t.Helper()
		ch := newChange(key, []byte(value), expected)
		c := &commit{documents: d, session: d.session, kind: d.kind(kindName), left: []*change{ch}}
		_, err := c.prepare(ctx)
		check(t, err)
		return c, ch
	}
	// lose sends the transaction and forgets the answer.
	lose := func(c *commit) {
		t.Helper()
		reply, _, err := c.send(ctx)
		check(t, err)
		if !reply.applied {
			t.Fatalf("the transaction was refused: %+v", reply)
		}
		c.sent = true
	}
	finish := func(c *commit, ch *change, wantVersion medium.Version, wantErr error) {
		t.Helper()
		_, err := c.attempt(ctx)
		var own *ownError
		if errors.As(err, &own) {
			c.kind.answer(ch, answer{err: own.error})
		} else {
			check(t, err)
		}
		if a := <-ch.done; a.version != wantVersion || !errors.Is(a.err, wantErr) {
			t.Errorf("the answer is %d, %v, want %d, %v", a.version, a.err, wantVersion, wantErr)
		}
	}
	has := func(kindName, key, want string, v medium.Version) {
		t.Helper()
		doc, err := other.Get(ctx, kindName, key)
		if err != nil || string(doc.Value) != want || doc.Version != v {
			t.Errorf("document %s is %q at %d, %v, want %q at %d", key, doc.Value, doc.Version, err, want, v)
		}
	}
	put := func(kindName, key, value string, expected medium.Version) medium.Version {
		t.Helper()
		v, err := other.Put(ctx, kindName, key, []byte(value), expected)
		check(t, err)
		return v
	}

	t.Run("took place", func(t *testing.T) {
		kindName := kindName(t)
		c, ch := begin(kindName, "a", `"mine"`, medium.Absent)
		lose(c)
		finish(c, ch, 1, nil)
		has(kindName, "a", `"mine"`, 1)
	})
	t.Run("took place and was overtaken", func(t *testing.T) {
		kindName := kindName(t)
		c, ch := begin(kindName, "a", `"mine"`, medium.Absent)
		lose(c)
		put(kindName, "b", `"other"`, medium.Absent)
		put(kindName, "a", `"theirs"`, 1)
		finish(c, ch, 1, nil)
		has(kindName, "a", `"theirs"`, 3)
	})
	t.Run("did not take place", func(t *testing.T) {
		kindName := kindName(t)
		v := put(kindName, "a", `1`, medium.Absent)
		c, ch := begin(kindName, "a", `"mine"`, v)
		c.writer, c.sent = tableID("a", "b"), true
		finish(c, ch, 2, nil)
		has(kindName, "a", `"mine"`, 2)
	})
	t.Run("another document came first", func(t *testing.T) {
		kindName := kindName(t)
		c, ch := begin(kindName, "a", `"mine"`, medium.Absent)
		c.writer, c.sent = tableID("a", "b"), true
		put(kindName, "b", `"other"`, medium.Absent)
		finish(c, ch, 2, nil)
		has(kindName, "a", `"mine"`, 2)
	})
	t.Run("the same document came first", func(t *testing.T) {
		kindName := kindName(t)
		c, ch := begin(kindName, "a", `"mine"`, medium.Absent)
		c.writer, c.sent = tableID("a", "b"), true
		put(kindName, "a", `"other"`, medium.Absent)
		finish(c, ch, 0, medium.ErrConflict)
		has(kindName, "a", `"other"`, 1)
	})
	t.Run("carried out late", func(t *testing.T) {
		kindName := kindName(t)
		v := put(kindName, "a", `1`, medium.Absent)
		c, _ := begin(kindName, "a", `"late"`, v)
		check(t, other.Delete(ctx, kindName, "a", v))
		v = put(kindName, "a", `2`, medium.Absent)
		reply, _, err := c.send(ctx)
		check(t, err)
		if reply.applied {
			t.Error("a transaction took place after others that it did not know of")
		}
		has(kindName, "a", `2`, v)
	})
	t.Run("lapped", func(t *testing.T) {
		kindName := kindName(t)
		c, ch := begin(kindName, "a", `"mine"`, medium.Absent)
		lose(c)
		// As after another turn of the ring.
		check(t, d.session.db.Query(`UPDATE documents SET version = ? WHERE kind = ? AND area = 0 AND slot = 0 AND key = ''`, 1+ringSize, kindName).Exec())
		check(t, d.session.db.Query(changeInsertCQL, kindName, slot(1), 1+ringSize, "a", false, tableID("a", "b")).Exec())
		finish(c, ch, 0, medium.ErrUncertain)
	})
}
