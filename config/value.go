package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	hulotte "github.com/hulotte-dev/hulotte/model"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/net/http/httpguts"
)

// value is a setting bound to a field of a Config.
type value interface {
	// parse reads what the environment, a flag or a default gives.
	parse(s string) error
	// decode reads what the file gives; n is no alias.
	decode(n *yaml.Node) error
	// encode returns the value as the file would have it.
	encode() *yaml.Node
	// kind says what may be written, for the reference.
	kind() string
}

// scalar is a value of one word.
type scalar[T any] struct {
	p      *T
	of     string
	read   func(string) (T, error)
	format func(T) string
}

func (v scalar[T]) parse(s string) error {
	x, err := v.read(s)
	if err != nil {
		return err
	}
	*v.p = x
	return nil
}

func (v scalar[T]) decode(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("is %s: write one value (%s)", nodeKind(n), v.of)
	}
	return v.parse(n.Value)
}

func (v scalar[T]) encode() *yaml.Node { return scalarNode(v.format(*v.p)) }
func (v scalar[T]) kind() string       { return v.of }

func scalarNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	if _, err := strconv.ParseFloat(s, 64); err == nil || s == "true" || s == "false" {
		n.Tag, n.Style = "", 0 // numbers and booleans stand without quotes
	}
	return n
}

func nodeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	return "one value"
}

func same(s string) string { return s }

func text(p *string) value {
	return scalar[string]{p, "text", func(s string) (string, error) { return s, nil }, same}
}

func boolean(p *bool) value {
	return scalar[bool]{p, "true or false", func(s string) (bool, error) {
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%q is neither true nor false", s)
	}, strconv.FormatBool}
}

func integer(p *int, least, most int) value {
	return scalar[int]{p, fmt.Sprintf("whole number, %d to %d", least, most), func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("%q is not a whole number from %d to %d", s, least, most)
		}
		return n, nil
	}, strconv.Itoa}
}

// duration is positive.
func duration(p *time.Duration) value {
	return scalar[time.Duration]{p, "duration", func(s string) (time.Duration, error) {
		d, err := parseDuration(s)
		if err == nil && d == 0 {
			err = errors.New("must be more than 0")
		}
		return d, err
	}, formatDuration}
}

// durationOrZero lets 0 stand for "off".
func durationOrZero(p *time.Duration) value {
	return scalar[time.Duration]{p, "duration, 0 for none", parseDuration, formatDuration}
}

func parseDuration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write whole numbers with units, such as 30s, 5m, 12h, 15d or 1h30m", s)
	}
	return time.Duration(d), nil
}

func formatDuration(d time.Duration) string { return model.Duration(d).String() }

// sizeUnits are written with decimal (GB) or binary (GiB) meaning, as the IEC has it.
var sizeUnits = map[string]float64{
	"": 1, "B": 1,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50,
}

func size(p *int64, least, most int64) value {
	of := fmt.Sprintf("size, %s to %s", formatSize(least), formatSize(most))
	return scalar[int64]{p, of, func(s string) (int64, error) {
		n, err := parseSize(s)
		if err == nil && (n < least || n > most) {
			err = fmt.Errorf("%s is out of range: %s to %s", s, formatSize(least), formatSize(most))
		}
		return n, err
	}, formatSize}
}

// sizeOrZero lets 0 stand for "no limit".
func sizeOrZero(p *int64) value {
	return scalar[int64]{p, "size, 0 for none", parseSize, formatSize}
}

func parseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "KMGTPiB")
	unit, ok := sizeUnits[s[len(number):]]
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || n < 0 || !(n*unit < math.MaxInt64) {
		return 0, fmt.Errorf("%q is not a size: write a number with a unit, such as 512MB, 10GB or 10GiB", s)
	}
	return int64(n * unit), nil
}

// formatSize writes the biggest unit that leaves a whole number.
func formatSize(n int64) string {
	for _, u := range []string{"PiB", "PB", "TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "KB"} {
		if f := int64(sizeUnits[u]); n >= f && n%f == 0 {
			return strconv.FormatInt(n/f, 10) + u
		}
	}
	if n == 0 {
		return "0"
	}
	return strconv.FormatInt(n, 10) + "B"
}

func oneOf(p *string, words ...string) value {
	return scalar[string]{p, strings.Join(words, ", "), func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%q is not one of %s", s, strings.Join(words, ", "))
		}
		return s, nil
	}, same}
}

func address(p *string) value {
	return scalar[string]{p, "host:port", func(s string) (string, error) {
		_, port, err := net.SplitHostPort(s)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return "", fmt.Errorf("%q is not an address: write host:port, such as 127.0.0.1:9070, [::1]:9070 or :9070 for all addresses", s)
		}
		return s, nil
	}, same}
}

func httpURL(p *string) value {
	return scalar[string]{p, "URL", func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return "", fmt.Errorf("%q is not a URL that fits here: write http:// or https://, a host and maybe a path, such as https://obs.example.org/hulotte/", s)
		}
		return s, nil
	}, same}
}

func urlPath(p *string) value {
	return scalar[string]{p, "path", func(s string) (string, error) {
		if s != "" && (!strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?#{} ")) {
			return "", fmt.Errorf("%q is not a path: begin it with a slash, such as /hulotte", s)
		}
		return s, nil
	}, same}
}

func regex(p *string) value {
	return scalar[string]{p, "regular expression", func(s string) (string, error) {
		if _, err := regexp.Compile(s); err != nil {
			return "", fmt.Errorf("%q is not a regular expression: %v: see https://golang.org/s/re2syntax", s, err) //nolint:errorlint // the text is all that anybody wants of it
		}
		return s, nil
	}, same}
}

func tenant(p *string) value {
	return scalar[string]{p, "text", func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		return s, hulotte.ValidTenant(s)
	}, same}
}

// listValue is a list of words; one word alone may stand for a list of one.
type listValue struct{ p *[]string }

func list(p *[]string) value { return listValue{p} }

func (v listValue) parse(s string) error {
	*v.p = nil
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			*v.p = append(*v.p, w)
		}
	}
	return nil
}

func (v listValue) decode(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return v.parse(n.Value)
	}
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("is %s: write a list, such as [one, two]", nodeKind(n))
	}
	words := make([]string, 0, len(n.Content))
	for _, m := range n.Content {
		if m.Kind != yaml.ScalarNode {
			return fmt.Errorf("has %s in its list: write single words", nodeKind(m))
		}
		words = append(words, m.Value)
	}
	*v.p = words
	return nil
}

func (v listValue) encode() *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, w := range *v.p {
		n.Content = append(n.Content, scalarNode(w))
	}
	return n
}

func (v listValue) kind() string { return "list of words" }

// mapValue is names with one word each.
type mapValue struct {
	p     *map[string]string
	check func(name, word string) error
}

func textMap(p *map[string]string, check func(name, word string) error) value {
	return mapValue{p, check}
}

func (v mapValue) parse(s string) error {
	m := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, word, ok := strings.Cut(pair, ":")
		if !ok {
			return errors.New("an entry has no colon: write name:value,name:value")
		}
		if err := v.check(name, word); err != nil {
			return err
		}
		m[name] = word
	}
	*v.p = m
	return nil
}

func (v mapValue) decode(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("is %s: write a mapping of names to values", nodeKind(n))
	}
	m := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, word := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode || word.Kind != yaml.ScalarNode {
			return fmt.Errorf("has an entry in line %d that is not one name and one value", name.Line)
		}
		if _, twice := m[name.Value]; twice {
			return fmt.Errorf("has %q twice", name.Value)
		}
		if err := v.check(name.Value, word.Value); err != nil {
			return err
		}
		m[name.Value] = word.Value
	}
	*v.p = m
	return nil
}

func (v mapValue) encode() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(*v.p)) {
		n.Content = append(n.Content, scalarNode(name), scalarNode((*v.p)[name]))
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

func (v mapValue) kind() string { return "names with a value each" }

// checkBcrypt never repeats the word in its error: it may be a password that was written in clear.
func checkBcrypt(name, word string) error {
	if name == "" || strings.Contains(name, ":") {
		return fmt.Errorf("the user name %q is empty or has a colon", name)
	}
	if _, err := bcrypt.Cost([]byte(word)); err != nil {
		return fmt.Errorf("the value of user %q is not a bcrypt hash: make one with `htpasswd -nBC 10 %s`", name, name)
	}
	return nil
}

func checkHeader(name, word string) error {
	if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(word) {
		return fmt.Errorf("%q is not a header that HTTP allows", name)
	}
	return nil
}
