package services

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

const (
	flattenDepth  = 12
	flattenValues = 50_000
)

// flatten calls add for each number and truth value in what was read from JSON, in the order of their paths: the keys on the way with
// dots between them. Lists are left out.
func flatten(v any, add func(path string, v float64)) {
	left := flattenValues
	flattenInto(v, "", flattenDepth, &left, add)
}

func flattenInto(v any, path string, depth int, left *int, add func(string, float64)) {
	if *left <= 0 || depth == 0 {
		return
	}
	*left--
	switch v := v.(type) {
	case float64:
		add(path, v)
	case bool:
		add(path, truth(v))
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			below := key
			if path != "" {
				below = path + "." + key
			}
			flattenInto(v[key], below, depth-1, left, add)
		}
	}
}

// object is one of JSON, with getters that never fail.
type object map[string]any

func (o object) object(key string) object { m, _ := o[key].(map[string]any); return m }
func (o object) text(key string) string   { s, _ := o[key].(string); return s }
func (o object) number(key string) (float64, bool) {
	v, ok := o[key].(float64)
	return v, ok
}

// list returns the objects of a list.
func (o object) list(key string) []object {
	items, _ := o[key].([]any)
	return objects(items)
}

func objects(items []any) []object {
	var out []object
	for _, i := range items {
		if m, ok := i.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// keys returns them sorted.
func (o object) keys() []string { return slices.Sorted(maps.Keys(o)) }

// addAll adds every number beneath the object whose path, behind the prefix, the table has.
func (t table) addAll(f *families, prefix string, o object, pairs ...string) {
	flatten(map[string]any(o), func(path string, v float64) { t.add(f, prefix+path, v, pairs...) })
}

// readObject reads a JSON object.
func readObject(text []byte) (object, error) {
	var o object
	if err := json.Unmarshal(text, &o); err != nil || o == nil {
		return nil, fmt.Errorf("the page is not a JSON object: it begins with %s", excerpt(string(text)))
	}
	return o, nil
}
