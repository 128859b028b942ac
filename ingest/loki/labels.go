package loki

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// maxLabelText bounds the text of the labels of a stream, in bytes, so that nobody fills the memory with what is refused
// later.
const maxLabelText = 256 << 10

// parseLabels reads the labels of a stream as LogQL and Prometheus write them: {a="b", c="d"}, values as Go's strings in
// double quotes or backquotes. What it returns is a copy, sorted.
func parseLabels(text string) ([]model.Field, error) {
	if len(text) > maxLabelText {
		return nil, fmt.Errorf("the labels have %d bytes, at most %d are read", len(text), maxLabelText)
	}
	p := labelParser{rest: strings.Clone(text)}
	labels, err := p.all()
	if err != nil {
		return nil, fmt.Errorf("the labels are not as in {job=\"x\", host=\"y\"}: %w", err)
	}
	return model.SortFields(labels), nil
}

type labelParser struct{ rest string }

func (p *labelParser) all() ([]model.Field, error) {
	if !p.take('{') {
		return nil, errors.New("they do not begin with {")
	}
	var labels []model.Field
	for !p.take('}') {
		l, err := p.one()
		if err != nil {
			return nil, err
		}
		labels = append(labels, l)
		if p.take(',') {
			continue
		}
		if !p.take('}') {
			return nil, fmt.Errorf("after %s there is no comma and no }", l.Name)
		}
		break
	}
	if p.space(); p.rest != "" {
		return nil, errors.New("there is more after }")
	}
	return labels, nil
}

func (p *labelParser) one() (model.Field, error) {
	p.space()
	end := 0
	for end < len(p.rest) && isNameByte(p.rest[end]) {
		end++
	}
	name := p.rest[:end]
	if !isName(name) {
		return model.Field{}, fmt.Errorf("a label name is missing or not allowed at %.40q", p.rest)
	}
	p.rest = p.rest[end:]
	if !p.take('=') {
		return model.Field{}, fmt.Errorf("after the label name %.100s there is no =", name)
	}
	p.space()
	quoted, err := strconv.QuotedPrefix(p.rest)
	if err != nil || quoted[0] == '\'' {
		return model.Field{}, fmt.Errorf("the value of the label %.100s is not in quotes, or they are not closed", name)
	}
	p.rest = p.rest[len(quoted):]
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return model.Field{}, fmt.Errorf("the value of the label %.100s: %w", name, err)
	}
	return model.Field{Name: name, Value: value}, nil
}

func (p *labelParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *labelParser) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func isName(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return true
}

func isNameByte(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}
