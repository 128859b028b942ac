package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// load reads a file with this text.
func load(t *testing.T, role Role, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hulotte.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{File: path, Role: role})
}

func TestLogsMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := load(t, Both, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %s", text, err, want)
		}
	}
	f("logs: {time_zone: Europe/Atlantis}", "logs.time_zone: \"Europe/Atlantis\" is no time zone")
	f("logs: {exclude: ['[']}", "logs.exclude: \"[\" is not a glob")
	f("ingest: {logs: {mask: [jwtt]}}", "did you mean \"jwt\"?")
	f("logs: {files: {paths: [/a]}}", "write a list of entries")
	f("logs: {files: [{exclude: [/a]}]}", "paths is empty")
	f("logs: {files: [{paths: [/a], format: jav}]}", "did you mean \"java\"?")
	f("logs: {files: [{paths: [/a], multiline: '('}]}", "multiline.begin \"(\"")
	f("logs: {files: [[/a]]}", "[0] (line 1): is a list")
}

func TestTailOptions(t *testing.T) {
	c, err := load(t, AgentRole, "data_dir: /d\nagent: {server: 'http://s:1/p/', tenant: me}\nhost: {instance: web-1, rootfs: /host, containers: {ask_engines: false}}\n"+
		"logs: {journal: false, fields: false, files: [{paths: /a, multiline: '^x'}]}\nglobal: {external_labels: {site: south}}\n")
	if err != nil {
		t.Fatal(err)
	}
	o := c.TailOptions()
	if o.Dir != "/d/tail" || o.Instance != "web-1" || o.RootFS != "/host" || o.Journal != nil || !o.NoFields || !o.Auto || len(o.Files) != 1 || o.Files[0].Multiline.Begin != "^x" {
		t.Errorf("%+v", o)
	}
	if o.Containers == nil || o.Containers.Sockets == nil || len(o.Containers.Sockets) != 0 {
		t.Errorf("%+v", o.Containers)
	}
	f, err := c.LogForwardOptions()
	if err != nil || f.URL != "http://s:1/p/loki/api/v1/push" || f.Header.Get("X-Scope-OrgID") != "me" || f.Labels["site"] != "south" {
		t.Errorf("%+v %v", f, err)
	}
	if s, err := load(t, ServerRole, ""); err != nil || s.Logs.Enabled {
		t.Errorf("a server follows logs, %v", err)
	}
}
