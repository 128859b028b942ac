package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// setTimes works out when to evaluate from the texts of the flags.
func (o *options) setTimes(now time.Time, at, start, end, length, step string) error {
	o.isRange = start != "" || length != ""
	if !o.isRange {
		if end != "" || step != "" {
			return errors.New("--end and --step need --range or --start")
		}
		return setTime(&o.at, now, "--time", at)
	}
	switch {
	case at != "":
		return errors.New("--time is of one moment: leave it out with --range or --start")
	case start != "" && length != "":
		return errors.New("--start and --range say the same: give one of them, and --end")
	}
	if err := setTime(&o.end, now, "--end", end); err != nil {
		return err
	}
	if length != "" {
		d, err := positiveDuration("--range", length)
		if err != nil {
			return err
		}
		o.start = o.end.Add(-d)
	} else if err := setTime(&o.start, now, "--start", start); err != nil {
		return err
	}
	if !o.start.Before(o.end) {
		return fmt.Errorf("the range is empty: it starts at %s and ends at %s", o.start.Format(time.RFC3339), o.end.Format(time.RFC3339))
	}
	return o.setStep(step)
}

func (o *options) setStep(step string) error {
	if step == "" {
		o.step = niceStep(o.end.Sub(o.start))
		return nil
	}
	d, err := positiveDuration("--step", step)
	o.step = d
	return err
}

// niceSteps are the steps that people think in.
var niceSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// niceStep returns the shortest nice step that makes at most 250 points: two for each column of a plot.
func niceStep(length time.Duration) time.Duration {
	const points = 250
	for _, s := range niceSteps {
		if length/s <= points {
			return s
		}
	}
	return (length / points).Round(24 * time.Hour)
}

func setTime(t *time.Time, now time.Time, flag, text string) error {
	parsed, err := parseTime(text, now)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	*t = parsed
	return nil
}

// parseTime reads now, now-1h, a date, RFC 3339 or seconds since 1970; nothing is now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "now" {
		return now, nil
	}
	for _, sign := range []string{"-", "+"} {
		if ago, ok := strings.CutPrefix(text, "now"+sign); ok {
			d, err := model.ParseDuration(ago)
			if err != nil {
				return now, err
			}
			if sign == "-" {
				d = -d
			}
			return now.Add(time.Duration(d)), nil
		}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1e11 {
		return time.UnixMilli(int64(math.Round(f * 1000))), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return now, fmt.Errorf("%q is no time: write now-1h, 2026-01-31, 2026-01-31T12:00:00Z or seconds since 1970", text)
}

// positiveDuration reads a duration as Prometheus writes it (1h30m, 2d), or in seconds.
func positiveDuration(flag, text string) (time.Duration, error) {
	var d time.Duration
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1e9 {
		d = time.Duration(f * float64(time.Second))
	} else {
		m, err := model.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%s: %q is no duration: write 30s, 5m, 1h30m or 2d", flag, text)
		}
		d = time.Duration(m)
	}
	if d <= 0 {
		return 0, fmt.Errorf("%s: %s is not longer than nothing", flag, text)
	}
	return d, nil
}
