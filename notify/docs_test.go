package notify_test

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/notify"
)

// The examples of the documentation are taken as they are.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/receivers.md")
	if err != nil {
		t.Fatal(err)
	}
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	n, err := notify.New(notify.Options{People: anna{}}, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manager.New(manager.Options{Build: n.Build, Wrap: n.Wrap}, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		name := strings.TrimPrefix(strings.SplitN(block[1], "\n", 2)[0], "name: ")
		config := "route: {receiver: " + name + "}\nreceivers:\n- " + strings.ReplaceAll(strings.TrimSpace(block[1]), "\n", "\n  ") + "\n"
		c, err := manager.ReadConfig([]byte(config), "/")
		if err == nil {
			err = m.Check(c)
		}
		if err != nil {
			t.Errorf("%s\n%v", config, err)
			continue
		}
		for _, e := range c.Extras[name] {
			kinds[e.Kind] = true
		}
	}
	const all = 10
	if len(kinds) != all {
		t.Errorf("only %d kinds have an example: %v", len(kinds), kinds)
	}
}
