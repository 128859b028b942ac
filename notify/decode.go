package notify

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	tmpltext "text/template"
	"time"

	"github.com/prometheus/alertmanager/template"
	"go.yaml.in/yaml/v3"
)

// fieldError is what is wrong with a field of an entry.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.field + " " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// badField says what is wrong with a field: badField("topic", "is missing").
func badField(field, format string, args ...any) error {
	return &fieldError{field, fmt.Errorf(format, args...)}
}

// inEntry adds where an entry is.
func inEntry(e *Extra, err error) error {
	line := e.Node.Line
	if f, ok := errors.AsType[*fieldError](err); ok {
		if key := keyOf(&e.Node, f.field); key != nil {
			line = key.Line
		}
	}
	return fmt.Errorf("line %d: %s_configs: %w", line, e.Kind, err)
}

// keyOf finds a field's key.
func keyOf(n *yaml.Node, field string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	first, _, _ := strings.Cut(field, ".")
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == first {
			return n.Content[i]
		}
	}
	return nil
}

var atLine = regexp.MustCompile(`^line (\d+): (.*)$`)

// decode reads an entry strictly: a field that is not known is an error.
func decode(e *Extra, into any) error {
	if e.Node.Kind != yaml.MappingNode && e.Node.Kind != yaml.AliasNode {
		return fmt.Errorf("line %d: %s_configs: an entry is a mapping, such as {topic: x}", e.Node.Line, e.Kind)
	}
	if err := unknownFields(&e.Node, reflect.TypeOf(into), e.Kind+"_configs", 0); err != nil {
		return err
	}
	err := e.Node.Decode(into)
	types, ok := errors.AsType[*yaml.TypeError](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return fmt.Errorf("line %d: %s_configs: %w", e.Node.Line, e.Kind, err)
	}
	var errs []error
	for _, text := range types.Errors {
		line, rest := e.Node.Line, text
		if m := atLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			rest = m[2]
		}
		field := fieldAt(&e.Node, line, 0)
		if field != "" {
			field += ": "
		}
		errs = append(errs, fmt.Errorf("line %d: %s_configs: %s%s", line, e.Kind, field, rest))
	}
	return errors.Join(errs...)
}

const deepest = 30 // of YAML below an entry; aliases may go in circles

// fieldAt is the field whose value is on a line.
func fieldAt(n *yaml.Node, line, depth int) string {
	if depth > deepest || n.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if f := fieldAt(n.Content[i+1], line, depth+1); f != "" {
			return n.Content[i].Value + "." + f
		}
		if n.Content[i].Line == line || n.Content[i+1].Line == line {
			return n.Content[i].Value
		}
	}
	return ""
}

// unknownFields finds fields of YAML that a type does not have.
func unknownFields(n *yaml.Node, t reflect.Type, path string, depth int) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if depth > deepest || t == reflect.TypeFor[yaml.Node]() {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return unknownFields(n.Alias, t, path, depth+1)
	}
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, c := range n.Content {
			if err := unknownFields(c, t.Elem(), path, depth+1); err != nil {
				return err
			}
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if err := unknownFields(n.Content[i+1], t.Elem(), path+"."+n.Content[i].Value, depth+1); err != nil {
				return err
			}
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		return unknownOf(n, t, path, depth)
	}
	return nil
}

func unknownOf(n *yaml.Node, t reflect.Type, path string, depth int) error {
	fields := map[string]reflect.Type{}
	open := yamlFields(t, fields)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			merged := []*yaml.Node{value}
			if value.Kind == yaml.SequenceNode {
				merged = value.Content
			}
			for _, m := range merged {
				if err := unknownFields(m, t, path, depth+1); err != nil {
					return err
				}
			}
			continue
		}
		ft, ok := fields[key.Value]
		if !ok && open {
			continue
		}
		if !ok {
			known := make([]string, 0, len(fields))
			for f := range fields {
				known = append(known, f)
			}
			slices.Sort(known)
			return fmt.Errorf("line %d: %s: field %s is not known; it may have %s", key.Line, path, key.Value, strings.Join(known, ", "))
		}
		if err := unknownFields(value, ft, path+"."+key.Value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// yamlFields collects what a struct may have; open when it takes any name.
func yamlFields(t reflect.Type, into map[string]reflect.Type) (open bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline") && f.Type.Kind() == reflect.Map:
			open = true
		case strings.Contains(options, "inline"):
			open = yamlFields(f.Type, into) || open
		case !f.IsExported() || name == "-":
		case name == "":
			into[strings.ToLower(f.Name)] = f.Type
		default:
			into[name] = f.Type
		}
	}
	return open
}

// walkStrings calls f for every text in an entry, with its field.
func walkStrings(v reflect.Value, depth int, f func(field string, v reflect.Value)) {
	walkNamed(v, "", depth, f)
}

func walkNamed(v reflect.Value, field string, depth int, f func(string, reflect.Value)) {
	if depth > deepest || !v.IsValid() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		f(field, v)
	case reflect.Pointer, reflect.Interface:
		walkNamed(v.Elem(), field, depth+1, f)
	case reflect.Slice:
		for i := range v.Len() {
			walkNamed(v.Index(i), field, depth+1, f)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			walkNamed(it.Value(), field, depth+1, f)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[yaml.Node]() {
			return
		}
		for i := range v.NumField() {
			sf := v.Type().Field(i)
			name, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
			if !sf.IsExported() && !strings.Contains(options, "inline") {
				continue
			}
			if name == "" || field != "" {
				name = field
			}
			walkNamed(v.Field(i), name, depth+1, f)
		}
	}
}

var (
	templateUse    = regexp.MustCompile(`{{-?\s*template\s+"([^"]+)"`)
	templateDefine = regexp.MustCompile(`{{-?\s*(?:define|block)\s+"([^"]+)"`)
)

// checkTemplates reads every template of an entry, so that one that is none is found now and not when somebody must be told.
func checkTemplates(en entry, t *template.Template) error {
	var first error
	walkStrings(reflect.ValueOf(en), 0, func(field string, v reflect.Value) {
		if text := v.String(); first == nil && strings.Contains(text, "{{") {
			if err := checkTemplate(text, t); err != nil {
				first = badField(field, "is no template that works: %w", err)
			}
		}
	})
	return first
}

func checkTemplate(text string, t *template.Template) error {
	if _, err := tmpltext.New("").Funcs(tmpltext.FuncMap(template.DefaultFuncs)).Parse(text); err != nil {
		return err
	}
	own := templateDefine.FindAllString(text, -1)
	for _, use := range templateUse.FindAllStringSubmatch(text, -1) {
		if slices.ContainsFunc(own, func(d string) bool { return strings.HasSuffix(d, `"`+use[1]+`"`) }) {
			continue
		}
		data := t.Data("", nil, nil, "", testAlert(nil, time.Now()))
		if _, err := t.ExecuteTextString(`{{ template "`+use[1]+`" . }}`, data); err != nil && strings.Contains(err.Error(), "not defined") {
			return fmt.Errorf("there is no template %q", use[1])
		}
	}
	return nil
}
