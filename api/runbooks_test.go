package api

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/runbook"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

func TestRunbooks(t *testing.T) {
	m, err := local.Open(local.Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	now := time.Unix(1_800_000_000, 0)
	books := runbook.NewLibrary(runbook.Options{
		Documents: func() (medium.Documents, error) { return m.Documents(), nil },
		Wait:      func(context.Context) medium.Documents { return m.Documents() },
		Now:       func() time.Time { now = now.Add(time.Second); return now },
	}, slog.New(slog.DiscardHandler))
	h := New(Options{Runbooks: books}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f := func(method, path, body string, code int, want ...string) {
		t.Helper()
		res := do(t, h, method, "/api/hulotte/v1/"+path, body, "X-Hulotte-User", "anna")
		text := res.Body.String()
		if res.Code != code {
			t.Errorf("%s %s: status %d, want %d: %s", method, path, res.Code, code, text)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s %s: %s\nwant %s", method, path, text, w)
			}
		}
	}
	const print = "0123456789abcdef"
	f("GET", "runbooks", "", 200, `{"id":"HostDiskFull","title":"A file system is full","source":"default","match":[],"steps":5}`)
	f("GET", "runbooks?q=NVME-of-nobody", "", 200, `"runbooks":[]`)
	f("GET", "runbook?id=none", "", 404, `there is no runbook \"none\"`)
	f("GET", "runbook?id=HostDiskFull&label=instance=web1&label=mountpoint=/srv", "", 200,
		`"panels":[{"language":"promql","query":"node_filesystem_avail_bytes{instance=\"web1\",mountpoint=\"/srv\"}","line":10}`, `"tasks":[{"step":0,`, `$labels.instance`)
	f("GET", "runbook?id=HostDiskFull&label=instance", "", 400, `is no name=value`)
	f("GET", "runbook/for?label=alertname=HostDiskFull&label=severity=critical", "", 200, `"runbook":{"id":"HostDiskFull"`, `"others":[]`)
	f("GET", "runbook/for?label=alertname=Mine", "", 200, `"runbook":null`)
	f("GET", "runbook/for?label=alertname=Mine&url=https://wiki.example/HostSwapping", "", 200, `"runbook":{"id":"HostSwapping"`)

	f("PUT", "runbook", `{"id":"HostDiskFull","text":"---\nmatch: {severity: critical}\n---\n# Ours\n- [ ] Call Anna\n"}`, 200, `"id":"HostDiskFull","version":`)
	f("PUT", "runbook", `{"id":"HostDiskFull","text":"other"}`, 409, `changed by somebody else`)
	f("PUT", "runbook", `{"id":"x","text":"---\ntitle: a\n"}`, 400, `has no end`)
	f("GET", "runbook?id=HostDiskFull", "", 200, `"title":"Ours","source":"document","match":["severity=\"critical\""]`, `"by":"anna"`, `"hides":true`)
	f("GET", "runbook/for?label=alertname=HostSwapping&label=severity=critical", "", 200, `"runbook":{"id":"HostSwapping"`, `"others":[{"id":"HostDiskFull"`)

	f("POST", "runbook/step", `{"fingerprint":"`+print+`","runbook":"HostDiskFull","step":0,"comment":"she comes"}`, 200,
		`"steps":[{"runbook":"HostDiskFull","step":0,"text":"Call Anna","done":true,"by":"anna"`, `"comment":"she comes"`)
	f("POST", "runbook/step", `{"fingerprint":"`+print+`","runbook":"HostDiskFull","step":0,"done":false}`, 200, `"done":false`, `"log":[{`)
	f("POST", "runbook/step", `{"fingerprint":"`+print+`","runbook":"HostDiskFull","step":7}`, 400, `numbered from 0`)
	f("POST", "runbook/step", `{"fingerprint":"`+print+`","runbook":"HostDiskFull"}`, 400, `"step\" is missing`)
	f("POST", "runbook/step", `{"fingerprint":"1","runbook":"HostDiskFull","step":0}`, 400, `16 hexadecimal digits`)
	f("GET", "runbook/steps?fingerprint="+print, "", 200, `"steps":[{"runbook":"HostDiskFull","step":0,"text":"Call Anna","done":false`)
	f("GET", "runbook/steps?fingerprint="+print+"&since=1900000000", "", 200, `"log":[],"steps":[]`)
	f("GET", "runbook/steps?fingerprint="+print+"&since=x", "", 400, `since`)
	f("GET", "runbook?id=HostDiskFull&fingerprint="+print, "", 200, `"done":[{"runbook":"HostDiskFull","step":0`)

	f("DELETE", "runbook", `{"id":"HostDiskFull"}`, 200, `"id":"HostDiskFull"`)
	f("GET", "runbook?id=HostDiskFull", "", 200, `"source":"default"`)
	f("DELETE", "runbook", `{"id":"HostDiskFull"}`, 400, `comes from a default of the program`)
	f("DELETE", "runbook", `{}`, 400, `"id\" is empty`)
	h = New(Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f("GET", "runbooks", "", 404, `runbooks is not served by this process`)
}
