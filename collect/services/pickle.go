package services

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

const (
	pickleMaxItems = 200_000
	pickleMaxText  = 4 << 20
)

var errPickle = errors.New("the answer is not a pickle of plain values")

// pickleMark stands on the stack where a collection began.
type pickleMark struct{}

// pickleReader reads what Python's pickle wrote (protocols 2 to 5) as long as it holds plain values: numbers, truth values, texts, None,
// lists, tuples, dictionaries. Whatever would name a class or call something is refused (but for str of a text), as is anything without
// end.
type pickleReader struct {
	in    []byte
	stack []any
	memo  map[uint32]any
	items int
	text  int
}

// pickleStr stands for Python's str, the one thing that may be called: fail2ban writes addresses as str("192.0.2.7").
type pickleStr struct{}

// pickleList is a list: appended to in place, as others may hold it.
type pickleList struct{ items []any }

// unpickle returns the one value: float64, string, bool, nil, *pickleList (lists, tuples, sets) or map[string]any.
func unpickle(in []byte) (any, error) {
	p := &pickleReader{in: in, memo: map[uint32]any{}}
	for {
		op, err := p.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			if len(p.stack) != 1 {
				return nil, errPickle
			}
			return p.stack[0], nil
		}
		if p.items++; p.items > pickleMaxItems {
			return nil, fmt.Errorf("more than %d items: %w", pickleMaxItems, errTooLong)
		}
		if err := p.do(op[0]); err != nil {
			return nil, err
		}
	}
}

func (p *pickleReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(p.in) {
		return nil, fmt.Errorf("%w: it ends too early", errPickle)
	}
	b := p.in[:n]
	p.in = p.in[n:]
	return b, nil
}

func (p *pickleReader) push(v any) { p.stack = append(p.stack, v) }

func (p *pickleReader) pop() (any, error) {
	if len(p.stack) == 0 {
		return nil, errPickle
	}
	v := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	if _, isMark := v.(pickleMark); isMark {
		return nil, errPickle
	}
	return v, nil
}

// sinceMark takes what stands above the last mark.
func (p *pickleReader) sinceMark() ([]any, error) {
	for i := len(p.stack) - 1; i >= 0; i-- {
		if _, ok := p.stack[i].(pickleMark); ok {
			above := append([]any(nil), p.stack[i+1:]...)
			p.stack = p.stack[:i]
			return above, nil
		}
	}
	return nil, errPickle
}

// do runs one instruction (Python's pickletools tells them all).
func (p *pickleReader) do(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := p.take(1)
		return err
	case 0x95: // FRAME
		_, err := p.take(8)
		return err
	case '(':
		p.push(pickleMark{})
	case 'N':
		p.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		p.push(op == 0x88)
	case ']', ')', 0x8f: // EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET
		p.push(&pickleList{})
	case '}':
		p.push(map[string]any{})
	case 'K', 'M', 'J', 'G', 0x8a:
		return p.number(op)
	case 'X', 0x8c, 'U', 0x8d: // BINUNICODE, SHORT_BINUNICODE, SHORT_BINSTRING, BINUNICODE8
		return p.string(op)
	case 'q', 'r', 0x94, 'h', 'j': // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
		return p.remember(op)
	default:
		return p.collect(op)
	}
	return nil
}

func (p *pickleReader) number(op byte) error {
	sizes := map[byte]int{'K': 1, 'M': 2, 'J': 4, 'G': 8, 0x8a: 1}
	b, err := p.take(sizes[op])
	if err != nil {
		return err
	}
	switch op {
	case 'K':
		p.push(float64(b[0]))
	case 'M':
		p.push(float64(binary.LittleEndian.Uint16(b)))
	case 'J':
		p.push(float64(int32(binary.LittleEndian.Uint32(b)))) //nolint:gosec // it is signed
	case 'G':
		p.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case 0x8a: // LONG1: little endian, two's complement
		b, err = p.take(int(b[0]))
		if err != nil || len(b) > 8 {
			return errPickle
		}
		v := int64(0)
		for i, c := range b {
			v |= int64(c) << (8 * i)
		}
		if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
			v -= 1 << (8 * n)
		}
		p.push(float64(v))
	}
	return nil
}

func (p *pickleReader) string(op byte) error {
	size := map[byte]int{'X': 4, 0x8c: 1, 'U': 1, 0x8d: 8}[op]
	b, err := p.take(size)
	if err != nil {
		return err
	}
	var full [8]byte
	copy(full[:], b)
	n := binary.LittleEndian.Uint64(full[:])
	if n > uint64(len(p.in)) {
		return fmt.Errorf("%w: a text is longer than all", errPickle)
	}
	if p.text += int(n); p.text > pickleMaxText { //nolint:gosec // at most the length of the input
		return errTooLong
	}
	b, err = p.take(int(n)) //nolint:gosec // as above
	p.push(string(b))
	return err
}

func (p *pickleReader) remember(op byte) error {
	key := uint32(len(p.memo)) //nolint:gosec // bounded by items
	if op != 0x94 {
		size := map[byte]int{'q': 1, 'h': 1, 'r': 4, 'j': 4}[op]
		b, err := p.take(size)
		if err != nil {
			return err
		}
		var full [4]byte
		copy(full[:], b)
		key = binary.LittleEndian.Uint32(full[:])
	}
	if op == 'h' || op == 'j' {
		v, ok := p.memo[key]
		if !ok {
			return errPickle
		}
		p.push(v)
		return nil
	}
	if len(p.stack) == 0 {
		return errPickle
	}
	p.memo[key] = p.stack[len(p.stack)-1]
	return nil
}

func (p *pickleReader) collect(op byte) error {
	switch op {
	case 'a', 'e', 0x90: // APPEND, APPENDS, ADDITEMS
		return p.extend(op)
	case 't', 'l', 0x91: // TUPLE, LIST, FROZENSET
		items, err := p.sinceMark()
		p.push(&pickleList{items})
		return err
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		items := make([]any, op-0x84)
		for i := len(items) - 1; i >= 0; i-- {
			v, err := p.pop()
			if err != nil {
				return err
			}
			items[i] = v
		}
		p.push(&pickleList{items})
		return nil
	case 's', 'u': // SETITEM, SETITEMS
		return p.setItems(op)
	case 0x93, 'R': // STACK_GLOBAL, REDUCE
		return p.call(op)
	}
	return fmt.Errorf("%w: it has the instruction %s", errPickle, strconv.QuoteRune(rune(op)))
}

// call names str, or calls it with one text.
func (p *pickleReader) call(op byte) error {
	second, err := p.pop()
	first, err2 := p.pop()
	if err != nil || err2 != nil {
		return errPickle
	}
	if op == 0x93 {
		if second != "str" || first != "builtins" && first != "__builtin__" {
			return fmt.Errorf("%w: it names something of Python's", errPickle)
		}
		p.push(pickleStr{})
		return nil
	}
	args, ok := second.(*pickleList)
	if _, isStr := first.(pickleStr); !isStr || !ok || len(args.items) != 1 {
		return errPickle
	}
	text, ok := args.items[0].(string)
	if !ok {
		return errPickle
	}
	p.push(text)
	return nil
}

func (p *pickleReader) extend(op byte) error {
	var items []any
	var err error
	if op == 'a' {
		var v any
		v, err = p.pop()
		items = []any{v}
	} else {
		items, err = p.sinceMark()
	}
	if err != nil {
		return err
	}
	if len(p.stack) == 0 {
		return errPickle
	}
	list, ok := p.stack[len(p.stack)-1].(*pickleList)
	if !ok {
		return errPickle
	}
	list.items = append(list.items, items...)
	return nil
}

func (p *pickleReader) setItems(op byte) error {
	var items []any
	if op == 's' {
		v, err := p.pop()
		k, err2 := p.pop()
		if err != nil || err2 != nil {
			return errPickle
		}
		items = []any{k, v}
	} else {
		var err error
		if items, err = p.sinceMark(); err != nil {
			return err
		}
	}
	if len(p.stack) == 0 || len(items)%2 != 0 {
		return errPickle
	}
	m, ok := p.stack[len(p.stack)-1].(map[string]any)
	if !ok {
		return errPickle
	}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(string)
		if !ok {
			return errPickle
		}
		m[key] = items[i+1]
	}
	return nil
}

// appendPickle writes a list of texts, protocol 2.
func appendPickle(dst []byte, words ...string) []byte {
	dst = append(dst, 0x80, 2, ']', '(')
	for _, w := range words {
		dst = binary.LittleEndian.AppendUint32(append(dst, 'X'), uint32(len(w))) //nolint:gosec // short
		dst = append(dst, w...)
	}
	return append(dst, 'e', '.')
}
