package patterns

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// mine returns the patterns of lines as "count pattern", the most frequent first.
func mine(lines ...string) []string {
	m := New(Options{})
	for _, l := range lines {
		m.Add(l)
	}
	var out []string
	for _, p := range m.Patterns() {
		out = append(out, fmt.Sprintf("%d %s", p.Count, p))
	}
	return out
}

func TestPatterns(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		got := mine(strings.Split(strings.TrimSpace(lines), "\n")...)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	// The example of the paper, figure 1.
	f(`
Receiving block blk_-1608999687919862906 src: /10.251.42.84:57069 dest: /10.251.42.84:50010
Receiving block blk_-7503483334202473044 src: /10.251.215.16:55695 dest: /10.251.215.16:50010
BLOCK* NameSystem.allocateBlock: /user/root/rand/_temporary/_task_200811101024_0001_m_001319_0/part-01319. blk_-3544583377289625738
PacketResponder 1 for block blk_38865049064139660 terminating
PacketResponder 0 for block blk_-6952295868487656571 terminating
Verification succeeded for blk_-4980916519894289629`,
		"2 Receiving block <_> src: <_> dest: <_>",
		"2 PacketResponder <_> for block <_> terminating",
		"1 BLOCK* NameSystem.allocateBlock: /user/root/rand/_temporary/_task_200811101024_0001_m_001319_0/part-01319. <_>",
		"1 Verification succeeded for <_>")
	// The example of Loki's documentation.
	f(`
ts=2024-03-30T23:03:40 caller=grpc_logging.go:66 level=info method=/cortex.Ingester/Push duration=200ms msg=gRPC
ts=2024-03-30T23:03:41 caller=grpc_logging.go:66 level=info method=/cortex.Ingester/Push duration=500ms msg=gRPC`,
		"2 ts=<_> caller=grpc_logging.go:66 level=info method=/cortex.Ingester/Push duration=<_> msg=gRPC")
	// The message decides, however much else is equal.
	f(`
{"ts":"2024-03-30T23:03:40Z","level":"info","msg":"user logged in","user":"alice","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","path":"/login","n":1}
{"ts":"2024-03-30T23:03:41Z","level":"info","msg":"cache was cleared","user":"alice","trace_id":"4bf92f3577b34da6a3ce929d0e0e4737","path":"/login","n":2}
{"ts":"2024-03-30T23:03:42Z","level":"info","msg":"user logged in","user":"bob","trace_id":"00f067aa0ba902b7a3ce929d0e0e4736","path":"/","n":3}`,
		`2 {"ts":"<_>","level":"info","msg":"user logged in","user":"<_>","trace_id":"<_>","path":"<_>","n":<_>}`,
		`1 {"ts":"<_>","level":"info","msg":"cache was cleared","user":"alice","trace_id":"<_>","path":"/login","n":<_>}`)
	f(`
10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /index.html HTTP/1.1" 200 2326
10.0.0.2 - - [10/Oct/2000:13:55:37 -0700] "GET /about.html HTTP/1.1" 404 12
10.0.0.2 - - [10/Oct/2000:13:55:38 -0700] "POST /form HTTP/1.1" 200 12`,
		`2 <_> - - [<_> <_>] "GET <_> HTTP/1.1" <_> <_>`,
		`1 <_> - - [<_> <_>] "POST /form HTTP/1.1" <_> <_>`)
	f("a b c\na b d\na x y", "2 a b <_>", "1 a x y")
	f("took  3 ms\ntook 4 ms", "2 took<_> ms")
	f("x", "1 x")
	f("12", "1 <_>")
}

func TestEmptyLine(t *testing.T) {
	m := New(Options{})
	if p := m.Add(""); p.String() != "" || p.Count != 1 {
		t.Errorf("%q %d", p, p.Count)
	}
	if p := m.Add(""); p.Count != 2 {
		t.Errorf("%d", p.Count)
	}
}

func TestVaries(t *testing.T) {
	for _, w := range strings.Fields(`1 -1 +3.5 1,000 3ms 1h2m3s 50% 10:15:02.123 2024-01-02T03:04:05Z 2024-01-02T03:04:05.123456+01:00 10/Oct/2000:13:55:36 10.0.0.1 10.0.0.1:80 /10.0.0.1:80
		0x7f3a deadbeef01 4bf92f3577b34da6a3ce929d0e0e4736 550e8400-e29b-41d4-a716-446655440000 00:1b:44:11:3a:b7 fe80::1ff:fe23:4567:890a 01ARZ3NDEKTSV4RRFFQ69G5FAV 12µs 5MB #12 $5 1/2`) {
		if !varies(w) {
			t.Errorf("%s does not vary", w)
		}
	}
	for _, w := range strings.Fields(`a error eth0 HTTP/1.1 main.go:12 svc-02 - -- /a/b x86 utf8 sha256 beef /api/v1/users IPv4 2fa/login worker-7 node_exporter log4j`) {
		if varies(w) {
			t.Errorf("%s varies", w)
		}
	}
}

// matches is LogQL's pattern filter, as its documentation says: literals in order, and anything in the place of <_>.
func matches(pattern, line string) bool {
	pieces := strings.Split(pattern, Wildcard)
	if len(pieces) == 1 {
		return pattern == line
	}
	if !strings.HasPrefix(line, pieces[0]) {
		return false
	}
	line = line[len(pieces[0]):]
	for _, p := range pieces[1 : len(pieces)-1] {
		at := strings.Index(line, p)
		if at < 0 {
			return false
		}
		line = line[at+len(p):]
	}
	return strings.HasSuffix(line, pieces[len(pieces)-1])
}

// Whatever lines come, each is matched by its pattern, every line is counted once, and memory is bounded.
func checkMiner(t *testing.T, o Options, lines []string) {
	t.Helper()
	m := New(o)
	of := map[*Pattern][]string{}
	for _, l := range lines {
		p := m.Add(l)
		of[p] = append(of[p], l)
	}
	var sum int64
	for _, p := range m.Patterns() {
		sum += p.Count
		if int64(len(of[p])) != p.Count {
			t.Errorf("%q counts %d, not %d", p, p.Count, len(of[p]))
		}
		for _, l := range of[p] {
			if !matches(p.String(), l) {
				t.Errorf("%q does not match %q", p, l)
			}
		}
	}
	if sum+m.Forgotten() != int64(len(lines)) {
		t.Errorf("%d counted and %d forgotten of %d", sum, m.Forgotten(), len(lines))
	}
	if len(m.Patterns()) > m.options.MaxPatterns {
		t.Errorf("%d patterns", len(m.Patterns()))
	}
}

func TestMinerProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(`a b user login {"msg":"x error: took= 12 3ms [main] = "q" , : . .. ::1 é \" "msg":"`)
	for range 20 {
		var lines []string
		for range 300 {
			var l strings.Builder
			for range r.IntN(12) {
				l.WriteString(words[r.IntN(len(words))])
				if r.IntN(3) > 0 {
					l.WriteByte(' ')
				}
			}
			lines = append(lines, l.String())
		}
		checkMiner(t, Options{MaxPatterns: 30, MaxWords: 8, MaxLineBytes: 40, MaxChildren: 3}, lines)
		checkMiner(t, Options{}, lines)
	}
}

func FuzzMiner(f *testing.F) {
	f.Add("a b c\na b d\n{\"msg\":\"x\"}\nk=v msg=\"a \\\"b\\\" c\"\n")
	f.Add("10.0.0.1 - - [10/Oct/2000:13:55:36] \"GET / HTTP/1.1\" 200\n::\n..\n\xff\xfe=\n<_>\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		lines := strings.Split(text, "\n")
		checkMiner(t, Options{MaxPatterns: 5, MaxWords: 6, MaxLineBytes: 30, MaxChildren: 2}, lines)
		checkMiner(t, Options{}, lines)
	})
}

func TestTally(t *testing.T) {
	tally := NewTally(Options{}, Grid{Start: 1000, Step: 10, Steps: 3})
	tally.AddBefore("job 1 done")
	stream := labels.FromStrings("app", "a")
	tally.Add(Record{1005, "job 2 done", "info", stream})
	tally.Add(Record{1029, "job 3 done", "info", stream})
	tally.Add(Record{1001, "job 4 done", "warn", stream})
	tally.Add(Record{1011, "disk sda failed", "error", stream})
	s := tally.Summaries()
	if len(s) != 2 {
		t.Fatalf("%d patterns: %v", len(s), s)
	}
	if got := fmt.Sprintln(s[0].Pattern, s[0].Total, s[0].Before, s[0].First, s[0].Last, s[0].Level(), s[0].Samples(), s[0].Levels["warn"].Samples, len(s[0].Examples)); got != "job <_> done 3 1 1001 1029 info [2 0 1] [1 0 0] 3\n" {
		t.Error(got)
	}
	if got := fmt.Sprintln(s[1].Pattern, s[1].Total, s[1].Before, s[1].Level(), s[1].Examples[0].Line); got != "disk sda failed 1 0 error disk sda failed\n" {
		t.Error(got)
	}
}

// Patterns that end up with the same text are one.
func TestTallyUnites(t *testing.T) {
	tally := NewTally(Options{}, Grid{Start: 0, Step: 10, Steps: 1})
	for i, l := range []string{"a b x y", "c d x y", "a b p q"} {
		tally.Add(Record{Time: int64(i), Line: l, Level: "info"})
	}
	tally.miner.kept[0].parts = tally.miner.kept[1].parts
	s := tally.Summaries()
	if len(s) != 1 || s[0].Total != 3 || s[0].First != 0 || s[0].Last != 2 || len(s[0].Examples) != 3 || s[0].Samples()[0] != 3 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkMiner(b *testing.B) {
	lines := benchLines(10_000)
	bytes := 0
	for _, l := range lines {
		bytes += len(l)
	}
	b.SetBytes(int64(bytes / len(lines)))
	m := New(Options{})
	for i := 0; b.Loop(); i++ {
		m.Add(lines[i%len(lines)])
	}
}

func benchLines(n int) []string {
	r := rand.New(rand.NewPCG(42, 42))
	var out []string
	s := bufio.NewScanner(strings.NewReader(`{"ts":"2024-03-30T23:03:%02dZ","level":"info","msg":"request handled","trace_id":"%032x","method":"GET","path":"/api/v1/items/%d","status":200,"latency_ms":%d}
10.0.0.%d - - [10/Oct/2000:13:55:%02d -0700] "GET /static/app-%x.js HTTP/1.1" 200 %d
Mar 30 23:03:%02d host sshd[%d]: Accepted publickey for root from 10.0.%d.%d port 22 ssh2`))
	var forms []string
	for s.Scan() {
		forms = append(forms, s.Text())
	}
	for i := range n {
		out = append(out, fmt.Sprintf(forms[i%3], r.IntN(60), r.IntN(1e6), r.IntN(1e6), r.IntN(1000)))
	}
	return out
}
