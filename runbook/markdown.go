package runbook

import (
	"regexp"
	"strings"
)

var (
	fenceStart = regexp.MustCompile("^ *(`{3,}|~{3,}) *([A-Za-z0-9_+-]*)[^`]*$")
	headline   = regexp.MustCompile(`^ {0,3}# +(.+?)(?: +#+)? *$`)
	// task is an item of a task list, also in a list or a quote.
	task = regexp.MustCompile(`^[ >\t]*(?:[-*+]|\d{1,9}[.)]) +\[[ xX]\] +(\S.*)$`)
)

// scan finds steps, queries and, when there is none yet, the title in lines of Markdown.
func (r *Runbook) scan(lines []string) error {
	for i := 0; i < len(lines); i++ {
		if m := fenceStart.FindStringSubmatch(lines[i]); m != nil {
			i = r.scanFence(lines, i, m[1], strings.ToLower(m[2]))
			continue
		}
		if m := headline.FindStringSubmatch(lines[i]); m != nil && r.Title == "" {
			r.Title = m[1][:min(len(m[1]), maxTitle)]
		}
		if m := task.FindStringSubmatch(lines[i]); m != nil {
			r.Steps = append(r.Steps, Step{Text: strings.TrimSpace(m[1]), Line: i + 1})
		}
	}
	if r.Title == "" {
		r.Title = r.ID
	}
	r.Title = strings.ToValidUTF8(r.Title, "")
	switch {
	case len(r.Steps) > maxSteps:
		return invalid("it has %d steps: at most %d", len(r.Steps), maxSteps)
	case len(r.Panels) > maxPanels:
		return invalid("it has %d queries: at most %d", len(r.Panels), maxPanels)
	}
	return nil
}

// scanFence reads a fenced block and returns the line that ends it; one without an end goes to the end of the text.
func (r *Runbook) scanFence(lines []string, from int, fence, language string) int {
	end := from + 1
	for end < len(lines) && !endsFence(lines[end], fence) {
		end++
	}
	if language == "promql" || language == "logql" {
		query := strings.TrimSpace(strings.Join(lines[from+1:end], "\n"))
		r.Panels = append(r.Panels, Panel{Language: language, Query: query, Line: from + 1})
	}
	return end
}

func endsFence(line, fence string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= len(fence) && strings.Trim(line, fence[:1]) == ""
}

// labelWord is a label of the alert in a query: with its operator and quotes where it is a matcher's whole value.
var labelWord = regexp.MustCompile(`(=\s*)?"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)"|\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)`)

// Fill puts an alert's labels into a query: instance="$labels.instance" compares with the alert's. A matcher of a label that
// is not known lets everything through, so that the query can be looked at without an alert.
func (p Panel) Fill(of map[string]string) string {
	return labelWord.ReplaceAllStringFunc(p.Query, func(s string) string {
		m := labelWord.FindStringSubmatch(s)
		if m[3] != "" { // in the middle of a text
			return escape(of[m[3]])
		}
		value, known := of[m[2]]
		switch {
		case m[1] == "" || known:
			return m[1] + `"` + escape(value) + `"`
		case p.Language == "logql": // a selector must have a matcher that does not match the empty text
			return `=~".+"`
		}
		return `=~".*"`
	})
}

// escape makes a value harmless between double quotes.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func quoteRegexp(s string) string { return regexp.QuoteMeta(s) }

// Filled is the text with an alert's labels in its queries, for who shows it.
func (r *Runbook) Filled(of map[string]string) string {
	lines := strings.Split(r.Text, "\n")
	for i := len(r.Panels) - 1; i >= 0; i-- {
		p := r.Panels[i]
		n := 1
		for p.Line+n-1 < len(lines) && !endsFence(lines[p.Line+n-1], fenceOf(lines[p.Line-1])) {
			n++
		}
		block := Panel{Language: p.Language, Query: strings.Join(lines[p.Line:p.Line+n-1], "\n")}.Fill(of)
		lines = append(lines[:p.Line:p.Line], append(strings.Split(block, "\n"), lines[p.Line+n-1:]...)...)
	}
	return strings.Join(lines, "\n")
}

func fenceOf(line string) string { return fenceStart.FindStringSubmatch(line)[1] }
