package snmp

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// dateAndTime reads DateAndTime (RFC 2579): 8 bytes in UTC, or 11 with the zone. The result is in seconds since 1970.
func dateAndTime(b []byte) float64 {
	if len(b) != 8 && len(b) != 11 {
		return math.NaN()
	}
	zone := time.UTC
	if len(b) == 11 {
		offset := int(b[9])*3600 + int(b[10])*60
		if b[8] == '-' {
			offset = -offset
		}
		zone = time.FixedZone("", offset)
	}
	t := time.Date(int(binary.BigEndian.Uint16(b)), time.Month(b[2]), int(b[3]), int(b[4]), int(b[5]), int(b[6]), int(b[7])*1e8, zone)
	return float64(t.Unix())
}

// ntpTime reads a timestamp of NTP (RFC 5905, 6): 32 bits of seconds since 1900, and 32 bits of what is left. The seconds begin again in
// 2036: those with the highest bit clear are from then on.
func ntpTime(b []byte) float64 {
	if len(b) < 8 {
		return math.NaN()
	}
	const until1970 = 2_208_988_800
	seconds := int64(binary.BigEndian.Uint32(b))
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return float64(seconds-until1970) + float64(binary.BigEndian.Uint32(b[4:]))/(1<<32)
}

// parsedTime reads a text in time's form; what is no time is no sample.
func parsedTime(layout, text string) float64 {
	t, err := time.Parse(layout, strings.TrimSpace(text))
	if err != nil {
		return math.NaN()
	}
	return float64(t.Unix())
}

var strptime = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "_2", 'e': "_2", 'j': "002", 'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", '%': "%",
}

// timeLayout makes time's form of strptime's.
func timeLayout(pattern string) (string, error) {
	if pattern == "" {
		return "", fmt.Errorf("it is missing: write it like %%Y-%%m-%%d %%H:%%M:%%S")
	}
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			out.WriteByte(pattern[i])
			continue
		}
		i++
		if i == len(pattern) || strptime[pattern[i]] == "" {
			return "", fmt.Errorf("%q has a %% without a meaning", pattern)
		}
		out.WriteString(strptime[pattern[i]])
	}
	return out.String(), nil
}
