package test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// logLine is a line to push.
type logLine struct {
	labels   map[string]string
	time     time.Time
	line     string
	metadata map[string]string
}

// pushLogs sends lines through Loki's push API.
func pushLogs(t *testing.T, url string, lines []logLine) {
	t.Helper()
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]any           `json:"values"`
	}
	byLabels := map[string]*stream{}
	for _, l := range lines {
		key := fmt.Sprint(l.labels)
		if byLabels[key] == nil {
			byLabels[key] = &stream{Stream: l.labels}
		}
		value := []any{strconv.FormatInt(l.time.UnixNano(), 10), l.line}
		if l.metadata != nil {
			value = append(value, l.metadata)
		}
		byLabels[key].Values = append(byLabels[key].Values, value)
	}
	var body struct {
		Streams []*stream `json:"streams"`
	}
	for _, s := range byLabels {
		body.Streams = append(body.Streams, s)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(url+"/loki/api/v1/push", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("push: %s", res.Status)
	}
}

// shopEnd is the whole minute before now: what is asked about lies before it.
func shopEnd() time.Time { return time.Now().UTC().Truncate(time.Minute) }

// shopLogs is half an hour of a small shop: 2,400 lines of the web server in JSON, 200 of the database in logfmt.
func shopLogs(end time.Time) (lines []logLine) {
	start := end.Add(-30 * time.Minute)
	web := map[string]string{"app": "web", "env": "prod"}
	for i := range 2400 {
		level, status := "info", 200
		if i%10 == 0 {
			level, status = "error", 500
		}
		lines = append(lines, logLine{web, start.Add(time.Duration(i) * 750 * time.Millisecond),
			fmt.Sprintf(`{"level":"%s","msg":"request %d done","status":%d,"took":"%dms"}`, level, i, status, i%100),
			map[string]string{"trace_id": fmt.Sprintf("%032x", i)}})
	}
	for i := range 200 {
		lines = append(lines, logLine{map[string]string{"app": "db", "env": "prod"}, start.Add(time.Duration(i) * 9 * time.Second),
			fmt.Sprintf(`level=warn msg="slow query" rows=%d`, i), nil})
	}
	return append(lines, logLine{map[string]string{"app": "web", "env": "dev"}, start, "hello", nil})
}

// logcli is an unmodified logcli that asks one process about one range of time.
type logcli struct {
	*testing.T
	binary, url string
	end         time.Time
}

func startLogcli(t *testing.T) (*logcli, *harness.Process) {
	t.Helper()
	binary := logcliBinary(t)
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\nserver: {admin_api: true}\n"})
	l := &logcli{t, binary, p.URL, shopEnd()}
	pushLogs(t, p.URL, shopLogs(l.end))
	return l, p
}

func (l *logcli) command(args ...string) *exec.Cmd {
	cmd := exec.Command(l.binary, append(args, "--addr="+l.url, "--timezone=UTC")...)
	cmd.Dir = l.TempDir()
	return cmd
}

// run returns what it prints about the half hour.
func (l *logcli) run(args ...string) string {
	l.Helper()
	cmd := l.command(append(args, "--from="+l.end.Add(-30*time.Minute).Format(time.RFC3339), "--to="+l.end.Format(time.RFC3339))...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		l.Fatalf("logcli %s: %v\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return string(out)
}

// chunks are how a store keeps records: their number is its own business.
var chunks = regexp.MustCompile(`chunks: \d+`)

// prints checks the whole of what it prints.
func (l *logcli) prints(want string, args ...string) {
	l.Helper()
	got := chunks.ReplaceAllString(l.run(args...), "chunks: N")
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		l.Errorf("logcli %s\n got %s\nwant %s", strings.Join(args, " "), shorten(got), want)
	}
}

func TestLogcliLabels(t *testing.T) {
	l, _ := startLogcli(t)
	l.prints("app\nenv\nservice_name", "labels")
	l.prints("db\nweb", "labels", "app")
	const db, dev, prod = `{app="db", env="prod", service_name="db"}`, `{app="web", env="dev", service_name="web"}`, `{app="web", env="prod", service_name="web"}`
	l.prints(db+"\n"+dev+"\n"+prod, "series", `{}`)
	l.prints(dev, "series", `{env="dev"}`)
	table := strings.Split(strings.TrimSpace(l.run("series", `{app=~".+"}`, "--analyze-labels")), "\n")
	slices.Sort(table) // its lines come in any order
	if want := []string{"", "Label Name    Unique Values  Found In Streams", "Total Streams:  3", "Unique Labels:  3",
		"app           2              3", "env           2              3", "service_name  2              3"}; !slices.Equal(table, want) {
		t.Errorf("%q, want %q", table, want)
	}
}

// compact takes the white space of JSON away.
func compact(text string) string {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		return text
	}
	return out.String()
}

// printsJSON is prints for JSON, with $S for the range's start, $E for its end and numbers of seconds after them.
func (l *logcli) printsJSON(want string, args ...string) {
	l.Helper()
	if got := compact(l.run(args...)); got != l.times(want) {
		l.Errorf("logcli %s\n got %s\nwant %s", strings.Join(args, " "), shorten(got), l.times(want))
	}
}

func (l *logcli) times(text string) string {
	return regexp.MustCompile(`\$([SE])(\+\d+)?`).ReplaceAllStringFunc(text, func(s string) string {
		at := l.end.Unix()
		if s[1] == 'S' {
			at -= 1800
		}
		n, _ := strconv.ParseInt(strings.TrimPrefix(s[2:], "+"), 10, 64) // none is 0
		return strconv.FormatInt(at+n, 10)
	})
}

func TestLogcliVolumes(t *testing.T) {
	l, _ := startLogcli(t)
	bytes := func(name, value string) (n int) {
		for _, line := range shopLogs(l.end) {
			if line.labels[name] != value {
				continue
			}
			level := regexp.MustCompile("info|error|warn|$").FindString(line.line)
			n += len(line.line) + len("detected_level") + len(cmp.Or(level, "unknown"))
			for k, v := range line.metadata {
				n += len(k) + len(v)
			}
		}
		return n
	}
	web, db, dev := bytes("app", "web"), bytes("app", "db"), bytes("env", "dev")
	l.prints(fmt.Sprintf("{\n  bytes: %dkB\n  chunks: N\n  streams: 2\n  entries: 2401\n}", (web+500)/1000), "stats", `{app="web"}`)
	f := func(want string, values []any, args ...string) {
		t.Helper()
		l.printsJSON(fmt.Sprintf(want, values...), args...)
	}
	f(`[{"metric":{"app":"web"},"value":[$E,"%d"]},{"metric":{"app":"db"},"value":[$E,"%d"]}]`, []any{web, db}, "volume", `{app=~".+"}`)
	f(`[{"metric":{"env":"prod"},"value":[$E,"%d"]},{"metric":{"env":"dev"},"value":[$E,"%d"]}]`, []any{web + db - dev, dev}, "volume", `{app=~".+"}`, "--targetLabels=env")
	f(`[{"metric":{"app":""},"value":[$E,"%[1]d"]},{"metric":{"env":""},"value":[$E,"%[1]d"]},{"metric":{"service_name":""},"value":[$E,"%[1]d"]}]`, []any{web + db}, "volume", `{app=~".+"}`, "--aggregateByLabels")
	f(`[{"metric":{"app":"db"},"values":[[$E,"%d"]]}]`, []any{db}, "volume_range", `{app="db"}`, "--step=240h")
}

// flush moves what is in memory into blocks.
func flush(t *testing.T, url string) {
	t.Helper()
	res, err := http.Post(url+"/flush", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("flush: %s", res.Status)
	}
}

// A deletion hides lines, and is listed.
func TestLogcliDelete(t *testing.T) {
	l, p := startLogcli(t)
	l.prints("Delete request created successfully", "delete", "create", `{app="web"} |= "request 1"`)
	left := func(want int) {
		t.Helper()
		if got := strings.Count(l.run("query", `{app="web"}`, "--limit=5000", "--batch=5000", "--quiet", "--output=raw"), "\n"); got != want {
			t.Errorf("%d lines, want %d", got, want)
		}
	}
	flush(t, p.URL)
	left(1290) // of 2401: those of 1, 10 to 19, 100 to 199, 1000 to 1999 are gone
	out, err := l.command("delete", "list").Output()
	if err != nil || !strings.Contains(string(out), "Found 1 delete requests:\nQuery: {app=\"web\"} |= \"request 1\"\n") || !strings.Contains(string(out), "Status: received") {
		t.Errorf("%v %s", err, out)
	}
	_, list := p.Get(t, "/loki/api/v1/delete")
	id := regexp.MustCompile(`"request_id":"([^"]+)"`).FindStringSubmatch(list)
	if id == nil {
		t.Fatal(list)
	}
	cancel, err := http.NewRequest(http.MethodDelete, p.URL+"/loki/api/v1/delete?request_id="+id[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(cancel)
	if err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatal(res, err)
	}
	defer res.Body.Close()
	left(2401)
}
