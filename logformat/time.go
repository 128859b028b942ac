package logformat

import (
	"fmt"
	"strings"
	"time"
)

// layout is a compiled layout of times. Its language is strftime's, with additions:
//
//	%Y year    %y year of two digits    %m month    %b Jan    %d day, two digits    %e day, one or two, or after a space
//	%a Mon     %H hour    %k hour, one or two digits, or after a space    %I hour of 12    %p AM    %M minute    %S second
//	%f an optional fraction of the second behind a point, a comma or a colon
//	%z zone: Z, +01, +0100 or +01:00    %Z abbreviation of a zone, or what %z is
//	%s seconds since the epoch, may have a fraction    %L milliseconds since the epoch
//	%  a space and everything else stands for itself
type layout struct {
	ops     []timeOp
	hasYear bool
	hasZone bool
}

// timeOp is one step: a verb, or a literal byte with verb 0.
type timeOp struct {
	verb    byte
	literal byte
}

const timeVerbs = "YymbdeaHkIpMSfzZsL"

func compileLayout(text string) (layout, error) {
	var l layout
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			l.ops = append(l.ops, timeOp{literal: text[i]})
			continue
		}
		i++
		if i == len(text) || strings.IndexByte(timeVerbs, text[i]) < 0 {
			return layout{}, fmt.Errorf("time layout %q: %% must be followed by one of %s", text, timeVerbs)
		}
		l.ops = append(l.ops, timeOp{verb: text[i]})
		switch text[i] {
		case 'Y', 'y':
			l.hasYear = true
		case 'z', 'Z':
			l.hasZone = true
		case 's', 'L':
			l.hasYear, l.hasZone = true, true
		}
	}
	if len(l.ops) == 0 {
		return layout{}, fmt.Errorf("a time layout is empty")
	}
	return l, nil
}

// When is what a time is completed with that does not tell everything.
type When struct {
	// Now gives the year where a line has none: the one that brings the time nearest to Now, at most two days behind it.
	Now time.Time
	// Zone is that of times without one; nil is the machine's.
	Zone *time.Location
}

func (w When) zone() *time.Location {
	if w.Zone == nil {
		return time.Local
	}
	return w.Zone
}

// civil is the parts of a time as they are read.
type civil struct {
	year, month, day     int
	hour, minute, second int
	nano                 int
	offset               int // seconds east of UTC
	zoned                bool
	pm, am               bool
	epoch                int64 // nanoseconds
	isEpoch              bool
	zoneName             string
}

// scan reads a time at the beginning of s and returns how many bytes it has; ok is false when s does not begin with one.
func (l layout) scan(s string) (c civil, n int, ok bool) {
	at := 0
	for _, op := range l.ops {
		if op.verb == 0 {
			if at >= len(s) || s[at] != op.literal {
				return c, 0, false
			}
			at++
			continue
		}
		used, good := c.read(op.verb, s[at:])
		if !good {
			return c, 0, false
		}
		at += used
	}
	return c, at, true
}

// read reads one part at the beginning of s.
func (c *civil) read(verb byte, s string) (n int, ok bool) {
	switch verb {
	case 'Y':
		c.year, ok = number(s, 4)
		return 4, ok && c.year >= 1970 && c.year < 2200
	case 'y':
		c.year, ok = number(s, 2)
		c.year += 2000
		return 2, ok
	case 'm':
		c.month, ok = number(s, 2)
		return 2, ok && c.month >= 1 && c.month <= 12
	case 'd':
		c.day, ok = number(s, 2)
		return 2, ok && c.day >= 1 && c.day <= 31
	case 'H':
		c.hour, ok = number(s, 2)
		return 2, ok && c.hour < 24
	case 'M':
		c.minute, ok = number(s, 2)
		return 2, ok && c.minute < 60
	case 'S':
		c.second, ok = number(s, 2)
		return 2, ok && c.second <= 60
	case 'b':
		if len(s) < 3 {
			return 0, false
		}
		c.month, ok = monthOf(s[:3])
		return 3, ok
	case 'a':
		return 3, len(s) >= 3 && isDay(s[:3])
	}
	return c.readOdd(verb, s)
}

// readOdd reads the parts whose length varies.
func (c *civil) readOdd(verb byte, s string) (n int, ok bool) {
	switch verb {
	case 'e':
		if len(s) > 1 && s[0] == ' ' {
			c.day, ok = number(s[1:], 1)
			return 2, ok && c.day >= 1
		}
		if c.day, ok = number(s, 2); ok {
			return 2, c.day >= 1 && c.day <= 31
		}
		c.day, ok = number(s, 1)
		return 1, ok && c.day >= 1
	case 'k':
		if len(s) > 1 && s[0] == ' ' {
			c.hour, ok = number(s[1:], 1)
			return 2, ok
		}
		if c.hour, ok = number(s, 2); ok {
			return 2, c.hour < 24
		}
		c.hour, ok = number(s, 1)
		return 1, ok
	case 'I':
		n = 2
		if c.hour, ok = number(s, 2); !ok {
			c.hour, ok = number(s, 1)
			n = 1
		}
		return n, ok && c.hour >= 1 && c.hour <= 12
	case 'p':
		if len(s) < 2 || s[1]|0x20 != 'm' {
			return 0, false
		}
		c.am, c.pm = s[0]|0x20 == 'a', s[0]|0x20 == 'p'
		return 2, c.am || c.pm
	case 'f':
		c.nano, n = fraction(s)
		return n, true
	case 'z':
		return c.readOffset(s)
	case 'Z':
		return c.readZone(s)
	case 's', 'L':
		return c.readEpoch(verb, s)
	}
	return 0, false
}

func number(s string, n int) (v int, ok bool) {
	if len(s) < n {
		return 0, false
	}
	for i := range n {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = 10*v + int(d)
	}
	return v, true
}

// fraction reads .123, ,123 or :123 into nanoseconds; digits behind the ninth are read over.
func fraction(s string) (nano, n int) {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' && s[0] != ':' || s[1] < '0' || s[1] > '9' {
		return 0, 0
	}
	scale := 100_000_000
	for n = 1; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
		nano += int(s[n]-'0') * scale
		scale /= 10
	}
	return nano, n
}

func (c *civil) readOffset(s string) (n int, ok bool) {
	if s == "" {
		return 0, false
	}
	if s[0] == 'Z' || s[0] == 'z' {
		c.zoned = true
		return 1, true
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, ok := number(s[1:], 2)
	if !ok || hours > 15 {
		return 0, false
	}
	n = 3
	rest := strings.TrimPrefix(s[3:], ":")
	minutes, more := number(rest, 2)
	if more && minutes < 60 {
		n = len(s) - len(rest) + 2
	} else {
		minutes = 0
	}
	c.offset = hours*3600 + minutes*60
	if s[0] == '-' {
		c.offset = -c.offset
	}
	c.zoned = true
	return n, true
}

// zoneOffsets are the abbreviations that mean one thing wherever they are written; any other is taken for the machine's own zone,
// as programs write the zone that they run in.
var zoneOffsets = map[string]int{
	"UTC": 0, "GMT": 0, "WET": 0, "UT": 0, "Z": 0, "CET": 3600, "CEST": 7200, "WEST": 3600, "EET": 7200, "EEST": 10800, "MSK": 10800, "JST": 32400, "KST": 32400,
	"EDT": -14400, "EST": -18000, "CDT": -18000, "MDT": -21600, "MST": -25200, "PDT": -25200, "PST": -28800, "HKT": 28800, "SGT": 28800, "AEST": 36000, "AEDT": 39600,
}

func (c *civil) readZone(s string) (n int, ok bool) {
	if n, ok = c.readOffset(s); ok {
		return n, true
	}
	for n < len(s) && n < 5 && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	if n == 0 {
		return 0, false
	}
	c.zoneName = s[:n]
	return n, true
}

func (c *civil) readEpoch(verb byte, s string) (n int, ok bool) {
	var v int64
	for n < len(s) && n < 14 && s[n] >= '0' && s[n] <= '9' {
		v = 10*v + int64(s[n]-'0')
		n++
	}
	c.isEpoch = true
	if verb == 'L' {
		c.epoch = v * 1_000_000
		return n, n >= 12 && n <= 13
	}
	nano, used := 0, 0
	if n < len(s) && s[n] == '.' {
		nano, used = fraction(s[n:])
	}
	c.epoch = v*1_000_000_000 + int64(nano)
	return n + used, n >= 9 && n <= 10
}

// time completes the parts. ok is false for a day that its month does not have.
func (c *civil) time(l layout, w When) (ns int64, ok bool) {
	if c.isEpoch {
		return c.epoch, true
	}
	c.hour = c.hour24()
	loc, shift := w.zone(), 0
	if c.zoned {
		loc, shift = time.UTC, c.offset
	} else if off, known := zoneOffsets[c.zoneName]; known && c.zoneName != "" {
		loc, shift = time.UTC, off
	}
	if !l.hasYear {
		return c.guessYear(w.Now, loc, shift)
	}
	t, ok := c.in(loc)
	if !ok {
		return 0, false
	}
	return t.UnixNano() - int64(shift)*1_000_000_000, true
}

func (c *civil) hour24() int {
	switch {
	case c.pm && c.hour < 12:
		return c.hour + 12
	case c.am && c.hour == 12:
		return 0
	}
	return c.hour
}

// in is strict where time.Date would move the 30th of February to March.
func (c *civil) in(loc *time.Location) (time.Time, bool) {
	if c.month == 0 || c.day == 0 || c.day > daysOf(c.year, c.month) {
		return time.Time{}, false
	}
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nano, loc), true
}

func daysOf(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// aheadOfNow is how far a time without a year may be behind now before it is taken for one of the year before: clocks and zones differ.
const aheadOfNow = 48 * time.Hour

func (c *civil) guessYear(now time.Time, loc *time.Location, shift int) (ns int64, ok bool) {
	latest := now.Add(aheadOfNow)
	for year := latest.Year(); year > latest.Year()-9; year-- { // 8 years may lie between two 29ths of February
		c.year = year
		t, good := c.in(loc)
		t = t.Add(-time.Duration(shift) * time.Second)
		if good && !t.After(latest) {
			return t.UnixNano(), true
		}
	}
	return 0, false
}

func monthOf(s string) (int, bool) {
	if len(s) != 3 {
		return 0, false
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", string([]byte{s[0] | 0x20, s[1] | 0x20, s[2] | 0x20}))
	return i/3 + 1, i >= 0 && i%3 == 0
}

func isDay(s string) bool {
	switch s {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}
