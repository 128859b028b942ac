package elastic

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// refuse marks the items whose records were refused. A refusal tells how many records of a stream it is about. Which ones follows from
// its reason, as each is a limit: the n that are farthest beyond it.
func (d *decoder) refuse(refused model.Refusals) {
	if len(refused) == 0 {
		return
	}
	streams := d.out.List()
	shown := make([]string, len(streams))
	for i := range streams {
		shown[i] = model.FormatLabels(streams[i].Labels)
	}
	for _, r := range refused {
		if r.Reason == model.Duplicate {
			continue // it is kept
		}
		f := failureOf(r)
		among := func(it *item) bool { return sameStream(r.Stream, shown[it.stream]) }
		left := d.mark(streams, r.Reason, r.Count, f, among)
		// Refusals of many streams are put together under the name of one.
		d.mark(streams, r.Reason, left, f, func(*item) bool { return true })
	}
}

func failureOf(r model.Refusal) *failure {
	reason := string(r.Reason) + ": " + r.Text
	if r.Reason == model.RateLimited {
		return &failure{http.StatusTooManyRequests, kindBusy, reason}
	}
	return &failure{http.StatusBadRequest, "illegal_state_exception", reason}
}

// mark marks n items and returns how many are missing.
func (d *decoder) mark(streams []model.Stream, why model.RefusalReason, n int, f *failure, among func(*item) bool) int {
	if n <= 0 {
		return 0
	}
	var found []*item
	for i := range d.items {
		if it := &d.items[i]; it.stream >= 0 && it.failure == nil && among(it) {
			found = append(found, it)
		}
	}
	if n < len(found) {
		excess := func(it *item) int64 {
			s := &streams[it.stream]
			return excessOf(why, s.Labels, &s.Records[it.record])
		}
		slices.SortStableFunc(found, func(a, b *item) int { return cmp.Compare(excess(b), excess(a)) })
		found = found[:n]
	}
	for _, it := range found {
		it.failure = f
	}
	return n - len(found)
}

// excessOf returns how far a record is beyond the limit of a reason, on no certain scale.
func excessOf(why model.RefusalReason, labels []model.Field, r *model.Record) int64 {
	switch why {
	case model.TooOld:
		return -r.Time
	case model.TooFarAhead:
		return r.Time
	case model.LineTooLong:
		return int64(len(r.Line))
	case model.TooManyFields:
		return int64(len(r.Fields))
	case model.FieldsTooLarge:
		size := 0
		for _, f := range r.Fields {
			size += len(f.Name) + len(f.Value)
		}
		return int64(size)
	case model.TooManyLabels:
		return int64(len(labels))
	case model.LabelValueLong:
		most := 0
		for _, f := range labels {
			most = max(most, len(f.Value))
		}
		return int64(most)
	}
	return 0
}

// sameStream says whether a refusal is about the stream with these labels. It names the stream as it is stored, with the label
// service_name where there was none.
func sameStream(refused, labels string) bool {
	if refused == labels {
		return true
	}
	const name = "service_name="
	rest := strings.TrimPrefix(refused, "{")
	for rest != "" {
		equals := strings.IndexByte(rest, '=')
		if equals < 0 {
			return false
		}
		value, err := strconv.QuotedPrefix(rest[equals+1:])
		if err != nil {
			return false
		}
		after := strings.TrimPrefix(rest[equals+1+len(value):], ", ")
		if strings.HasPrefix(rest, name) {
			before := refused[:len(refused)-len(rest)]
			if after == "}" {
				before = strings.TrimSuffix(before, ", ")
			}
			return before+after == labels
		}
		rest = strings.TrimPrefix(after, "}")
	}
	return false
}
