package oncall

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, text, zone string) time.Time {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	x, err := time.ParseInLocation("2006-01-02 15:04", text, z)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func weekly(zone string) *Schedule {
	return &Schedule{Name: "s", Zone: zone, Layers: []Layer{{Name: "weeks", Participants: []string{"ann", "bob", "cy"}, Start: "2026-01-05", Handover: "09:00", Days: 7}}}
}

func TestOn(t *testing.T) {
	nights := weekly("Europe/Paris")
	nights.Layers = append(nights.Layers, Layer{Name: "nights", Participants: []string{"dee", "eve"}, Start: "2026-01-05", Handover: "18:00", Days: 1,
		Only: []Window{{Weekdays: []string{"mon", "tue", "wed", "thu", "fri"}, From: "18:00", To: "08:00"}}})
	hours := &Schedule{Name: "s", Zone: "UTC", Layers: []Layer{{Participants: []string{"ann", "bob"}, Start: "2026-01-05", Handover: "00:00", Hours: 12}}}
	f := func(s *Schedule, when, want string) {
		t.Helper()
		got, ok := s.On(nil, at(t, when, s.Zone))
		if ok != (want != "") || got.Contact != want {
			t.Errorf("%s: %q, want %q", when, got.Contact, want)
		}
	}
	f(weekly("Europe/Paris"), "2026-01-05 08:59", "")
	f(weekly("Europe/Paris"), "2026-01-05 09:00", "ann")
	f(weekly("Europe/Paris"), "2026-01-12 08:59", "ann")
	f(weekly("Europe/Paris"), "2026-01-12 09:00", "bob")
	f(weekly("Europe/Paris"), "2026-01-26 09:00", "ann")
	f(weekly("Europe/Paris"), "2026-03-30 08:59", "cy") // clocks went forward on Sunday: the hand-over is still at nine
	f(weekly("Europe/Paris"), "2026-03-30 09:00", "ann")
	f(weekly("America/New_York"), "2026-03-09 08:59", "cy")
	f(weekly("America/New_York"), "2026-03-09 09:00", "ann")
	f(weekly("America/New_York"), "2026-11-02 08:59", "ann") // and back
	f(weekly("America/New_York"), "2026-11-02 09:00", "bob")
	f(nights, "2026-01-05 17:59", "ann")
	f(nights, "2026-01-05 18:00", "dee")
	f(nights, "2026-01-06 07:59", "dee")
	f(nights, "2026-01-06 08:00", "ann")
	f(nights, "2026-01-06 18:00", "eve")
	f(nights, "2026-01-10 07:59", "dee") // Friday's night ends on Saturday
	f(nights, "2026-01-10 18:00", "ann") // none on Saturday
	f(hours, "2026-01-05 11:59", "ann")
	f(hours, "2026-01-05 12:00", "bob")
	f(hours, "2026-01-06 00:00", "ann")
}

func TestOverrides(t *testing.T) {
	s := weekly("Europe/Paris")
	day := func(text string) time.Time { return at(t, text, s.Zone) }
	overrides := []Override{
		{ID: "1", Schedule: "s", Contact: "bob", From: day("2026-01-06 10:00"), To: day("2026-01-06 14:00"), At: day("2026-01-01 00:00")},
		{ID: "2", Schedule: "s", Contact: "cy", From: day("2026-01-06 12:00"), To: day("2026-01-06 13:00"), At: day("2026-01-02 00:00"), Comment: "lunch"},
		{ID: "3", Schedule: "other", Contact: "cy", From: day("2026-01-06 00:00"), To: day("2026-01-07 00:00"), At: day("2026-01-03 00:00")},
	}
	var got []string
	for _, x := range s.Shifts(overrides, day("2026-01-06 00:00"), day("2026-01-13 00:00")) {
		got = append(got, fmt.Sprintf("%s-%s %s %v", x.From.In(s.zone()).Format("2 15:04"), x.To.In(s.zone()).Format("2 15:04"), x.Contact, x.Override))
	}
	want := []string{"6 00:00-6 10:00 ann false", "6 10:00-6 12:00 bob true", "6 12:00-6 13:00 cy true", "6 13:00-6 14:00 bob true", "6 14:00-12 09:00 ann false", "12 09:00-13 00:00 bob false"}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Shifts say at every moment what On says, whatever the zone, the layers and the overrides are.
func TestShiftsAreWhatOnSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	people := []string{"ann", "bob", "cy", "dee"}
	zones := []string{"Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"}
	clocks := []string{"00:00", "02:30", "09:00", "18:00", "23:30"}
	for range 150 {
		s := &Schedule{Name: "s", Zone: zones[r.IntN(len(zones))]}
		for range 1 + r.IntN(3) {
			l := Layer{Name: fmt.Sprint(r.IntN(9)), Participants: people[:1+r.IntN(4)], Start: time.Date(2026, 1, 1+r.IntN(300), 0, 0, 0, 0, time.UTC).Format(time.DateOnly), Handover: clocks[r.IntN(len(clocks))], Days: 1 + r.IntN(14)}
			if r.IntN(4) == 0 {
				l.Days, l.Hours = 0, 1+r.IntN(30)
			}
			for range r.IntN(3) {
				l.Only = append(l.Only, Window{Weekdays: weekdays[r.IntN(4) : 4+r.IntN(3)], From: clocks[r.IntN(len(clocks))], To: clocks[r.IntN(len(clocks))]})
			}
			s.Layers = append(s.Layers, l)
		}
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(360*24*60)) * time.Minute)
		to := from.Add(time.Duration(1+r.IntN(20*24*60)) * time.Minute)
		var overrides []Override
		for i := range r.IntN(4) {
			begin := from.Add(time.Duration(r.IntN(20*24*60)) * time.Minute)
			overrides = append(overrides, Override{ID: fmt.Sprint(i), Schedule: "s", Contact: people[r.IntN(4)], From: begin, To: begin.Add(time.Duration(1+r.IntN(3000)) * time.Minute), At: from.Add(time.Duration(r.IntN(3)))})
		}
		shifts := s.Shifts(overrides, from, to)
		for i, x := range shifts {
			if !x.From.Before(x.To) || i > 0 && x.From.Before(shifts[i-1].To) {
				t.Fatalf("shift %d is %+v behind %+v", i, x, shifts[max(0, i-1)])
			}
		}
		for range 200 {
			when := from.Add(time.Duration(r.Int64N(int64(to.Sub(from)))))
			on, ok := s.On(overrides, when)
			i := slices.IndexFunc(shifts, func(x Shift) bool { return !when.Before(x.From) && when.Before(x.To) })
			if ok != (i >= 0) || ok && (shifts[i].Contact != on.Contact || shifts[i].ID != on.ID) {
				t.Fatalf("%s: %+v %v, but the shifts have %d of %+v\n%+v", when, on, ok, i, shifts, s)
			}
		}
	}
}
