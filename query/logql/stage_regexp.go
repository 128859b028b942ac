package logql

import "regexp"

// regexpStep is | regexp: the named groups of the first match become labels.
type regexpStep struct {
	re    *regexp.Regexp
	names []string // by group; "" takes none
}

func compileRegexpParser(s *RegexpParser) (step, error) {
	if err := checkRegexp(s.Pattern); err != nil {
		return nil, err
	}
	re := regexp.MustCompile(s.Pattern)
	out := &regexpStep{re: re, names: re.SubexpNames()}
	named := false
	seen := map[string]bool{}
	for _, n := range out.names {
		switch {
		case n == "":
			continue
		case !isPlainName(n):
			return nil, invalid("invalid extracted label name '%s' in a regexp parser", shorten(n))
		case seen[n]:
			return nil, invalid("invalid regexp parser: duplicate extracted label name '%s'", n)
		}
		seen[n], named = true, true
	}
	if !named {
		return nil, invalid("invalid regexp parser: at least one named capture must be supplied")
	}
	return out, nil
}

func (s *regexpStep) run(r *record) bool {
	m := s.re.FindStringSubmatchIndex(r.line)
	if m == nil {
		return true
	}
	for i, name := range s.names {
		if name == "" {
			continue
		}
		value := ""
		if m[2*i] >= 0 {
			value = r.line[m[2*i]:m[2*i+1]]
		}
		r.put(name, value)
	}
	return true
}
