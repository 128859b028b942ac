package loki

import (
	"errors"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The numbers of the fields of Loki's messages, as its clients send them:
//
//	PushRequest       1 repeated StreamAdapter
//	StreamAdapter     1 labels, as in LogQL: {a="b"}   2 repeated EntryAdapter   3 hash, not used
//	EntryAdapter      1 google.protobuf.Timestamp   2 line   3 repeated LabelPairAdapter: structured metadata   4 the same: parsed
//	Timestamp         1 seconds   2 nanoseconds
//	LabelPairAdapter  1 name   2 value
const (
	requestStreams = 1

	streamLabels  = 1
	streamEntries = 2

	entryTime   = 1
	entryLine   = 2
	entryFields = 3
	entryParsed = 4

	timeSeconds = 1
	timeNanos   = 2

	pairName  = 1
	pairValue = 2
)

// protobuf decodes a PushRequest.
func (d *decoder) protobuf(request []byte) error {
	f := wire.Fields{Rest: request}
	for f.Next() {
		if f.Is(requestStreams, wire.Bytes) {
			if err := d.stream(f.Bytes); err != nil {
				return err
			}
		}
	}
	return f.Err
}

func (d *decoder) stream(stream []byte) error {
	start, text := len(d.recs), ""
	f := wire.Fields{Rest: stream}
	for f.Next() {
		switch {
		case f.Is(streamEntries, wire.Bytes):
			if err := d.entry(f.Bytes); err != nil {
				return err
			}
			if len(d.recs)%1024 == 0 {
				if err := d.pay(); err != nil {
					return err
				}
			}
		case f.Is(streamLabels, wire.Bytes):
			text = f.Text()
		}
	}
	if f.Err != nil {
		return f.Err
	}
	labels, err := d.cache.labels(text)
	if err != nil {
		d.refuse(text, len(d.recs)-start, err)
		d.recs = d.recs[:start]
		return nil
	}
	return d.add(labels, start)
}

func (d *decoder) entry(entry []byte) error {
	d.recs = append(d.recs, model.Record{})
	r := &d.recs[len(d.recs)-1]
	start := len(d.fields)
	f := wire.Fields{Rest: entry}
	for f.Next() {
		var err error
		switch {
		case f.Is(entryLine, wire.Bytes):
			r.Line = f.Text()
		case f.Is(entryTime, wire.Bytes):
			r.Time, err = parseTime(f.Bytes)
		case f.Is(entryFields, wire.Bytes), f.Err == nil && f.Is(entryParsed, wire.Bytes):
			err = d.pair(f.Bytes)
		}
		if err != nil {
			return err
		}
	}
	if start < len(d.fields) {
		r.Fields = d.fieldsFrom(start)
	}
	return f.Err
}

var errNanos = errors.New("a time has nanoseconds beyond a second")

func parseTime(raw []byte) (int64, error) {
	var seconds, nanos int64
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(timeSeconds, wire.Varint):
			seconds = int64(f.Value) //nolint:gosec // two's complement is how a varint holds a negative number
		case f.Is(timeNanos, wire.Varint):
			if f.Value >= 1e9 {
				return 0, errNanos
			}
			nanos = int64(f.Value)
		}
	}
	if f.Err != nil {
		return 0, f.Err
	}
	return timeOf(seconds, nanos)
}

func (d *decoder) pair(raw []byte) error {
	var pair model.Field
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(pairName, wire.Bytes):
			pair.Name = f.Text()
		case f.Is(pairValue, wire.Bytes):
			pair.Value = f.Text()
		}
	}
	d.fields = append(d.fields, pair)
	return f.Err
}
