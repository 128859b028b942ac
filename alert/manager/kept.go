package manager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// The kinds of documents.
const (
	silenceKind = "silence"
	logKind     = "notification-log"
)

// entry is a document: one entry of Alertmanager's state, in its own encoding.
type entry struct {
	Data    string    `json:"data"` // base64
	Expires time.Time `json:"expires"`
}

// kept keeps entries of one sort of state as documents: each change is written when it happens, and those that other nodes write come
// back through merge. While the medium is away, changes wait, the last one of each entry.
type kept struct {
	kind  string
	docs  func() (medium.Documents, error)
	merge func([]byte) error
	parse func([]byte) (key string, expires time.Time, err error)
	// now: a change is on the medium when who made it gets the answer, as long as the medium is there.
	now     bool
	log     *slog.Logger
	failed  prometheus.Counter
	waiting prometheus.Gauge

	mu      sync.Mutex
	known   map[string][sha256.Size]byte // what the medium has
	pending map[string]entry
	poke    chan struct{}
}

const (
	keepTimeout  = 5 * time.Second  // for one write
	keepInterval = 10 * time.Second // between tries
)

// broadcast takes a change from Alertmanager, which holds its lock meanwhile.
func (k *kept) broadcast(data []byte) {
	key, expires, err := k.parse(data)
	if err != nil {
		k.log.Error("a change cannot be kept", "kind", k.kind, "err", err)
		return
	}
	k.mu.Lock()
	if k.known[key] == sha256.Sum256(data) {
		k.mu.Unlock()
		return // another node wrote it
	}
	k.pending[key] = entry{Data: base64.StdEncoding.EncodeToString(data), Expires: expires}
	k.waiting.Set(float64(len(k.pending)))
	k.mu.Unlock()
	if k.now {
		ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
		defer cancel()
		k.flush(ctx)
		return
	}
	select {
	case k.poke <- struct{}{}:
	default: // somebody will
	}
}

// flush writes what waits. What cannot be written goes on waiting.
func (k *kept) flush(ctx context.Context) {
	docs, err := k.docs()
	if err != nil {
		return // the medium is away, and says so itself
	}
	k.mu.Lock()
	todo := make(map[string]entry, len(k.pending))
	for key, e := range k.pending {
		todo[key] = e
	}
	k.mu.Unlock()
	for key, e := range todo {
		if err := k.write(ctx, docs, key, e); err != nil {
			k.failed.Inc()
			k.log.Warn("a change is kept in memory only until the medium takes it", "kind", k.kind, "err", err)
			return
		}
	}
}

func (k *kept) write(ctx context.Context, docs medium.Documents, key string, e entry) error {
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(e.Data)
	if err != nil {
		return err
	}
	if _, err := medium.Update(ctx, docs, k.kind, key, func([]byte) ([]byte, error) { return value, nil }); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[key] = sha256.Sum256(data)
	if k.pending[key] == e {
		delete(k.pending, key)
	}
	k.waiting.Set(float64(len(k.pending)))
	return nil
}

// load takes what the medium has.
func (k *kept) load(ctx context.Context) error {
	docs, err := k.docs()
	if err != nil {
		return err
	}
	for doc, err := range docs.List(ctx, k.kind, "") {
		if err != nil {
			return fmt.Errorf("cannot read the documents of the kind %s: %w", k.kind, err)
		}
		k.take(doc)
	}
	return nil
}

func (k *kept) take(doc medium.Document) {
	var e entry
	err := json.Unmarshal(doc.Value, &e)
	var data []byte
	if err == nil {
		data, err = base64.StdEncoding.DecodeString(e.Data)
	}
	if err == nil {
		sum := sha256.Sum256(data)
		k.mu.Lock()
		ours := k.known[doc.Key] == sum
		k.known[doc.Key] = sum
		k.mu.Unlock()
		if ours {
			return
		}
		err = k.mergeSafely(data)
	}
	if err != nil {
		k.log.Error("a document cannot be read, and is left alone", "kind", k.kind, "key", doc.Key, "err", err)
	}
}

// mergeSafely: what is on a medium may be damaged, and Alertmanager's reader does not expect that.
func (k *kept) mergeSafely(data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: %v", r)
		}
	}()
	if _, _, err := k.parse(data); err != nil {
		return err
	}
	return k.merge(data)
}

// run writes what waits and takes what other nodes write, until ctx ends; then it writes what is left.
func (k *kept) run(ctx context.Context) {
	watching := make(chan struct{})
	go func() { defer close(watching); k.watch(ctx) }()
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case <-k.poke:
		case <-tick.C:
		case <-ctx.Done():
			<-watching
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
			defer cancel()
			k.flush(last)
			return
		}
		k.flush(ctx)
	}
}

func (k *kept) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if docs, err := k.docs(); err == nil {
			for change, err := range docs.Watch(ctx, k.kind) {
				if err != nil {
					break
				}
				if change.Type == medium.Put {
					k.take(change.Document)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(keepInterval):
		}
	}
}

// drop deletes the documents of what has expired.
func (k *kept) drop(ctx context.Context, now time.Time) error {
	docs, err := k.docs()
	if err != nil {
		return err
	}
	for doc, err := range docs.List(ctx, k.kind, "") {
		if err != nil {
			return err
		}
		var e entry
		if json.Unmarshal(doc.Value, &e) != nil || e.Expires.After(now) {
			continue
		}
		if err := docs.Delete(ctx, k.kind, doc.Key, doc.Version); err != nil && !errors.Is(err, medium.ErrConflict) {
			return err
		}
		k.mu.Lock()
		delete(k.known, doc.Key)
		k.mu.Unlock()
	}
	return nil
}

// parseSilence reads one silence of Alertmanager's state.
func parseSilence(data []byte) (string, time.Time, error) {
	var m silencepb.MeshSilence
	if err := protodelim.UnmarshalFrom(bytes.NewReader(data), &m); err != nil {
		return "", time.Time{}, err
	}
	if m.GetSilence().GetId() == "" {
		return "", time.Time{}, errors.New("a silence without ID")
	}
	return m.GetSilence().GetId(), m.GetExpiresAt().AsTime(), nil
}

// parseLogEntry reads one entry of Alertmanager's notification log. Its key is a hash, as group keys may be long.
func parseLogEntry(data []byte) (string, time.Time, error) {
	var m nflogpb.MeshEntry
	if err := protodelim.UnmarshalFrom(bytes.NewReader(data), &m); err != nil {
		return "", time.Time{}, err
	}
	e := m.GetEntry()
	if e.GetReceiver() == nil {
		return "", time.Time{}, errors.New("an entry without receiver")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", e.GetGroupKey(), e.GetReceiver().GetGroupName(), e.GetReceiver().GetIntegration(), e.GetReceiver().GetIdx()))
	return hex.EncodeToString(sum[:16]), m.GetExpiresAt().AsTime(), nil
}
