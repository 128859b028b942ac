package intake

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/wire"
)

// The codes of gRPC that we answer with (https://grpc.io/docs/guides/status-codes/).
const (
	codeOK                = 0
	codeInvalidArgument   = 3
	codeResourceExhausted = 8
	codeUnimplemented     = 12
	codeUnavailable       = 14
)

// GRPC serves a call with one message each way, on top of net/http (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). A message is
//
//	1 byte: 1 when it is compressed as grpc-encoding says   4 bytes: length, big endian   the message
//
// and the status stands in trailers behind it. take gets the message and returns the answer; done is told the code of gRPC and the error.
func (in *Intake) GRPC(take func(ctx context.Context, body *Body, message []byte) ([]byte, error), done func(req *http.Request, code int, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc") || req.Method != http.MethodPost || req.ProtoMajor < 2 {
			http.Error(w, "this is for gRPC over HTTP/2: POST with the content type application/grpc", http.StatusUnsupportedMediaType)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/grpc")
		h.Set("Trailer", "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin")
		response, err := in.takeGRPC(w, req, take)
		code := codeOK
		if err != nil {
			code = setGRPCError(h, err)
		} else {
			frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(response))) //nolint:gosec // our own answers are short
			_, _ = w.Write(append(frame, response...))                               // whoever is gone needs no answer
			h.Set("Grpc-Status", "0")
		}
		done(req, code, err)
	})
}

func (in *Intake) takeGRPC(w http.ResponseWriter, req *http.Request, take func(context.Context, *Body, []byte) ([]byte, error)) ([]byte, error) {
	body, err := in.Read(w, req, Plain)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	frame := body.Data
	if len(frame) < 5 || uint64(binary.BigEndian.Uint32(frame[1:])) != uint64(len(frame)-5) {
		return nil, Malformed(errors.New("the body is not one message of gRPC"))
	}
	switch frame[0] {
	case 0:
		return take(req.Context(), body, frame[5:])
	case 1:
		if err := body.Unpack(req.Header.Get("Grpc-Encoding"), frame[5:]); err != nil {
			return nil, err
		}
		return take(req.Context(), body, body.Data)
	}
	return nil, Malformed(fmt.Errorf("a message of gRPC begins with 0 or 1, not %d", frame[0]))
}

// LaterStatus is Status, but what the sender can do nothing about is 503: senders by gRPC and of OpenTelemetry's protocol send again after 429, 502,
// 503 and 504, and drop what got 500.
func LaterStatus(err error) int {
	if status := Status(err); status != http.StatusInternalServerError {
		return status
	}
	return http.StatusServiceUnavailable
}

// setGRPCError sets the trailers that tell of an error and returns its code. What can be sent again later says so by RetryInfo
// (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-throttling).
func setGRPCError(h http.Header, err error) int {
	status := LaterStatus(err)
	code := GRPCCode(status)
	if status == http.StatusUnsupportedMediaType {
		h.Set("Grpc-Accept-Encoding", "identity, gzip, zstd, snappy, deflate")
	}
	var details []byte
	if Again(status) {
		details = retryInfo(RetryAfter(err))
	}
	h.Set("Grpc-Status", strconv.Itoa(code))
	h.Set("Grpc-Message", strings.ReplaceAll(url.QueryEscape(cut(err.Error())), "+", "%20"))
	h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(StatusMessage(code, cut(err.Error()), details)))
	return code
}

// cut bounds an error that goes into trailers, which clients bound too.
func cut(text string) string { return text[:min(len(text), 1000)] }

// GRPCCode is the code of gRPC for a status of HTTP.
func GRPCCode(status int) int {
	switch status {
	case http.StatusTooManyRequests:
		return codeResourceExhausted
	case http.StatusServiceUnavailable:
		return codeUnavailable
	case http.StatusUnsupportedMediaType, http.StatusMethodNotAllowed:
		return codeUnimplemented
	case http.StatusInternalServerError:
		return codeUnavailable
	}
	return codeInvalidArgument
}

// StatusMessage returns a google.rpc.Status:
//
//	1 code   2 message   3 repeated google.protobuf.Any
func StatusMessage(code int, message string, detail []byte) []byte {
	out := wire.AppendVarint(nil, 1, uint64(code)) //nolint:gosec // a code of gRPC
	out = wire.AppendBytes(out, 2, []byte(strings.ToValidUTF8(message, "\uFFFD")))
	if detail != nil {
		out = wire.AppendBytes(out, 3, detail)
	}
	return out
}

// retryInfo returns a google.protobuf.Any (1 type, 2 message) that holds a google.rpc.RetryInfo (1 Duration: 1 seconds,
// 2 nanoseconds).
func retryInfo(after time.Duration) []byte {
	duration := wire.AppendVarint(nil, 1, uint64(after/time.Second))     //nolint:gosec // not negative
	duration = wire.AppendVarint(duration, 2, uint64(after%time.Second)) //nolint:gosec // not negative
	out := wire.AppendBytes(nil, 1, []byte("type.googleapis.com/google.rpc.RetryInfo"))
	return wire.AppendBytes(out, 2, wire.AppendBytes(nil, 1, duration))
}
