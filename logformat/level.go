package logformat

import (
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// The levels of model.Levels, by their names.
const (
	levelFatal    = "fatal"
	levelCritical = "critical"
	levelError    = "error"
	levelWarn     = "warn"
	levelInfo     = "info"
	levelDebug    = "debug"
	levelTrace    = "trace"
	levelUnknown  = "unknown"
)

const (
	// levelPrefix is how much of the beginning of a line is searched for a word that is a level: logger and thread names of Java
	// may be long, and a word further behind belongs to the message.
	levelPrefix = 128
	// levelWords is how many words, times and numbers not counted, may stand before the level.
	levelWords = 9
	// levelJSON is how much of a JSON line is searched for its level.
	levelJSON = 8 << 10
	// levelLogfmt is how much of a line is searched for level=.
	levelLogfmt = 1 << 10
)

// Level finds the level of a line, one of model.Levels; "unknown" when the line does not tell. In order: a field of a JSON
// object, the first letter of klog, a pair of logfmt, a word near the beginning that is written as levels are. It never looks
// at what a line means: "connection failed" has no level, and an access log's status is none.
func Level(line string) string {
	i := 0
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	line = line[i:]
	if line == "" {
		return levelUnknown
	}
	if line[0] == '{' {
		if l := levelOfJSON(line[:min(len(line), levelJSON)]); l != "" {
			return l
		}
	}
	if l := levelOfKlog(line); l != "" {
		return l
	}
	if l := levelOfLogfmt(line[:min(len(line), levelLogfmt)]); l != "" {
		return l
	}
	if l := levelOfWords(line[:min(len(line), levelPrefix)]); l != "" {
		return l
	}
	return levelUnknown
}

// LevelOf turns what a field that is known to be a level holds into one of model.Levels: words, their usual abbreviations,
// syslog's numbers (0 to 7) and pino's and bunyan's (10 to 60). "" when it is none of them.
func LevelOf(value string) string {
	if len(value) == 0 || len(value) > 13 {
		return ""
	}
	if value[0] >= '0' && value[0] <= '9' {
		return levelOfNumber(value)
	}
	return levelOfWord(value)
}

// levelOfNumber reads pino's levels, which are tens, and syslog's severities (RFC 5424, section 6.2.1).
func levelOfNumber(s string) string {
	switch s {
	case "0", "1":
		return levelFatal
	case "2":
		return levelCritical
	case "3", "50":
		return levelError
	case "4", "40":
		return levelWarn
	case "5", "6", "30":
		return levelInfo
	case "7", "20":
		return levelDebug
	case "10":
		return levelTrace
	case "60":
		return levelFatal
	}
	return ""
}

// wordLevels are the words, with their levels.
var wordLevels = map[string]string{
	"err": levelError, "wrn": levelWarn, "inf": levelInfo, "dbg": levelDebug, "trc": levelTrace, "ftl": levelFatal, "log": levelInfo,
	"info": levelInfo, "warn": levelWarn, "crit": levelCritical, "note": levelInfo, "fine": levelDebug, "eror": levelError,
	"error": levelError, "debug": levelDebug, "fatal": levelFatal, "trace": levelTrace, "panic": levelFatal, "alert": levelFatal,
	"emerg": levelFatal, "finer": levelTrace, "fault": levelCritical,
	"notice": levelInfo, "severe": levelError, "finest": levelTrace, "config": levelDebug, "dpanic": levelFatal,
	"debug1": levelDebug, "debug2": levelDebug, "debug3": levelDebug, "debug4": levelDebug, "debug5": levelDebug,
	"warning": levelWarn, "verbose": levelTrace, "critical": levelCritical, "emergency": levelFatal,
	"information": levelInfo, "informational": levelInfo,
}

// levelStart has, for the first two letters of a word in lower case, whether some level begins so: nearly all other words
// end here.
var levelStart = func() (t [26][26]bool) {
	for w := range wordLevels {
		t[w[0]-'a'][w[1]-'a'] = true
	}
	return t
}()

const longestLevel = 13 // informational

// levelOfWord knows the words in any case, and single letters.
func levelOfWord(s string) string {
	if len(s) == 1 {
		return levelOfLetter(s[0])
	}
	if len(s) < 3 || len(s) > longestLevel {
		return ""
	}
	first, second := s[0]|0x20-'a', s[1]|0x20-'a'
	if first >= 26 || second >= 26 || !levelStart[first][second] {
		return ""
	}
	var lower [longestLevel]byte
	for i := range len(s) {
		lower[i] = s[i]
		if c := s[i]; c >= 'A' && c <= 'Z' {
			lower[i] |= 0x20
		}
	}
	return wordLevels[string(lower[:len(s)])]
}

// levelOfLetter reads the single letters of MongoDB, logcat and glog.
func levelOfLetter(c byte) string {
	switch c {
	case 'F', 'f':
		return levelFatal
	case 'C', 'c':
		return levelCritical
	case 'E', 'e':
		return levelError
	case 'W', 'w':
		return levelWarn
	case 'I', 'i', 'N', 'n':
		return levelInfo
	case 'D', 'd':
		return levelDebug
	case 'T', 't', 'V', 'v':
		return levelTrace
	}
	return ""
}

// levelOfJSON looks through the keys of the outermost object, and stops at the first that is a level.
func levelOfJSON(line string) string {
	s := jsonScanner{text: strings.TrimPrefix(line, "{")}
	for {
		key, value, kind := s.next()
		switch kind {
		case jsonEnd:
			return ""
		case jsonString, jsonNumber:
			if isLevelKey(key) {
				if l := LevelOf(value); l != "" {
					return l
				}
			}
		case jsonObject:
			if key == "log" { // Elastic's common schema, nested: {"log":{"level":"info"}}
				if l := levelOfJSON(value); l != "" {
					return l
				}
			}
		}
	}
}

func isLevelKey(key string) bool {
	switch key {
	case "level", "lvl", "severity", "log.level", "levelname", "loglevel", "Level", "LEVEL", "severityText", "severity_text", "SeverityText",
		"log_level", "logLevel", "s", "@level", "@l", "priority", "PRIORITY", "detected_level":
		return true
	}
	return false
}

// levelOfKlog reads "I0102 15:04:05.000000" (klog, glog): a letter, month and day, a space, hours and a colon.
func levelOfKlog(line string) string {
	if len(line) < 9 || line[5] != ' ' || line[8] != ':' || !digits(line[1:5]) || !digits(line[6:8]) {
		return ""
	}
	switch line[0] {
	case 'I':
		return levelInfo
	case 'W':
		return levelWarn
	case 'E':
		return levelError
	case 'F':
		return levelFatal
	}
	return ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// levelOfLogfmt looks for level=, lvl= and severity= at the beginning of a word.
func levelOfLogfmt(line string) string {
	for from := 0; ; {
		i := strings.IndexByte(line[from:], '=')
		if i < 0 {
			return ""
		}
		i += from
		from = i + 1
		if i < 3 || !isLogfmtLevelKey(line[:i]) {
			continue
		}
		value := strings.TrimPrefix(line[i+1:], `"`)
		end := 0
		for end < len(value) && wordByte(value[end]) {
			end++
		}
		if l := LevelOf(value[:end]); l != "" {
			return l
		}
	}
}

// isLogfmtLevelKey says whether text ends in a key that is a level.
func isLogfmtLevelKey(text string) bool {
	if c := text[len(text)-1]; c != 'l' && c != 'y' {
		return false
	}
	for _, key := range [...]string{"level", "lvl", "severity", "loglevel", "log_level", "log.level"} {
		if !strings.HasSuffix(text, key) {
			continue
		}
		before := len(text) - len(key)
		if before == 0 || text[before-1] == ' ' || text[before-1] == '\t' || text[before-1] == '[' || text[before-1] == '{' || text[before-1] == ',' {
			return true
		}
	}
	return false
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// The classes of bytes for levelOfWords.
const (
	classOther  = iota
	classLetter // also digits and _
	classOpen   // what stands before a level: space, brackets and the like
)

var byteClasses = func() (t [256]byte) {
	for c := range 256 {
		switch b := byte(c); {
		case wordByte(b) || b == '_' || b >= 0x80:
			t[c] = classLetter
		case strings.IndexByte(" \t[(<|\":*-", b) >= 0:
			t[c] = classOpen
		}
	}
	return t
}()

// levelOfWords searches the words of a line's beginning. A word is a level when it is written as one: all in capitals, or in
// brackets, or with a colon behind it, or when nothing but times, numbers and punctuation stands before it.
func levelOfWords(line string) string {
	plain := true // no word of prose so far
	words := 0
	for i := 0; i < len(line); {
		if byteClasses[line[i]] != classLetter {
			switch {
			case line[i] == escape:
				i = escapeEnd(line, i)
			case line[i] == '"' && i > 0 && line[i-1] == ' ': // what is quoted is the message, or a part of it
				return ""
			default:
				i++
			}
			continue
		}
		start := i
		for i < len(line) && byteClasses[line[i]] == classLetter {
			i++
		}
		word := line[start:i]
		if c := word[0] | 0x20; c < 'a' || c > 'z' {
			continue
		}
		if words++; words > levelWords {
			return ""
		}
		if start > 0 && byteClasses[line[start-1]] != classOpen && !colored(line, start) {
			continue // part of a path, an address, key=value
		}
		if l := longWord(word); l != "" && looksLikeLevel(line, start, i, plain) {
			return l
		}
		if plain && isProse(word) {
			plain = false
		}
	}
	return ""
}

// longWord is levelOfWord without the single letters, which mean something in fields only.
func longWord(word string) string {
	if len(word) < 3 {
		return ""
	}
	return levelOfWord(word)
}

// escape begins the sequences by which terminals are coloured: ESC [ numbers m (ECMA-48, section 8.3.117).
const escape = 0x1b

// escapeEnd returns the place behind an escape sequence that begins at i.
func escapeEnd(line string, i int) int {
	if i++; i < len(line) && line[i] == '[' {
		for i++; i < len(line) && (line[i] >= '0' && line[i] <= '9' || line[i] == ';'); {
			i++
		}
		if i < len(line) && line[i] == 'm' {
			i++
		}
	}
	return i
}

// colored says whether an escape sequence ends before start.
func colored(line string, start int) bool {
	if line[start-1] != 'm' {
		return false
	}
	i := strings.LastIndexByte(line[:start], escape)
	return i >= 0 && escapeEnd(line, i) == start
}

// isProse says whether a word is neither the name of a month or day nor a zone.
func isProse(word string) bool {
	switch word {
	case "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "UTC", "GMT", "CET", "CEST", "AM", "PM":
		return false
	}
	return !isDay(word)
}

func looksLikeLevel(line string, start, end int, plain bool) bool {
	before, after := byte(' '), byte(' ')
	if start > 0 {
		before = line[start-1]
	}
	if end < len(line) {
		after = line[end]
	}
	switch after {
	case ' ', '\t', ']', ')', '>', '|', ':', ',', '"', '\r', '\n', '*', escape:
	case '-':
		if end+1 < len(line) && byteClasses[line[end+1]] == classLetter { // WARN-level, info-box
			return false
		}
	default:
		return false
	}
	if upper(line[start:end]) {
		return true
	}
	bracketed := before == '[' && after == ']' || before == '<' && after == '>' || before == '(' && after == ')' || before == '|' && after == '|'
	return bracketed || after == ':' && before != ':' || after == ']' || plain && before != '"'
}

func upper(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 0x80 {
			return false
		}
	}
	return true
}

// validLevel says whether s is one of model.Levels.
func validLevel(s string) bool {
	for _, l := range model.Levels {
		if l == s {
			return true
		}
	}
	return false
}
