package services

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
)

// The parts of FastCGI (https://fastcgi-archives.github.io/FastCGI_Specification.html) that one GET needs. A record is
//
//	byte version (1), byte type, uint16 request, uint16 content length, byte padding length, byte 0, content, padding
const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStdout = 6
	fcgiStderr = 7

	fcgiResponder = 1
)

// fcgiGet asks a FastCGI server for a page.
func fcgiGet(ctx context.Context, address, path, query string) ([]byte, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.Write(appendFcgiGet(nil, path, query)); err != nil {
		return nil, err
	}
	out, err := readFcgi(c.r)
	if err != nil {
		return nil, err
	}
	return cgiBody(out, path)
}

func appendFcgiGet(dst []byte, path, query string) []byte {
	dst = appendFcgiRecord(dst, fcgiBegin, []byte{0, fcgiResponder, 0, 0, 0, 0, 0, 0})
	uri := path
	if query != "" {
		uri += "?" + query
	}
	var params []byte
	for _, p := range [...][2]string{
		{"SCRIPT_NAME", path}, {"SCRIPT_FILENAME", path}, {"QUERY_STRING", query}, {"REQUEST_URI", uri},
		{"REQUEST_METHOD", "GET"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"GATEWAY_INTERFACE", "CGI/1.1"},
		{"SERVER_SOFTWARE", "hulotte"}, {"REMOTE_ADDR", "127.0.0.1"},
	} {
		params = appendFcgiLength(params, len(p[0]))
		params = appendFcgiLength(params, len(p[1]))
		params = append(append(params, p[0]...), p[1]...)
	}
	dst = appendFcgiRecord(dst, fcgiParams, params)
	dst = appendFcgiRecord(dst, fcgiParams, nil)
	return appendFcgiRecord(dst, fcgiStdin, nil)
}

func appendFcgiRecord(dst []byte, typ byte, content []byte) []byte {
	dst = append(dst, 1, typ, 0, 1)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(content))) //nolint:gosec // paths are short
	dst = append(dst, 0, 0)
	return append(dst, content...)
}

func appendFcgiLength(dst []byte, n int) []byte {
	if n < 128 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|1<<31) //nolint:gosec // as above
}

// readFcgi reads records up to the end of the request and returns what the page was.
func readFcgi(r *bufio.Reader) ([]byte, error) {
	var out, said []byte
	var head [8]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		if head[0] != 1 {
			return nil, fmt.Errorf("an answer begins with %d: is it FastCGI?", head[0])
		}
		n := int(binary.BigEndian.Uint16(head[4:]))
		content := make([]byte, n+int(head[6])) // 65,790 at most
		if _, err := io.ReadFull(r, content); err != nil {
			return nil, err
		}
		switch content = content[:n]; head[1] {
		case fcgiStdout:
			if len(out)+n > maxAnswerBytes {
				return nil, errTooLong
			}
			out = append(out, content...)
		case fcgiStderr:
			if len(said) < 1<<10 {
				said = append(said, content...)
			}
		case fcgiEnd:
			if len(out) == 0 && len(said) > 0 {
				return nil, fmt.Errorf("FastCGI says %s", excerpt(string(said)))
			}
			return out, nil
		}
	}
}

// cgiBody takes the head off a CGI answer and looks at its status.
func cgiBody(out []byte, path string) ([]byte, error) {
	r := bufio.NewReader(bytes.NewReader(out))
	head, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return nil, errors.New("the answer has no head: is it FastCGI?")
	}
	if status := head.Get("Status"); status != "" {
		code, _ := strconv.Atoi(strings.Fields(status + " 0")[0])
		if code != 200 {
			return nil, &statusError{path: path, code: code, hint: phpfpmHint}
		}
	}
	return readAll(r, maxAnswerBytes)
}
