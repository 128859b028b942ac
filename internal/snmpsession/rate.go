package snmpsession

import (
	"math"
	"time"

	"github.com/gosnmp/gosnmp"
)

// Width is how many bits a counter has before it begins at 0 again; 0 for what is no counter.
func (v Value) Width() int {
	switch v.Type.Asn1BER {
	case gosnmp.Counter32:
		return 32
	case gosnmp.Counter64:
		return 64
	}
	return 0
}

// Rate is how much a counter grew in a second. A counter of 32 bits that went back has wrapped when that takes less than half its
// range; one that went back otherwise was set to 0 by a restart, and there is no rate until the next answer.
func Rate(before, now float64, took time.Duration, bits int) (float64, bool) {
	if took <= 0 || math.IsNaN(before) || math.IsNaN(now) {
		return 0, false
	}
	grown := now - before
	if grown < 0 && bits == 32 {
		grown += 1 << 32
		if grown > 1<<31 {
			return 0, false
		}
	}
	if grown < 0 && bits != 0 {
		return 0, false
	}
	return grown / took.Seconds(), true
}

var operStatus = [...]string{"unknown", "up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown"}

// OperStatus names the values of ifOperStatus and ifAdminStatus (RFC 2863).
func OperStatus(n int) string {
	if n < 1 || n >= len(operStatus) {
		return operStatus[0]
	}
	return operStatus[n]
}
