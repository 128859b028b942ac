package local

import (
	"maps"
	"slices"
)

// kind is the documents of one kind, and who watches them. It is there while it has either.
type kind struct {
	documents map[string]*stored
	// sorted are the keys in order, nil when they have changed since. Whoever got them may go on using them.
	sorted   []string
	watchers map[*watcher]struct{}
}

func (k *kind) sortedKeys() []string {
	if k.sorted == nil {
		k.sorted = slices.Sorted(maps.Keys(k.documents))
	}
	return k.sorted
}

// kindLocked returns the kind of this name, made when it is missing.
func (d *documents) kindLocked(name string) *kind {
	k := d.kinds[name]
	if k == nil {
		k = &kind{documents: map[string]*stored{}, watchers: map[*watcher]struct{}{}}
		d.kinds[name] = k
	}
	return k
}

// dropLocked lets go of a kind that nobody needs.
func (d *documents) dropLocked(name string) {
	if k := d.kinds[name]; k != nil && len(k.documents) == 0 && len(k.watchers) == 0 {
		delete(d.kinds, name)
	}
}

// sizeOf is what a document counts for the limit; nothing when there is none.
func sizeOf(name documentName, s *stored) int64 {
	if s == nil {
		return 0
	}
	return int64(len(name.kind)+len(name.key)+len(s.value)) + documentOverhead
}

// setLocked makes a change visible: s is nil when the document is deleted, by the change with the number version.
func (d *documents) setLocked(name documentName, s *stored, version uint64) {
	k := d.kindLocked(name.kind)
	old := k.documents[name.key]
	d.bytes += sizeOf(name, s) - sizeOf(name, old)
	if (old == nil) != (s == nil) {
		k.sorted = nil
	}
	switch {
	case s != nil:
		k.documents[name.key] = s
		if old == nil {
			d.count++
		}
	case old != nil:
		delete(k.documents, name.key)
		d.count--
	}
	for w := range k.watchers {
		w.noteLocked(name.key, old, s, version)
	}
	d.dropLocked(name.kind)
}
