package manager

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Alertmanager forgets alerts when it ends, and relies on Prometheus to raise them again. What resolves meanwhile is then never said to be
// over. Here alerts are remembered: after a restart each one stands until whoever raised it does so again, or has had the time to.

const (
	alertKind = "alert"
	// shards are the documents of a node: a change writes one of them.
	shards = 64
	// rememberEvery is when alerts are looked at though nobody poked, such as those that resolved by themselves.
	rememberEvery = 15 * time.Second
	// settle is how long changes of one moment are gathered.
	settle = 2 * time.Second
	// rememberResolved is for how long it is remembered that an alert has resolved: receivers that are away may not have been told.
	rememberResolved = time.Hour
	// restoreGrace is longer than a rule waits after a restart before its alert fires again, which is ten minutes.
	restoreGrace = 15 * time.Minute
	// maxShard leaves room below medium.MaxDocument.
	maxShard = medium.MaxDocument - 1<<10
)

// remembered is an alert as it is kept.
type remembered struct {
	Labels       model.LabelSet `json:"labels"`
	Annotations  model.LabelSet `json:"annotations,omitempty"`
	StartsAt     time.Time      `json:"starts_at"`
	EndsAt       time.Time      `json:"ends_at,omitzero"` // once it has resolved
	GeneratorURL string         `json:"generator_url,omitempty"`
	Source       alert.Source   `json:"source"`
}

// memory knows what the medium has.
type memory struct {
	m    *Manager
	have [shards][sha256.Size]byte
	poke chan struct{} // something has changed
}

func (k *memory) key(shard int) string {
	return cmp.Or(k.m.opts.Node, "node") + "/" + strconv.Itoa(shard)
}

// run writes what changes until ctx ends, and then once more.
func (k *memory) run(ctx context.Context) {
	tick := time.NewTicker(rememberEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.save(ctx)
		case <-k.poke:
			select {
			case <-time.After(settle):
			case <-ctx.Done():
			}
			k.save(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
			defer cancel()
			k.save(last)
			return
		}
	}
}

// save writes the shards whose alerts are others than before.
func (k *memory) save(ctx context.Context) {
	docs, err := k.m.opts.Documents()
	if err != nil {
		return // the medium is away, and says so itself
	}
	all := k.alerts()
	for i, list := range all {
		sum := sumOf(list)
		if sum == k.have[i] {
			continue
		}
		if err := k.write(ctx, docs, i, list); err != nil {
			k.m.metrics.keepFailed.WithLabelValues(alertKind).Inc()
			k.m.log.Warn("alerts are remembered in memory only until the medium takes them", "err", err)
			return
		}
		k.have[i] = sum
	}
}

// changed hears of an alert as it is stored. What a rule raises again as it was is no change.
func (k *memory) changed(a *amalert.Alert, existing bool) {
	if existing && !a.Resolved() && time.Since(a.StartsAt) > time.Minute {
		return
	}
	select {
	case k.poke <- struct{}{}:
	default: // somebody has
	}
}

// alerts are those that have not resolved, or not long ago, by shard.
func (k *memory) alerts() (out [shards][]*amalert.Alert) {
	now := time.Now()
	it := k.m.alerts.GetPending()
	defer it.Close()
	for p := range it.Next() {
		if a := p.Data; !a.ResolvedAt(now) || now.Sub(a.EndsAt) < rememberResolved {
			i := a.Fingerprint() % shards
			out[i] = append(out[i], a)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b *amalert.Alert) int { return cmp.Compare(a.Fingerprint(), b.Fingerprint()) })
	}
	return out
}

// sumOf changes when an alert comes, resolves, goes or begins anew; what else changes in it is not worth a write. It is zero without alerts, as when
// nothing was ever written.
func sumOf(list []*amalert.Alert) (sum [sha256.Size]byte) {
	if len(list) == 0 {
		return sum
	}
	h := sha256.New()
	for _, a := range list {
		fmt.Fprintf(h, "%d %d %t\n", a.Fingerprint(), a.StartsAt.UnixNano(), a.Resolved())
	}
	h.Sum(sum[:0])
	return sum
}

func (k *memory) write(ctx context.Context, docs medium.Documents, shard int, list []*amalert.Alert) error {
	out := make([]json.RawMessage, 0, len(list))
	size := 2
	for _, a := range list {
		k.m.mu.Lock()
		source := k.m.sources[a.Fingerprint()]
		k.m.mu.Unlock()
		r := remembered{Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, GeneratorURL: a.GeneratorURL, Source: source}
		if a.Resolved() {
			r.EndsAt = a.EndsAt
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if size += len(text) + 1; size > maxShard {
			k.m.log.Warn("not all alerts are remembered: they are too long", "shard", shard, "alerts", len(list), "remembered", len(out))
			break
		}
		out = append(out, text)
	}
	value, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, docs, alertKind, k.key(shard), func([]byte) ([]byte, error) { return value, nil })
	return err
}

// load raises what was remembered.
func (k *memory) load(ctx context.Context) error {
	docs, err := k.m.opts.Documents()
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range shards {
		doc, err := docs.Get(ctx, alertKind, k.key(i))
		if errors.Is(err, medium.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot read the alerts that were there before: %w", err)
		}
		var list []remembered
		if err := json.Unmarshal(doc.Value, &list); err != nil {
			k.m.log.Error("alerts that were there before cannot be read, and are forgotten", "key", doc.Key, "err", err)
			continue
		}
		k.raise(ctx, list, now)
		k.have[i] = [sha256.Size]byte{1} // it is written again, whatever is left of it
	}
	return nil
}

func (k *memory) raise(ctx context.Context, list []remembered, now time.Time) {
	for _, r := range list {
		a := &amalert.Alert{
			Alert:     model.Alert{Labels: r.Labels, Annotations: r.Annotations, StartsAt: r.StartsAt, EndsAt: now.Add(restoreGrace), GeneratorURL: r.GeneratorURL},
			UpdatedAt: now, Timeout: true,
		}
		if !r.EndsAt.IsZero() {
			a.EndsAt, a.Timeout = r.EndsAt, false // it is told now, unless it was
		}
		err := a.Validate()
		if err == nil {
			k.m.mu.Lock()
			k.m.sources[a.Fingerprint()] = r.Source
			k.m.mu.Unlock()
			err = k.m.alerts.Put(ctx, a)
		}
		if err != nil {
			k.m.log.Error("an alert that was there before cannot be raised again", "labels", r.Labels, "err", err)
		}
	}
}
