package cassandra

import (
	"context"
	"errors"
	"fmt"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Verify implements medium.Medium. It reads all tables page by page: the schema, the journals and their rows, the directory and
// every part, what no blob and no journal names, and the documents. Whatever seems wrong is looked at again, after what is
// written meanwhile, before it is reported. Of each part it reads one copy: comparing the copies is what nodetool repair does.
func (m *Medium) Verify(ctx context.Context, found func(medium.Finding), progress func(medium.Summary)) (medium.Summary, error) {
	v := &verification{m: m, found: found, progress: progress, told: time.Now()}
	err := v.run(ctx)
	if err != nil {
		err = fmt.Errorf("cannot verify the Cassandra medium: %w", err)
	}
	return v.sum, err
}

// verification is one Verify under way.
type verification struct {
	m        *Medium
	found    func(medium.Finding)
	progress func(medium.Summary)
	sum      medium.Summary
	told     time.Time // when progress was told last
}

func (v *verification) run(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := v.m.session.enter(); err != nil {
		return err
	}
	defer v.m.session.leave()
	for _, step := range []func(context.Context) error{v.schema, v.journals, v.strayRows, v.blobs, v.intents, v.strayParts, v.documents} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	v.tell(true)
	return nil
}

func (v *verification) report(f medium.Finding) {
	v.sum.Findings++
	v.found(f)
}

// tell tells progress, at most four times a second.
func (v *verification) tell(now bool) {
	if v.progress != nil && (now || time.Since(v.told) > 250*time.Millisecond) {
		v.told = time.Now()
		v.progress(v.sum)
	}
}

// schema looks for what would make acknowledged data vanish.
func (v *verification) schema(ctx context.Context) error {
	s := v.m.session
	return s.read(ctx, request{
		table: "system_schema.tables", op: "verify", consistency: gocql.LocalOne,
		cql:  "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = ?",
		args: []any{s.opts.Keyspace},
	}, func(scan func(...any) error) error {
		var table string
		var ttl int
		if err := scan(&table, &ttl); err != nil {
			return err
		}
		if ttl != 0 {
			v.report(medium.Finding{
				Area: "schema", Name: table, Where: "system_schema.tables: " + s.opts.Keyspace + "." + table,
				Problem: fmt.Sprintf("the table has default_time_to_live = %d, it must be 0", ttl),
				Effect:  "what is written to it vanishes after that time",
			})
		}
		return nil
	})
}

func (v *verification) documents(ctx context.Context) error {
	return v.m.documents.verify(ctx, v.report, func(documents, bytes int64) {
		v.sum.Documents += documents
		v.sum.DocumentBytes += bytes
		v.tell(false)
	})
}

// journals replays every journal.
func (v *verification) journals(ctx context.Context) error {
	names, err := v.m.journals.names(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		damage, err := v.m.journals.replay(ctx, name, 0, func(_ medium.Position, entry []byte) error {
			v.sum.Entries++
			v.sum.EntryBytes += int64(len(entry))
			v.tell(false)
			return nil
		})
		switch {
		case errors.Is(err, medium.ErrNotFound):
			continue // it was deleted meanwhile
		case errors.Is(err, medium.ErrCorrupt):
			v.report(medium.Finding{
				Area: "journal", Name: name, Where: "journals: name=" + name,
				Problem: err.Error(), Effect: "none of its entries can be read, and it cannot be opened",
			})
		case err != nil:
			return err
		}
		v.sum.Journals++
		for _, d := range damage {
			v.report(medium.Finding{Area: "journal", Name: name, Where: d.Where, Problem: d.Problem, Effect: lostEntries(d)})
		}
	}
	return nil
}

func lostEntries(d medium.Damage) string {
	if d.Before == 0 {
		return fmt.Sprintf("entries behind position %d cannot be read", d.After)
	}
	return fmt.Sprintf("entries between positions %d and %d cannot be read", d.After, d.Before)
}

// strayRows looks for rows of segments that no journal has.
func (v *verification) strayRows(ctx context.Context) error {
	known := map[gocql.UUID]string{}
	return v.m.session.read(ctx, request{
		table: "journal_rows", op: "verify", cql: "SELECT DISTINCT id, segment FROM journal_rows",
	}, func(scan func(...any) error) error {
		var id gocql.UUID
		var segment int64
		if err := scan(&id, &segment); err != nil {
			return err
		}
		v.tell(false)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, ok := known[id]; !ok { // new ones come up while this runs
			if err := v.learnJournals(ctx, known); err != nil {
				return err
			}
		}
		return v.strayRow(ctx, known[id], id, uint64(segment))
	})
}

func (v *verification) learnJournals(ctx context.Context, known map[gocql.UUID]string) error {
	return v.m.session.read(ctx, request{
		table: "journals", op: "verify", cql: "SELECT id, name FROM journals",
	}, func(scan func(...any) error) error {
		var id gocql.UUID
		var name string
		err := scan(&id, &name)
		known[id] = name
		return err
	})
}

// strayRow reports a segment's rows when the journal, looked at now, has no such segment, and the rows are still there after that.
func (v *verification) strayRow(ctx context.Context, name string, id gocql.UUID, segment uint64) error {
	js := v.m.journals
	if name != "" {
		h, found, err := js.readHead(ctx, name)
		switch {
		case errors.Is(err, medium.ErrCorrupt):
			return nil // reported already
		case err != nil:
			return err
		case found && h.id == id && h.state.has(segment):
			return nil
		}
	}
	rows, err := js.pageOfRows(ctx, id, segment, 0, endOfRows, 1)
	if err != nil || len(rows) == 0 {
		return err
	}
	v.report(medium.Finding{
		Area: "journal", Name: name, Where: fmt.Sprintf("journal_rows: id=%s segment=%d", id, segment),
		Problem: "rows of a segment that no journal has: it was truncated or deleted, and they came back or were never deleted",
	})
	return nil
}

// has says whether rows of a segment may be there.
func (s *journalState) has(number uint64) bool {
	if number >= s.nextSegment || s.find(number) != nil {
		return true
	}
	for _, n := range s.leaving {
		if n == number {
			return true
		}
	}
	return false
}
