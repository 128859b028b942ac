package loki

import (
	"slices"
	"unsafe"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// decoder makes streams of one push. The strings lie in the push; the lists are used again by later pushes.
type decoder struct {
	cache   *cache
	reserve func(bytes int64) error
	paid    int64 // bytes of the lists that were reserved

	streams []model.Stream
	// recs and fields are where records and fields are put. Slices of them stay valid when they grow.
	recs    []model.Record
	fields  []model.Field
	refused model.Refusals
	scan    jsonscan.Scanner
}

func newDecoder(c *cache) *decoder { return &decoder{cache: c} }

func (d *decoder) begin(reserve func(int64) error) { d.reserve, d.paid = reserve, 0 }

// maxKept bounds the lists that are used again, in bytes: a rare large push must not keep its memory.
const maxKept = 4 << 20

// end forgets the push and says whether the decoder is fit for another one.
func (d *decoder) end() bool {
	if d.held() > maxKept {
		return false
	}
	clear(d.streams[:cap(d.streams)]) // no strings of the push are held
	clear(d.recs[:cap(d.recs)])
	clear(d.fields[:cap(d.fields)])
	d.streams, d.recs, d.fields, d.refused = d.streams[:0], d.recs[:0], d.fields[:0], nil
	d.reserve = nil
	d.scan.Reset(nil)
	return true
}

// held is the memory of the lists, in bytes.
func (d *decoder) held() int64 {
	return int64(cap(d.streams))*int64(unsafe.Sizeof(model.Stream{})) +
		int64(cap(d.recs))*int64(unsafe.Sizeof(model.Record{})) +
		int64(cap(d.fields))*int64(unsafe.Sizeof(model.Field{}))
}

// pay takes the memory of the lists of the budget: an empty record has two bytes in a push and 56 in memory.
func (d *decoder) pay() error {
	held := d.held()
	if held <= d.paid {
		return nil
	}
	err := d.reserve(held - d.paid)
	d.paid = held
	return err
}

// add adds a stream with the records from start on.
func (d *decoder) add(labels []model.Field, start int) error {
	records := d.recs[start:len(d.recs):len(d.recs)]
	if len(records) == 0 {
		return nil
	}
	d.streams = append(d.streams, model.Stream{Labels: labels, Records: records})
	return d.pay()
}

// refuse counts n records of a stream whose labels are wrong.
func (d *decoder) refuse(text string, n int, err error) {
	const shown = 512
	if len(d.refused) >= 100 {
		d.refused[len(d.refused)-1].Count += n
		return
	}
	d.refused = append(d.refused, model.Refusal{
		Reason: model.BadLabels, Stream: string([]byte(text[:min(len(text), shown)])), Count: n, Text: err.Error(),
	})
}

func (d *decoder) records() int {
	n := 0
	for i := range d.streams {
		n += len(d.streams[i].Records)
	}
	for _, r := range d.refused {
		n += r.Count
	}
	return n
}

// fieldsFrom returns the fields from start on.
func (d *decoder) fieldsFrom(start int) []model.Field {
	if start == len(d.fields) {
		return nil
	}
	return slices.Clip(d.fields[start:])
}
