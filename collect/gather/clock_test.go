package gather

import (
	"time"
	"unsafe"
)

// stepped returns t as it would read after somebody had set the wall clock forward by step: the monotonic reading
// stays. Package time offers no way to say that, so this goes by the layout of time.Time (1 bit of wall says
// whether there is a monotonic reading, 33 bits are seconds, 30 are nanoseconds).
func stepped(t time.Time, step time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	seconds := int64(*wall<<1>>31) + int64(step/time.Second)
	*wall = 1<<63 | uint64(seconds)<<30 | *wall&(1<<30-1)
	return t
}
