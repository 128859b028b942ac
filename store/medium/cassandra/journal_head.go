package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// journalHead is a journal's row in the table journals, the only thing of it that is written by lightweight transactions. Whoever changes
// anything makes it depend on what they have seen: epoch for the writer's sign of life, epoch and revision for its other
// changes, and renewal too for taking the journal from a writer that seems dead.
type journalHead struct {
	name     string
	id       gocql.UUID
	epoch    int64
	revision int64
	renewal  int64
	owner    string // empty when nobody has it open
	// segment and acknowledged are the writer's last word on its open segment: rows below acknowledged are acknowledged.
	segment, acknowledged int64
	state                 journalState
}

const headColumns = "name, id, epoch, revision, renewal, owner, segment, acknowledged, state"

// readHead returns the journal's row as it is now: a read that takes part in the order of the transactions.
func (js *journals) readHead(ctx context.Context, name string) (journalHead, bool, error) {
	h := journalHead{}
	var state []byte
	found, err := js.s.one(ctx, request{
		table: "journals", op: "select", consistency: js.s.serial,
		cql:  "SELECT " + headColumns + " FROM journals WHERE name = ?",
		args: []any{name},
	}, &h.name, &h.id, &h.epoch, &h.revision, &h.renewal, &h.owner, &h.segment, &h.acknowledged, &state)
	if err != nil || !found {
		return h, false, err
	}
	h.state, err = decodeState(h.id, state)
	if err != nil {
		return h, true, fmt.Errorf("journals: name=%s: %w", name, err)
	}
	return h, true, nil
}

// create makes a journal's row, unless somebody else does.
func (js *journals) create(ctx context.Context, h journalHead) (bool, error) {
	applied, err := js.s.cas(ctx, request{
		table: "journals", op: "insert",
		cql: "INSERT INTO journals (" + headColumns + ", renewed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
		args: []any{h.name, h.id, h.epoch, h.revision, h.renewal, h.owner, h.segment, h.acknowledged,
			h.state.encode(h.id), time.Now()},
	})
	return js.certain(ctx, h, applied, err)
}

// change replaces old by h, which has the next revision, and says whether it did: if not, somebody else changed it.
func (js *journals) change(ctx context.Context, old, h journalHead) (bool, error) {
	applied, err := js.s.cas(ctx, request{
		table: "journals", op: "update",
		cql: "UPDATE journals SET epoch = ?, revision = ?, renewal = ?, owner = ?, segment = ?, acknowledged = ?, state = ?, renewed = ?" +
			" WHERE name = ? IF id = ? AND epoch = ? AND revision = ? AND renewal = ?",
		args: []any{h.epoch, h.revision, h.renewal, h.owner, h.segment, h.acknowledged, h.state.encode(h.id), time.Now(),
			h.name, old.id, old.epoch, old.revision, old.renewal},
	})
	return js.certain(ctx, h, applied, err)
}

// certain finds out what came of a change when the cluster could not say.
func (js *journals) certain(ctx context.Context, h journalHead, applied bool, err error) (bool, error) {
	if err == nil || !errors.Is(err, medium.ErrUncertain) {
		return applied, err
	}
	now, found, readErr := js.readHead(ctx, h.name)
	if readErr != nil {
		return false, errors.Join(err, readErr)
	}
	if found && now.id == h.id && now.epoch == h.epoch && now.revision >= h.revision {
		// Revisions above h's are changes by others that began with it.
		return now.revision > h.revision || bytes.Equal(now.state.encode(h.id), h.state.encode(h.id)), nil
	}
	if !found && h.revision == 1 || found && now.epoch <= h.epoch && now.revision < h.revision {
		// Nor can it any more: the reading came after it in the order of the transactions.
		return false, fmt.Errorf("%w: it did not take place: %v", errUnavailable, err) //nolint:errorlint // err says that it is uncertain, which it is not any more
	}
	return false, nil
}

// renew is the writer's sign of life. renewal must be new; acknowledged is about the open segment.
func (js *journals) renew(ctx context.Context, h journalHead) (bool, error) {
	return js.s.cas(ctx, request{
		table: "journals", op: "update",
		cql: "UPDATE journals SET renewal = ?, segment = ?, acknowledged = ?, renewed = ? WHERE name = ? IF id = ? AND epoch = ?",
		args: []any{h.renewal, h.segment, h.acknowledged, time.Now(),
			h.name, h.id, h.epoch},
	})
}

// remove deletes the row of a journal that the caller has claimed.
func (js *journals) remove(ctx context.Context, h journalHead) error {
	applied, err := js.s.cas(ctx, request{
		table: "journals", op: "delete",
		cql:  "DELETE FROM journals WHERE name = ? IF id = ? AND epoch = ?",
		args: []any{h.name, h.id, h.epoch},
	})
	if err == nil && !applied {
		err = medium.ErrInUse
	}
	return err
}
