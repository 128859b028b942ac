package logql

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// lokiDataset is the lines of test/differential/logql, which a Loki was asked about, from lokiBegin on over ten minutes.
func lokiDataset(t *testing.T) *eventstest.Memory {
	t.Helper()
	m := &eventstest.Memory{}
	if _, err := m.AppendRecords(context.Background(), []model.Stream{
		shopLines(), apiLines(), webLines(), packedLines(), oddLines(), numberLines("a", 1), numberLines("b", 3),
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

var lokiBegin = time.Unix(1795395600, 0).UTC()

func streamOf(labels ...string) model.Stream {
	s := model.Stream{}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, model.Field{Name: labels[i], Value: labels[i+1]})
	}
	return s
}

func addLine(s *model.Stream, after time.Duration, line string, fields ...string) {
	r := model.Record{Time: lokiBegin.Add(after).UnixNano(), Line: line}
	for i := 0; i < len(fields); i += 2 {
		r.Fields = append(r.Fields, model.Field{Name: fields[i], Value: fields[i+1]})
	}
	s.Records = append(s.Records, r)
}

func shopLines() model.Stream {
	s := streamOf("app", "shop", "env", "prod", "format", "json")
	for i := range 120 {
		addLine(&s, time.Duration(i)*5*time.Second+time.Duration(i), fmt.Sprintf(
			`{"level":"%s","msg":"request %d done","status":%d,"latency_ms":%d.%d,"took":"%dms","size":"%dKB","user":{"id":"u%d","name":"N %d"},"tags":["a","b%d"],"ok":%t,"nothing":null,"app":"inner","bad-key.x":"v%d","client":"10.0.%d.%d"}`,
			[]string{"info", "info", "warn", "error"}[i%4], i, []int{200, 200, 404, 500}[i%4], i*7%300, i%10, i*13%900, i%50, i%7, i%7, i%3, i%2 == 0, i%5, i%4, i),
			"trace_id", fmt.Sprintf("%032x", i/3), "pod", fmt.Sprintf("pod-%d", i%2))
	}
	return s
}

func apiLines() model.Stream {
	s := streamOf("app", "api", "env", "prod", "format", "logfmt")
	for i := range 90 {
		addLine(&s, time.Duration(i)*6*time.Second, fmt.Sprintf(
			`ts=2026-01-01T00:00:%02dZ level=%s msg="handled \"%d\" things" method=%s status=%d duration=%d.%ds bytes=%d empty= flag addr=192.168.%d.%d caller=main.go:%d`,
			i%60, []string{"debug", "info", "error"}[i%3], i, []string{"GET", "POST"}[i%2], 200+i%3*100, i%4, i%10, i*1024, i%3, i%200, i%20))
	}
	return s
}

func webLines() model.Stream {
	s := streamOf("app", "web", "env", "test", "format", "nginx")
	for i := range 90 {
		addLine(&s, time.Duration(i)*6*time.Second+time.Millisecond, fmt.Sprintf(
			`10.1.%d.%d - - [01/Jan/2026:00:00:%02d +0000] "%s /path/%d?q=%d HTTP/1.1" %d %d "-" "curl/%d.0" 0.%03d`,
			i%3, i%250, i%60, []string{"GET", "POST", "DELETE"}[i%3], i%9, i, []int{200, 301, 404, 500}[i%4], i*100, i%9, i%1000))
	}
	return s
}

func packedLines() model.Stream {
	s := streamOf("app", "packed", "env", "test", "format", "packed")
	for i := range 10 {
		addLine(&s, time.Duration(i)*time.Minute+3, fmt.Sprintf(
			`{"_entry":"inner line %d level=%s","namespace":"ns%d","pod":"p%d"}`, i, []string{"info", "warn"}[i%2], i%2, i))
	}
	return s
}

func oddLines() model.Stream {
	s := streamOf("app", "odd", "env", "test", "format", "odd")
	for i, line := range []string{
		"", "plain text", "{", `{"level":"error"`, `[1,2]`, `"text"`, "null",
		`{"a":{"b":{"c":"deep"}},"x":1e3,"neg":-5,"big":12345678901234567890,"esc":"é\n\"q\"","dup":1,"dup":2}`,
		"level=error unclosed=\"abc", "a=1 a=2 =3 b", "\x1b[31mred\x1b[0m text", "é ünïcode ✓", "tab\tseparated\tvalues",
		"10.0.0.1 then 10.0.0.200 and 2001:db8::1", "ERROR Error error",
		`{"level":"","msg":""}`, `{"_entry":"only entry"}`, `{"1digit":"x","with space":"y","ünï":"z","_under":"u","app":"json app"}`,
		"key=value key2=\"value 2\" level=warn", `{"duration":"1m30s","size":"1.5MiB","n":"0x10","f":".5"}`,
	} {
		addLine(&s, time.Duration(i)*20*time.Second+7, line, "n", strconv.Itoa(i))
	}
	return s
}

func numberLines(name string, every int) model.Stream {
	s := streamOf("app", "numbers", "series", name)
	for i := range 60 / every {
		addLine(&s, time.Duration(i*every)*10*time.Second, fmt.Sprintf("v=%d.%d g=%s", (i*37)%50, i%10, []string{"x", "y", "z"}[i%3]))
	}
	return s
}
