package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// States are kept in 4,096 documents of kind "check-state": a check's is named by the first 12 bits of the hash of its ID, in
// hexadecimal ("0a3"). 50,000 checks are 12 to a document, some 8 KiB, so that one change writes little, and ten thousand changes in
// a second still fit into few writes. A document is
//
//	{"v":1,"node":"web1","checks":{"web1/http":{"state":{…},"untold":[{change},…]},…}}
//
// with check.State and check.Change as they write themselves. What of the history was not written yet when the document was is
// untold: it is written after a crash. States of checks that nobody declares here stay in their document: the check
// may be declared again, or belong to another node.
const (
	shardBits    = 12
	shards       = 1 << shardBits
	stateKind    = "check-state"
	downtimeKind = "check-downtime"

	shardVersion = 1
	// maxStored is how large a document may get: below the medium's limit of 1 MiB.
	maxStored = 900 << 10
	// forgetAfter is for how long the state of a check that is not declared is kept.
	forgetAfter = 30 * 24 * time.Hour
)

func shardOf(hash uint64) int { return int(hash >> (64 - shardBits)) }

func shardKey(i int) string { return fmt.Sprintf("%03x", i) }

// shardDocument is one document.
type shardDocument struct {
	V      int                        `json:"v"`
	Node   string                     `json:"node,omitempty"`
	Checks map[string]json.RawMessage `json:"checks"`
}

// kept is what is kept of a check.
type kept struct {
	State  check.State    `json:"state"`
	Untold []check.Change `json:"untold,omitempty"`
	// Decided is when a person last acknowledged it, or took that back: what other nodes believe is what was decided last.
	Decided time.Time `json:"decided,omitzero"`
}

// namedState is that with the check's ID.
type namedState struct {
	id string
	kept
}

// encodeShard writes a document; others are states that are not ours, as they were read. What is too long loses its long output first, then
// its performance data.
func encodeShard(node string, states []namedState, others map[string]json.RawMessage) ([]byte, error) {
	for _, shorten := range []func(*kept){
		func(*kept) {},
		func(k *kept) { k.State.Long = "" },
		func(k *kept) { k.State.Perf, k.State.Output, k.Untold = nil, cut(k.State.Output, 256), nil },
	} {
		for i := range states {
			shorten(&states[i].kept)
		}
		value, err := appendShard(node, states, others)
		if err != nil || len(value) <= maxStored {
			return value, err
		}
	}
	return nil, fmt.Errorf("%d states do not fit into a document", len(states)+len(others))
}

func appendShard(node string, states []namedState, others map[string]json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	name, err := json.Marshal(node)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, `{"v":%d,"node":%s,"checks":{`, shardVersion, name)
	add := func(id string, value []byte) error {
		key, err := json.Marshal(id)
		if err != nil {
			return err
		}
		if b.Bytes()[b.Len()-1] != '{' {
			b.WriteByte(',')
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
		return nil
	}
	for i := range states {
		value, err := json.Marshal(&states[i].kept)
		if err != nil {
			return nil, fmt.Errorf("check %q: %w", states[i].id, err)
		}
		if err := add(states[i].id, value); err != nil {
			return nil, err
		}
	}
	ids := make([]string, 0, len(others))
	for id := range others {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := add(id, others[id]); err != nil {
			return nil, err
		}
	}
	b.WriteString("}}")
	return b.Bytes(), nil
}

// decodeShard reads a document, whose states stay as they are until somebody needs them.
func decodeShard(value []byte) (map[string]json.RawMessage, error) {
	var d shardDocument
	if err := json.Unmarshal(value, &d); err != nil {
		return nil, err
	}
	if d.V > shardVersion {
		return nil, fmt.Errorf("%w: %d, this one knows %d", errNewer, d.V, shardVersion)
	}
	for id, raw := range d.Checks {
		if strings.Count(id, "/") != 1 || len(id) > 2*maxName+1 || len(raw) > maxStored {
			delete(d.Checks, id)
		}
	}
	return d.Checks, nil
}

// decodeKept reads what is kept of a check, and makes what cannot be true harmless.
func decodeKept(id string, raw json.RawMessage) (kept, error) {
	k := kept{State: check.State{HardStatus: model.Pending, Status: model.Pending, Hard: true}}
	if err := json.Unmarshal(raw, &k); err != nil {
		return k, err
	}
	k.State.Attempt = max(k.State.Attempt, 0)
	k.Untold = slices.DeleteFunc(k.Untold, func(ch check.Change) bool { return ch.Host+"/"+ch.Name != id || ch.At.IsZero() })
	return k, nil
}

// tooOld says whether the state of a check that is not declared here can be forgotten.
func tooOld(raw json.RawMessage, now time.Time) bool {
	var k struct {
		State struct {
			LastCheck time.Time `json:"last_check"`
		} `json:"state"`
	}
	return json.Unmarshal(raw, &k) != nil || now.Sub(k.State.LastCheck) > forgetAfter
}
