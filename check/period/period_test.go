package period

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func one(t *testing.T, zone string, lines ...string) *Period {
	t.Helper()
	all, err := New(map[string]Definition{"p": {Times: lines, Zone: zone}})
	if err != nil {
		t.Fatal(err)
	}
	return all["p"]
}

// days returns the days of a year at whose noon the period is on, as MM-DD.
func days(p *Period, year int) []string {
	var out []string
	for day := (Day{year, 1, 1}); day.Year == year; day = day.Add(1) {
		if p.Contains(day.Clock(12*time.Hour, p.loc, false)) {
			out = append(out, day.utc().Format("01-02"))
		}
	}
	return out
}

// The forms of the documentation of Nagios, with days looked up in a calendar of 2026.
func TestDays(t *testing.T) {
	f := func(text string, want string) {
		t.Helper()
		got := strings.Join(days(one(t, "UTC", text+" 00:00-24:00"), 2026), " ")
		if got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	f("2026-12-25", "12-25")
	f("2025-12-25", "")
	f("2026-12-30 - 2027-02-01", "12-30 12-31")
	f("2025-12-30 - 2026-01-03 / 2", "01-01 01-03")
	f("2026-12-20 / 5", "12-20 12-25 12-30")
	f("2020-01-01 / 366", "01-05")
	f("january 30", "01-30")
	f("february -1", "02-28")
	f("february 29", "")
	f("april 29 - may 2", "04-29 04-30 05-01 05-02")
	f("july 10 - 15 / 2", "07-10 07-12 07-14")
	f("december 30 - january 2", "01-01 01-02 12-30 12-31")
	f("january 1 - february 10 / 10", "01-01 01-11 01-21 01-31 02-10")
	f("february 27 - 29", "02-27 02-28")
	f("february 29 - march 2", "03-01 03-02")
	f("day 31", "01-31 03-31 05-31 07-31 08-31 10-31 12-31")
	f("day -1 ", "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31")
	f("day 14 - 15 / 3", "01-14 02-14 03-14 04-14 05-14 06-14 07-14 08-14 09-14 10-14 11-14 12-14")
	f("monday 3", "01-19 02-16 03-16 04-20 05-18 06-15 07-20 08-17 09-21 10-19 11-16 12-21")
	f("monday 5", "03-30 06-29 08-31 11-30")
	f("friday -1", "01-30 02-27 03-27 04-24 05-29 06-26 07-31 08-28 09-25 10-30 11-27 12-25")
	f("thursday -1 november", "11-26")
	f("tuesday 1 april - friday 2 april / 2", "04-07 04-09")
	f("sunday -1 december - sunday 1 january", "01-01 01-02 01-03 01-04 12-27 12-28 12-29 12-30 12-31")
	f("TUE 1 APR", "04-07")
	if got := len(days(one(t, "UTC", "day 6 - -2 00:00-24:00"), 2026)); got != 365-12*6 {
		t.Errorf("day 6 - -2: %d days", got)
	}
	if got := len(days(one(t, "UTC", "day 30 - 2 00:00-24:00"), 2026)); got != 24+18 {
		t.Errorf("day 30 - 2: %d days", got)
	}
	if got := len(days(one(t, "UTC", "monday - friday 00:00-24:00"), 2026)); got != 261 {
		t.Errorf("monday - friday: %d days", got)
	}
	if got := len(days(one(t, "UTC", "saturday - sunday 00:00-24:00"), 2026)); got != 104 {
		t.Errorf("saturday - sunday: %d days", got)
	}
	if got := len(days(one(t, "UTC", "daily always"), 2026)); got != 365 {
		t.Errorf("daily: %d days", got)
	}
}

// What is more particular counts alone.
func TestPrecedence(t *testing.T) {
	lines := []string{"monday 01:00-02:00", "monday 1 02:00-03:00", "monday 1 june 03:00-04:00", "day 1 04:00-05:00", "june 1 05:00-06:00",
		"2026-06-01 06:00-07:00", "2026-06-01 09:00-10:00"}
	want := []string{"06:00 09:00", "05:00", "04:00", "03:00", "02:00", "01:00"}
	for n, want := range want {
		take := lines
		if n > 0 {
			take = lines[:6-n]
		}
		p := one(t, "UTC", take...)
		var got []string
		for h := range 24 {
			if at := time.Date(2026, 6, 1, h, 0, 0, 0, time.UTC); p.Contains(at) {
				got = append(got, at.Format("15:04"))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v, not %s", take, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if err := Line(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", text, err, want)
		}
	}
	f("monday", "write days and ranges")
	f("monday 9-17", "write days and ranges")
	f("monday 09:00-25:00", "times are from 00:00 to 24:00")
	f("monday 22:00-06:00", "ends before it begins")
	f("moonday 09:00-10:00", `"moonday" is no weekday`)
	f("2026-02-30 00:00-24:00", "there is no day 2026-02-30")
	f("22026-02-03 00:00-24:00", `"22026-02-03" is no weekday`)
	f("2206-02-03 00:00-24:00", "the year of 2206-02-03 is not")
	f("2026-02-03 - 2026-02-01 00:00-24:00", "the last day is before the first")
	f("february 30 00:00-24:00", "there is no day 30: 1 to 29")
	f("day 0 00:00-24:00", "there is no day 0")
	f("monday 6 00:00-24:00", "no weekday number 6")
	f("day 1 - monday 2 00:00-24:00", "written like the first")
	f("monday 1 - 3 00:00-24:00", "written like the first")
	f("day 1 - 9 / 0 00:00-24:00", "every how many days")
	f("day 1 2 00:00-24:00", `"2" is not understood there`)
	f("day 00:00-24:00", "after day comes its number")
	f("july 00:00-24:00", "after a month comes a day")
	if err := Line("monday 00:00-00:00"); err != nil {
		t.Error(err)
	}
}

func TestNext(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Skip(err)
	}
	f := func(at, start, end string, lines ...string) {
		t.Helper()
		p := one(t, "Europe/Paris", lines...)
		now, err := time.ParseInLocation("2006-01-02 15:04", at, zone)
		if err != nil {
			t.Fatal(err)
		}
		show := func(when time.Time, ok bool) string {
			if !ok {
				return "never"
			}
			return when.In(zone).Format("2006-01-02 15:04 MST")
		}
		if got := show(p.NextStart(now)); got != start {
			t.Errorf("%v starts %s, not %s", lines, got, start)
		}
		if got := show(p.NextEnd(now)); got != end {
			t.Errorf("%v ends %s, not %s", lines, got, end)
		}
	}
	f("2026-03-02 10:00", "2026-03-02 10:00 CET", "2026-03-02 18:00 CET", "monday - friday 09:00-18:00")
	f("2026-03-06 18:00", "2026-03-09 09:00 CET", "2026-03-06 18:00 CET", "monday - friday 09:00-18:00")
	f("2026-03-07 10:00", "2026-03-09 00:00 CET", "2026-03-07 10:00 CET", "monday 00:00-24:00", "tuesday 00:00-12:00")
	f("2026-03-09 10:00", "2026-03-09 10:00 CET", "2026-03-10 12:00 CET", "monday 00:00-24:00", "tuesday 00:00-12:00")
	f("2026-03-29 00:00", "2026-03-29 03:00 CEST", "2026-03-29 00:00 CET", "sunday 02:30-04:00")
	f("2026-10-25 00:00", "2026-10-25 02:30 CEST", "2026-10-25 00:00 CEST", "sunday 02:30-02:45")
	f("2026-03-02 10:00", "2028-02-29 00:00 CET", "2026-03-02 10:00 CET", "february 29 00:00-24:00")
	f("2026-03-02 10:00", "2055-05-05 08:00 CEST", "2026-03-02 10:00 CET", "2055-05-05 08:00-09:00")
	f("2026-03-02 10:00", "never", "2026-03-02 10:00 CET", "2020-01-01 00:00-24:00")
	f("2026-03-02 10:00", "2026-03-02 10:00 CET", "never", "daily 00:00-24:00")
	f("2026-03-02 10:00", "never", "2026-03-02 10:00 CET")
}

func TestExclude(t *testing.T) {
	all, err := New(map[string]Definition{
		"work":     {Times: []string{"monday - friday 09:00-18:00"}, Exclude: []string{"holidays", "lunch"}, Zone: "UTC"},
		"holidays": {Times: []string{"december 25 00:00-24:00", "2026-12-24 12:00-24:00"}, Zone: "UTC", Exclude: []string{"party"}},
		"party":    {Times: []string{"december 25 17:00-18:00"}, Zone: "UTC"},
		"lunch":    {Times: []string{"daily 12:00-13:00"}, Zone: "UTC"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	at := time.Date(2026, 12, 24, 11, 0, 0, 0, time.UTC)
	for range 4 {
		end, _ := all["work"].NextEnd(at)
		start, _ := all["work"].NextStart(end)
		got = append(got, end.Format("02T15"), start.Format("02T15"))
		at = start
	}
	want := []string{"24T12", "25T17", "25T18", "28T09", "28T12", "28T13", "28T18", "29T09"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestNewErrors(t *testing.T) {
	all, err := New(map[string]Definition{
		"a": {Exclude: []string{"b"}}, "b": {Exclude: []string{"a"}}, "c": {Exclude: []string{"nowhere"}},
		"d": {Zone: "Mars"}, "e": {Times: []string{"monday 9"}}, "good": {Times: []string{"monday 09:00-10:00"}},
		"f": {Exclude: []string{"c"}},
	})
	if err == nil || len(all) != 1 || all["good"] == nil {
		t.Fatalf("%v, %v", all, err)
	}
	for _, want := range []string{`period "a" excludes itself: a -> b -> a`, `period "c": exclude: there is no period "nowhere"`, `period "d": zone: "Mars"`,
		`period "e": "monday 9"`, `period "f": exclude: "c" is in error`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestJSON(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var d Definition
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !slices.Equal(d.Times, want) {
			t.Errorf("%s: %q, not %q", text, d.Times, want)
		}
		again, err := json.Marshal(d)
		var e Definition
		if err != nil || json.Unmarshal(again, &e) != nil || !slices.Equal(e.Times, d.Times) || e.Zone != d.Zone {
			t.Errorf("%s comes back as %s", text, again)
		}
	}
	f(`{"times":{"monday - friday":"09:00-18:00","2026-12-25":"never"},"zone":"Europe/Paris"}`, "2026-12-25 never", "monday - friday 09:00-18:00")
	f(`{"times":{"monday":["09:00-12:00","13:00-18:00"]}}`, "monday 09:00-12:00,13:00-18:00")
	f(`{"times":["monday 09:00-18:00"],"exclude":["x"]}`, "monday 09:00-18:00")
	f(`["monday 09:00-18:00"]`, "monday 09:00-18:00")
	f(`"daily always"`, "daily always")
	var d Definition
	for _, text := range []string{`{"time":[]}`, `{"times":5}`, `{"times":{"monday":5}}`, `5`} {
		if json.Unmarshal([]byte(text), &d) == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// What a line means and what is looked ahead agree.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"monday 09:00-17:00", "2026-12-25 00:00-24:00", "monday 3 00:00-24:00", "day -1 22:00-23:59", "january 1 - february 10 / 3 00:00-24:00",
		"tuesday 1 april - friday 2 may / 6 01:00-02:00,03:00-04:00", "day 30 - 2 00:00-24:00", "daily always", "sunday never", "2026-01-01 / 7 02:30-02:45"} {
		f.Add(seed, int64(1790000000), int64(1800000000))
	}
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		f.Skip(err)
	}
	f.Fuzz(func(t *testing.T, text string, when, probe int64) {
		l, err := parseLine(text)
		if err != nil {
			return
		}
		p := &Period{loc: zone, lines: []line{l}, last: l.to.date()}
		at := time.Unix(when%(1<<33), 0)
		start, ok := p.NextStart(at)
		if !ok {
			return
		}
		if !p.Contains(start) || start.Before(at) {
			t.Fatalf("%q: from %s on it starts at %s, which it does not contain", text, at, start)
		}
		if between := at.Unix() + max(probe%max(start.Unix()-at.Unix(), 1), 0); between < start.Unix() && p.Contains(time.Unix(between, 0)) {
			t.Fatalf("%q contains %s, before its next start %s", text, time.Unix(between, 0), start)
		}
	})
}

func TestClock(t *testing.T) {
	f := func(zone string, day Day, of time.Duration, late bool, want string) {
		t.Helper()
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Skip(err)
		}
		if got := day.Clock(of, loc, late).Format("2006-01-02T15:04Z07:00"); got != want {
			t.Errorf("%s %v %s: %s, not %s", zone, day, of, got, want)
		}
	}
	half := 2*time.Hour + 30*time.Minute
	f("UTC", Day{2026, 3, 29}, half, false, "2026-03-29T02:30Z")
	f("Europe/Paris", Day{2026, 3, 29}, half, false, "2026-03-29T03:00+02:00")
	f("Europe/Paris", Day{2026, 10, 25}, half, false, "2026-10-25T02:30+02:00")
	f("Europe/Paris", Day{2026, 10, 25}, half, true, "2026-10-25T02:30+01:00")
	f("Europe/Paris", Day{2026, 10, 25}, 24*time.Hour, true, "2026-10-26T00:00+01:00")
	f("America/New_York", Day{2026, 3, 8}, half, true, "2026-03-08T03:00-04:00")
	f("Australia/Lord_Howe", Day{2026, 4, 5}, 105*time.Minute, true, "2026-04-05T01:45+10:30")
	f("Asia/Beirut", Day{2026, 3, 29}, 0, false, "2026-03-29T01:00+03:00")
}
