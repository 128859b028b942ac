package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

func TestDays(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	f := func(spans []StateSpan, want string) {
		t.Helper()
		days, up := Days(spans, now, 3)
		var got []string
		for _, d := range days {
			got = append(got, fmt.Sprintf("%s %s %d", d.Day, d.Status, d.DownSeconds))
		}
		if up != nil {
			got = append(got, fmt.Sprintf("%.4f", *up))
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("got %s, want %s", g, want)
		}
	}
	f(nil, "2026-03-08 PENDING 0, 2026-03-09 PENDING 0, 2026-03-10 PENDING 0")
	f([]StateSpan{{From: at(1, 0), To: now, Status: model.OK, Hard: true}}, "2026-03-08 OK 0, 2026-03-09 OK 0, 2026-03-10 OK 0, 1.0000")
	f([]StateSpan{
		{From: at(8, 12), To: at(8, 22), Status: model.OK, Hard: true},
		{From: at(8, 22), To: at(9, 2), Status: model.Critical, Hard: true},
		{From: at(9, 2), To: at(9, 3), Status: model.Critical},
		{From: at(9, 3), To: at(9, 4), Status: model.Warning, Hard: true},
		{From: at(9, 4), To: now, Status: model.OK, Hard: true},
	}, "2026-03-08 CRITICAL 7200, 2026-03-09 CRITICAL 7200, 2026-03-10 OK 0, 0.9167")
}
