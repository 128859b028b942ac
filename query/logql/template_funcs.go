package logql

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"
)

// errTooLong says that a function of a template would make a text that is longer than all output may be.
var errTooLong = errors.New("a text in the template gets longer than 1 MiB")

func capped(s string) (string, error) {
	if len(s) > maxTemplateOutput {
		return "", errTooLong
	}
	return s, nil
}

// templateFuncs are the functions of templates (https://grafana.com/docs/loki/latest/query/template_functions/). None of them
// makes a text longer than maxTemplateOutput, also those of text/template that could.
func templateFuncs(s *templateState) template.FuncMap {
	all := template.FuncMap{
		tickName:        s.tick,
		"__line__":      func() string { return s.line },
		"__timestamp__": func() time.Time { return time.Unix(0, s.time).UTC() },
	}
	for _, group := range []template.FuncMap{textFuncs(), cutFuncs(), regexpFuncs(), numberFuncs(), timeFuncs(), codeFuncs(), printFuncs()} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
}

func textFuncs() template.FuncMap {
	return template.FuncMap{
		"ToLower": strings.ToLower, "lower": strings.ToLower, "ToUpper": strings.ToUpper, "upper": strings.ToUpper,
		"title":   titleWords,
		"Replace": func(s, old, with string, n int) (string, error) { return replaceText(s, old, with, n) },
		"replace": func(old, with, s string) (string, error) { return replaceText(s, old, with, -1) },
		"repeat": func(n int, s string) (string, error) {
			if n > 0 && len(s) > maxTemplateOutput/n {
				return "", errTooLong
			}
			return strings.Repeat(s, max(n, 0)), nil
		},
		"contains":   func(part, s string) bool { return strings.Contains(s, part) },
		"hasPrefix":  func(p, s string) bool { return strings.HasPrefix(s, p) },
		"hasSuffix":  func(p, s string) bool { return strings.HasSuffix(s, p) },
		"indent":     func(n int, s string) (string, error) { return indentText(n, s) },
		"nindent":    func(n int, s string) (string, error) { t, err := indentText(n, s); return "\n" + t, err },
		"alignLeft":  func(n int, s string) (string, error) { return alignText(n, s, false) },
		"alignRight": func(n int, s string) (string, error) { return alignText(n, s, true) },
		"default": func(d any, given ...any) any {
			if len(given) == 0 || isEmptyValue(given[0]) {
				return d
			}
			return given[0]
		},
	}
}

func isEmptyValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case int:
		return v == 0
	case int64:
		return v == 0
	case float64:
		return v == 0
	case bool:
		return !v
	}
	return false
}

// titleWords makes the first letter of every word upper case.
func titleWords(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		start := !unicode.IsLetter(before) && !unicode.IsDigit(before) && before != '_' && before != '\''
		before = r
		if start {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

func replaceText(s, old, with string, n int) (string, error) {
	if found := strings.Count(s, old); len(with) > 0 && found > 0 && found > (2*maxTemplateOutput-len(s))/len(with) {
		return "", errTooLong
	}
	return capped(strings.Replace(s, old, with, n))
}

func indentText(n int, s string) (string, error) {
	if n < 0 || n > 10_000 {
		return "", errors.New("indent goes from 0 to 10000 characters")
	}
	pad := strings.Repeat(" ", n)
	t, err := replaceText(s, "\n", "\n"+pad, -1)
	return pad + t, err
}

// alignText makes s n characters long: it cuts what is too long, and fills with blanks what is too short.
func alignText(n int, s string, right bool) (string, error) {
	if n < 0 {
		return s, nil
	}
	if n > maxTemplateOutput {
		return "", errTooLong
	}
	have := utf8.RuneCountInString(s)
	switch {
	case have > n && right:
		return string([]rune(s)[have-n:]), nil
	case have > n:
		return string([]rune(s)[:n]), nil
	case right:
		return strings.Repeat(" ", n-have) + s, nil
	}
	return s + strings.Repeat(" ", n-have), nil
}

func cutFuncs() template.FuncMap {
	return template.FuncMap{
		"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight,
		"TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,
		"trim":       strings.TrimSpace,
		"trimAll":    func(set, s string) string { return strings.Trim(s, set) },
		"trimPrefix": func(p, s string) string { return strings.TrimPrefix(s, p) },
		"trimSuffix": func(p, s string) string { return strings.TrimSuffix(s, p) },
		"substr":     substring,
		"trunc": func(n int, s string) string {
			switch {
			case n >= 0 && n < len(s):
				return s[:n]
			case n < 0 && -n < len(s):
				return s[len(s)+n:]
			}
			return s
		},
	}
}

// substring returns the bytes from start to end; a negative start is 0, a negative end the text's.
func substring(start, end int, s string) string {
	start = min(max(start, 0), len(s))
	if end < 0 || end > len(s) {
		end = len(s)
	}
	return s[start:max(start, end)]
}

func regexpFuncs() template.FuncMap {
	cache := map[string]*regexp.Regexp{}
	compiled := func(pattern string) (*regexp.Regexp, error) {
		if re, ok := cache[pattern]; ok {
			return re, nil
		}
		re, err := regexp.Compile(pattern)
		if err == nil {
			if len(cache) >= 100 { // patterns made of labels must not fill the memory
				clear(cache)
			}
			cache[pattern] = re
		}
		return re, err
	}
	replace := func(pattern, s, with string, expand bool) (string, error) {
		re, err := compiled(pattern)
		if err != nil {
			return "", err
		}
		return replaceMatches(re, s, with, expand)
	}
	return template.FuncMap{
		"regexReplaceAll":        func(pattern, s, with string) (string, error) { return replace(pattern, s, with, true) },
		"regexReplaceAllLiteral": func(pattern, s, with string) (string, error) { return replace(pattern, s, with, false) },
		"count": func(pattern, s string) (int, error) {
			re, err := compiled(pattern)
			if err != nil {
				return 0, err
			}
			return len(re.FindAllStringIndex(s, -1)), nil
		},
	}
}

// replaceMatches is Regexp.ReplaceAllString, and ReplaceAllLiteralString without expand, but stops where the text gets too long.
func replaceMatches(re *regexp.Regexp, s, with string, expand bool) (string, error) {
	var out []byte
	last := 0
	refs := strings.Count(with, "$")
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		out = append(out, s[last:m[0]]...)
		if len(out)+len(with) > maxTemplateOutput || refs > 0 && m[1]-m[0] > maxTemplateOutput/refs {
			return "", errTooLong
		}
		if expand {
			out = re.ExpandString(out, with, s, m)
		} else {
			out = append(out, with...)
		}
		last = m[1]
	}
	return capped(string(append(out, s[last:]...)))
}

func timeFuncs() template.FuncMap {
	return template.FuncMap{
		"now":              func() time.Time { return time.Now() },
		"date":             func(layout string, t time.Time) (string, error) { return capped(t.Format(layout)) },
		"toDate":           func(layout, s string) time.Time { return dateIn(layout, time.Local, s) },
		"toDateInZone":     toDateInZone,
		"unixEpoch":        func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		"unixEpochMillis":  func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		"unixEpochNanos":   func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
		"unixToTime":       unixToTime,
		"duration":         durationSeconds,
		"duration_seconds": durationSeconds,
	}
}

func dateIn(layout string, zone *time.Location, s string) time.Time {
	t, _ := time.ParseInLocation(layout, s, zone) // what cannot be read is the zero time
	return t
}

func toDateInZone(layout, zone, s string) time.Time {
	at, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}
	}
	return dateIn(layout, at, s)
}

// unixToTime reads days (5 digits), seconds (10), milliseconds (13), microseconds (16) or nanoseconds (19) since 1970.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("unable to parse time '%s': %w", s, err)
	}
	switch len(s) {
	case 5:
		return time.Unix(0, 0).AddDate(0, 0, int(n)), nil
	case 10:
		return time.Unix(n, 0), nil
	case 13:
		return time.UnixMilli(n), nil
	case 16:
		return time.UnixMicro(n), nil
	case 19:
		return time.Unix(0, n), nil
	}
	return time.Time{}, fmt.Errorf("unable to parse time '%s': it has %d digits, and not 5, 10, 13, 16 or 19", s, len(s))
}

func durationSeconds(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	d, err := parseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("time: invalid duration %q", s)
	}
	return d.Seconds(), nil
}

func codeFuncs() template.FuncMap {
	return template.FuncMap{
		"b64enc":    func(s string) (string, error) { return capped(base64.StdEncoding.EncodeToString([]byte(s))) },
		"b64dec":    func(s string) (string, error) { b, err := base64.StdEncoding.DecodeString(s); return string(b), err },
		"urlencode": func(s string) (string, error) { return capped(url.QueryEscape(s)) },
		"urldecode": url.QueryUnescape,
		"fromJson": func(s string) any {
			var v any
			if json.Unmarshal([]byte(s), &v) != nil {
				return nil // which range and if take as nothing
			}
			return v
		},
		"bytes": func(s string) (float64, error) {
			n, err := parseBytes(s)
			return float64(n), err
		},
	}
}

// printFuncs are those of text/template, with limits: a width in a format could take any memory.
func printFuncs() template.FuncMap {
	return template.FuncMap{
		"print":   func(a ...any) (string, error) { return capped(fmt.Sprint(a...)) },
		"println": func(a ...any) (string, error) { return capped(fmt.Sprintln(a...)) },
		"printf": func(format string, a ...any) (string, error) {
			if len(format) > 10_000 || wideFormat(format) {
				return "", errors.New("the format is too long: it has 10000 characters and widths of 3 digits at most")
			}
			return capped(fmt.Sprintf(format, a...))
		},
		"html":     func(a ...any) (string, error) { return capped(html.EscapeString(fmt.Sprint(a...))) },
		"js":       func(a ...any) (string, error) { return capped(template.JSEscapeString(fmt.Sprint(a...))) },
		"urlquery": func(a ...any) (string, error) { return capped(url.QueryEscape(fmt.Sprint(a...))) },
	}
}

// wideFormat says whether a format has a width of more than three digits, or one that is an argument.
func wideFormat(format string) bool {
	digits, verb := 0, false
	for _, c := range []byte(format) {
		switch {
		case c == '%':
			verb, digits = true, 0
		case !verb:
		case c == '*':
			return true
		case isDigit(c):
			if digits++; digits > 3 {
				return true
			}
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			verb = false
		default:
			digits = 0
		}
	}
	return false
}

func numberFuncs() template.FuncMap {
	return template.FuncMap{
		"int": toInt, "float64": toFloat,
		"add": foldInt(0, func(a, b int64) (int64, error) { return a + b, nil }),
		"mul": foldInt(1, func(a, b int64) (int64, error) { return a * b, nil }),
		"sub": func(a, b any) int64 { return toInt64(a) - toInt64(b) },
		"div": func(a, b any) (int64, error) { return divide(a, b, func(x, y int64) int64 { return x / y }) },
		"mod": func(a, b any) (int64, error) { return divide(a, b, func(x, y int64) int64 { return x % y }) },
		"max": pickInt(func(a, b int64) bool { return b > a }), "min": pickInt(func(a, b int64) bool { return b < a }),
		"addf": foldFloat(func(a, b float64) float64 { return a + b }), "subf": foldFloat(func(a, b float64) float64 { return a - b }),
		"mulf": foldFloat(func(a, b float64) float64 { return a * b }), "divf": foldFloat(func(a, b float64) float64 { return a / b }),
		"maxf": foldFloat(math.Max), "minf": foldFloat(math.Min),
		"ceil": func(v any) float64 { return math.Ceil(toFloat(v)) }, "floor": func(v any) float64 { return math.Floor(toFloat(v)) },
		"round": roundNumber,
	}
}

// roundNumber rounds to so many digits behind the point; from roundOn on, by default .5, it rounds up.
func roundNumber(v any, digits int, roundOn ...float64) float64 {
	on := .5
	if len(roundOn) > 0 {
		on = roundOn[0]
	}
	scale := math.Pow10(digits)
	scaled := toFloat(v) * scale
	if _, fraction := math.Modf(scaled); fraction >= on {
		return math.Ceil(scaled) / scale
	}
	return math.Floor(scaled) / scale
}

func foldInt(start int64, f func(a, b int64) (int64, error)) func(...any) (int64, error) {
	return func(list ...any) (int64, error) {
		out := start
		for _, v := range list {
			var err error
			if out, err = f(out, toInt64(v)); err != nil {
				return 0, err
			}
		}
		return out, nil
	}
}

func divide(a, b any, f func(a, b int64) int64) (int64, error) {
	x, y := toInt64(a), toInt64(b)
	if y == 0 {
		return 0, errors.New("integer divide by zero")
	}
	return f(x, y), nil
}

func pickInt(better func(a, b int64) bool) func(any, ...any) int64 {
	return func(first any, others ...any) int64 {
		best := toInt64(first)
		for _, o := range others {
			if v := toInt64(o); better(best, v) {
				best = v
			}
		}
		return best
	}
}

func foldFloat(f func(a, b float64) float64) func(any, ...any) float64 {
	return func(first any, others ...any) float64 {
		out := toFloat(first)
		for _, o := range others {
			out = f(out, toFloat(o))
		}
		return out
	}
}

func toInt(v any) int { return int(toInt64(v)) }

// toInt64 reads any number; what is none is 0.
func toInt64(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return truncate(v)
	case bool:
		if v {
			return 1
		}
	case string:
		if n, err := strconv.ParseInt(v, 0, 64); err == nil {
			return n
		}
		f, _ := strconv.ParseFloat(v, 64)
		return truncate(f)
	}
	return 0
}

func truncate(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// toFloat reads any number; what is none is 0.
func toFloat(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case bool:
		if v {
			return 1
		}
	case string:
		f, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f
	}
	return 0
}
