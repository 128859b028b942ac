package otlp

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/wire"
)

// LogsService is the path of the call that exports logs.
const LogsService = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

// The codes of gRPC that we answer with (https://grpc.io/docs/guides/status-codes/).
const (
	codeOK                = 0
	codeInvalidArgument   = 3
	codeResourceExhausted = 8
	codeUnimplemented     = 12
	codeUnavailable       = 14
)

// LogsGRPC returns the handler of LogsService.
func (r *Receiver) LogsGRPC() http.Handler { return r.grpc("logs", r.exportLogs) }

// grpc serves a call with one message each way (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). A message
// is
//
//	1 byte: 1 when it is compressed as grpc-encoding says   4 bytes: length, big endian   the message
//
// and the status stands in trailers behind it.
func (r *Receiver) grpc(signal string, export exporter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasPrefix(req.Header.Get("Content-Type"), "application/grpc") || req.Method != http.MethodPost || req.ProtoMajor < 2 {
			http.Error(w, "this is for gRPC over HTTP/2: POST with the content type application/grpc", http.StatusUnsupportedMediaType)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/grpc")
		h.Set("Trailer", "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin")
		response, err := r.takeGRPC(w, req, export)
		code := codeOK
		if err != nil {
			code = setGRPCError(h, err)
			r.complain(signal, req, httpStatus(err), err)
		} else {
			frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(response))) //nolint:gosec // our own answers are short
			_, _ = w.Write(append(frame, response...))                               // whoever is gone needs no answer
			h.Set("Grpc-Status", "0")
		}
		r.count(signal, "grpc", code)
	})
}

func (r *Receiver) takeGRPC(w http.ResponseWriter, req *http.Request, export exporter) ([]byte, error) {
	body, err := r.intake.Read(w, req, intake.Plain)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	frame := body.Data
	if len(frame) < 5 || uint64(binary.BigEndian.Uint32(frame[1:])) != uint64(len(frame)-5) {
		return nil, intake.Malformed(errors.New("the body is not one message of gRPC"))
	}
	switch frame[0] {
	case 0:
		return export(req.Context(), body, frame[5:])
	case 1:
		if err := body.Unpack(req.Header.Get("Grpc-Encoding"), frame[5:]); err != nil {
			return nil, err
		}
		return export(req.Context(), body, body.Data)
	}
	return nil, intake.Malformed(fmt.Errorf("a message of gRPC begins with 0 or 1, not %d", frame[0]))
}

// setGRPCError sets the trailers that tell of an error and returns its code. What can be sent again later says so by RetryInfo
// (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-throttling).
func setGRPCError(h http.Header, err error) int {
	status := httpStatus(err)
	code := httpToGRPC(status)
	if status == http.StatusUnsupportedMediaType {
		h.Set("Grpc-Accept-Encoding", "identity, gzip, zstd, snappy, deflate")
	}
	var details []byte
	if intake.Again(status) {
		details = retryInfo(intake.RetryAfter(err))
	}
	h.Set("Grpc-Status", strconv.Itoa(code))
	h.Set("Grpc-Message", strings.ReplaceAll(url.QueryEscape(cut(err.Error())), "+", "%20"))
	h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(statusMessage(code, cut(err.Error()), details)))
	return code
}

// cut bounds an error that goes into trailers, which clients bound too.
func cut(text string) string { return text[:min(len(text), 1000)] }

func httpToGRPC(status int) int {
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

// statusMessage returns a google.rpc.Status:
//
//	1 code   2 message   3 repeated google.protobuf.Any
func statusMessage(code int, message string, detail []byte) []byte {
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
