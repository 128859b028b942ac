// Command rehearsal breaks things for real, on the machine where it runs, and prints what Hulotte made of each with nothing but its default
// rules: when people were told, how often, with which runbook, and when they were told that it is over. It needs root, and half an hour.
//
//	go run ./test/rehearsal -hulotte bin/hulotte
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// trouble is something that goes wrong.
type trouble struct {
	name string
	// alert is the default rule, or the check's alert, that tells of it, with a label that it must have.
	alert, label, value string
	// begin makes it possible; what cannot be done here is an error, and is left out.
	begin func(context.Context, *stage) error
	wrong func(context.Context, *stage) error
	mend  func(context.Context, *stage) error
}

// stage is what the troubles share.
type stage struct {
	dir    string
	config string // what begin adds to monitoring
	ends   []func()

	mu   sync.Mutex
	told []told
}

// told is one alert of a notification.
type told struct {
	At          time.Time
	Status      string
	Labels      map[string]string
	Annotations map[string]string
}

func main() {
	binary := flag.String("hulotte", "bin/hulotte", "the binary")
	listen := flag.String("listen", "127.0.0.1:9072", "where it listens")
	settle := flag.Duration("settle", 3*time.Minute, "how long everything is well at first")
	most := flag.Duration("most", 25*time.Minute, "how long is waited for what should be told")
	only := flag.String("only", "", "names of troubles, with commas; all when empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if *only != "" {
		troubles = slices.DeleteFunc(troubles, func(t trouble) bool { return !slices.Contains(strings.Split(*only, ","), t.name) })
	}
	err := rehearse(ctx, *binary, *listen, *settle, *most)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rehearsal:", err)
		os.Exit(1)
	}
}

func rehearse(ctx context.Context, binary, listen string, settle, most time.Duration) error {
	dir, err := os.MkdirTemp("", "hulotte-rehearsal")
	if err != nil {
		return err
	}
	s := &stage{dir: dir, ends: []func(){func() { _ = os.RemoveAll(dir) }}}
	defer func() {
		for _, end := range slices.Backward(s.ends) {
			end()
		}
	}()
	var list []trouble
	for _, t := range troubles {
		if err := t.begin(ctx, s); err != nil {
			fmt.Printf("%-12s left out: %v\n", t.name, err)
			continue
		}
		list = append(list, t)
	}
	if err := s.start(ctx, binary, listen); err != nil {
		return err
	}
	if err := wait(ctx, settle); err != nil {
		return err
	}
	s.sayOthers(time.Time{}, list, "while everything was well")
	broke := time.Now()
	for _, t := range list {
		if err := t.wrong(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	s.await(ctx, list, "firing", broke, most)
	mended := time.Now()
	for _, t := range list {
		if err := t.mend(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	s.await(ctx, list, "resolved", mended, most)
	bad := 0
	for _, t := range list {
		if !s.report(ctx, t, listen, broke, mended) {
			bad++
		}
	}
	s.sayOthers(broke, list, "besides")
	if bad > 0 {
		return fmt.Errorf("%d of %d troubles were not told as they should be", bad, len(list))
	}
	return nil
}

// start runs Hulotte with a webhook that notes what it is told.
func (s *stage) start(ctx context.Context, binary, listen string) error {
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Alerts []told }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			fmt.Fprintln(os.Stderr, "webhook:", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, a := range message.Alerts {
			a.At = time.Now()
			s.told = append(s.told, a)
		}
	}))
	s.ends = append(s.ends, hook.Close)
	config := fmt.Sprintf(`data_dir: %s
server: {listen: %q}
alerting:
  route: {receiver: hook, group_by: ['...'], group_wait: 1s, group_interval: 10s}
  receivers: [{name: hook, webhook_configs: [{url: %q}]}]
monitoring:
%s`, filepath.Join(s.dir, "data"), listen, hook.URL, s.config)
	file := filepath.Join(s.dir, "hulotte.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(os.TempDir(), "hulotte-rehearsal.log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "--config", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.ends = append(s.ends, func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// of are the notifications about a trouble.
func (s *stage) of(t trouble, status string, since time.Time) (out []told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.told {
		if a.Status == status && a.At.After(since) && t.is(a) {
			out = append(out, a)
		}
	}
	return out
}

func (t trouble) is(a told) bool {
	return a.Labels["alertname"] == t.alert && strings.Contains(a.Labels[t.label], t.value)
}

func (s *stage) await(ctx context.Context, list []trouble, status string, since time.Time, most time.Duration) {
	for end := time.Now().Add(most); time.Now().Before(end) && ctx.Err() == nil; {
		if !slices.ContainsFunc(list, func(t trouble) bool { return len(s.of(t, status, since)) == 0 }) {
			break
		}
		_ = wait(ctx, time.Second)
	}
	_ = wait(ctx, 30*time.Second) // what is told twice is told by then
}

// report prints how a trouble was told; false when that is not as it should be.
func (s *stage) report(ctx context.Context, t trouble, listen string, broke, mended time.Time) bool {
	fired, over := s.of(t, "firing", broke), s.of(t, "resolved", mended)
	if len(fired) == 0 {
		fmt.Printf("%-12s %s was not told\n", t.name, t.alert)
		return false
	}
	first := fired[0]
	resolved := "never"
	if len(over) > 0 {
		resolved = over[0].At.Sub(mended).Round(time.Second).String()
	}
	fmt.Printf("%-12s %s told after %s, %d time(s); over %s after it was mended, %d time(s)\n  %s\n  runbook %s\n  why     %s\n", t.name, t.alert,
		first.At.Sub(broke).Round(time.Second), len(fired), resolved, len(over), first.Annotations["summary"], first.Annotations["runbook_url"], verdict(ctx, listen, first.Labels))
	return len(fired) == 1 && len(over) == 1 && first.Annotations["runbook_url"] != ""
}

// verdict is what Hulotte says of who is told of an alert, and why.
func verdict(ctx context.Context, listen string, labels map[string]string) string {
	q := url.Values{}
	for name, value := range labels {
		q.Add("label", name+"="+value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/api/hulotte/v1/alert/explain?"+q.Encode(), http.NoBody)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var out struct{ Data struct{ Verdict string } }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return err.Error()
	}
	return out.Data.Verdict
}

// sayOthers prints what was told that nobody asked for.
func (s *stage) sayOthers(since time.Time, list []trouble, when string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := map[string]int{}
	for _, a := range s.told {
		if a.Status == "firing" && a.At.After(since) && !slices.ContainsFunc(list, func(t trouble) bool { return t.is(a) }) {
			lines[a.Labels["alertname"]+": "+a.Annotations["summary"]]++
		}
	}
	fmt.Printf("%s: %d other alerts were told\n", when, len(lines))
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		fmt.Printf("  %s\n", line)
	}
}
