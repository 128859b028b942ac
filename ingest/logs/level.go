package logs

import (
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

const unknownLevel = "unknown"

// levelFields are the fields of a record that has a level and nothing else, shared by all of them.
var levelFields = func() map[string][]model.Field {
	all := make(map[string][]model.Field, len(model.Levels))
	for _, l := range model.Levels {
		all[l] = []model.Field{{Name: model.FieldLevel, Value: l}}[:1:1]
	}
	return all
}()

func onlyLevel(level string) []model.Field {
	if fields := levelFields[level]; fields != nil {
		return fields
	}
	return levelFields[unknownLevel]
}

// known returns level when it is one of model.Levels, else "unknown".
func known(level string) string { return onlyLevel(level)[0].Value }

// levelNames are the names of labels and fields that hold a level, in small letters, the surest first.
var levelNames = [...]string{
	model.FieldLevel, model.FieldSeverityText, "level", "severity", "lvl", "log_level", "loglevel", "levelname", "syslog_severity",
}

// levelOfFields returns the level that labels or fields tell of, else "".
func levelOfFields(fields []model.Field) string {
	best, level := len(levelNames), ""
	for i := range fields {
		f := &fields[i]
		if len(f.Name) < len("lvl") || len(f.Name) > len("syslog_severity") {
			continue
		}
		switch f.Name[0] | 0x20 {
		case 'd', 'l', 's':
		default:
			continue
		}
		if f.Name == model.FieldSeverityNumber {
			if l := levelOfNumber(f.Value); l != "" {
				return l
			}
			continue
		}
		for rank, name := range levelNames[:best] {
			if len(name) == len(f.Name) && strings.EqualFold(name, f.Name) {
				if l := LevelOfWord(f.Value); l != "" {
					best, level = rank, l
				}
				break
			}
		}
	}
	return level
}

// levelOfNumber returns the level of a severity number of OpenTelemetry
// (https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber), else "".
func levelOfNumber(text string) string {
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || n > 24 {
			return ""
		}
		n = 10*n + int(c-'0')
	}
	switch {
	case n < 1 || n > 24:
		return ""
	case n <= 4:
		return "trace"
	case n <= 8:
		return "debug"
	case n <= 12:
		return "info"
	case n <= 16:
		return "warn"
	case n <= 20:
		return "error"
	}
	return "fatal"
}

// maxLevelWord is the longest word that LevelOfWord knows.
const maxLevelWord = len("informational")

// LevelOfWord returns the level that a word stands for, as programs write it: warning, ERR, crit, notice, or a number of
// pino's (30) or syslog's (6); "" when it stands for none.
func LevelOfWord(word string) string {
	word = strings.TrimSpace(word)
	if len(word) > maxLevelWord {
		return ""
	}
	var lower [maxLevelWord]byte
	for i := range len(word) {
		c := word[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(word)]) {
	case "fatal", "emerg", "emergency", "panic", "dpanic", "f", "60", "0":
		return "fatal"
	case "critical", "crit", "alert", "c", "a", "1", "2":
		return "critical"
	case "error", "err", "eror", "severe", "failure", "e", "50", "3":
		return "error"
	case "warn", "warning", "wrn", "w", "40", "4":
		return "warn"
	case "info", "inf", "information", "informational", "notice", "log", "i", "n", "30", "5", "6":
		return "info"
	case "debug", "dbg", "fine", "config", "d", "20", "7":
		return "debug"
	case "trace", "trc", "finer", "finest", "verbose", "silly", "t", "v", "10":
		return "trace"
	}
	return ""
}

// Level says how grave a line is by what stands in it: the level of a JSON object or of logfmt, else a word that is set
// off as programs write levels ("ERROR", "[error]", "error:"). "" when nothing of it is there.
func Level(line string) string {
	start := strings.TrimLeft(line[:min(len(line), levelWindow)], " \t")
	if start == "" {
		return ""
	}
	if start[0] == '{' {
		for _, key := range [...]string{`"level"`, `"severity"`, `"lvl"`, `"log.level"`, `"levelname"`, `"Level"`, `"LEVEL"`} {
			if l := levelAfter(line, key, ':'); l != "" {
				return l
			}
		}
		return ""
	}
	if hasLevelPair(line) {
		for _, key := range levelKeys {
			if l := levelAfter(line, key, '='); l != "" {
				return l
			}
		}
	}
	return levelInText(start)
}

// levelKeys are what stands before the level in logfmt, the surest first.
var levelKeys = [...]string{"level", "lvl", "severity"}

// hasLevelPair says whether one of levelKeys stands before an equals sign: most lines have few of those.
func hasLevelPair(line string) bool {
	for from := 0; ; {
		at := strings.IndexByte(line[from:], '=')
		if at < 0 {
			return false
		}
		before := strings.TrimRight(line[:from+at], " ")
		for _, key := range levelKeys {
			if strings.HasSuffix(before, key) {
				return true
			}
		}
		from += at + 1
	}
}

// levelWindow is how far into a line a bare word counts: levels stand at the beginning, and words further on are prose.
const levelWindow = 160

// levelAfter returns the level that stands after key and separator.
func levelAfter(line, key string, separator byte) string {
	for from := 0; ; {
		at := strings.Index(line[from:], key)
		if at < 0 {
			return ""
		}
		from += at + len(key)
		rest := strings.TrimLeft(line[from:min(len(line), from+maxLevelWord+8)], " ")
		if rest == "" || rest[0] != separator {
			continue
		}
		rest = strings.TrimLeft(rest[1:], ` "`)
		end := strings.IndexAny(rest, "\",} \t\n")
		if end < 0 {
			end = len(rest)
		}
		if l := LevelOfWord(rest[:end]); l != "" {
			return l
		}
	}
}

// levelInText looks for a word in capitals, or in brackets, or before a colon.
func levelInText(text string) string {
	for i := 0; i < len(text); {
		if !isLetter(text[i]) {
			i++
			continue
		}
		start := i
		for i < len(text) && isLetter(text[i]) {
			i++
		}
		if i-start < 3 || i-start > maxLevelWord || start > 0 && isWordByte(text[start-1]) || i < len(text) && isWordByte(text[i]) {
			continue
		}
		word := text[start:i]
		if !setOff(text, start, i) {
			continue
		}
		if l := LevelOfWord(word); l != "" {
			return l
		}
	}
	return ""
}

func setOff(text string, start, end int) bool {
	word := text[start:end]
	if word[0] <= 'Z' && word[len(word)-1] <= 'Z' {
		return true
	}
	before, after := byte(' '), byte(' ')
	if start > 0 {
		before = text[start-1]
	}
	if end < len(text) {
		after = text[end]
	}
	return after == ':' && (before == ' ' || before == ']') || before == '[' && after == ']' || before == '<' && after == '>'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '_' || c == '-' || c == '/' || c == '.' || c == '='
}
