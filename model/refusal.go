package model

// Refusals tells of records that were not kept, while the others of their call were. Its zero value is that all were.
type Refusals []Refusal

// Refusal is the records of one stream that were refused for one reason.
type Refusal struct {
	Reason RefusalReason
	Stream string // the labels, as FormatLabels writes them
	Count  int
	Text   string // a sentence about the first of them that names the limit and how to change it
}

// RefusalReason is why a record was not kept; it is a label value of metrics.
type RefusalReason string

// The reasons. The texts are those that Loki uses in loki_discarded_samples_total, where it has the reason too.
const (
	TooOld         RefusalReason = "greater_than_max_sample_age"
	TooFarAhead    RefusalReason = "too_far_in_future"
	LineTooLong    RefusalReason = "line_too_long"
	TooManyStreams RefusalReason = "stream_limit"
	TooManyLabels  RefusalReason = "max_label_names_per_series"
	BadLabels      RefusalReason = "invalid_labels"
	LabelNameLong  RefusalReason = "label_name_too_long"
	LabelValueLong RefusalReason = "label_value_too_long"
	NoLabels       RefusalReason = "missing_labels"
	TooManyFields  RefusalReason = "structured_metadata_too_many"
	FieldsTooLarge RefusalReason = "structured_metadata_too_large"
	RateLimited    RefusalReason = "rate_limited"
	Duplicate      RefusalReason = "duplicate"
)

// The reasons for which spans are refused.
const (
	BadIDs        RefusalReason = "invalid_ids"
	BadTime       RefusalReason = "invalid_time"
	SpanTooLarge  RefusalReason = "span_too_large"
	TraceTooLarge RefusalReason = "trace_too_large"
)
