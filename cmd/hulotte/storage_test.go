package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

func TestParsePlace(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	f := func(text, want string) {
		t.Helper()
		p, err := parsePlace(text)
		if err != nil || p.String() != want {
			t.Errorf("parsePlace(%q) = %s, %v, want %s", text, p, err, want)
		}
	}
	f("/srv/hulotte", "/srv/hulotte/medium")
	f("cassandra://a:1,b/space", "cassandra://a:1,b/space")
	f("cassandra://u@a?password_file=f", "cassandra://a/hulotte")
	f(write("local.yml", "data_dir: /x\n"), "/x/medium")
	f(write("c.yaml", "storage: {medium: {type: cassandra, cassandra: {addresses: [a, b]}}}\n"), "cassandra://a,b/hulotte")

	bad := func(text, want string) {
		t.Helper()
		if _, err := parsePlace(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parsePlace(%q): %v, want %q", text, err, want)
		}
	}
	bad("", "empty")
	bad("s3://bucket", "cassandra:// URLs")
	bad("cassandra://", "names no host")
	bad("none.yml", "none.yml")
	write("medium.json", "{}")
	bad(dir, "name the data folder that it is in")
}

func TestBytesText(t *testing.T) {
	f := func(n int64, want string) {
		t.Helper()
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
	f(0, "0 B")
	f(999, "999 B")
	f(1000, "1.00 kB")
	f(1234, "1.23 kB")
	f(99_949, "99.9 kB")
	f(99_960, "100 kB")
	f(999_600, "1.00 MB")
	f(1_500_000_000, "1.50 GB")
	f(1<<62, "4.61 EB")
}

func TestProgressLine(t *testing.T) {
	f := func(done, total int64, perSecond float64, want string) {
		t.Helper()
		if got := progressLine("blobs", done, total, perSecond, 65*time.Second); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(0, 0, 0, "blobs            0 B  1m5s")
	f(5_000_000, 20_000_000, 1_000_000, "blobs        5.00 MB of 20.0 MB   25 %  1.00 MB/s  1m5s")
	f(30, 20, 0, "blobs           30 B of 20 B  100 %  1m5s")
}

// server answers one path with f.
func server(t *testing.T, path string, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc(path, f)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestVerifyByAServer(t *testing.T) {
	done := func(state upkeep.State, findings ...medium.Finding) upkeep.Event {
		now := time.Now()
		return upkeep.Event{Type: upkeep.Done, Run: &upkeep.Run{State: state, Started: now, Ended: &now, Findings: findings, FindingsTotal: int64(len(findings))}}
	}
	finding := medium.Finding{Area: "blob", Name: "b", Where: "blob/b\x1b[2J@5", Problem: "wrong", Effect: "gone"}
	f := func(events []upkeep.Event, wantCode int, wantOut, wantErr string, args ...string) {
		t.Helper()
		s := server(t, "POST /api/hulotte/v1/storage/verify", func(w http.ResponseWriter, r *http.Request) {
			if user, pass, _ := r.BasicAuth(); user != "alice" || pass != "secret" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			for _, e := range events {
				_ = json.NewEncoder(w).Encode(e)
			}
		})
		out, errs, code := execute(t, append([]string{"storage", "verify", "--server", s.URL, "--user", "alice:secret"}, args...)...)
		if code != wantCode || !strings.Contains(out, wantOut) || !strings.Contains(errs, wantErr) || strings.Contains(out, "\x1b") {
			t.Errorf("exit code %d, %q, %q, want %d, %q, %q", code, out, errs, wantCode, wantOut, wantErr)
		}
	}
	began := upkeep.Event{Type: upkeep.Began, Run: &upkeep.Run{}}
	f([]upkeep.Event{began, done(upkeep.Sound)}, exitOK, "", "sound: ")
	f([]upkeep.Event{began, {Type: upkeep.Found, Finding: &finding}, done(upkeep.Damaged, finding)}, exitFailed, "@5: wrong\n    blob b\n    gone\n", "damaged: 1 findings")
	f([]upkeep.Event{began, done(upkeep.Damaged, finding)}, exitFailed, `"state": "damaged"`, "", "--json")
	f([]upkeep.Event{began}, exitFailed, "", "broke off before it was done")
	f(nil, exitFailed, "", "broke off before it was done")

	_, errs, code := execute(t, "storage", "verify", "--server", server(t, "/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"status":"error","error":"another one is under way"}`, http.StatusConflict)
	}).URL)
	if code != exitFailed || !strings.Contains(errs, "refuses: another one is under way") {
		t.Errorf("a busy server: exit code %d, %s", code, errs)
	}
}

func TestWrongUseOfStorage(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if _, errs, code := execute(t, args...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%q: exit code %d, %q, want %d and %q", args, code, errs, exitUsage, want)
		}
	}
	f("give one place, or --server", "storage", "verify", "a", "b")
	f("give one place, or --server", "storage", "verify", "a", "--server", "http://b")
	f(`did you mean "verify"`, "storage", "verfy")
}
