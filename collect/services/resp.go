package services

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	respMaxDepth = 8
	respMaxItems = 100_000
)

// respError is an error that Redis answers.
type respError string

func (e respError) Error() string { return string(e) }

// respReader reads answers of Redis' protocol, version 2 (https://redis.io/docs/latest/develop/reference/protocol-spec/):
//
//	+text\r\n  -error\r\n  :number\r\n  $length\r\nbytes\r\n  *count\r\n followed by so many answers; a length of -1 is nothing
type respReader struct {
	r     *bufio.Reader
	left  int64 // bytes that strings may still take
	items int   // items that arrays may still have
}

func newRespReader(r *bufio.Reader) *respReader {
	return &respReader{r: r, left: maxAnswerBytes, items: respMaxItems}
}

// value is what one answer holds: a string, an int64, a []any, a respError or nil.
func (p *respReader) value(depth int) (any, error) {
	line, err := readLine(p.r)
	if err != nil {
		return nil, err
	}
	if line == "" {
		return nil, errors.New("an answer is empty: is it Redis?")
	}
	switch text := line[1:]; line[0] {
	case '+':
		return text, nil
	case '-':
		return respError(text), nil
	case ':':
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no number", excerpt(text))
		}
		return n, nil
	case '$':
		return p.text(text)
	case '*':
		return p.array(text, depth)
	}
	return nil, fmt.Errorf("an answer begins with %s: is it Redis?", excerpt(line))
}

func (p *respReader) text(length string) (any, error) {
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil || n < -1 {
		return nil, fmt.Errorf("%s is no length", excerpt(length))
	}
	if n == -1 {
		return nil, nil
	}
	if p.left -= n + 2; p.left < 0 {
		return nil, fmt.Errorf("a string of %d bytes: %w", n, errTooLong)
	}
	var b strings.Builder // grows as bytes come: the length may be a lie
	if _, err := io.CopyN(&b, p.r, n); err != nil {
		return nil, err
	}
	if end, err := readLine(p.r); err != nil || end != "" {
		return nil, errors.New("a string does not end where its length says")
	}
	return b.String(), nil
}

func (p *respReader) array(count string, depth int) (any, error) {
	n, err := strconv.Atoi(count)
	if err != nil || n < -1 {
		return nil, fmt.Errorf("%s is no number of items", excerpt(count))
	}
	if n == -1 {
		return nil, nil
	}
	if p.items -= n; p.items < 0 || depth >= respMaxDepth {
		return nil, fmt.Errorf("an array of %d items at depth %d: %w", n, depth, errTooLong)
	}
	out := []any{}
	for range n {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// appendCommand writes a command as Redis wants it: an array of strings.
func appendCommand(dst []byte, words ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(words))
	for _, w := range words {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(w), w)
	}
	return dst
}
