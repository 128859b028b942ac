package period

import (
	"slices"
	"time"
)

// horizon is how many days ahead times are looked for: the 29th of February comes again after eight years at most, and no step is longer.
const horizon = 8*366 + maxStep

// Contains says whether at is one of the period's times.
func (p *Period) Contains(at time.Time) bool {
	day := DayOf(at.In(p.loc))
	if !slices.ContainsFunc(p.spans(day), func(s span) bool { return s.contains(at) }) {
		return false
	}
	return !slices.ContainsFunc(p.exclude, func(q *Period) bool { return q.Contains(at) })
}

// NextStart returns the first of the period's times from at on: at itself when it is one. It is false when there is none.
func (p *Period) NextStart(at time.Time) (time.Time, bool) { return p.next(at, true) }

// NextEnd returns the first time from at on that is not one of the period's. It is false when there is none.
func (p *Period) NextEnd(at time.Time) (time.Time, bool) { return p.next(at, false) }

// next looks at every moment at which the period may begin or end.
func (p *Period) next(at time.Time, in bool) (time.Time, bool) {
	if p.Contains(at) == in {
		return at, true
	}
	day := DayOf(at.In(p.loc))
	days := horizon
	if n := p.last.Sub(day); n > 0 {
		days += n
	}
	for n := range days {
		edges := p.edges(day.Add(n), nil)
		slices.SortFunc(edges, time.Time.Compare)
		for _, e := range edges {
			if e.After(at) && p.Contains(e) == in {
				return e, true
			}
		}
	}
	return time.Time{}, false
}

// edges appends the begins and ends of the spans around a day of a period, and of those that it excludes.
func (p *Period) edges(day Day, out []time.Time) []time.Time {
	// Days of another zone begin on another day of this one.
	for n := -1; n <= 1; n++ {
		for _, s := range p.spans(day.Add(n)) {
			out = append(out, s.from, s.to)
		}
	}
	for _, q := range p.exclude {
		out = q.edges(day, out)
	}
	return out
}

type span struct{ from, to time.Time }

func (s span) contains(at time.Time) bool { return !at.Before(s.from) && at.Before(s.to) }

// spans returns the times of a day, without exclusions: those of all lines of the first form that holds on it.
func (p *Period) spans(day Day) []span {
	var out []span
	best := forms
	for i := range p.lines {
		l := &p.lines[i]
		if l.form > best || !l.holds(day) {
			continue
		}
		if l.form < best {
			best, out = l.form, nil
		}
		for _, r := range l.ranges {
			s := span{day.Clock(r.from, p.loc, false), day.Clock(r.to, p.loc, true)}
			if s.from.Before(s.to) {
				out = append(out, s)
			}
		}
	}
	return out
}

// holds says whether a line is about a day.
func (l *line) holds(day Day) bool {
	switch l.form {
	case calendarDate:
		return l.within(day, l.from.date(), l.to.date())
	case plainWeekday:
		from, to, w := l.from.weekday, l.to.weekday, day.Weekday()
		if from <= to {
			return from <= w && w <= to && l.onStep(int(w-from))
		}
		return (w >= from || w <= to) && l.onStep(int(w-from+7)%7)
	case monthDate, weekdayOfMonth:
		// A range that began in the year before may go on.
		return l.holdsFrom(day, Day{day.Year, l.from.month, 1}, 12) || l.holdsFrom(day, Day{day.Year - 1, l.from.month, 1}, 12)
	default:
		first := Day{day.Year, day.Month, 1}
		return l.holdsFrom(day, first, 1) || l.holdsFrom(day, first.Add(-1), 1)
	}
}

// holdsFrom says whether a day is in the range that begins in the month of first. One that ends before it begins ends
// so many months later.
func (l *line) holdsFrom(day, first Day, months int) bool {
	from, exact := l.from.in(l.form, first)
	if l.from == l.to {
		return exact && day == from
	}
	last := Day{first.Year, first.Month, 1}
	if l.to.month != 0 {
		last.Month = l.to.month
	}
	if !exact && from.Day > 1 { // from the 31st of a month with 30 days is from the 1st of the next
		from = from.Add(1)
	}
	to, _ := l.to.in(l.form, last)
	if to.Sub(from) < 0 {
		later := DayOf(time.Date(last.Year, last.Month+time.Month(months), 1, 0, 0, 0, 0, time.UTC))
		to, _ = l.to.in(l.form, later)
	}
	return l.within(day, from, to)
}

func (l *line) within(day, from, to Day) bool {
	since := day.Sub(from)
	return since >= 0 && (l.open || day.Sub(to) <= 0) && l.onStep(since)
}

func (l *line) onStep(days int) bool { return l.step == 0 || days%l.step == 0 }

// in returns the day that a point is in a month, or the nearest one of it; exact is whether it has that day.
func (p point) in(f form, month Day) (day Day, exact bool) {
	length := month.InMonth()
	day = Day{month.Year, month.Month, 1}
	if f == weekdayOfMonth || f == nthWeekday {
		if p.n > 0 {
			day.Day = 1 + (int(p.weekday)-int(day.Weekday())+7)%7 + (p.n-1)*7
		} else {
			last := Day{month.Year, month.Month, length}
			day.Day = length - (int(last.Weekday())-int(p.weekday)+7)%7 + (p.n+1)*7
		}
	} else {
		day.Day = p.n
		if p.n < 0 {
			day.Day = length + 1 + p.n
		}
	}
	exact = day.Day >= 1 && day.Day <= length
	day.Day = min(max(day.Day, 1), length)
	return day, exact
}
