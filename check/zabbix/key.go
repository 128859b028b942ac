package zabbix

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of a key. Zabbix' own limit for a key is 2048 characters.
const (
	maxKey    = 4096
	maxParams = 64
)

// Key is an item's key: name[parameter,"quoted parameter",[list]].
type Key struct {
	Name   string
	Params []string
	// Brackets is whether there were any, also empty ones.
	Brackets bool
}

// Param is the parameter number i, from 0; "" when it is missing.
func (k Key) Param(i int) string {
	if i < len(k.Params) {
		return k.Params[i]
	}
	return ""
}

// String writes the key as Zabbix does.
func (k Key) String() string {
	if !k.Brackets {
		return k.Name
	}
	out := make([]string, len(k.Params))
	for i, p := range k.Params {
		if out[i] = p; strings.ContainsAny(p, `,]"`) || strings.HasPrefix(p, " ") || strings.HasPrefix(p, "[") {
			out[i] = `"` + strings.ReplaceAll(p, `"`, `\"`) + `"`
		}
	}
	return k.Name + "[" + strings.Join(out, ",") + "]"
}

var errKey = errors.New("the key is malformed: write name or name[parameter,\"other parameter\"]")

// ParseKey reads a key by the rules of Zabbix' manual ("Item key format"): a quoted parameter may hold anything, with \" for a
// quote; a list in brackets is one parameter, kept as it is written.
func ParseKey(text string) (Key, error) {
	if len(text) > maxKey {
		return Key{}, fmt.Errorf("the key is longer than %d bytes", maxKey)
	}
	i := 0
	for i < len(text) && isKeyByte(text[i]) {
		i++
	}
	k := Key{Name: text[:i]}
	if i == 0 {
		return Key{}, errKey
	}
	if i == len(text) {
		return k, nil
	}
	if text[i] != '[' || text[len(text)-1] != ']' {
		return Key{}, errKey
	}
	k.Brackets = true
	p := keyParser{text: text, i: i + 1}
	for {
		if len(k.Params) >= maxParams {
			return Key{}, fmt.Errorf("the key has more than %d parameters", maxParams)
		}
		param, err := p.param()
		if err != nil {
			return Key{}, err
		}
		k.Params = append(k.Params, param)
		c := p.text[p.i]
		p.i++
		if c == ']' {
			if p.i != len(text) {
				return Key{}, errKey
			}
			return k, nil
		}
	}
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

type keyParser struct {
	text string
	i    int
}

// param reads one parameter, and stands at the comma or bracket behind it.
func (p *keyParser) param() (string, error) {
	for p.i < len(p.text) && p.text[p.i] == ' ' {
		p.i++
	}
	if p.i >= len(p.text) {
		return "", errKey
	}
	switch p.text[p.i] {
	case '"':
		return p.quoted()
	case '[':
		return p.list()
	}
	end := strings.IndexAny(p.text[p.i:], ",]")
	if end < 0 {
		return "", errKey
	}
	value := p.text[p.i : p.i+end]
	p.i += end
	return value, nil
}

func (p *keyParser) quoted() (string, error) {
	var b strings.Builder
	for p.i++; p.i < len(p.text); p.i++ {
		c := p.text[p.i]
		if c == '\\' && p.i+1 < len(p.text) && p.text[p.i+1] == '"' {
			p.i++
			b.WriteByte('"')
			continue
		}
		if c != '"' {
			b.WriteByte(c)
			continue
		}
		for p.i++; p.i < len(p.text) && p.text[p.i] == ' '; p.i++ {
		}
		if p.i >= len(p.text) || p.text[p.i] != ',' && p.text[p.i] != ']' {
			return "", errKey
		}
		return b.String(), nil
	}
	return "", errKey
}

func (p *keyParser) list() (string, error) {
	start, quoted := p.i, false
	for p.i++; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; {
		case c == '"' && p.text[p.i-1] != '\\':
			quoted = !quoted
		case c == '[' && !quoted:
			return "", errKey
		case c == ']' && !quoted:
			p.i++
			if p.i >= len(p.text) || p.text[p.i] != ',' && p.text[p.i] != ']' {
				return "", errKey
			}
			return p.text[start:p.i], nil
		}
	}
	return "", errKey
}
