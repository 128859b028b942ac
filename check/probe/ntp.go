package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// ntpOptions are those of the kind ntp.
type ntpOptions struct {
	targetOptions
	WarnOffset  check.Range `json:"warn_offset,omitempty" doc:"WARNING when the clocks differ by more, either way; 500ms when nothing is declared"`
	CritOffset  check.Range `json:"crit_offset,omitempty" doc:"CRITICAL when the clocks differ by more; 5s when nothing is declared"`
	WarnStratum check.Range `json:"warn_stratum,omitempty" doc:"WARNING when the stratum is outside, such as 1:4"`
	CritStratum check.Range `json:"crit_stratum,omitempty" doc:"CRITICAL when the stratum is outside"`
	Samples     int         `json:"samples,omitempty" doc:"how many times the server is asked, the fastest answer counts: 1 when nothing is declared, at most 8"`
}

func ntpKind() check.Kind {
	return newKind("ntp", "Asks an NTP server: whether it is synchronised, its stratum, and how far our clock is from its.", func(p check.Params, o *ntpOptions) (check.Prober, error) {
		t, err := o.target(p, 123)
		if err != nil {
			return nil, err
		}
		if o.Samples < 0 || o.Samples > 8 {
			return nil, fmt.Errorf("samples: %d: write a number from 1 to 8", o.Samples)
		}
		if !o.WarnOffset.Set() && !o.CritOffset.Set() {
			o.WarnOffset, o.CritOffset = check.Above(0.5), check.Above(5)
		}
		k := &ntpProbe{o, t}
		return &prober{timeout: p.Timeout, ask: k.ask}, nil
	})
}

type ntpProbe struct {
	*ntpOptions
	at target
}

func (k *ntpProbe) ask(ctx context.Context, rep *report) {
	d, err := k.at.dialUDP(ctx, rep)
	if err != nil {
		rep.failed(err)
		return
	}
	defer d.end()
	var best ntpAnswer
	for i := range max(k.Samples, 1) {
		a, err := askNTP(ctx, d)
		if err != nil {
			rep.failed(err)
			return
		}
		if i == 0 || a.delay < best.delay {
			best = a
		}
	}
	k.judge(best, rep)
}

func (k *ntpProbe) judge(a ntpAnswer, rep *report) {
	rep.fact("NTP OK, stratum %d, offset %s, reference %s, answer in %s", a.stratum, duration(a.offset), a.reference, duration(a.delay))
	rep.metric("probe_ntp_offset_seconds", "How far this machine's clock is behind the server's", a.offset.Seconds())
	rep.metric("probe_ntp_stratum", "Stratum of the server", float64(a.stratum))
	rep.metric("probe_ntp_round_trip_seconds", "Time between question and answer without that in the server", a.delay.Seconds())
	rep.metric("probe_ntp_root_delay_seconds", "Delay between the server and its primary source", a.rootDelay)
	rep.metric("probe_ntp_root_dispersion_seconds", "Error of the server's clock that has grown since its primary source", a.rootDispersion)
	synchronised := 1.0
	if a.leap == 3 || a.stratum == 0 || a.stratum >= 16 {
		synchronised = 0
		rep.problem(model.Critical, "the server's clock is not synchronised (stratum %d)", a.stratum)
	}
	rep.metric("probe_ntp_synchronised", "Whether the server's clock is synchronised", synchronised)
	rep.value("offset", math.Abs(round(math.Abs(a.offset.Seconds()))), "s", k.WarnOffset, k.CritOffset, "clocks differ by %s")
	rep.value("stratum", float64(a.stratum), "", k.WarnStratum, k.CritStratum, "stratum is %s")
	rep.duration("time", a.delay, k.WarnTime, k.CritTime, "answer took %s")
}

// ntpAnswer is what a server said.
type ntpAnswer struct {
	leap, stratum             int
	offset, delay             time.Duration
	rootDelay, rootDispersion float64
	reference                 string
}

// askNTP asks once. The transmit time of the question is a random number, which the answer must return: so it tells nothing of this
// machine, and cannot be guessed (RFC 9769's and draft-ietf-ntp-data-minimization's way).
func askNTP(ctx context.Context, d *datagrams) (ntpAnswer, error) {
	question := make([]byte, 48)
	question[0] = 4<<3 | 3 // version 4, client
	if _, err := rand.Read(question[40:]); err != nil {
		return ntpAnswer{}, notAsked("%w", err)
	}
	var answer ntpAnswer
	var refused error
	_, err := d.exchange(ctx, question, func(b []byte, sent time.Time) (err error) {
		if answer, err = parseNTP(b, question[40:], sent, time.Now()); errors.As(err, new(errRefused)) {
			refused, err = err, nil // that is an answer too
		}
		return err
	})
	if err == nil {
		err = refused
	}
	return answer, err
}

// errRefused is a server's word that it does not answer.
type errRefused struct{ error }

// parseNTP reads an answer (RFC 5905, 7.3): leap, version and mode 1, stratum 1, poll 1, precision 1, root delay 4, root dispersion 4,
// reference 4, and the times of reference, origin, receipt and transmission, 8 each, in seconds since 1900 and their fractions.
func parseNTP(b, cookie []byte, sent, received time.Time) (ntpAnswer, error) {
	if len(b) < 48 {
		return ntpAnswer{}, fmt.Errorf("the answer has %d bytes, not 48", len(b))
	}
	if b[0]&7 != 4 {
		return ntpAnswer{}, errors.New("the answer is none of an NTP server")
	}
	if string(b[24:32]) != string(cookie) {
		return ntpAnswer{}, errors.New("the answer is to another question")
	}
	a := ntpAnswer{leap: int(b[0] >> 6), stratum: int(b[1]), rootDelay: short(b[4:]), rootDispersion: short(b[8:])}
	a.reference = netip.AddrFrom4([4]byte(b[12:16])).String()
	if a.stratum <= 1 {
		a.reference = printable(string(b[12:16]), 4)
	}
	if a.stratum == 0 {
		return ntpAnswer{}, errRefused{fmt.Errorf("the server refuses (%s)", a.reference)} // a kiss of death, such as RATE
	}
	came, left := ntpTime(b[32:], received), ntpTime(b[40:], received)
	a.offset = (came.Sub(sent) + left.Sub(received)) / 2
	a.delay = max(received.Sub(sent)-left.Sub(came), 0)
	return a, nil
}

func short(b []byte) float64 { return float64(binary.BigEndian.Uint32(b)) / 65536 }

// ntpTime is the time nearest to now that the 64 bits can mean: they come round in 2036.
func ntpTime(b []byte, now time.Time) time.Time {
	const to1970 = 2208988800
	seconds := int64(binary.BigEndian.Uint32(b)) - to1970
	seconds += (now.Unix() - seconds + 1<<31) >> 32 << 32
	return time.Unix(seconds, int64(binary.BigEndian.Uint32(b[4:]))*1e9>>32)
}
