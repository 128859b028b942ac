package config

import "reflect"

// NeedRestart lists the keys that differ and that a reload does not apply, in the order of the reference.
func NeedRestart(old, new *Config) []string {
	a, b := old.values(), new.values()
	var out []string
	for i, k := range a {
		if !k.Live && !reflect.DeepEqual(k.value.encode(), b[i].value.encode()) {
			out = append(out, k.Path)
		}
	}
	return out
}

// values is the table bound to the values in force.
func (c *Config) values() []Key {
	return keys(c, Sources{})
}
