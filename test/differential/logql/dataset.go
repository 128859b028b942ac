package main

import (
	"fmt"
	"strconv"
	"time"
)

// begin and end bound the lines. They are recent, since a server may refuse what is old.
var (
	begin = time.Now().UTC().Truncate(10 * time.Minute).Add(-time.Hour)
	end   = begin.Add(10 * time.Minute)
)

// pushed is a stream as Loki's push JSON has it.
type pushed struct {
	Stream map[string]string `json:"stream"`
	Values [][]any           `json:"values"`
}

func (p *pushed) add(at time.Time, line string, meta ...string) {
	fields := map[string]string{}
	for i := 0; i+1 < len(meta); i += 2 {
		fields[meta[i]] = meta[i+1]
	}
	p.Values = append(p.Values, []any{strconv.FormatInt(at.UnixNano(), 10), line, fields})
}

// dataset is streams of every format that LogQL has a parser for, with the odd lines that tell implementations apart.
func dataset() []pushed {
	return []pushed{jsonStream(), logfmtStream(), nginxStream(), packedStream(), oddStream(), numberStream("a", 1), numberStream("b", 3)}
}

func jsonStream() pushed {
	p := pushed{Stream: map[string]string{"app": "shop", "format": "json", "env": "prod"}}
	levels := []string{"info", "info", "warn", "error"}
	for i := range 120 {
		p.add(begin.Add(time.Duration(i)*5*time.Second+time.Duration(i)), fmt.Sprintf(
			`{"level":"%s","msg":"request %d done","status":%d,"latency_ms":%d.%d,"took":"%dms","size":"%dKB","user":{"id":"u%d","name":"N %d"},"tags":["a","b%d"],"ok":%t,"nothing":null,"app":"inner","bad-key.x":"v%d","client":"10.0.%d.%d"}`,
			levels[i%4], i, []int{200, 200, 404, 500}[i%4], i*7%300, i%10, i*13%900, i%50, i%7, i%7, i%3, i%2 == 0, i%5, i%4, i),
			"trace_id", fmt.Sprintf("%032x", i/3), "pod", fmt.Sprintf("pod-%d", i%2))
	}
	return p
}

func logfmtStream() pushed {
	p := pushed{Stream: map[string]string{"app": "api", "format": "logfmt", "env": "prod"}}
	for i := range 90 {
		p.add(begin.Add(time.Duration(i)*6*time.Second), fmt.Sprintf(
			`ts=2026-01-01T00:00:%02dZ level=%s msg="handled \"%d\" things" method=%s status=%d duration=%d.%ds bytes=%d empty= flag addr=192.168.%d.%d caller=main.go:%d`,
			i%60, []string{"debug", "info", "error"}[i%3], i, []string{"GET", "POST"}[i%2], 200+i%3*100, i%4, i%10, i*1024, i%3, i%200, i%20))
	}
	return p
}

func nginxStream() pushed {
	p := pushed{Stream: map[string]string{"app": "web", "format": "nginx", "env": "test"}}
	for i := range 90 {
		p.add(begin.Add(time.Duration(i)*6*time.Second+time.Millisecond), fmt.Sprintf(
			`10.1.%d.%d - - [01/Jan/2026:00:00:%02d +0000] "%s /path/%d?q=%d HTTP/1.1" %d %d "-" "curl/%d.0" 0.%03d`,
			i%3, i%250, i%60, []string{"GET", "POST", "DELETE"}[i%3], i%9, i, []int{200, 301, 404, 500}[i%4], i*100, i%9, i%1000))
	}
	return p
}

func packedStream() pushed {
	p := pushed{Stream: map[string]string{"app": "packed", "format": "packed", "env": "test"}}
	for i := range 10 {
		p.add(begin.Add(time.Duration(i)*time.Minute+3), fmt.Sprintf(`{"_entry":"inner line %d level=%s","namespace":"ns%d","pod":"p%d"}`, i, []string{"info", "warn"}[i%2], i%2, i))
	}
	return p
}

func oddStream() pushed {
	p := pushed{Stream: map[string]string{"app": "odd", "format": "odd", "env": "test"}}
	for i, line := range []string{
		"", "plain text", "{", `{"level":"error"`, `[1,2]`, `"text"`, "null", `{"a":{"b":{"c":"deep"}},"x":1e3,"neg":-5,"big":12345678901234567890,"esc":"é\n\"q\"","dup":1,"dup":2}`,
		"level=error unclosed=\"abc", "a=1 a=2 =3 b", "\x1b[31mred\x1b[0m text", "é ünïcode ✓", "tab\tseparated\tvalues", "10.0.0.1 then 10.0.0.200 and 2001:db8::1", "ERROR Error error",
		`{"level":"","msg":""}`, `{"_entry":"only entry"}`, `{"1digit":"x","with space":"y","ünï":"z","_under":"u","app":"json app"}`, "key=value key2=\"value 2\" level=warn", `{"duration":"1m30s","size":"1.5MiB","n":"0x10","f":".5"}`,
	} {
		p.add(begin.Add(time.Duration(i)*20*time.Second+7), line, "n", strconv.Itoa(i))
	}
	return p
}

// numberStream has one number a line, by which functions over time can be checked by hand.
func numberStream(name string, every int) pushed {
	p := pushed{Stream: map[string]string{"app": "numbers", "series": name}}
	for i := range 60 / every {
		p.add(begin.Add(time.Duration(i*every)*10*time.Second), fmt.Sprintf("v=%d.%d g=%s", (i*37)%50, i%10, []string{"x", "y", "z"}[i%3]))
	}
	return p
}
