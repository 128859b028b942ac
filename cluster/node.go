// Package cluster lets the nodes that share a medium know of each other. Each keeps a document about itself and
// renews it on a clock; all of them watch all of these documents.
//
//	id, err := cluster.Identity(dataDir)
//	m, err := cluster.New(cluster.Options{Self: cluster.Node{ID: id, ...}}, log, registerer)
//	err = m.Run(ctx, documents)   // renews and watches until ctx ends
//	nodes := m.Nodes()
//
// A node alone on its local medium is a cluster of one.
package cluster

import (
	"encoding/json"
	"fmt"
	"time"
)

// Kind is the kind of the documents about nodes; the key is the node's id.
const Kind = "node"

// Node is what a node says of itself.
type Node struct {
	ID       string    `json:"id"`
	Host     string    `json:"host"`    // the machine's name
	Address  string    `json:"address"` // URL of its HTTP server
	Role     string    `json:"role"`
	Version  string    `json:"version"`
	Revision string    `json:"revision,omitempty"`
	Started  time.Time `json:"started"`

	// Run is new at each start of the process: two processes with one id are told apart by it.
	Run string `json:"run"`
	// Beat is when the document was last renewed, by the node's own clock, and Every how often it means to.
	Beat  time.Time     `json:"beat"`
	Every time.Duration `json:"every"` // nanoseconds
	// Stopped is set by an orderly end.
	Stopped *time.Time `json:"stopped,omitempty"`
}

// State is how a node is doing, as far as others can tell.
type State string

// The states of a node.
const (
	Alive   State = "alive"
	Silent  State = "silent"  // it has not renewed its document for a while: dead, or cut off from the medium
	Stopped State = "stopped" // it said so
)

// Status is a node and how it is doing.
type Status struct {
	Node
	State State `json:"state"`
	// Seen is when this process last saw it renewed; the zero time when never since this process watches.
	Seen time.Time `json:"seen"`
	Self bool      `json:"self"`
}

// missed is how many renewals may be missed before a node counts as silent: one lost to a slow write and one to
// a watch that polls.
const missed = 3

// defaultEvery stands in for a document that does not tell how often it is renewed, or not sensibly.
const defaultEvery = 30 * time.Second

// parseNode reads a document, which another version or a person may have written.
func parseNode(key string, value []byte) (Node, error) {
	var n Node
	if err := json.Unmarshal(value, &n); err != nil {
		return Node{}, fmt.Errorf("cannot read the document of node %q: %w", key, err)
	}
	n.ID = key
	if n.Every < time.Second || n.Every > time.Hour {
		n.Every = defaultEvery
	}
	return n, nil
}

// state judges a node. Its own clock counts only as long as nothing was seen: clocks differ.
func (n Node) state(seen, now time.Time) State {
	last := seen
	if last.IsZero() {
		last = n.Beat
	}
	switch {
	case n.Stopped != nil:
		return Stopped
	case now.Sub(last) > missed*n.Every:
		return Silent
	}
	return Alive
}
