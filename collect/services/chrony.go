package services

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net"
	"net/netip"
)

func chronyKind() Kind {
	return withOptions(Kind{
		Name: "chrony", Exporter: "chrony_exporter", Job: "chrony", Up: "chrony_up", Address: "127.0.0.1:323",
		Doc:   "How well the clock follows its reference (tracking), and each source: reachability, offset, error, interval, state. Addresses are not looked up in DNS.",
		Setup: "Nothing on the same machine: chronyd answers on 127.0.0.1:323 unless `cmdport 0` says otherwise.",
	}, newChrony)
}

// The parts of chrony's command protocol, version 6 (candm.h). Everything is in network byte order. A request is
//
//	byte version, byte 1, 2 bytes 0, uint16 command, uint16 attempt, uint32 sequence, 8 bytes 0, data, padding up to the length of the answer
//
// and an answer
//
//	byte version, byte 2, 2 bytes, uint16 command, uint16 reply, uint16 status, 6 bytes, uint32 sequence, 8 bytes, data
const (
	chronyVersion    = 6
	chronyHead       = 28
	chronyPadded     = 400 // longer than the answers to what is asked
	chronySources    = 14
	chronySourceData = 15
	chronyTracking   = 33

	chronyHasSources    = 2
	chronyHasSourceData = 3
	chronyHasTracking   = 5

	maxChronySources = 200
)

func newChrony(t Target, _ noOptions) (reader, error) {
	network, address := splitAddress(t.Address)
	if network == "unix" {
		return nil, errors.New("address: chrony's Unix socket would need one of ours; give host:port")
	}
	return func(ctx context.Context, f *families) error {
		var d net.Dialer
		plain, err := d.DialContext(ctx, "udp", address)
		if err != nil {
			return err
		}
		c := bound(ctx, plain, maxAnswerBytes)
		defer c.close()
		data, err := askChrony(c, chronyTracking, chronyHasTracking, nil)
		if err != nil {
			return err
		}
		if err := addTracking(f, data); err != nil {
			return err
		}
		if data, err = askChrony(c, chronySources, chronyHasSources, nil); err != nil {
			return err
		}
		if len(data) < 4 {
			return errChrony
		}
		n := binary.BigEndian.Uint32(data)
		if n > maxChronySources {
			f.warn(fmt.Errorf("only %d of %d sources are read", maxChronySources, n))
			n = maxChronySources
		}
		for i := range n {
			data, err := askChrony(c, chronySourceData, chronyHasSourceData, binary.BigEndian.AppendUint32(nil, i))
			if err == nil {
				err = addChronySource(f, data)
			}
			if err != nil {
				f.warn(err) // it may be gone
			}
		}
		return nil
	}, nil
}

var errChrony = errors.New("the answer is not chrony's")

// askChrony sends a command and returns the data of the answer.
func askChrony(c *conn, command, reply uint16, data []byte) ([]byte, error) {
	var sequence [4]byte
	if _, err := rand.Read(sequence[:]); err != nil {
		return nil, err
	}
	ask := []byte{chronyVersion, 1, 0, 0}
	ask = binary.BigEndian.AppendUint16(ask, command)
	ask = append(ask, 0, 0)
	ask = append(ask, sequence[:]...)
	ask = append(append(ask, make([]byte, 8)...), data...)
	ask = append(ask, make([]byte, chronyPadded-len(ask))...)
	if _, err := c.Write(ask); err != nil {
		return nil, err
	}
	buf := make([]byte, 1024)
	for range 10 { // answers to something else
		n, err := c.Conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if got, err := chronyAnswer(buf[:n], sequence, reply); got != nil || err != nil {
			return got, err
		}
	}
	return nil, errChrony
}

// chronyAnswer returns the data of an answer, or nil when it answers another question.
func chronyAnswer(b []byte, sequence [4]byte, reply uint16) ([]byte, error) {
	if len(b) < chronyHead || b[0] != chronyVersion || b[1] != 2 {
		return nil, errChrony
	}
	if [4]byte(b[16:20]) != sequence {
		return nil, nil
	}
	if status := binary.BigEndian.Uint16(b[8:]); status != 0 {
		return nil, fmt.Errorf("chrony answers with status %d", status)
	}
	if binary.BigEndian.Uint16(b[6:]) != reply {
		return nil, errChrony
	}
	return b[chronyHead:], nil
}

// chronyFloat reads a number of 7 bits exponent and 25 bits coefficient, both signed.
func chronyFloat(b []byte) float64 {
	v := binary.BigEndian.Uint32(b)
	exp := int32(v) >> 25    //nolint:gosec // the sign is wanted
	coef := int32(v<<7) >> 7 //nolint:gosec // as above
	return math.Ldexp(float64(coef), int(exp)-25)
}

// chronyAddress reads 16 bytes address, uint16 family (1: IPv4, 2: IPv6, 3: not resolved yet), 2 bytes 0.
func chronyAddress(b []byte) (addr netip.Addr, ok bool) {
	switch binary.BigEndian.Uint16(b[16:]) {
	case 1:
		return netip.AddrFrom4([4]byte(b[:4])), true
	case 2:
		return netip.AddrFrom16([16]byte(b[:16])), true
	}
	return netip.Addr{}, false
}

// refID writes a reference's four bytes as text when they are.
func refID(id uint32) string {
	var text []byte
	for _, c := range binary.BigEndian.AppendUint32(nil, id) {
		if c == 0 {
			continue
		}
		if c < ' ' || c > '~' {
			return fmt.Sprintf("%08X", id)
		}
		text = append(text, c)
	}
	return string(text)
}

// addTracking reads uint32 reference, address, uint16 stratum, uint16 leap, uint32 high and low seconds and nanoseconds of the
// reference's time, nine numbers.
func addTracking(f *families, b []byte) error {
	if len(b) < 76 {
		return errChrony
	}
	id := binary.BigEndian.Uint32(b)
	address := ""
	remote := false
	if a, ok := chronyAddress(b[4:]); ok {
		address, remote = a.String(), !a.IsLoopback() && a.IsValid() && !a.IsUnspecified()
	}
	seconds := float64(binary.BigEndian.Uint32(b[28:]))*(1<<32) + float64(binary.BigEndian.Uint32(b[32:]))
	if binary.BigEndian.Uint32(b[28:]) > 0x7ffffffe { // no higher half: a system with 32 bits of time
		seconds = float64(binary.BigEndian.Uint32(b[32:]))
	}
	f.gauge("chrony_tracking_info", "1; the labels tell the reference.", 1, "tracking_address", address, "tracking_name", address, "tracking_refid", refID(id))
	f.gauge("chrony_tracking_remote_reference", "1 when the clock follows a remote source.", truth(remote))
	f.gauge("chrony_tracking_stratum", "Distance from a reference clock.", float64(binary.BigEndian.Uint16(b[24:])))
	f.gauge("chrony_tracking_reference_timestamp_seconds", "When the reference was last heard, in seconds since 1970.", seconds+float64(binary.BigEndian.Uint32(b[36:]))/1e9)
	for i, m := range [...][2]string{
		{"system_time_seconds", "How far the system's clock is from the true time."}, {"last_offset_seconds", "Offset at the newest update."},
		{"rms_offset_seconds", "Long-term mean of the offset."}, {"frequency_ppms", "How wrong the clock would run, in parts per million."},
		{"residual_frequency_ppms", "Difference between the frequency measured and used, in parts per million."}, {"skew_ppms", "Error bound of the frequency, in parts per million."},
		{"root_delay_seconds", "Delay to the reference clock."}, {"root_dispersion_seconds", "Error added up to the reference clock."},
		{"update_interval_seconds", "Time between the last two updates."},
	} {
		f.gauge("chrony_tracking_"+m[0], m[1], chronyFloat(b[40+4*i:]))
	}
	return nil
}

var (
	chronyStates = [...]string{"sync", "unreach", "falseticker", "jittery", "candidate", "outlier"}
	chronyModes  = [...]string{"client", "peer", "reference clock"}
)

// addChronySource reads address, int16 poll, uint16 stratum, state, mode, flags, reachability, uint32 age of the sample, three numbers.
func addChronySource(f *families, b []byte) error {
	if len(b) < 48 {
		return errChrony
	}
	a, ok := chronyAddress(b)
	if !ok {
		return nil // not resolved yet
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(b[20+2*i:]) }
	address, state, mode := a.String(), "unknown", "unknown"
	if int(at(2)) < len(chronyStates) {
		state = chronyStates[at(2)]
	}
	if int(at(3)) < len(chronyModes) {
		mode = chronyModes[at(3)]
	}
	if mode == "reference clock" && a.Is4() {
		v4 := a.As4()
		address = refID(binary.BigEndian.Uint32(v4[:]))
	}
	pairs := []string{"source_address", address, "source_name", address}
	reach := at(5)
	f.gauge("chrony_sources_polling_interval_seconds", "Time between questions.", math.Ldexp(1, int(int16(at(0)))), pairs...) //nolint:gosec // it is signed
	f.gauge("chrony_sources_stratum", "Distance of the source from a reference clock.", float64(at(1)), pairs...)
	f.gauge("chrony_sources_state_info", "1; the labels tell the source's state and mode.", 1, append(pairs, "source_state", state, "source_mode", mode)...)
	f.gauge("chrony_sources_reachability_ratio", "Part of the last 8 questions that was answered.", float64(bits.OnesCount8(uint8(reach)))/8, pairs...) //nolint:gosec // 8 bits
	f.gauge("chrony_sources_reachability_success", "1 when the last question was answered.", float64(reach&1), pairs...)
	f.gauge("chrony_sources_last_sample_age_seconds", "Age of the newest good sample.", float64(binary.BigEndian.Uint32(b[32:])), pairs...)
	f.gauge("chrony_sources_last_sample_offset_seconds", "Offset at the newest sample.", chronyFloat(b[40:]), pairs...)
	f.gauge("chrony_sources_last_sample_error_margin_seconds", "Margin of error of the newest sample.", chronyFloat(b[44:]), pairs...)
	return nil
}
