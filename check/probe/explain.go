package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/hulotte-dev/hulotte/model"
)

// errNotAsked marks errors of this side: the question could not be asked, so that nothing is known of the other side.
type errNotAsked struct{ error }

func (e errNotAsked) Unwrap() error { return e.error }

// notAsked makes an error of this side.
func notAsked(format string, args ...any) error { return errNotAsked{fmt.Errorf(format, args...)} }

// statusOf is UNKNOWN for what this side lacks (file descriptors, ports, rights, files), CRITICAL for all else.
func statusOf(err error) model.Status {
	var own errNotAsked
	var path *fs.PathError
	for _, target := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, target) {
			return model.Unknown
		}
	}
	if errors.As(err, &own) || errors.As(err, &path) {
		return model.Unknown
	}
	return model.Critical
}

// explain says what an error means to an operator, without the words of Go's network packages.
func explain(err error) string {
	var (
		dnsErr    *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &dnsErr):
		return explainDNS(dnsErr)
	case errors.As(err, &hostname):
		return lead(err, &hostname) + "certificate is for another name: " + hostname.Error()
	case errors.As(err, &authority):
		return lead(err, &authority) + "certificate is signed by an authority that is not known here"
	case errors.As(err, &record):
		return lead(err, &record) + "the other side does not speak TLS"
	case errors.As(err, &alert):
		return "the other side ended TLS: " + strings.TrimPrefix(alert.Error(), "tls: ")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return leadUntil(err, "no answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return leadUntil(err, "the other side closed the connection")
	case errors.As(err, &op):
		return leadUntil(err, errno(op.Err))
	}
	return withoutNoise(err.Error())
}

// withoutNoise drops the names of packages and what they say of themselves.
func withoutNoise(text string) string {
	for _, noise := range []string{"tls: ", "net/http: ", "HTTP/1.x transport connection broken: ", "connection error: desc = ", "transport: authentication handshake failed: ", "failed to WebSocket dial: "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	return text
}

// lead is what our own wrapping said before the error that was found in it.
func lead[E any](err error, found *E) string {
	if inner, ok := any(*found).(error); ok {
		if i := strings.Index(err.Error(), inner.Error()); i > 0 {
			return cleanLead(err.Error()[:i])
		}
	}
	return ""
}

// leadUntil replaces the words of the network packages by text, and keeps our own before them.
func leadUntil(err error, text string) string {
	whole := err.Error()
	end := len(whole)
	for _, word := range []string{"dial ", "read ", "write ", "EOF", "unexpected EOF", "context deadline", "i/o timeout", "context canceled", "Get \"", "Post \""} {
		if i := strings.Index(whole, word); i >= 0 && i < end {
			end = i
		}
	}
	return cleanLead(whole[:end]) + text
}

func cleanLead(text string) string {
	text = strings.TrimSuffix(strings.TrimSpace(text), ":")
	for _, noise := range []string{"tls", "failed to verify certificate"} {
		text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(text, noise), ": "))
	}
	if text == "" {
		return ""
	}
	return text + ": "
}

func errno(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

func explainDNS(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return fmt.Sprintf("%s does not exist in DNS", e.Name)
	case e.IsTimeout:
		return fmt.Sprintf("cannot look up %s: no answer from DNS", e.Name)
	}
	return fmt.Sprintf("cannot look up %s: %s", e.Name, e.Err)
}
