package logformat

import (
	"strings"
	"testing"
)

func TestLevel(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := Level(line); got != want {
			t.Errorf("Level(%q) = %q, want %q", line, got, want)
		}
	}
	// JSON
	f(`{"level":"info","msg":"x"}`, "info")
	f(`{"msg":"level: error","severity":"WARNING"}`, "warn")
	f(`{"msg":"\"level\":\"error\"","lvl":"dbg"}`, "debug")
	f(`{"level":30,"msg":"x"}`, "info")
	f(`{"level":60}`, "fatal")
	f(`{"err":{"level":"error"},"level":"info"}`, "info")
	f(`{"log":{"level":"error"},"message":"x"}`, "error")
	f(`{"t":{"$date":"x"},"s":"W","c":"x"}`, "warn")
	f(`{"PRIORITY":"3"}`, "error")
	f(`{"a":[1,{"level":"error"}],"b":1}`, "unknown")
	f(`{"msg":"x"`, "unknown")
	f(`{"level":"info"`, "info") // cut off
	f(`  {"level" : "Error" }`, "error")
	// logfmt
	f(`ts=2026-01-01 level=warn msg="x"`, "warn")
	f(`msg="level=info" lvl=eror`, "error")
	f(`severity="CRITICAL" x=y`, "critical")
	f(`sealevel=high x=y`, "unknown")
	f(`a=b c=d`, "unknown")
	// klog
	f(`I1123 03:01:06.123456       1 a.go:1] x`, "info")
	f(`E1123 03:01:06.123456       1 a.go:1] x`, "error")
	f(`I1123 is not klog`, "unknown")
	// words
	f(`2026-11-23 03:01:06,123 ERROR [main] x`, "error")
	f(`2026-11-23 03:01:06.123 UTC [31] LOG:  ready`, "info")
	f(`2026-11-23 03:01:06.123 UTC [31] app@shop FATAL:  x`, "fatal")
	f(`2026/11/23 03:01:06 [error] 31#32: x`, "error")
	f(`2026-11-23T03:01:06.1Z 0 [Warning] [MY-010068] x`, "warn")
	f(`2026-11-23  3:01:06 0 [Note] x`, "info")
	f(`[2026-11-23T03:01:06,123][INFO ][o.e.n.Node ] x`, "info")
	f(`[Mon Nov 23 03:01:06 2026] [core:notice] x`, "info")
	f(`2026.11.23 03:01:06 [ 31 ] {} <Information> x`, "info")
	f(`Nov 23 03:01:06 host app[1]: ERROR: x`, "error")
	f(`Nov 23 03:01:06 host app[1]: warning: x`, "warn")
	f(`error: cannot open file`, "error")
	f(`Error: x`, "error")
	f(`warn - something`, "warn")
	f(`<error> x`, "error")
	f(`DEBUG x`, "debug")
	f(`03:01:06 INF ready`, "info")
	f(`2026-11-23T03:01:06Z	info	ready`, "info")
	f("\x1b[32mINFO\x1b[0m ready", "info")
	// what only looks like one
	f(``, "unknown")
	f(`   `, "unknown")
	f(`203.0.113.7 - - [23/Nov/2026:03:01:06 +0000] "GET /error HTTP/1.1" 500 1 "-" "x"`, "unknown")
	f(`203.0.113.7 - - [23/Nov/2026:03:01:06 +0000] "GET /ERROR HTTP/1.1" 500 1`, "unknown")
	f(`the error was found`, "unknown")
	f(`no warning here`, "unknown")
	f(`information wants to be free`, "info") // the first word of a line is written as levels are
	f(`[31] "GET" ERROR x`, "unknown")
	f(`INFORMATIVE text`, "unknown")
	f(`GET /x HTTP/1.1`, "unknown")
	f(`Started nginx.service - A high performance web server`, "unknown")
	f(strings.Repeat("x ", 200)+"ERROR", "unknown")
}

func TestLevelOf(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		if got := LevelOf(value); got != want {
			t.Errorf("LevelOf(%q) = %q, want %q", value, got, want)
		}
	}
	f("INFO", "info")
	f("Informational", "info")
	f("emerg", "fatal")
	f("0", "fatal")
	f("2", "critical")
	f("7", "debug")
	f("50", "error")
	f("E", "error")
	f("200", "")
	f("", "")
	f("something", "")
}

func BenchmarkLevel(b *testing.B) {
	run := func(name, line string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				Level(line)
			}
		})
	}
	run("json", `{"ts":"2026-11-23T03:01:06.123Z","level":"info","logger":"shop.orders","msg":"order placed","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"8448eb211c80319c","method":"GET","path":"/api/orders/1234","status":200,"latency_ms":12.5}`)
	run("json_late", `{"ts":"2026-11-23T03:01:06.123Z","logger":"shop.orders","msg":"order placed","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"8448eb211c80319c","method":"GET","path":"/api/orders/1234","status":200,"latency_ms":12.5,"level":"info"}`)
	run("logfmt", `ts=2026-11-23T03:01:06.123Z caller=main.go:12 level=info component=web msg="ready to serve"`)
	run("klog", `I1123 03:01:06.123456       1 controller.go:98] "Starting controller" name="x"`)
	run("nginx", `203.0.113.7 - - [23/Nov/2026:03:01:06 +0000] "GET /index.html?x=1 HTTP/1.1" 200 612 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64)" 0.123`)
	run("syslog", `Nov 23 03:01:06 web-1 systemd[1]: Started nginx.service - A high performance web server and a reverse proxy server.`)
	run("java", `2026-11-23 03:01:06,123 [http-nio-8080-exec-1] ERROR com.example.Shop - failed to place order 1234`)
}
