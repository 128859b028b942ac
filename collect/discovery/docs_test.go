package discovery

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/discovery.md anew")

const page = "../../docs/discovery.md"

// The page has a row for each kind of the catalogue.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- catalogue: written by go test ./collect/discovery -update -->\n", "<!-- end of catalogue -->"
	head, rest, ok1 := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table: %q and %q", page, begin, end)
	}
	want := head + begin + catalogueTable() + end + tail
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("the table of %s is not that of the catalogue: write it anew with go test ./collect/discovery -update", page)
	}
}

func catalogueTable() string {
	var b strings.Builder
	entries := Embedded().Entries()
	fmt.Fprintf(&b, "\n%d kinds:\n\n", len(entries))
	b.WriteString("| Kind | What it is | Recognised by | Ports | Check | Metrics | Logs |\n|---|---|---|---|---|---|---|\n")
	for _, e := range entries {
		check := e.Check.Kind
		if check == "" {
			check = e.Alone.Kind
		}
		if check == "" {
			check = "process"
		}
		fmt.Fprintf(&b, "| `%s` | %s, %s | %s | %s | %s | %s | %s |\n",
			e.Kind, e.Title, e.About, recognisedBy(e), portsOf(e), check, metricsOf(e), logsOf(e))
	}
	b.WriteString("\n")
	return b.String()
}

func recognisedBy(e *Entry) string {
	var out []string
	for _, r := range e.Match {
		var parts []string
		for _, n := range r.Names {
			parts = append(parts, "`"+n+"`")
		}
		text := strings.Join(parts, " ")
		if r.Language != "" {
			text = strings.TrimSpace(text + " " + r.Language)
		}
		if r.Args != "" {
			text += " with " + code(r.Args)
		}
		if r.Exe != "" {
			text += " from " + code(r.Exe)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// code is a text as code in a table.
func code(s string) string { return "`" + strings.ReplaceAll(s, "|", `\|`) + "`" }

func portsOf(e *Entry) string {
	var out []string
	for _, p := range e.Ports {
		text := strconv.Itoa(p.Port)
		if p.Network != networkTCP {
			text += "/" + p.Network
		}
		if p.TLS {
			text += " TLS"
		}
		out = append(out, text)
	}
	if len(e.Sockets) > 0 {
		out = append(out, "sockets")
	}
	return strings.Join(out, ", ")
}

func metricsOf(e *Entry) string {
	if e.Metrics.Kind == "" {
		return ""
	}
	exporter := e.Metrics.Exporter
	if e.Metrics.Kind == kindPrometheus {
		return "scraped: " + exporter
	}
	return "as " + exporter
}

func logsOf(e *Entry) string {
	var out []string
	for _, l := range e.Logs {
		out = append(out, "`"+l.Path+"`")
	}
	return strings.Join(out, " ")
}
