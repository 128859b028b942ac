package logql

import "regexp"

// compileAnchored compiles a regular expression that must match a whole text, as those of labels do.
func compileAnchored(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile("^(?s:" + pattern + ")$")
}

// checkStage says what is wrong with the parameters of a stage, so that Parse refuses what compile would.
func checkStage(s Stage) error {
	_, err := compileStage(s)
	return err
}

func checkLineMatch(op LineOp, m LineMatch) error {
	switch op {
	case LineMatches, LineNotMatches:
		if m.Func == "ip" {
			return invalid("invalid use of ip: it needs |= or !=, not %s", op)
		}
		return checkRegexp(m.Text)
	case LinePattern, LineNotPattern:
		if m.Func != "" {
			return invalid("invalid use of %s: it needs another operator than %s", m.Func, op)
		}
		_, err := parseLinePattern(m.Text)
		return err
	}
	if m.Func == "ip" {
		_, err := parseIPRange(m.Text)
		return err
	}
	return nil
}

func checkRegexp(pattern string) error {
	if _, err := regexp.Compile(pattern); err != nil {
		return invalid("invalid regular expression %q: %s", shorten(pattern), regexpReason(err))
	}
	return nil
}
