package period

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// form is how the days of a line are written. Of the lines that hold on a day those of the first form count, as in Nagios.
type form int

const (
	calendarDate   form = iota // 2026-12-25
	monthDate                  // january 30
	dayOfMonth                 // day 15
	weekdayOfMonth             // monday 3 april
	nthWeekday                 // monday 3
	plainWeekday               // monday
	forms
)

// point is one end of a range of days. Which fields count depends on the form.
type point struct {
	year    int
	month   time.Month
	n       int // the day, or which of the weekdays; negative from the end
	weekday time.Weekday
}

func (p point) date() Day {
	if p.year == 0 {
		return Day{1, 1, 1}
	}
	return Day{p.year, p.month, p.n}
}

// clockRange is from one time of the day to another, both since midnight.
type clockRange struct{ from, to time.Duration }

// line is one line of a period: days, and the ranges of time on them.
type line struct {
	form
	from, to point
	open     bool // a calendar date with a step but without an end goes on for ever
	step     int  // every so many days
	ranges   []clockRange
}

// maxStep and maxLine bound what is read from outside.
const (
	maxStep = 3660
	maxLine = 4096
)

var lineRE = regexp.MustCompile(`^(.*?)\s+(never|always|\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2}(?:\s*,\s*\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2})*)\s*$`)

// Line says what is wrong with a line of a period, such as "monday 3 09:00-17:00".
func Line(text string) error {
	_, err := parseLine(text)
	return err
}

// parseLine reads a line: days and ranges, as the documentation of Nagios has them ("Time Periods"), and besides "monday - friday",
// "daily", and "always" or "never" for the times of a day.
func parseLine(text string) (line, error) {
	if len(text) > maxLine {
		return line{}, errors.New("a line of more than 4096 characters")
	}
	m := lineRE.FindStringSubmatch(strings.ToLower(strings.TrimSpace(text)))
	if m == nil {
		return line{}, fmt.Errorf("%q: write days and ranges of time, like monday 09:00-12:00,13:00-18:00", text)
	}
	l, err := parseDays(m[1])
	if err != nil {
		return line{}, fmt.Errorf("%q: %w", text, err)
	}
	if l.ranges, err = parseRanges(m[2]); err != nil {
		return line{}, fmt.Errorf("%q: %w", text, err)
	}
	return l, nil
}

func parseRanges(text string) ([]clockRange, error) {
	switch text {
	case "never":
		return nil, nil
	case "always":
		return []clockRange{{0, 24 * time.Hour}}, nil
	}
	var out []clockRange
	for _, r := range strings.Split(text, ",") {
		from, to, _ := strings.Cut(r, "-")
		a, okA := parseClock(from)
		b, okB := parseClock(to)
		if !okA || !okB {
			return nil, fmt.Errorf("%q: times are from 00:00 to 24:00", strings.TrimSpace(r))
		}
		if a > b {
			return nil, fmt.Errorf("%q ends before it begins: write two ranges, up to 24:00 and from 00:00", strings.TrimSpace(r))
		}
		if a < b { // 00:00-00:00 is how Nagios writes a day without times
			out = append(out, clockRange{a, b})
		}
	}
	return out, nil
}

func parseClock(text string) (time.Duration, bool) {
	h, m, _ := strings.Cut(strings.TrimSpace(text), ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	of := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	return of, err1 == nil && err2 == nil && minute < 60 && of <= 24*time.Hour
}

// reader takes the words of the days of a line one after the other.
type reader struct{ words []string }

func (r *reader) peek() string {
	if len(r.words) == 0 {
		return ""
	}
	return r.words[0]
}

func (r *reader) take(word string) bool {
	if r.peek() != word {
		return false
	}
	r.words = r.words[1:]
	return true
}

func (r *reader) number() (int, bool) {
	n, err := strconv.Atoi(r.peek())
	if err != nil {
		return 0, false
	}
	r.words = r.words[1:]
	return n, true
}

func parseDays(text string) (line, error) {
	r := reader{strings.Fields(text)}
	var l line
	if r.take("daily") {
		return line{form: plainWeekday, from: point{weekday: time.Sunday}, to: point{weekday: time.Saturday}}, r.end()
	}
	var err error
	if l.from, l.form, err = r.point(); err != nil {
		return l, err
	}
	l.to = l.from
	ranged := r.take("-")
	if ranged {
		if err := l.readEnd(&r); err != nil {
			return l, err
		}
	}
	if r.take("/") {
		n, ok := r.number()
		if !ok || n < 1 || n > maxStep {
			return l, fmt.Errorf("after / comes every how many days, 1 to %d", maxStep)
		}
		l.step = n
		l.open = l.form == calendarDate && !ranged
	}
	if l.form == calendarDate && l.to.date().Sub(l.from.date()) < 0 {
		return l, errors.New("the last day is before the first")
	}
	return l, r.end()
}

func (r *reader) end() error {
	if len(r.words) > 0 {
		return fmt.Errorf("%q is not understood there", r.words[0])
	}
	return nil
}

// readEnd reads the last day of a range, which is written like the first or, in the same month, as its number.
func (l *line) readEnd(r *reader) error {
	if n, ok := r.number(); ok {
		if l.form != monthDate && l.form != dayOfMonth {
			return errors.New("the last day is written like the first")
		}
		l.to.n = n
		return checkDay(n, l.to.month)
	}
	to, f, err := r.point()
	if err != nil {
		return err
	}
	if f != l.form {
		return errors.New("the last day is written like the first")
	}
	l.to = to
	return nil
}

var isoDate = regexp.MustCompile(`^(\d{4})-(\d{1,2})-(\d{1,2})$`)

// point reads one day.
func (r *reader) point() (point, form, error) {
	word := r.peek()
	if word == "" {
		return point{}, 0, errors.New("no days: begin with a weekday, a month, day or a date")
	}
	r.words = r.words[1:]
	if m := isoDate.FindStringSubmatch(word); m != nil {
		return datePoint(m)
	}
	if word == "day" {
		n, ok := r.number()
		if !ok {
			return point{}, 0, errors.New("after day comes its number in the month")
		}
		return point{n: n}, dayOfMonth, checkDay(n, 0)
	}
	if m, ok := monthNames[word]; ok {
		n, ok := r.number()
		if !ok {
			return point{}, 0, errors.New("after a month comes a day of it")
		}
		return point{month: m, n: n}, monthDate, checkDay(n, m)
	}
	w, ok := weekdayNames[word]
	if !ok {
		return point{}, 0, fmt.Errorf("%q is no weekday, month or date, nor the word day", word)
	}
	n, ok := r.number()
	if !ok {
		return point{weekday: w}, plainWeekday, nil
	}
	if n == 0 || n < -5 || n > 5 {
		return point{}, 0, fmt.Errorf("there is no weekday number %d in a month: 1 to 5, or -1 (the last) to -5", n)
	}
	if m, ok := monthNames[r.peek()]; ok {
		r.words = r.words[1:]
		return point{weekday: w, n: n, month: m}, weekdayOfMonth, nil
	}
	return point{weekday: w, n: n}, nthWeekday, nil
}

func datePoint(m []string) (point, form, error) {
	year, _ := strconv.Atoi(m[1])
	month, _ := strconv.Atoi(m[2])
	day, _ := strconv.Atoi(m[3])
	p := point{year: year, month: time.Month(month), n: day}
	if year < 1970 || year > 2199 { // further off is a typing error, and long to look ahead for
		return p, 0, fmt.Errorf("the year of %s is not from 1970 to 2199", m[0])
	}
	if DayOf(p.date().utc()) != p.date() {
		return p, 0, fmt.Errorf("there is no day %s", m[0])
	}
	return p, calendarDate, nil
}

func checkDay(n int, month time.Month) error {
	most := 31
	if month != 0 {
		most = Day{2024, month, 1}.InMonth() // a year with a 29th of February
	}
	if n == 0 || n < -most || n > most {
		return fmt.Errorf("there is no day %d: 1 to %d, or -1 (the last) to -%d", n, most, most)
	}
	return nil
}

// The names that Nagios knows, and the short ones that people write.
var weekdayNames, monthNames = names()

func names() (map[string]time.Weekday, map[string]time.Month) {
	weekdays, months := map[string]time.Weekday{}, map[string]time.Month{}
	for w := time.Sunday; w <= time.Saturday; w++ {
		name := strings.ToLower(w.String())
		weekdays[name], weekdays[name[:3]] = w, w
	}
	for m := time.January; m <= time.December; m++ {
		name := strings.ToLower(m.String())
		months[name], months[name[:3]] = m, m
	}
	return weekdays, months
}
