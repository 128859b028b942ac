package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// hulotte runs a command of the binary and returns its exit code and everything that it wrote.
func hulotte(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), args...)
	cmd.Dir = t.TempDir() // not this checkout, whose folder data it would take
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "HULOTTE_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func mustHulotte(t *testing.T, args ...string) string {
	t.Helper()
	code, out := hulotte(t, args...)
	if code != 0 {
		t.Fatalf("hulotte %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// storageState is as much of /api/hulotte/v1/storage as the tests look at.
type storageState struct {
	Medium struct {
		Type   string
		Health struct {
			Open, Healthy bool
			Problem       string
		}
		Contents *struct{ Documents int }
		Hosts    []struct{ Up bool }
	}
	Nodes []struct {
		ID, State string
		Self      bool
	}
	Runs []struct{ Kind, State string }
}

func storageOf(t *testing.T, p *harness.Process) (s storageState) {
	t.Helper()
	status, body := p.Get(t, "/api/hulotte/v1/storage")
	answer := struct{ Data *storageState }{&s}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("storage: %d, %v: %s", status, err, body)
	}
	return s
}

// waitForNode waits until the process has written its document onto the medium.
func waitForNode(t *testing.T, p *harness.Process) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, func() error {
		s := storageOf(t, p)
		for _, n := range s.Nodes {
			if n.Self && n.State == "alive" && s.Medium.Health.Healthy {
				return nil
			}
		}
		return fmt.Errorf("nodes %+v, medium %+v", s.Nodes, s.Medium.Health)
	})
}

// datasetAnswer is everything in the data set, as one query answers it.
func datasetAnswer(t *testing.T, p *harness.Process, end time.Time) string {
	t.Helper()
	query := url.Values{"query": {`{__name__=~"dt.*"}`}, "start": {fmt.Sprint(end.Add(-30 * time.Minute).Unix())}, "end": {fmt.Sprint(end.Unix())}, "step": {"15"}}
	status, body := p.Get(t, "/api/v1/query_range?"+query.Encode())
	if status != http.StatusOK || len(body) < 10_000 {
		t.Fatalf("query: %d, %d bytes", status, len(body))
	}
	return body
}

// load writes samples of a round until the function returned is called.
func load(p *harness.Process, acked *ackedSamples, round int) (stop func()) {
	end := make(chan struct{})
	var senders sync.WaitGroup
	for id := range 2 {
		s := &crashSender{url: p.URL, round: round, id: id, acked: acked, stop: end}
		senders.Go(s.run)
	}
	return sync.OnceFunc(func() { close(end); senders.Wait() })
}

// A backup that is made while data is written holds all that was acknowledged before it began; it is brought back
// elsewhere, and a server there answers the same.
func TestBackupWhileRunningAndRestoreElsewhere(t *testing.T) {
	p := harness.Start(t, harness.Options{Args: []string{"--log.level", "debug"}})
	waitForNode(t, p)
	end := samplesEnd()
	if err := postSamples(p.URL, &prompb.WriteRequest{Timeseries: dataset(end)}); err != nil {
		t.Fatal(err)
	}
	acked := newAckedSamples()
	stop := load(p, acked, 0)
	harness.Eventually(t, 30*time.Second, func() error {
		if n := acked.of(0); n < 2000 {
			return fmt.Errorf("%d samples are acknowledged", n)
		}
		return nil
	})
	stop()

	dir := t.TempDir()
	stop = load(p, acked, 1)
	for _, to := range []string{"b.tar.zst", "b.tar", "folder"} {
		mustHulotte(t, "backup", "--data-dir", p.DataDir, "--with-config", "--to", filepath.Join(dir, to))
	}
	stop()
	wantFiles(t, dir, "b.tar", "b.tar.zst", "folder")
	if left, err := filepath.Glob(filepath.Join(p.DataDir, "series", "*", "snapshots", "*")); err != nil || len(left) > 0 {
		t.Errorf("snapshots are left behind: %v, %v", left, err)
	}
	want := datasetAnswer(t, p, end)
	self := selfID(t, p)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}

	for _, from := range []string{"b.tar.zst", "b.tar", "folder"} {
		from = filepath.Join(dir, from)
		if out := mustHulotte(t, "restore", "--from", from, "--check"); !strings.Contains(out, "sound: a backup of") {
			t.Errorf("--check says %s", out)
		}
		data := filepath.Join(t.TempDir(), "data")
		mustHulotte(t, "restore", "--from", from, "--data-dir", data)
		mustHulotte(t, "storage", "verify", "--data-dir", data)
		if text, err := os.ReadFile(filepath.Join(data, "hulotte.yml.from-backup")); err != nil || !strings.Contains(string(text), "data_dir: "+p.DataDir) {
			t.Errorf("the configuration of the backup: %v", err)
		}
		again := harness.Start(t, harness.Options{DataDir: data})
		if got := datasetAnswer(t, again, end); got != want {
			t.Errorf("%s: the data set is answered differently: %d bytes, want %d", from, len(got), len(want))
		}
		acked.check(t, again, 0)
		waitForNode(t, again)
		if selfID(t, again) == self || !hasNode(t, again, self) {
			t.Errorf("%s: the medium does not know the node %s that was backed up, or this one goes by its id", from, self)
		}
		if code, out := hulotte(t, "restore", "--from", from, "--data-dir", data); code != 1 || !strings.Contains(out, "using it") {
			t.Errorf("restore under a running server: exit code %d, %s", code, out)
		}
		mustHulotte(t, "storage", "verify", "--data-dir", data) // by the server
		if s := storageOf(t, again); len(s.Runs) == 0 || s.Runs[0].Kind != "verify" || s.Runs[0].State != "sound" {
			t.Errorf("the runs are %+v", s.Runs)
		}
		if err := again.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func selfID(t *testing.T, p *harness.Process) string {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(p.DataDir, "node.id"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(id))
}

func hasNode(t *testing.T, p *harness.Process, id string) bool {
	t.Helper()
	for _, n := range storageOf(t, p).Nodes {
		if n.ID == id {
			return true
		}
	}
	return false
}

// wantFiles checks what is in a folder: nothing half done beside it.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %v, want %v", dir, got, want)
	}
}

// stoppedData returns a data folder that a server has used, with samples and documents.
func stoppedData(t *testing.T) string {
	t.Helper()
	p := harness.Start(t, harness.Options{})
	waitForNode(t, p)
	if err := postSamples(p.URL, &prompb.WriteRequest{Timeseries: dataset(samplesEnd())}); err != nil {
		t.Fatal(err)
	}
	mustHulotte(t, "storage", "verify", "--data-dir", p.DataDir)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	return p.DataDir
}

// A flipped byte in a file of the medium or of the metrics engine is found, and the file named.
func TestVerifyNamesTheDamagedFile(t *testing.T) {
	data := stoppedData(t)
	if out := mustHulotte(t, "storage", "verify", "--data-dir", data); !strings.Contains(out, "sound: ") {
		t.Errorf("a sound folder: %s", out)
	}
	f := func(folder string) {
		t.Helper()
		file, sound := largestFile(t, filepath.Join(data, folder))
		broken := bytes.Clone(sound)
		broken[len(bytes.TrimRight(broken, "\x00"))/2] ^= 0x10
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out := hulotte(t, "storage", "verify", "--data-dir", data)
		if code != 1 || !strings.Contains(out, filepath.Base(file)) || !strings.Contains(out, "damaged: ") {
			t.Errorf("%s: exit code %d, %s", file, code, out)
		}
		code, out = hulotte(t, "storage", "verify", "--json", data)
		var run struct {
			State    string
			Findings []struct{ Where, Problem string }
		}
		if err := json.Unmarshal([]byte(out), &run); err != nil || code != 1 || run.State != "damaged" || len(run.Findings) == 0 {
			t.Errorf("%s: exit code %d, %v, %s", file, code, err, out)
		}
		if err := os.WriteFile(file, sound, 0o600); err != nil {
			t.Fatal(err)
		}
		mustHulotte(t, "storage", "verify", data)
	}
	f("medium/document")
	f("series/default/wal")
}

func largestFile(t *testing.T, dir string) (name string, content []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(p)
		if len(bytes.TrimRight(text, "\x00")) > len(bytes.TrimRight(content, "\x00")) {
			name, content = p, text
		}
		return err
	})
	if err != nil || name == "" {
		t.Fatalf("no file with content in %s: %v", dir, err)
	}
	return name, content
}

// A backup that is cut short or damaged is refused, and leaves the data folder as it was.
func TestRestoreRefusesADamagedBackup(t *testing.T) {
	data := stoppedData(t)
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.tar")
	mustHulotte(t, "backup", "--data-dir", data, "--to", whole)
	if code, out := hulotte(t, "backup", "--data-dir", data, "--to", whole); code != 1 || !strings.Contains(out, "exists already") {
		t.Errorf("a second backup of that name: exit code %d, %s", code, out)
	}
	sound, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, content []byte) {
		t.Helper()
		bad := filepath.Join(dir, name)
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(t.TempDir(), "data")
		if code, out := hulotte(t, "restore", "--from", bad, "--data-dir", target); code != 1 {
			t.Errorf("%s: exit code %d, %s", name, code, out)
		}
		if entries, err := os.ReadDir(target); err != nil || len(entries) > 1 { // the lock file
			t.Errorf("%s left %v, %v", name, entries, err)
		}
		if code, out := hulotte(t, "restore", "--from", bad, "--check"); code != 1 {
			t.Errorf("%s with --check: exit code %d, %s", name, code, out)
		}
	}
	f("cut.tar", sound[:len(sound)*6/10])
	f("end.tar", sound[:len(sound)-2048])
	f("no.tar", []byte("this is no archive"))
	flipped := bytes.Clone(sound)
	for at := len(flipped) / 2; ; at++ { // not in the padding of a tar
		if flipped[at] != 0 {
			flipped[at] ^= 1
			break
		}
	}
	f("flipped.tar", flipped)

	// Into a folder with something in it only by force, and nothing of it is lost.
	code, out := hulotte(t, "restore", "--from", whole, "--data-dir", data)
	if code != 1 || !strings.Contains(out, "--force") {
		t.Errorf("into a folder that is not empty: exit code %d, %s", code, out)
	}
	mustHulotte(t, "restore", "--from", whole, "--data-dir", data, "--force")
	aside, err := filepath.Glob(filepath.Join(data, "replaced-*", "node.id"))
	if err != nil || len(aside) != 1 {
		t.Errorf("what was there before: %v, %v", aside, err)
	}
	harness.Start(t, harness.Options{DataDir: data})
}

// The server is killed while it makes a backup: no half archive stands under its name, and nothing is left behind.
func TestKillDuringBackup(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	dir := t.TempDir()
	acked := newAckedSamples()
	cut, rounds := 0, 0
	for round := 0; round < 6 || cut == 0 && round < 20; round++ { // on a busy machine it takes more of them to hit a backup
		rounds++
		p := harness.Start(t, harness.Options{DataDir: data})
		waitForNode(t, p)
		stop := load(p, acked, round)
		to := filepath.Join(dir, fmt.Sprintf("b%d.tar", round))
		cmd := exec.Command(harness.Binary(t), "backup", "--data-dir", data, "--to", to)
		cmd.Dir = t.TempDir()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, 30*time.Second, func() error {
			left, err := filepath.Glob(filepath.Join(dir, ".b*.partial-*"))
			if _, done := os.Stat(to); len(left) == 0 && done != nil {
				return fmt.Errorf("it has not begun: %w", err)
			}
			return nil
		})
		time.Sleep(time.Duration(round%6*7) * time.Millisecond) // a point of the backup, not a condition
		p.Kill()
		stop()
		err := cmd.Wait()
		if _, there := os.Stat(to); (err == nil) != (there == nil) {
			t.Errorf("round %d: the command ended with %v, and the archive: %v", round, err, there)
		}
		if err != nil {
			cut++
			continue
		}
		mustHulotte(t, "restore", "--from", to, "--check")
	}
	if cut == 0 {
		t.Error("no backup was cut: the test shows nothing")
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	p := harness.Start(t, harness.Options{DataDir: data})
	for round := range rounds {
		acked.check(t, p, round)
	}
	if left, err := filepath.Glob(filepath.Join(data, "series", "*", "snapshots", "*")); err != nil || len(left) > 0 {
		t.Errorf("snapshots are left behind: %v, %v", left, err)
	}
	mustHulotte(t, "storage", "verify", "--data-dir", data)
}

// A cluster that is away keeps nobody from starting: metrics are collected, kept and answered, and it is said.
func TestStartWithoutTheCluster(t *testing.T) {
	p := harness.Start(t, harness.Options{Config: "storage: {medium: {type: cassandra, cassandra: {addresses: ['127.0.0.1:1'], connect_timeout: 1s}}}\n"})
	harness.Eventually(t, 60*time.Second, func() error {
		if s := storageOf(t, p); s.Medium.Type != "cassandra" || s.Medium.Health.Open || !strings.Contains(s.Medium.Health.Problem, "127.0.0.1") {
			return fmt.Errorf("medium %+v", s.Medium)
		}
		return nil
	})
	if status, body := p.Get(t, "/-/ready"); status != http.StatusOK || !strings.Contains(body, "the medium does not work") || strings.Contains(body, "127.0.0.1") {
		t.Errorf("ready: %d %s", status, body)
	}
	if status, _ := p.Get(t, "/-/ready?strict=1"); status != http.StatusServiceUnavailable {
		t.Errorf("strictly ready: %d", status)
	}
	if _, body := p.Get(t, "/api/v1/notifications"); !strings.Contains(body, "The medium does not work") {
		t.Errorf("notifications: %s", body)
	}
	if _, body := p.Get(t, "/metrics"); !strings.Contains(body, "\nhulotte_medium_up 0\n") {
		t.Error("hulotte_medium_up is not 0")
	}
	harness.Eventually(t, 30*time.Second, func() error {
		if _, body := p.Get(t, "/api/v1/query?query=node_load1"); !strings.Contains(body, `"__name__":"node_load1"`) {
			return errors.New("no metrics of the host")
		}
		return nil
	})
	for _, one := range []string{"storage/verify", "storage/verify?detach=1"} {
		res, err := http.Post(p.URL+"/api/hulotte/v1/"+one, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %s", one, res.Status)
		}
	}
	if code, out := hulotte(t, "backup", "--server", p.URL, "--to", filepath.Join(t.TempDir(), "b.tar")); code != 1 || !strings.Contains(out, "medium") {
		t.Errorf("backup: exit code %d, %s", code, out)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// Every command of docs/storage.md that needs no cluster does what the page says.
func TestCommandsOfTheStoragePage(t *testing.T) {
	data, dir := stoppedData(t), t.TempDir()
	page, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "storage.md"))
	if err != nil {
		t.Fatal(err)
	}
	place := strings.NewReplacer("DATA", data, "BACKUP", filepath.Join(dir, "backup"), "NEW", filepath.Join(dir, "new"))
	ran := 0
	for _, block := range strings.Split(string(page), "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(commands) {
			words := strings.Fields(place.Replace(line))
			if strings.Contains(line, "cassandra://") {
				continue // TestCopyToCassandraAndBack
			}
			if len(words) == 0 || words[0] != "hulotte" {
				t.Errorf("the line %q is no command of ours", line)
				continue
			}
			mustHulotte(t, words[1:]...)
			ran++
		}
	}
	if ran < 4 {
		t.Errorf("only %d commands were found", ran)
	}
	harness.Start(t, harness.Options{DataDir: filepath.Join(dir, "new")})
}
