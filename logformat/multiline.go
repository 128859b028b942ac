package logformat

import (
	"strings"
	"time"
)

// follow says which lines belong to the record before them.
type follow int8

const (
	followTraces follow = iota // what looks like a trace of an exception
	followNever                // none
	followAll                  // all up to the next line that fits the format
)

// Joiner tells where records begin in a sequence of lines. Its zero value joins traces of exceptions only; the format says
// more. It is for one sequence, and not for several goroutines.
type Joiner struct {
	Format *Format // may be nil
	When   When

	began bool
	in    trace
}

// trace is what the lines before were part of.
type trace int8

const (
	noTrace     trace = iota
	pythonTrace       // behind "Traceback", before the line that names the exception
	pythonEnd         // behind that: another trace may follow that was its cause
	goTrace           // behind "panic:" or "fatal error:"
	phpTrace          // behind "Stack trace:"
)

// Reset forgets the lines before.
func (j *Joiner) Reset() { j.began, j.in = false, noTrace }

// Begins says whether a line begins a record; else it belongs to the record before it. The first line after a Reset always does.
func (j *Joiner) Begins(line string) bool {
	begins := j.begins(line)
	if begins {
		j.in = noTrace
	}
	j.note(line)
	begins = begins || !j.began
	j.began = true
	return begins
}

func (j *Joiner) begins(line string) bool {
	f := j.Format
	switch {
	case f == nil || f.kind == kindNamePlain:
	case f.follow == followNever:
		return true
	case f.follow == followAll:
		return f.matches(line, j.when())
	case f.matches(line, j.when()):
		return true
	}
	return !j.continuesTrace(line)
}

func (j *Joiner) when() When {
	if j.When.Now.IsZero() {
		j.When.Now = time.Now()
	}
	return j.When
}

// note remembers what a line opens.
func (j *Joiner) note(line string) {
	switch {
	case strings.HasPrefix(line, pythonTraceback):
		j.in = pythonTrace
	case strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "goroutine "):
		j.in = goTrace
	case line == "Stack trace:":
		j.in = phpTrace
	}
}

const pythonTraceback = "Traceback (most recent call last):"

func (j *Joiner) continuesTrace(line string) bool {
	switch j.in {
	case pythonTrace: // its last line is the exception, at the margin
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			j.in = pythonEnd
		}
		return true
	case pythonEnd:
		if line == "" || strings.HasPrefix(line, "During handling of the above exception") || strings.HasPrefix(line, "The above exception was the direct cause") ||
			strings.HasPrefix(line, pythonTraceback) {
			return true
		}
	case goTrace:
		if line == "" || strings.HasPrefix(line, "goroutine ") || strings.HasPrefix(line, "created by ") || strings.HasPrefix(line, "[signal ") ||
			strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "exit status ") || strings.HasSuffix(line, ")") || strings.HasPrefix(line, "runtime.") {
			return true
		}
	case phpTrace:
		if strings.HasPrefix(line, "#") {
			return true
		}
	}
	return looksLikeContinuation(line)
}

// looksLikeContinuation knows lines that never begin a record, whatever stands before them.
func looksLikeContinuation(line string) bool {
	if line == "" {
		return false
	}
	switch line[0] {
	case ' ', '\t':
		return strings.TrimSpace(line) != ""
	case '}', ']', ')':
		return len(line) <= 3
	case 'C':
		return strings.HasPrefix(line, "Caused by: ")
	case 'S':
		return strings.HasPrefix(line, "Suppressed: ") || line == "Stack trace:"
	case '.':
		return strings.HasPrefix(line, "... ")
	case 'a':
		return strings.HasPrefix(line, "at ") && strings.HasSuffix(line, ")")
	}
	return false
}
