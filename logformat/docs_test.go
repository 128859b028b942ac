package logformat

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page names every format.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/logs-collecting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range All() {
		if row := fmt.Sprintf("| `%s` | %s |", f.Name, f.Title); !strings.Contains(string(page), row) {
			t.Errorf("docs/logs-collecting.md lacks the row %s", row)
		}
	}
}
