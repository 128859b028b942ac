package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// execAll does to the tables what no program of ours does.
func execAll(t *testing.T, m *Medium, cql string, args ...any) {
	t.Helper()
	check(t, m.session.db.Query(cql, args...).Consistency(gocql.All).Exec())
}

func verifyAll(t *testing.T, m *Medium) []medium.Finding {
	t.Helper()
	var all []medium.Finding
	sum, err := m.Verify(t.Context(), func(f medium.Finding) { all = append(all, f) }, nil)
	check(t, err)
	if sum.Findings != int64(len(all)) {
		t.Errorf("the summary counts %d findings of %d", sum.Findings, len(all))
	}
	return all
}

// content is bytes that tell their place.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>9)
	}
	return b
}

func putBlob(t *testing.T, m *Medium, name string, size int, o medium.PutOptions) gocql.UUID {
	t.Helper()
	_, err := m.Blobs().Put(t.Context(), name, bytes.NewReader(content(size)), o)
	check(t, err)
	info, found, err := m.blobs.find(t.Context(), name, false)
	if err != nil || !found {
		t.Fatalf("blob %q: found %v, %v", name, found, err)
	}
	return info.put
}

// TestDamage does harm by CQL and sees that it is found, named, and that the rest is readable.
func TestDamage(t *testing.T) {
	m := open(t, func(o *Options) { o.Keyspace = newKeyspace() }) // each look at it reads all of it
	m.blobs.cache = nil
	t.Run("verify", func(t *testing.T) { testVerifyNamesDamage(t, m) })
	t.Run("journal", func(t *testing.T) { testJournalDamage(t, m) })
	t.Run("journal's state", func(t *testing.T) { testJournalStateDamage(t, m) })
	t.Run("stray rows", func(t *testing.T) { testStrayJournalRows(t, m) })
}

// testVerifyNamesDamage does harm to each kind of row, one at a time, and wants each named, with its effect, and nothing else.
func testVerifyNamesDamage(t *testing.T, m *Medium) {
	ctx := t.Context()
	const partSize = blobPartSize
	if found := verifyAll(t, m); len(found) > 0 {
		t.Fatalf("before any harm: %+v", found)
	}
	f := func(area, name, where, problem, effect string, harm func() (mend func())) {
		t.Helper()
		mend := harm()
		found := verifyAll(t, m)
		if len(found) != 1 || found[0].Area != area || found[0].Name != name || !strings.Contains(found[0].Where, where) ||
			!strings.Contains(found[0].Problem, problem) || !strings.Contains(found[0].Effect, effect) || (effect == "") != (found[0].Effect == "") {
			t.Errorf("found %+v\nwant one in area %s, name %s, where %s, problem %s, effect %q", found, area, name, where, problem, effect)
		}
		mend()
		if found := verifyAll(t, m); len(found) > 0 {
			t.Fatalf("after mending: %+v", found)
		}
	}
	for table, expires := range map[string]time.Time{"blob_parts": {}, "blob_parts_expiring": time.Now().Add(24 * time.Hour)} {
		name := "b/" + table
		put := putBlob(t, m, name, 3*partSize+5, medium.PutOptions{Expires: expires})
		key := fmt.Sprintf("%s: put=%s chunk=0 part=", table, put)
		part := func(i int) (data []byte) {
			check(t, m.session.db.Query("SELECT data FROM "+table+" WHERE put = ? AND chunk = 0 AND part = ?", put, i).Scan(&data))
			return data
		}
		set := func(i int, data []byte) {
			execAll(t, m, "INSERT INTO "+table+" (put, chunk, part, data) VALUES (?, 0, ?, ?)", put, i, data)
		}
		remove := func(i int) { execAll(t, m, "DELETE FROM "+table+" WHERE put = ? AND chunk = 0 AND part = ?", put, i) }
		f("blob", name, key+"1", "checksum", fmt.Sprintf("bytes from %d to %d", partSize, 2*partSize), func() func() {
			good := part(1)
			bad := bytes.Clone(good)
			bad[1000] ^= 4
			set(1, bad)
			wantRanges(t, m, name, 3*partSize+5, partSize, 2*partSize)
			return func() { set(1, good) }
		})
		f("blob", name, key+"3", "not there", fmt.Sprintf("bytes from %d to %d", 3*partSize, 3*partSize+5), func() func() {
			good := part(3)
			remove(3)
			wantRanges(t, m, name, 3*partSize+5, 3*partSize, 3*partSize+5)
			return func() { set(3, good) }
		})
		f("blob", name, key+"2", "1 bytes of the blob", "bytes from", func() func() {
			good := part(2)
			set(2, encodePart(put, 2, []byte{0, 'x'}))
			return func() { set(2, good) }
		})
		f("blob", name, key+"4", "behind", "", func() func() {
			set(4, partOf(put, 4, []byte("x")))
			return func() { remove(4) }
		})
		stray := gocql.MustRandomUUID()
		f("blob", name, fmt.Sprintf("%s: put=%s chunk=3", table, stray), "no blob", "", func() func() {
			execAll(t, m, "INSERT INTO "+table+" (put, chunk, part, data, name) VALUES (?, 3, 200, ?, ?)", stray, partOf(stray, 200, nil), name)
			return func() { execAll(t, m, "DELETE FROM "+table+" WHERE put = ? AND chunk = 3", stray) }
		})
	}
	bucket := bucketOf("b/blob_parts")
	f("blob", "b/blob_parts", "blob_directory", "checksum", "the blob cannot be read", func() func() {
		var good []byte
		check(t, m.session.db.Query("SELECT info FROM blob_directory WHERE bucket = ? AND area = 0 AND name = ?", bucket, "b/blob_parts").Scan(&good))
		set := func(info []byte) {
			execAll(t, m, "UPDATE blob_directory SET info = ? WHERE bucket = ? AND area = 0 AND name = ?", info, bucket, "b/blob_parts")
		}
		set(good[:len(good)-3])
		_, err := m.Blobs().Open(ctx, "b/blob_parts")
		wantIs(t, err, medium.ErrCorrupt)
		wantListed(t, m, "b/blob_parts_expiring") // the others are listed still
		return func() { set(good) }
	})
	f("blob", "old", "area=1", "interrupted at 20", "", func() func() {
		id := gocql.MustRandomUUID()
		execAll(t, m, "INSERT INTO blob_directory (bucket, area, name, blob, state, chunks, expiring, renewed) VALUES (?, 1, ?, 'old', 'writing', 1, false, ?)",
			bucketOf("old"), id.String(), time.Now().Add(-24*time.Hour))
		return func() {
			execAll(t, m, "DELETE FROM blob_directory WHERE bucket = ? AND area = 1 AND name = ?", bucketOf("old"), id.String())
		}
	})
	f("schema", "journal_rows", "journal_rows", "default_time_to_live", "vanishes", func() func() {
		execAll(t, m, "ALTER TABLE journal_rows WITH default_time_to_live = 1000")
		return func() { execAll(t, m, "ALTER TABLE journal_rows WITH default_time_to_live = 0") }
	})
}

// wantRanges wants a blob's bytes in [from, to) to be damaged, and all others readable.
func wantRanges(t *testing.T, m *Medium, name string, size, from, to int) {
	t.Helper()
	b, err := m.Blobs().Open(t.Context(), name)
	check(t, err)
	defer b.Close()
	want := content(size)
	for _, r := range [][2]int{{0, from}, {to, size}} {
		got, err := b.Range(t.Context(), int64(r[0]), int64(r[1]-r[0]))
		if err != nil || !bytes.Equal(got, want[r[0]:r[1]]) {
			t.Errorf("bytes %d to %d beside the damage: %v", r[0], r[1], err)
		}
	}
	_, err = b.Range(t.Context(), int64(from), 1)
	wantIs(t, err, medium.ErrCorrupt)
	if err == nil || !strings.Contains(err.Error(), "put=") {
		t.Errorf("the error %v does not name the place", err)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want one that is %q", err, target)
	}
}

// wantListed wants the list of blobs to have a name and to end with an error that says what is damaged.
func wantListed(t *testing.T, m *Medium, name string) {
	t.Helper()
	var names []string
	var last error
	for info, err := range m.Blobs().List(context.Background(), "") {
		names = append(names, info.Name)
		last = err
	}
	wantIs(t, last, medium.ErrCorrupt)
	if !slices.Contains(names, name) {
		t.Errorf("the list %q lacks %q", names, name)
	}
}
