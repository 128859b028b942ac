package cassandra

import (
	"context"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/medium"
)

const headsCQL = `SELECT kind, area, version, live, largest FROM documents PER PARTITION LIMIT 1`

// verify reads all documents and checks their checksums, and what each kind's head says of them. counted is called with what was
// seen since its last call. Nothing is changed.
func (d *documents) verify(ctx context.Context, found func(medium.Finding), counted func(documents, bytes int64)) error {
	return d.session.read(ctx, request{table: documentsTable, op: "verify", cql: headsCQL}, func(scan func(...any) error) error {
		var name string
		var area int8
		var h head
		if err := scan(&name, &area, &h.version, &h.live, &h.largest); err != nil {
			return err
		}
		if area != areaHead {
			found(finding(name, "", "the kind has rows and no head", "its documents cannot be listed or written"))
			h = head{largest: medium.MaxDocument}
		}
		return d.verifyKind(ctx, &kind{name: name}, h, found, counted)
	})
}

func finding(kindName, key, problem, effect string) medium.Finding {
	f := medium.Finding{Area: "document", Name: kindName, Where: fmt.Sprintf("table documents, kind %q", kindName), Problem: problem, Effect: effect}
	if key != "" {
		f.Name += "/" + key
		f.Where += fmt.Sprintf(", key %q", key)
	}
	return f
}

// verifyKind reads one kind. Its count is compared with the head's only when nothing was written meanwhile.
func (d *documents) verifyKind(ctx context.Context, k *kind, h head, found func(medium.Finding), counted func(documents, bytes int64)) error {
	before, err := d.readHead(ctx, k, true)
	if err != nil {
		return err
	}
	var documents int64
	var newest medium.Version
	r := request{table: documentsTable, op: "verify", cql: listCQL, args: []any{k.name, ""}, pageSize: d.pageSize(h)}
	err = d.session.read(ctx, r, func(scan func(...any) error) error {
		var key string
		var version medium.Version
		var value []byte
		if err := scan(&key, &version, &value); err != nil {
			return err
		}
		documents++
		newest = max(newest, version)
		_, err := parseValue(k.name, key, version, value)
		if err != nil {
			found(finding(k.name, key, err.Error(), "the document cannot be read"))
		}
		counted(1, max(0, int64(len(value)-valueHeader)))
		return nil
	})
	if err != nil {
		return err
	}
	after, err := d.readHead(ctx, k, true)
	switch {
	case err != nil:
		return err
	case before != after:
		return nil
	case after.live != documents:
		found(finding(k.name, "", fmt.Sprintf("its head counts %d documents, and it has %d", after.live, documents),
			"the kind may be missing among the kinds, or be there without documents; a deleted document may have come back (nodetool repair)"))
	case newest > after.version:
		found(finding(k.name, "", fmt.Sprintf("its head is at version %d and a document at %d", after.version, newest), "watchers may miss changes"))
	}
	return nil
}
