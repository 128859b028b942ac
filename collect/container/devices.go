package container

import (
	"path/filepath"
	"strings"
)

// devices names block devices by their numbers.
type devices struct {
	sysfs string
	names map[string]string
}

// maxDeviceNames bounds what is remembered; after that all is forgotten and looked up again.
const maxDeviceNames = 4096

func newDevices(sysfs string) *devices { return &devices{sysfs: sysfs, names: map[string]string{}} }

// name turns 8:0 into /dev/sda; the numbers stay where nobody knows better.
func (d *devices) name(number string) string {
	if name, ok := d.names[number]; ok {
		return name
	}
	name := number
	if text, err := readFile(nil, filepath.Join(d.sysfs, "dev/block", number, "uevent")); err == nil {
		for line := range strings.Lines(string(text)) {
			if dev, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok && dev != "" {
				name = clip("/dev/" + dev)
			}
		}
	}
	if len(d.names) >= maxDeviceNames {
		clear(d.names)
	}
	d.names[number] = name
	return name
}
