package loki

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hulotte-dev/hulotte/model"
)

// cache holds the labels of texts that were seen before. What a text means does not depend on whose it is, so that tenants
// share it.
//
// It has two generations. What is looked up and not in the young one moves there; when that holds half of the bytes
// allowed, the old one is dropped and the young one takes its place. So what is in use stays and what is not goes.
type cache struct {
	maxBytes int64
	misses   atomic.Int64

	mu    sync.RWMutex
	young map[string][]model.Field // guarded by mu; the lists are never changed
	old   map[string][]model.Field // guarded by mu
	bytes int64                    // of young; guarded by mu
}

func newCache(maxBytes int64) *cache {
	return &cache{maxBytes: maxBytes, young: map[string][]model.Field{}}
}

// labels returns the labels that text means. They are shared and must not be changed.
func (c *cache) labels(text string) ([]model.Field, error) {
	c.mu.RLock()
	labels, ok := c.young[text]
	if !ok {
		labels, ok = c.old[text]
	} else {
		c.mu.RUnlock()
		return labels, nil
	}
	c.mu.RUnlock()
	if !ok {
		var err error
		c.misses.Add(1)
		if labels, err = parseLabels(text); err != nil {
			return nil, err
		}
	}
	c.put(strings.Clone(text), labels)
	return labels, nil
}

// entryCost is what an entry takes besides its bytes: the map's slot and the list's header.
const entryCost = 100

// put adds an entry to the young generation.
func (c *cache) put(text string, labels []model.Field) {
	size := int64(2*len(text) + 32*len(labels) + entryCost)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes+size > c.maxBytes/2 {
		c.old, c.young, c.bytes = c.young, make(map[string][]model.Field), 0
	}
	if _, twice := c.young[text]; !twice {
		c.young[text] = labels
		c.bytes += size
	}
}
