package cassandra

import (
	"context"
	"errors"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// openSession is for tests of what lies below the medium's parts.
func openSession(t testing.TB, change func(*Options)) *session {
	t.Helper()
	return open(t, change).session
}

// createTable makes a table and waits until every node has it.
func createTable(t testing.TB, s *session, cql string) {
	t.Helper()
	check(t, s.db.Query(cql).Exec())
	check(t, (&migrator{db: s.db, log: s.log}).agree(t.Context()))
}

func TestRequests(t *testing.T) {
	ctx := t.Context()
	s := openSession(t, nil)
	createTable(t, s, `CREATE TABLE things (p int, c int, v int, PRIMARY KEY (p, c))`)
	for i := range 25 {
		check(t, s.write(ctx, request{table: "things", op: "insert", cql: `INSERT INTO things (p, c, v) VALUES (1, ?, ?)`, args: []any{i, i * i}}))
	}
	var v int
	found, err := s.one(ctx, request{table: "things", op: "select", cql: `SELECT v FROM things WHERE p = 1 AND c = ?`, args: []any{5}}, &v)
	if err != nil || !found || v != 25 {
		t.Errorf("one reads %d, %v, %v", v, found, err)
	}
	found, err = s.one(ctx, request{table: "things", op: "select", cql: `SELECT v FROM things WHERE p = 2`, consistency: s.serial}, &v)
	if err != nil || found {
		t.Errorf("one finds what is not there: %v, %v", found, err)
	}
	sum, rows := 0, 0
	check(t, s.read(ctx, request{table: "things", op: "select", cql: `SELECT v FROM things WHERE p = 1`, pageSize: 10}, func(scan func(...any) error) error {
		rows++
		err := scan(&v)
		sum += v
		return err
	}))
	if rows != 25 || sum != 4900 {
		t.Errorf("%d rows with the sum %d, want 25 and 4900", rows, sum)
	}
	stop := errors.New("stop")
	err = s.read(ctx, request{table: "things", op: "select", cql: `SELECT v FROM things WHERE p = 1`}, func(func(...any) error) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want the one of the callback", err)
	}
}

func TestTransactions(t *testing.T) {
	ctx := t.Context()
	s := openSession(t, nil)
	createTable(t, s, `CREATE TABLE accounts (p int, c int, v int, PRIMARY KEY (p, c))`)
	applies := func(want bool, applied bool, err error) {
		t.Helper()
		if err != nil || applied != want {
			t.Errorf("applied %v, %v, want %v", applied, err, want)
		}
	}
	insert := request{table: "accounts", op: "insert", cql: `INSERT INTO accounts (p, c, v) VALUES (1, 1, 1) IF NOT EXISTS`}
	applied, err := s.cas(ctx, insert)
	applies(true, applied, err)
	update := request{table: "accounts", op: "update", cql: `UPDATE accounts SET v = ? WHERE p = 1 AND c = 1 IF v = ?`, args: []any{3, 2}}
	var there int
	applied, err = s.cas(ctx, update, &there)
	applies(false, applied, err)
	if there != 1 {
		t.Errorf("the row that is there has %d, want 1", there)
	}
	update.args = []any{2, 1}
	second := request{table: "accounts", op: "insert", cql: `INSERT INTO accounts (p, c, v) VALUES (1, 2, 2)`}
	applied, err = s.casBatch(ctx, []request{update, second})
	applies(true, applied, err)
	applied, err = s.casBatch(ctx, []request{update, second})
	applies(false, applied, err)
}

func TestRequestErrors(t *testing.T) {
	s := openSession(t, nil)
	err := s.write(t.Context(), request{table: "nothing", op: "insert", cql: `INSERT INTO nothing (p) VALUES (1)`})
	if model.KindOf(err) != model.Unavailable || !errors.Is(err, errFinal) || errors.Is(err, medium.ErrUncertain) {
		t.Errorf("error %v, want a final one of kind unavailable", err)
	}
	cause := errors.New("the caller went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := s.write(ctx, request{table: "documents", op: "insert", cql: `INSERT INTO documents (kind) VALUES ('x')`}); !errors.Is(err, cause) || errors.Is(err, medium.ErrUncertain) {
		t.Errorf("error %v, want the context's cause and no doubt", err)
	}
}
