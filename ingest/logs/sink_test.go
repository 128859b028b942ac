package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/model"
)

var testNow = time.Unix(1_700_000_000, 0)

// recorder writes down what it is given.
type recorder struct {
	got     []string
	refuse  model.Refusals
	failure error
}

func (r *recorder) append(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	for _, s := range streams {
		for _, x := range s.Records {
			r.got = append(r.got, fmt.Sprintf("%s %d %q %s", model.FormatLabels(s.Labels), x.Time, x.Line, model.FormatLabels(x.Fields)))
		}
	}
	return r.refuse, r.failure
}

func newTestSink(o Options, to *recorder) (*From, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	if o.Now == nil {
		o.Now = func() time.Time { return testNow }
	}
	return New(o, to.append, slog.New(slog.DiscardHandler), reg).From("test"), reg
}

func fieldsOf(pairs ...string) []model.Field {
	var out []model.Field
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, model.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

func one(labels []model.Field, r model.Record) []model.Stream {
	return []model.Stream{{Labels: labels, Records: []model.Record{r}}}
}

func TestPushBringsIntoForm(t *testing.T) {
	f := func(labels []model.Field, r model.Record, want string) {
		t.Helper()
		to := &recorder{}
		sink, _ := newTestSink(Options{}, to)
		shared, owned := fmt.Sprint(labels), fmt.Sprint(r.Fields)
		if refused, err := sink.Push(t.Context(), one(labels, r)); err != nil || len(refused) > 0 {
			t.Fatal(refused, err)
		}
		if len(to.got) != 1 || to.got[0] != want {
			t.Errorf("got  %s\nwant %s", to.got, want)
		}
		if fmt.Sprint(labels) != shared || fmt.Sprint(r.Fields) != owned {
			t.Error("labels or fields of the caller were changed")
		}
	}
	job := fieldsOf("job", "a")
	f(job, model.Record{Time: 5, Line: "x"}, `{job="a", service_name="a"} 5 "x" {detected_level="unknown"}`)
	f(job, model.Record{Line: "x"}, `{job="a", service_name="a"} 1700000000000000000 "x" {detected_level="unknown"}`)
	f(job, model.Record{Time: 5, Line: "ERROR x"}, `{job="a", service_name="a"} 5 "ERROR x" {detected_level="error"}`)
	f(fieldsOf("z", "1", "b.c", "2", "e", "", "1st", "x"), model.Record{Time: 5},
		`{_1st="x", b_c="2", service_name="unknown_service", z="1"} 5 "" {detected_level="unknown"}`)
	f(fieldsOf("job", "a\xff"), model.Record{Time: 5}, "{job=\"a\uFFFD\", service_name=\"a\uFFFD\"} 5 \"\" {detected_level=\"unknown\"}")
	f(job, model.Record{Time: 5, Line: "x", Fields: fieldsOf("zone", "1", "trace.id", "2", "a", "")},
		`{job="a", service_name="a"} 5 "x" {detected_level="unknown", trace_id="2", zone="1"}`)
	f(job, model.Record{Time: 5, Line: "ERROR", Fields: fieldsOf("detected_level", "odd", "z", "1")},
		`{job="a", service_name="a"} 5 "ERROR" {detected_level="odd", z="1"}`)
	f(job, model.Record{Time: 5, Line: "ERROR", Fields: fieldsOf("level", "WARNING")},
		`{job="a", service_name="a"} 5 "ERROR" {detected_level="warn", level="WARNING"}`)
	f(job, model.Record{Time: 5, Line: "ERROR", Fields: fieldsOf("severity_number", "9", "severity_text", "odd")},
		`{job="a", service_name="a"} 5 "ERROR" {detected_level="info", severity_number="9", severity_text="odd"}`)
	f(fieldsOf("Level", "dbg", "app", "b", "job", "a"), model.Record{Time: 5, Line: "ERROR"},
		`{Level="dbg", app="b", job="a", service_name="b"} 5 "ERROR" {detected_level="debug"}`)
	f(fieldsOf("service_name", "s"), model.Record{Time: 5, Line: "\xff\x00"}, `{service_name="s"} 5 "\xff\x00" {detected_level="unknown"}`)
}

func TestPushRefuses(t *testing.T) {
	limits := Limits{MaxLine: 4, RefuseLong: true, MaxLabels: 3, MaxLabelName: 12, MaxLabelValue: 5, MaxFields: 2, MaxFieldBytes: 9, MaxStreams: 2, MaxAge: time.Hour}
	at := testNow.UnixNano()
	f := func(streams []model.Stream, why model.RefusalReason, n, kept int, text string) {
		t.Helper()
		to := &recorder{}
		sink, reg := newTestSink(Options{Limits: limits, ServiceLabels: []string{}}, to)
		refused, err := sink.Push(t.Context(), streams)
		if err != nil || len(refused) != 1 || refused[0].Reason != why || refused[0].Count != n || !strings.Contains(refused[0].Text, text) {
			t.Fatalf("refused %+v, %v", refused, err)
		}
		if len(to.got) != kept {
			t.Errorf("kept %s", to.got)
		}
		want := fmt.Sprintf("# HELP hulotte_logs_discarded_lines_total Log records that were not kept, by protocol and reason. A sender may have sent them again.\n"+
			"# TYPE hulotte_logs_discarded_lines_total counter\nhulotte_logs_discarded_lines_total{protocol=\"test\",reason=%q} %d\n", why, n)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "hulotte_logs_discarded_lines_total"); err != nil {
			t.Error(err)
		}
	}
	a := fieldsOf("a", "1")
	ok := model.Record{Time: at, Line: "ok"}
	f([]model.Stream{{Labels: a, Records: []model.Record{{Time: at, Line: "12345"}, ok}}}, model.LineTooLong, 1, 1, "ingest.logs.max_line_size")
	f([]model.Stream{{Labels: a, Records: []model.Record{{Time: at - 2*int64(time.Hour)}, {Time: 1}, ok}}}, model.TooOld, 2, 1, "ingest.logs.max_age")
	f([]model.Stream{{Labels: a, Records: []model.Record{{Time: at + int64(time.Hour)}, ok}}}, model.TooFarAhead, 1, 1, "clock")
	f([]model.Stream{{Labels: nil, Records: []model.Record{ok}}, {Labels: a, Records: []model.Record{ok}}}, model.NoLabels, 1, 1, "at least one label")
	f(one(fieldsOf("a", "1", "b", "1", "c", "1", "d", "1"), ok), model.TooManyLabels, 1, 0, "at most 3 labels")
	f(one(fieldsOf("abcdefghijklm", "1"), ok), model.LabelNameLong, 1, 0, `begins with "abcdefghijklm"`)
	f(one(fieldsOf("a", "123456"), ok), model.LabelValueLong, 1, 0, "that of a has 6")
	f(one(a, model.Record{Time: at, Fields: fieldsOf("a", "1", "b", "2", "c", "3")}), model.TooManyFields, 1, 0, "at most 2 fields")
	f(one(a, model.Record{Time: at, Fields: fieldsOf("a", "123456789")}), model.FieldsTooLarge, 1, 0, "ingest.logs.max_fields_size")
	f([]model.Stream{{Labels: a, Records: []model.Record{ok}}, {Labels: a, Records: []model.Record{ok}}, {Labels: a, Records: []model.Record{ok}}}, model.TooManyStreams, 1, 2, "at most 2 streams")
}

func TestPushCutsLongLines(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		to := &recorder{}
		sink, reg := newTestSink(Options{Limits: Limits{MaxLine: 6}}, to)
		if _, err := sink.Push(t.Context(), one(fieldsOf("job", "a"), model.Record{Time: 5, Line: line})); err != nil {
			t.Fatal(err)
		}
		if len(to.got) != 1 || to.got[0] != want {
			t.Errorf("got  %s\nwant %s", to.got, want)
		}
		if n := testutil.ToFloat64(mustCounter(t, reg)); n != 1 {
			t.Errorf("%v lines counted as cut", n)
		}
	}
	f("1234567", `{job="a", service_name="a"} 5 "123456" {detected_level="unknown", truncated_from_bytes="7"}`)
	f("12345é", `{job="a", service_name="a"} 5 "12345" {detected_level="unknown", truncated_from_bytes="7"}`)
	f("\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf", `{job="a", service_name="a"} 5 "\xbf\xbf" {detected_level="unknown", truncated_from_bytes="10"}`)
}

// mustCounter returns the counter of lines that were cut.
func mustCounter(t *testing.T, reg *prometheus.Registry) prometheus.Collector {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "copy"})
	for _, m := range all {
		if m.GetName() == "hulotte_logs_truncated_lines_total" {
			c.Add(m.Metric[0].Counter.GetValue())
		}
	}
	return c
}

func TestPushMasks(t *testing.T) {
	to := &recorder{}
	mask := func(s string) string { return strings.ReplaceAll(s, "secret", "***") }
	sink, _ := newTestSink(Options{Mask: mask}, to)
	r := model.Record{Time: 5, Line: "a secret", Fields: fieldsOf("p", "secret", "q", "open")}
	if _, err := sink.Push(t.Context(), one(fieldsOf("job", "a"), r)); err != nil {
		t.Fatal(err)
	}
	want := []string{`{job="a", service_name="a"} 5 "a ***" {detected_level="unknown", p="***", q="open"}`}
	if !reflect.DeepEqual(to.got, want) {
		t.Errorf("got %s", to.got)
	}
	if r.Fields[0].Value != "secret" {
		t.Error("the caller's fields were changed")
	}
}

func TestPushKeepsToTheRate(t *testing.T) {
	now := testNow
	to := &recorder{}
	sink, _ := newTestSink(Options{Limits: Limits{Rate: 10, Burst: 20}, Now: func() time.Time { return now }}, to)
	f := func(tenant string, bytes int, wait time.Duration) {
		t.Helper()
		_, err := sink.Push(model.WithTenant(t.Context(), tenant), one(fieldsOf("job", "a"), model.Record{Line: strings.Repeat("x", bytes)}))
		var later interface{ RetryAfter() time.Duration }
		switch {
		case wait == 0 && err != nil:
			t.Error(err)
		case wait != 0 && (!errors.As(err, &later) || later.RetryAfter() != wait || model.KindOf(err) != model.Limit):
			t.Errorf("got %v, want to wait %s", err, wait)
		}
	}
	f("a", 15, 0)
	f("a", 15, time.Second)
	f("b", 15, 0) // another tenant has its own
	now = now.Add(time.Second)
	f("a", 15, 0)
	now = now.Add(2 * time.Second)
	f("a", 100, 0) // more than the burst passes when there was a pause, and is paid for
	f("a", 1, 8*time.Second+100*time.Millisecond)
	now = now.Add(8*time.Second + 100*time.Millisecond)
	f("a", 1, 0)
	for i := range 3 * maxBuckets {
		now = now.Add(time.Minute)
		f(fmt.Sprint("t", i), 1, 0)
	}
	if n := len(sink.sink.rates.buckets); n > maxBuckets {
		t.Errorf("%d buckets are kept", n)
	}
}

func TestPushPassesRefusalsAndErrorsOn(t *testing.T) {
	to := &recorder{refuse: model.Refusals{{Reason: model.Duplicate, Count: 1}}}
	sink, _ := newTestSink(Options{}, to)
	refused, err := sink.Push(t.Context(), []model.Stream{{}, {Records: []model.Record{{}}}, {Labels: fieldsOf("a", "b"), Records: []model.Record{{}}}})
	if err != nil || len(refused) != 2 || refused[0].Reason != model.NoLabels || refused[1].Reason != model.Duplicate {
		t.Errorf("got %v, %v", refused, err)
	}
	to.failure = model.NewError(model.Unavailable, "away")
	if _, err := sink.Push(t.Context(), one(fieldsOf("a", "b"), model.Record{})); !errors.Is(err, to.failure) {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	sink, _ := newTestSink(Options{Limits: Limits{MaxLabelValue: 1}}, &recorder{})
	var streams []model.Stream
	for i := range 10 * maxRefusals {
		streams = append(streams, model.Stream{Labels: fieldsOf("a", fmt.Sprint("value", i)), Records: []model.Record{{}}})
	}
	refused, err := sink.Push(t.Context(), streams)
	total := 0
	for _, r := range refused {
		total += r.Count
	}
	if err != nil || len(refused) != maxRefusals || total != 10*maxRefusals {
		t.Errorf("%d refusals of %d records, %v", len(refused), total, err)
	}
}

func TestLevel(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := Level(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	f(``, ``)
	f(`{"ts":1,"level":"WARN","msg":"x"}`, "warn")
	f(`{"msg":"the level is high","level" : "error"}`, "error")
	f(`{"level":30,"msg":"pino"}`, "info")
	f(`{"severity":"CRITICAL"}`, "critical")
	f(`{"msg":"ERROR in text only"}`, "")
	f(`ts=1 level=debug msg="x"`, "debug")
	f(`ts=1 lvl="eror" msg="x"`, "error")
	f(`2024-01-02 10:00:00.123 ERROR [main] o.h.App - failed`, "error")
	f(`2024-01-02 10:00:00 [warn] 12#0: x`, "warn")
	f(`1.2.3.4 - - [02/Jan/2024] "GET /error/info HTTP/1.1" 200`, "")
	f(`sshd[1]: error: no such user`, "error")
	f(`there was an error in the information`, "")
	f(`level=`, "")
	f(`"level"`, "")
	f(`FATAL:  terminating connection`, "fatal")
}

// A push of 200 records may allocate a few times (under the race detector pools forget), and not once a record.
func TestPushAllocatesNothing(t *testing.T) {
	sink, _ := newTestSink(Options{}, &recorder{})
	sink.sink.to = func(context.Context, []model.Stream) (model.Refusals, error) { return nil, nil }
	fill := func(streams []model.Stream) []model.Stream {
		records := streams[0].Records[:0]
		for range 100 {
			records = append(records, model.Record{Time: 5, Line: `{"level":"info"}`}, model.Record{Time: 5, Line: "x", Fields: fieldsOfTest})
		}
		streams[0] = model.Stream{Labels: labelsOfTest, Records: records}
		return streams
	}
	streams := fill(make([]model.Stream, 1))
	if n := testing.AllocsPerRun(100, func() { _, _ = sink.Push(context.Background(), fill(streams)) }); n > 20 {
		t.Errorf("%v allocations a push", n)
	}
}

var labelsOfTest, fieldsOfTest = fieldsOf("job", "a"), fieldsOf("a", "1", "trace_id", "2")
