package probe

import (
	"errors"
	"fmt"
	"strconv"
)

// maxReplyLines bounds an answer of SMTP or FTP.
const maxReplyLines = 200

// reply reads an answer with a code of three digits and one or more lines, as SMTP (RFC 5321, 4.2) and FTP (RFC 959, 4.2) have.
func (s *session) reply() (code int, lines []string, err error) {
	first := ""
	for range maxReplyLines {
		line, err := s.line()
		if err != nil {
			return 0, nil, err
		}
		if first == "" {
			if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
				return 0, nil, fmt.Errorf("the answer has no code: %q", printable(line, 80))
			}
			if code, err = strconv.Atoi(line[:3]); err != nil || code < 100 || code > 599 {
				return 0, nil, fmt.Errorf("the answer has no code: %q", printable(line, 80))
			}
			first = line[:3]
		}
		text := line
		ours := len(line) >= 3 && line[:3] == first
		if ours && len(line) > 3 {
			text = line[4:]
		}
		lines = append(lines, text)
		if ours && (len(line) == 3 || line[3] == ' ') {
			return code, lines, nil
		}
	}
	return 0, nil, errors.New("the answer has too many lines")
}

// command sends a line and wants an answer whose code has the first digit or is the code.
func (s *session) command(want int, format string, args ...any) ([]string, error) {
	if format != "" {
		if err := s.sendLine(format, args...); err != nil {
			return nil, err
		}
	}
	code, lines, err := s.reply()
	if err != nil {
		return nil, err
	}
	if code != want && code/100 != want {
		return lines, errReply{code, lines[0]}
	}
	return lines, nil
}

// errReply is an answer with another code than hoped for.
type errReply struct {
	code int
	text string
}

func (e errReply) Error() string {
	return fmt.Sprintf("the answer is %d %s", e.code, printable(e.text, 200))
}
