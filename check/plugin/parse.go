package plugin

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// What is kept of a plugin's words, in bytes. Nagios keeps 8 KiB of everything; the long text may be a report.
const (
	maxLine = 8 << 10
	maxLong = 64 << 10
)

// Parse makes a result of how a plugin ended and what it wrote, by the rules of the Nagios Plugin API:
//
//	TEXT OUTPUT | PERFDATA
//	LONG TEXT LINE 1
//	LONG TEXT LINE N | PERFDATA LINE 2
//	PERFDATA LINE 3
//
// Exit codes 0 to 3 are OK, WARNING, CRITICAL and UNKNOWN; every other one is UNKNOWN, and the output says which it was.
// Bytes that are no text (control characters, broken UTF-8) are taken out.
func Parse(exit int, stdout []byte) model.CheckResult {
	text := strings.ReplaceAll(string(stdout), "\r\n", "\n")
	text = strings.Trim(text, "\n")
	first, rest, _ := strings.Cut(text, "\n")
	output, perf, _ := strings.Cut(first, "|")
	long, more, _ := strings.Cut(rest, "|")

	r := model.CheckResult{
		Status: Status(exit),
		Output: cutBytes(strings.TrimSpace(clean(output)), maxLine),
		Long:   cutBytes(strings.TrimRight(cleanLines(long), " \t\n"), maxLong),
	}
	r.Perf = ParsePerf(perf)
	if more != "" {
		r.Perf = append(r.Perf, ParsePerf(strings.ReplaceAll(more, "|", " "))...)
		r.Perf = r.Perf[:min(len(r.Perf), maxPerf)]
	}
	if r.Output == "" {
		r.Output = "(no output)"
	}
	if exit < 0 || exit > 3 {
		r.Output = fmt.Sprintf("exit code %d is none of a plugin: %s", exit, r.Output)
	}
	return r
}

// Status is the meaning of a plugin's exit code.
func Status(exit int) model.Status {
	if exit < 0 || exit > 3 {
		return model.Unknown
	}
	return model.Status(exit)
}

// Format writes a result as a plugin would have printed it: what Parse reads.
func Format(r model.CheckResult) string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(r.Output, "|", "/"))
	if perf := FormatPerf(r.Perf); perf != "" {
		b.WriteString(" | ")
		b.WriteString(perf)
	}
	if r.Long != "" {
		b.WriteByte('\n')
		b.WriteString(strings.ReplaceAll(r.Long, "|", "/"))
	}
	return b.String()
}

// clean takes out what is no text, line breaks included.
func clean(text string) string { return cleanText(text, false) }

func cleanLines(text string) string { return cleanText(text, true) }

func cleanText(text string, lines bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n' && lines:
			return r
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// cutBytes shortens text to at most limit bytes, between two characters.
func cutBytes(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
