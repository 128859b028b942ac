package scrape

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/discovery"
)

// What is built in is what the documentation says, and what is left out is known by name.
func TestDocumentationNamesEveryDiscovery(t *testing.T) {
	text, err := os.ReadFile("../../docs/scraping.md")
	if err != nil {
		t.Fatal(err)
	}
	builtIn := discovery.RegisteredConfigNames()
	if len(builtIn) < 20 {
		t.Fatalf("built in: %v", builtIn)
	}
	for _, name := range builtIn {
		if slices.Contains(leftOut[:], name) {
			t.Errorf("%s is built in and listed as left out", name)
		}
		if name != "static" && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/scraping.md does not list %s as built in", name)
		}
	}
	for _, name := range leftOut {
		if !strings.Contains(string(text), "| "+name) {
			t.Errorf("docs/scraping.md does not say why %s is left out", name)
		}
	}
	for _, l := range limits {
		if !strings.Contains(string(text), "| `"+l.key+"` |") {
			t.Errorf("docs/scraping.md does not list the limit %s", l.key)
		}
	}
}
