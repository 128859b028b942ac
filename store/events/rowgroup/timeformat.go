package rowgroup

import "math"

// timeFormat is how a point in time is written. Its zero value is none.
type timeFormat struct {
	layout    byte // layoutISO ...
	dateSep   byte // ISO: '-' or '/'
	separator byte // ISO: 'T', 't', ' ' or '_'
	point     byte // ISO: '.' or ',', 0 without a fraction
	digits    byte // of the fraction, 0 to 9
	zone      byte // zoneNone ...
	offset    int16
}

// The layouts. Numbers are stored.
const (
	layoutISO    = 1 // 2006-01-02T15:04:05.000Z07:00 and the like
	layoutAccess = 2 // 02/Jan/2006:15:04:05 -0700, of nginx and Apache
	layoutStamp  = 3 // Jan _2 15:04:05, RFC 3164
)

// How the zone is written. Numbers are stored.
const (
	zoneNone  = 0
	zoneZ     = 1 // Z
	zoneColon = 2 // +07:00
	zonePlain = 3 // +0700
)

const monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"

// unit is what the last digit counts, in nanoseconds.
func (f *timeFormat) unit() int64 { return powers[9-f.digits] }

var powers = [...]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
	10_000_000_000, 100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000, 10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000}

func isDigit(c byte) bool { return c-'0' < 10 }

// timeAt says how long the time is that s begins with, 0 when it begins with none that parseTime understands. It is
// cheap where there is none.
func timeAt(s string) int {
	if len(s) < 15 {
		return 0
	}
	switch {
	case isDigit(s[0]) && (s[4] == '-' && s[7] == '-' || s[4] == '/' && s[7] == '/'),
		isDigit(s[0]) && s[2] == '/' && s[6] == '/',
		s[3] == ' ' && s[6] == ' ' && s[9] == ':' && s[12] == ':':
		_, _, n := parseTime(s, 0)
		return n
	}
	return 0
}

// parseTime reads a time at the beginning of s, in nanoseconds since the epoch, and its length; 0 when there is none.
// appendTime writes exactly that text again. near is about when it is, for formats without a year.
func parseTime(s string, near int64) (timeFormat, int64, int) {
	if len(s) < 15 {
		return timeFormat{}, 0, 0
	}
	switch {
	case s[2] == '/':
		return parseAccess(s)
	case s[3] == ' ':
		return parseStamp(s, near)
	}
	return parseISO(s)
}

func parseISO(s string) (f timeFormat, at int64, n int) {
	if len(s) < 19 || s[4] != '-' && s[4] != '/' || s[7] != s[4] {
		return
	}
	f = timeFormat{layout: layoutISO, dateSep: s[4], separator: s[10]}
	if f.separator != 'T' && f.separator != 't' && f.separator != ' ' && f.separator != '_' {
		return
	}
	secs, ok := civil(twoDigits(s[0:2])*100+twoDigits(s[2:4]), twoDigits(s[5:7]), twoDigits(s[8:10]))
	clock, ok2 := clockOf(s[11:19])
	if !ok || !ok2 || !isDigit(s[0]) || !isDigit(s[2]) {
		return
	}
	n = 19
	at = (secs + clock) * 1e9
	if n+1 < len(s) && (s[n] == '.' || s[n] == ',') && isDigit(s[n+1]) {
		x := int64(0)
		digits := 0
		for digits < 9 && n+1+digits < len(s) && isDigit(s[n+1+digits]) {
			x = x*10 + int64(s[n+1+digits]-'0')
			digits++
		}
		f.point, f.digits = s[n], byte(digits)
		n += 1 + digits
		at += x * powers[9-digits]
	}
	length := f.parseZone(s[n:])
	return f, at - int64(f.offset)*60e9, n + length
}

// parseZone reads the zone that s begins with, if any, and returns its length.
func (f *timeFormat) parseZone(s string) int {
	if s == "" {
		return 0
	}
	if s[0] == 'Z' {
		f.zone = zoneZ
		return 1
	}
	if s[0] != '+' && s[0] != '-' || len(s) < 5 {
		return 0
	}
	n, minutes := 5, s[3:5]
	zone := byte(zonePlain)
	if s[3] == ':' {
		if len(s) < 6 {
			return 0
		}
		n, minutes, zone = 6, s[4:6], zoneColon
	}
	h, m := twoDigits(s[1:3]), twoDigits(minutes)
	if h < 0 || h > 23 || m < 0 || m > 59 || s[0] == '-' && h+m == 0 {
		return 0
	}
	f.zone, f.offset = zone, int16(h*60+m)
	if s[0] == '-' {
		f.offset = -f.offset
	}
	return n
}

func parseAccess(s string) (f timeFormat, at int64, n int) {
	if len(s) < 26 || s[2] != '/' || s[6] != '/' || s[11] != ':' || s[20] != ' ' {
		return
	}
	secs, ok := civil(twoDigits(s[7:9])*100+twoDigits(s[9:11]), monthOf(s[3:6]), twoDigits(s[0:2]))
	clock, ok2 := clockOf(s[12:20])
	if !ok || !ok2 || !isDigit(s[7]) || !isDigit(s[9]) {
		return
	}
	f = timeFormat{layout: layoutAccess}
	if f.parseZone(s[21:]) != 5 || f.zone != zonePlain {
		return timeFormat{}, 0, 0
	}
	return f, (secs+clock)*1e9 - int64(f.offset)*60e9, 26
}

func parseStamp(s string, near int64) (f timeFormat, at int64, n int) {
	if s[3] != ' ' || s[6] != ' ' {
		return
	}
	month, day := monthOf(s[0:3]), twoDigits(s[4:6])
	if s[4] == ' ' && isDigit(s[5]) && s[5] != '0' {
		day = int(s[5] - '0')
	} else if day < 10 {
		return // Jan 02: not as RFC 3164 has it
	}
	clock, ok := clockOf(s[7:15])
	if !ok {
		return
	}
	year, nearMonth, _ := dateOf(floorDiv(near, 86400e9))
	switch {
	case month-nearMonth > 6:
		year--
	case nearMonth-month > 6:
		year++
	}
	secs, ok := civil(year, month, day)
	if !ok {
		return
	}
	return timeFormat{layout: layoutStamp}, (secs + clock) * 1e9, 15
}

// twoDigits is the number, or -1000000.
func twoDigits(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -1_000_000
	}
	return int(a)*10 + int(b)
}

// monthKeys are the names of the months as numbers, which are compared at once.
var monthKeys = func() (keys [12]uint32) {
	for m := range keys {
		keys[m] = monthKey(monthNames[3*m:])
	}
	return keys
}()

func monthKey(s string) uint32 { return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 }

func monthOf(s string) int {
	key := monthKey(s)
	for m, k := range monthKeys {
		if k == key {
			return m + 1
		}
	}
	return 0
}

func clockOf(s string) (int64, bool) {
	h, m, sec := twoDigits(s[0:2]), twoDigits(s[3:5]), twoDigits(s[6:8])
	return int64(h)*3600 + int64(m)*60 + int64(sec), s[2] == ':' && s[5] == ':' && h >= 0 && h < 24 && m >= 0 && m < 60 && sec >= 0 && sec < 60
}

// civil is the seconds since the epoch at the beginning of a day; years outside what nanoseconds can tell are refused.
func civil(year, month, day int) (int64, bool) {
	if year < 1700 || year > 2250 || month < 1 || month > 12 || day < 1 || day > monthDays(year, month) {
		return 0, false
	}
	y := int64(year)
	if month <= 2 {
		y--
	}
	// Days are counted in eras of 400 years that begin on the first of March.
	era := floorDiv(y, 400)
	inEra := y - era*400
	inYear := (153*((int64(month)+9)%12)+2)/5 + int64(day) - 1
	return (era*146097 + inEra*365 + inEra/4 - inEra/100 + inYear - 719468) * 86400, true
}

func monthDays(year, month int) int {
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

// dateOf is civil turned around, from days since the epoch.
func dateOf(days int64) (year, month, day int) {
	days += 719468
	era := floorDiv(days, 146097)
	inEra := days - era*146097
	yearOfEra := (inEra - inEra/1460 + inEra/36524 - inEra/146096) / 365
	inYear := inEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*inYear + 2) / 153
	day = int(inYear - (153*m+2)/5 + 1)
	month = int((m+2)%12 + 1)
	year = int(yearOfEra + era*400)
	if month <= 2 {
		year++
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendTime writes a time as the format says.
func (f *timeFormat) appendTime(dst []byte, at int64) []byte {
	if f.offset != 0 {
		shift := int64(f.offset) * 60e9
		if shift > 0 && at > math.MaxInt64-shift || shift < 0 && at < math.MinInt64-shift {
			return dst // damaged bytes only
		}
		at += shift
	}
	secs := floorDiv(at, 1e9)
	days := floorDiv(secs, 86400)
	clock := int(secs - days*86400)
	year, month, day := dateOf(days)
	name := monthNames[3*month-3 : 3*month]
	switch f.layout {
	case layoutAccess:
		dst = appendTwo(dst, day)
		dst = append(append(append(dst, '/'), name...), '/')
		dst = appendTwo(appendTwo(dst, year/100), year%100)
		dst = appendClock(append(dst, ':'), clock)
		return f.appendZone(append(dst, ' '))
	case layoutStamp:
		dst = append(append(dst, name...), ' ')
		if day < 10 {
			dst = append(dst, ' ', byte('0'+day))
		} else {
			dst = appendTwo(dst, day)
		}
		return appendClock(append(dst, ' '), clock)
	}
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), f.dateSep)
	dst = append(appendTwo(dst, month), f.dateSep)
	dst = append(appendTwo(dst, day), f.separator)
	dst = appendClock(dst, clock)
	if f.digits > 0 {
		dst = append(dst, f.point)
		nanos := at - secs*1e9
		for i := range f.digits {
			dst = append(dst, byte('0'+nanos/powers[8-i]%10))
		}
	}
	return f.appendZone(dst)
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10%10), byte('0'+n%10))
}

func appendClock(dst []byte, clock int) []byte {
	dst = append(appendTwo(dst, clock/3600), ':')
	dst = append(appendTwo(dst, clock/60%60), ':')
	return appendTwo(dst, clock%60)
}

func (f *timeFormat) appendZone(dst []byte) []byte {
	if f.zone == zoneNone {
		return dst
	}
	if f.zone == zoneZ {
		return append(dst, 'Z')
	}
	offset, sign := int(f.offset), byte('+')
	if offset < 0 {
		offset, sign = -offset, '-'
	}
	dst = appendTwo(append(dst, sign), offset/60)
	if f.zone == zoneColon {
		dst = append(dst, ':')
	}
	return appendTwo(dst, offset%60)
}
