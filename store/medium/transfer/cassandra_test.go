package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/cassandra"
	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

func TestMain(m *testing.M) { os.Exit(cassandratest.Run(m)) }

// openCassandra opens a new keyspace on a cluster of one node: what the copies are made of is the matter here, not how many there are.
func openCassandra(t *testing.T) medium.Medium {
	t.Helper()
	m, err := cassandra.Open(t.Context(), cassandra.Options{
		Addresses:         cassandratest.Cluster(t, 1).Addresses(),
		Keyspace:          fmt.Sprintf("transfer_%d", time.Now().UnixMilli()),
		ReplicationFactor: 1,
		Node:              "n1",
	}, slog.New(slog.DiscardHandler), nil)
	check(t, err)
	t.Cleanup(func() { check(t, m.Close()) })
	return m
}

func TestBetweenLocalFilesAndCassandra(t *testing.T) {
	from, _ := filled(t)
	cluster := openCassandra(t)

	// Interrupted after ever more of it, then to the end.
	resumed := 0
	for n := int64(1); ; n *= 2 {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := Copy(ctx, &interrupting{from, &atomic.Int64{}, n, cancel}, cluster, Options{Check: true})
		if err == nil {
			break
		}
		wantError(t, err, errInterrupted, "")
		wantError(t, Unfinished(t.Context(), cluster), ErrUnfinished, "the copy was begun")
		resumed++
	}
	t.Logf("interrupted %d times", resumed)
	if resumed < 4 {
		t.Errorf("interrupted %d times only", resumed)
	}
	check(t, Unfinished(t.Context(), cluster))

	back := mustOpen(t, vfs.NewMem())
	_, err := Copy(t.Context(), cluster, back, Options{Check: true})
	check(t, err)
	wantSame(t, back, from)

	var b bytes.Buffer
	s, err := TarSink(&b, true)
	check(t, err)
	_, err = writeArchive(t.Context(), s, cluster)
	check(t, err)
	restored := mustOpen(t, vfs.NewMem())
	_, err = restoreTar(t.Context(), b.Bytes(), restored, RestoreOptions{})
	check(t, err)
	wantSame(t, restored, from)

	_, err = restoreTar(t.Context(), b.Bytes(), cluster, RestoreOptions{})
	wantError(t, err, ErrNotEmpty, "4 journals")
	other := openCassandra(t)
	_, err = restoreTar(t.Context(), b.Bytes(), other, RestoreOptions{})
	check(t, err)
	wantSame(t, other, from)
}

var errInterrupted = errors.New("interrupted by the test")

// interrupting cancels a copy after so many blobs and entries of its source were read.
type interrupting struct {
	medium.Medium
	reads  *atomic.Int64
	after  int64
	cancel context.CancelCauseFunc
}

func (i *interrupting) read() {
	if i.reads.Add(1) == i.after {
		i.cancel(errInterrupted)
	}
}

func (i *interrupting) Journals() medium.Journals {
	return interruptingJournals{i.Medium.Journals(), i}
}
func (i *interrupting) Blobs() medium.Blobs { return interruptingBlobs{i.Medium.Blobs(), i} }

type interruptingJournals struct {
	medium.Journals
	i *interrupting
}

func (j interruptingJournals) Replay(ctx context.Context, name string, from medium.Position, f func(medium.Position, []byte) error) ([]medium.Damage, error) {
	return j.Journals.Replay(ctx, name, from, func(at medium.Position, e []byte) error {
		j.i.read()
		return f(at, e)
	})
}

type interruptingBlobs struct {
	medium.Blobs
	i *interrupting
}

func (b interruptingBlobs) Open(ctx context.Context, name string) (medium.Blob, error) {
	b.i.read()
	return b.Blobs.Open(ctx, name)
}
