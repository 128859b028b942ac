package logformat

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/internal/suggest"
)

//go:embed masks.yml
var maskFile []byte

// MaskRule is something that is masked.
type MaskRule struct {
	Name  string
	Title string
	// Literals: a line without any of them, in any case, is not looked at further. Each has at least three bytes; none lets the
	// expression look at every line.
	Literals []string
	// Pattern is the expression (https://golang.org/s/re2syntax), and Replacement what stands in place of what it finds, with ${1} for
	// its groups.
	Pattern     string
	Replacement string
	// Optional rules are off unless MaskOptions.On names them.
	Optional bool

	Check    string
	Examples [][2]string
}

// MaskOptions says what is masked. The zero value is all rules of the catalogue that are not optional.
type MaskOptions struct {
	Off   []string   // names of rules to leave out; "all" leaves out the catalogue
	On    []string   // names of optional rules to take in
	Rules []MaskRule // further ones; Name and Pattern are required
}

// Masker masks secrets in lines. Its methods may be called at the same time.
type Masker struct {
	rules    []maskRule
	always   uint64 // bits of the rules without literals
	bits     [1 << 16 / 64]uint64
	triggers map[uint16][]trigger
}

type maskRule struct {
	name        string
	expression  *regexp.Regexp
	replacement string
	check       func(line string, at, n int) bool // nil: the literal is enough
	apply       func(line string) string          // in place of the expression
	hits        atomic.Uint64
}

// trigger is a literal that is looked for by two bytes of it.
type trigger struct {
	literal string // lower case
	at      int    // of the two bytes in it
	rule    int
}

// maxMaskRules is the number of bits of a word.
const maxMaskRules = 64

var catalogueOfMasks = sync.OnceValue(func() []MaskRule {
	var rules []MaskRule
	if err := yaml.Unmarshal(maskFile, &rules); err != nil {
		panic("BUG: masks.yml: " + err.Error()) // a test loads it
	}
	return rules
})

// MaskRules returns the rules of the catalogue, in the order in which they are used. The slice is not the caller's to change.
func MaskRules() []MaskRule { return catalogueOfMasks() }

// NewMasker returns a Masker, or an error that names the rule that is wrong. Without any rule it is nil, which masks nothing.
func NewMasker(o MaskOptions) (*Masker, error) {
	chosen, err := o.choose()
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return nil, nil
	}
	if len(chosen) > maxMaskRules {
		return nil, fmt.Errorf("there are %d masking rules: %d is the most", len(chosen), maxMaskRules)
	}
	m := &Masker{triggers: map[uint16][]trigger{}, rules: make([]maskRule, len(chosen))}
	for i, r := range chosen {
		if err := m.add(i, r); err != nil {
			return nil, fmt.Errorf("masking rule %q: %w", r.Name, err)
		}
	}
	return m, nil
}

func (o MaskOptions) choose() ([]MaskRule, error) {
	var names []string
	var chosen []MaskRule
	all := slices.Contains(o.Off, "all")
	for _, r := range MaskRules() {
		names = append(names, r.Name)
		if slices.Contains(o.On, r.Name) || !r.Optional && !all && !slices.Contains(o.Off, r.Name) {
			chosen = append(chosen, r)
		}
	}
	for _, name := range slices.Concat(o.Off, o.On) {
		if name == "all" || slices.Contains(names, name) {
			continue
		}
		hint := "known are " + strings.Join(names, ", ")
		if s := suggest.Closest(name, names); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		return nil, fmt.Errorf("there is no masking rule %q: %s", name, hint)
	}
	for _, r := range o.Rules {
		if r.Name == "" || r.Pattern == "" {
			return nil, fmt.Errorf("masking rule %q: its name or its pattern is missing", r.Name)
		}
		if slices.Contains(names, r.Name) {
			return nil, fmt.Errorf("masking rule %q: another rule has that name", r.Name)
		}
		names = append(names, r.Name)
		chosen = append(chosen, r)
	}
	return chosen, nil
}

func (m *Masker) add(i int, r MaskRule) error {
	rule := &m.rules[i]
	rule.name, rule.replacement = r.Name, r.Replacement
	if r.Replacement == "" {
		rule.replacement = "***"
	}
	switch r.Check {
	case "authority":
		rule.check = passwordInAuthority
	case "assigned":
		rule.check = assigned
	case "at":
		rule.check = func(line string, at, _ int) bool { return strings.IndexByte(line[:at], '@') >= 0 }
	case "card":
		rule.apply = maskCards
	}
	if rule.apply == nil {
		var err error
		if rule.expression, err = regexp.Compile(r.Pattern); err != nil {
			return fmt.Errorf("its pattern is no regular expression: %w", err)
		}
		if rule.expression.MatchString("") {
			return errors.New("its pattern matches an empty text, which would stand between all letters")
		}
	}
	if len(r.Literals) == 0 {
		m.always |= 1 << i
	}
	for _, l := range r.Literals {
		if len(l) < 3 {
			return fmt.Errorf("its literal %q has less than three bytes", l)
		}
		m.addTrigger(i, strings.ToLower(l))
	}
	return nil
}

// addTrigger registers the two pairs of bytes of a literal that are the rarest: one of the two begins at an even place of the
// line, and only those are looked at.
func (m *Masker) addTrigger(rule int, literal string) {
	best, least := 0, 1<<30
	for i := 0; i+2 < len(literal); i++ {
		if c := commonness(literal[i]) + 2*commonness(literal[i+1]) + commonness(literal[i+2]); c < least {
			best, least = i, c
		}
	}
	for _, at := range []int{best, best + 1} {
		pair := uint16(foldByte[literal[at]])<<8 | uint16(foldByte[literal[at+1]])
		m.bits[pair>>6] |= 1 << (pair & 63)
		m.triggers[pair] = append(m.triggers[pair], trigger{literal: literal, at: at, rule: rule})
	}
}

// commonness orders bytes by how often log lines have them.
func commonness(c byte) int {
	if i := strings.IndexByte("qzjxkvbwyg_pfmuc-ld=hr.ns:iao/te \"", c); i >= 0 {
		return i
	}
	return 10
}

var foldByte = func() (t [256]byte) {
	for c := range 256 {
		t[c] = byte(c)
		if c >= 'A' && c <= 'Z' {
			t[c] |= 0x20
		}
	}
	return t
}()

// Mask returns the line with its secrets replaced: the same string when there are none.
func (m *Masker) Mask(line string) string {
	if m == nil {
		return line
	}
	found := m.always
	for i := 0; i+1 < len(line); i += 2 {
		pair := uint16(foldByte[line[i]])<<8 | uint16(foldByte[line[i+1]])
		if m.bits[pair>>6]>>(pair&63)&1 != 0 {
			found |= m.triggered(line, i, pair, found)
		}
	}
	if found == 0 {
		return line
	}
	for i := range m.rules {
		if found>>i&1 != 0 {
			line = m.rules[i].mask(line)
		}
	}
	return line
}

// triggered returns the bits of the rules of which a literal stands in the line around i.
func (m *Masker) triggered(line string, i int, pair uint16, found uint64) (more uint64) {
	for _, t := range m.triggers[pair] {
		start := i - t.at
		if found>>t.rule&1 != 0 || start < 0 || len(line)-start < len(t.literal) || !equalFold(line[start:start+len(t.literal)], t.literal) {
			continue
		}
		if check := m.rules[t.rule].check; check == nil || check(line, start, len(t.literal)) {
			more |= 1 << t.rule
		}
	}
	return more
}

func (r *maskRule) mask(line string) string {
	masked := line
	if r.apply != nil {
		masked = r.apply(line)
	} else if r.expression.MatchString(line) {
		masked = r.expression.ReplaceAllString(line, r.replacement)
	}
	if masked != line {
		r.hits.Add(1)
	}
	return masked
}

// Hits calls f with the name of each rule and in how many lines it has masked something.
func (m *Masker) Hits(f func(rule string, lines uint64)) {
	if m == nil {
		return
	}
	for i := range m.rules {
		f(m.rules[i].name, m.rules[i].hits.Load())
	}
}

// passwordInAuthority says whether behind "://" an "@" comes before the path begins.
func passwordInAuthority(line string, at, n int) bool {
	rest := line[at+n:]
	end := strings.IndexAny(rest[:min(len(rest), 512)], "/?# \t\"'")
	if end < 0 {
		end = min(len(rest), 512)
	}
	at = strings.IndexByte(rest[:end], '@')
	return at > 0 && strings.IndexByte(rest[:at], ':') >= 0
}

// assigned says whether a name is followed by "=" or ":".
func assigned(line string, at, n int) bool {
	rest := line[at+n:]
	if line[at+n-1] == '=' {
		return true
	}
	rest = strings.TrimLeft(rest[:min(len(rest), 8)], `"'\ `)
	return rest != "" && (rest[0] == '=' || rest[0] == ':')
}

// equalFold compares with lower-case ASCII of the same length.
func equalFold(s, lower string) bool {
	for i := range len(lower) {
		if foldByte[s[i]] != lower[i] {
			return false
		}
	}
	return true
}
