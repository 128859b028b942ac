package intake

import (
	"encoding/binary"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
)

// Streams puts records that come one by one into streams, for protocols whose messages each have labels of their own. The zero value is
// empty. It is for one goroutine.
type Streams struct {
	list    []model.Stream
	byLabel map[string]int // index in list by key
	key     []byte
	count   int
}

// Add adds a record and returns where it is in List. The labels are sorted, each name once; they are copied when they are new.
func (s *Streams) Add(labels []model.Field, r model.Record) (stream, record int) {
	s.count++
	s.key = s.key[:0]
	for _, l := range labels {
		s.key = append(binary.AppendUvarint(s.key, uint64(len(l.Name))), l.Name...)
		s.key = append(binary.AppendUvarint(s.key, uint64(len(l.Value))), l.Value...)
	}
	i, ok := s.byLabel[string(s.key)]
	if !ok {
		if s.byLabel == nil {
			s.byLabel = map[string]int{}
		}
		i = len(s.list)
		s.byLabel[string(s.key)] = i
		s.list = append(s.list, model.Stream{Labels: slices.Clone(labels)})
	}
	s.list[i].Records = append(s.list[i].Records, r)
	return i, len(s.list[i].Records) - 1
}

// Len is how many records were added.
func (s *Streams) Len() int { return s.count }

// List returns the streams, each time anew: whoever gets them may change them and their records.
func (s *Streams) List() []model.Stream {
	out := slices.Clone(s.list)
	for i := range out {
		out[i].Records = slices.Clone(out[i].Records)
	}
	return out
}
