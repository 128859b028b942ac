package cassandra

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/store/medium"
)

func TestValue(t *testing.T) {
	stored := appendValue(nil, "kind", "key", 7, []byte(`{"a":1}`))
	value, err := parseValue("kind", "key", 7, stored)
	if err != nil || string(value) != `{"a":1}` {
		t.Fatalf("value %q, %v", value, err)
	}
	bad := func(want, kind, key string, version medium.Version, b []byte) {
		t.Helper()
		_, err := parseValue(kind, key, version, b)
		if !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "table documents") {
			t.Errorf("error %v, want a damage with %q that names the table", err, want)
		}
	}
	bad("checksum", "kind", "other", 7, stored)
	bad("checksum", "kin", "dkey", 7, stored)
	bad("checksum", "kind", "key", 8, stored)
	bad("no version", "kind", "key", 0, stored)
	bad("0 bytes", "kind", "key", 7, nil)
	bad("format is 9", "kind", "key", 7, append([]byte{9}, stored[1:]...))
	bad("at most 1048576", "kind", "key", 7, append([]byte{valueFormat}, make([]byte, medium.MaxDocument+valueHeader)...))
	for i := range stored {
		flipped := bytes.Clone(stored)
		flipped[i] ^= 0x10
		if _, err := parseValue("kind", "key", 7, flipped); !errors.Is(err, medium.ErrCorrupt) {
			t.Errorf("the flip of a bit in byte %d is not found: %v", i, err)
		}
	}
}

func FuzzValue(f *testing.F) {
	f.Add("kind", "key", uint64(7), appendValue(nil, "kind", "key", 7, []byte("{}")))
	f.Add("kind", "key", uint64(7), []byte{valueFormat, 0, 0, 0, 0})
	f.Add("", "", uint64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, kind, key string, version uint64, b []byte) {
		value, err := parseValue(kind, key, medium.Version(version), b)
		if err == nil && !bytes.Equal(appendValue(nil, kind, key, medium.Version(version), value), b) {
			t.Errorf("what was read is not what was stored")
		}
	})
}
