package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// The codes of gRPC that we answer with (https://grpc.io/docs/guides/status-codes/).
const (
	grpcCancelled         = 1
	grpcInvalidArgument   = 3
	grpcDeadlineExceeded  = 4
	grpcNotFound          = 5
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
)

const (
	// maxGRPCRequest bounds a question: a search has some hundred bytes.
	maxGRPCRequest = 256 << 10
	// grpcMessage is from how many bytes on a message of spans is sent; clients take 4 MiB.
	grpcMessage = 1 << 20
)

// grpcCall answers one call of a service: it sends messages.
type grpcCall func(r *http.Request, spans store.SpanReader, message []byte, send func(message []byte) error) error

// jaegerGRPC is Jaeger's query services (https://github.com/jaegertracing/jaeger-idl, proto/api_v2/query.proto and proto/api_v3/query_service.proto).
func (a *api) jaegerGRPC() []route {
	calls := map[string]grpcCall{
		"v2.QueryService/GetTrace":        a.v2GetTrace,
		"v2.QueryService/FindTraces":      a.v2FindTraces,
		"v2.QueryService/GetServices":     a.grpcServices,
		"v2.QueryService/GetOperations":   a.v2Operations,
		"v2.QueryService/GetDependencies": a.grpcDependencies,
		"v2.QueryService/ArchiveTrace":    noGRPC,

		"v3.QueryService/GetTrace":           a.v3GetTrace,
		"v3.QueryService/FindTraces":         a.v3FindTraces,
		"v3.QueryService/FindTraceSummaries": a.v3FindSummaries,
		"v3.QueryService/GetServices":        a.grpcServices,
		"v3.QueryService/GetOperations":      a.v3Operations,
		"v3.QueryService/GetDependencies":    a.grpcDependencies,
	}
	table := make([]route, 0, len(calls))
	for path, call := range calls {
		table = append(table, route{http.MethodPost, "/jaeger.api_" + path, a.grpc(call)})
	}
	return table
}

func noGRPC(*http.Request, store.SpanReader, []byte, func([]byte) error) error {
	return &apiError{kind: errNotFound, status: http.StatusNotImplemented, err: errors.New("there is no archive: traces are kept as long as storage.traces.retention_time says")}
}

// grpc serves a call with one message of the client and any number of ours, without the library of gRPC
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). A message is
//
//	1 byte: 1 when it is compressed as grpc-encoding says   4 bytes: length, big endian   the message
//
// and the status stands in trailers behind the last.
func (a *api) grpc(call grpcCall) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") || r.ProtoMajor < 2 {
			http.Error(w, "this is for gRPC over HTTP/2, with the content type application/grpc", http.StatusUnsupportedMediaType)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/grpc")
		h.Set("Trailer", "Grpc-Status, Grpc-Message")
		err := a.answerGRPC(w, r, call)
		if err == nil {
			h.Set("Grpc-Status", "0")
			return
		}
		status, text := spanStatus(r.Context(), err)
		a.countError(err, status)
		h.Set("Grpc-Status", strconv.Itoa(grpcCode(status)))
		h.Set("Grpc-Message", strings.ReplaceAll(url.QueryEscape(cutText(text, 1000)), "+", "%20"))
	})
}

func (a *api) answerGRPC(w http.ResponseWriter, r *http.Request, call grpcCall) error {
	r, err := withTenant(r)
	if err != nil {
		return err
	}
	message, err := grpcRequest(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), spanTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	// The answer is sent while traces are read, so that none of it waits in memory.
	_, done, err := a.spanAnswer(r, func(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
		return nil, call(r, spans, message, func(message []byte) error {
			frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // some megabytes
			if _, err := w.Write(frame); err != nil {
				return err
			}
			if _, err := w.Write(message); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
	})
	if err == nil {
		done()
	}
	return err
}

// grpcRequest reads the one message of a request.
func grpcRequest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxGRPCRequest))
	if size := (*http.MaxBytesError)(nil); errors.As(err, &size) {
		return nil, tooLarge("the message", maxGRPCRequest)
	}
	if err != nil {
		return nil, badData("cannot read the message: %w", err)
	}
	if len(body) < 5 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-5) {
		return nil, badData("the body is not one message of gRPC")
	}
	message := body[5:]
	switch {
	case body[0] == 0:
		return message, nil
	case body[0] != 1:
		return nil, badData("a message of gRPC begins with 0 or 1, not %d", body[0])
	case r.Header.Get("Grpc-Encoding") != "gzip":
		w.Header().Set("Grpc-Accept-Encoding", "identity, gzip")
		return nil, &apiError{kind: errBadData, status: http.StatusNotImplemented, err: fmt.Errorf("the compression %q is not known: use gzip or none", cutText(r.Header.Get("Grpc-Encoding"), 40))}
	}
	z, err := gzip.NewReader(bytes.NewReader(message))
	if err != nil {
		return nil, badData("the message is not gzip: %w", err)
	}
	message, err = io.ReadAll(io.LimitReader(z, maxGRPCRequest+1))
	if err != nil {
		return nil, badData("the message is not gzip: %w", err)
	}
	if len(message) > maxGRPCRequest {
		return nil, tooLarge("the message", maxGRPCRequest)
	}
	return message, nil
}

// grpcCode is the code of gRPC for a status of HTTP.
func grpcCode(status int) int {
	switch status {
	case http.StatusNotFound:
		return grpcNotFound
	case http.StatusTooManyRequests:
		return grpcResourceExhausted
	case http.StatusServiceUnavailable:
		return grpcUnavailable
	case http.StatusGatewayTimeout:
		return grpcDeadlineExceeded
	case http.StatusNotImplemented:
		return grpcUnimplemented
	case http.StatusInternalServerError:
		return grpcInternal
	case statusClientGone:
		return grpcCancelled
	}
	return grpcInvalidArgument
}

// grpcQuery is a TraceQueryParameters of either version, or a request for a trace, whose fields are others.
type grpcQuery struct {
	service, operation string
	tags               map[string]string
	start, end         int64 // nanoseconds
	shortest, longest  int64
	depth              int64
	raw                bool
}

// errMessage is an error of a message that is no protocol buffer of its kind.
func errMessage(err error) error { return badData("the message is malformed: %w", err) }

// readGRPCQuery reads a request that holds TraceQueryParameters as its field 1:
//
//	1 service   2 operation   3 map of tags   4 start from (Timestamp)   5 start before   6 duration at least   7 duration at most
//	8 search depth   9 raw traces   10 filter (v3, refused)
func readGRPCQuery(message []byte) (q spanSearch, raw bool, err error) {
	p := grpcQuery{tags: map[string]string{}}
	request := wire.Fields{Rest: message}
	for request.Next() {
		if request.Is(1, wire.Bytes) {
			if err := p.read(request.Bytes); err != nil {
				return q, false, err
			}
		}
	}
	if request.Err != nil {
		return q, false, errMessage(request.Err)
	}
	switch {
	case p.end == 0 || p.start >= p.end:
		return q, false, badData("start_time_min must be before start_time_max")
	case p.depth < 0 || p.depth > maxTraces:
		return q, false, badData("search_depth is %d: 0 to %d are allowed", p.depth, maxTraces)
	case len(p.tags) > maxTags:
		return q, false, badData("%d attributes: at most %d are allowed", len(p.tags), maxTags)
	case p.shortest < 0 || p.longest < 0 || p.longest > 0 && p.longest < p.shortest:
		return q, false, badData("duration_max should be greater than duration_min, and neither less than 0")
	}
	if p.depth == 0 {
		p.depth = defaultTraces
	}
	q = spanSearch{start: p.start, end: p.end, limit: int(p.depth)}
	q.filter = jaegerFilter(p.service, p.operation, p.tags, durationWithin(time.Duration(p.shortest), time.Duration(p.longest)))
	return q, p.raw, nil
}

func (p *grpcQuery) read(message []byte) (err error) {
	f := wire.Fields{Rest: message}
	for f.Next() {
		switch {
		case f.Is(1, wire.Bytes):
			p.service = f.Text()
		case f.Is(2, wire.Bytes):
			p.operation = f.Text()
		case f.Is(3, wire.Bytes):
			err = p.tag(f.Bytes)
		case f.Is(4, wire.Bytes):
			p.start, err = grpcTime(f.Bytes)
		case f.Is(5, wire.Bytes):
			p.end, err = grpcTime(f.Bytes)
		case f.Is(6, wire.Bytes):
			p.shortest, err = grpcTime(f.Bytes)
		case f.Is(7, wire.Bytes):
			p.longest, err = grpcTime(f.Bytes)
		case f.Is(8, wire.Varint):
			p.depth = int64(int32(f.Value)) //nolint:gosec // the field has 32 bits
		case f.Is(9, wire.Varint):
			p.raw = f.Value != 0
		case f.Num == 10:
			err = badData("filter is not supported: use service_name, operation_name, attributes and durations")
		}
		if err != nil {
			return err
		}
	}
	if f.Err != nil {
		return errMessage(f.Err)
	}
	return nil
}

// tag reads an entry of a map of texts: 1 key, 2 value.
func (p *grpcQuery) tag(message []byte) error {
	var key, value string
	f := wire.Fields{Rest: message}
	for f.Next() {
		switch {
		case f.Is(1, wire.Bytes):
			key = f.Text()
		case f.Is(2, wire.Bytes):
			value = f.Text()
		}
	}
	if f.Err != nil {
		return errMessage(f.Err)
	}
	p.tags[key] = value
	return nil
}

// maxGRPCSeconds is the year 2261, the last whose nanoseconds 64 bits hold.
const maxGRPCSeconds = 9_214_646_400

// grpcTime reads a Timestamp or a Duration (1 seconds, 2 nanoseconds). A time before 1970, as the zero time of Go's clients is, is 0.
func grpcTime(message []byte) (int64, error) {
	var seconds, nanos int64
	f := wire.Fields{Rest: message}
	for f.Next() {
		switch {
		case f.Is(1, wire.Varint):
			seconds = int64(f.Value) //nolint:gosec // two's complement
		case f.Is(2, wire.Varint):
			nanos = int64(int32(f.Value)) //nolint:gosec // the field has 32 bits
		}
	}
	switch {
	case f.Err != nil:
		return 0, errMessage(f.Err)
	case seconds > maxGRPCSeconds:
		return 0, badData("a time is beyond the year %d", maxNanoYear)
	case seconds < 0 || nanos < 0 || nanos >= 1e9:
		return 0, nil
	}
	return seconds*1e9 + nanos, nil
}

// readGRPCTrace reads a GetTraceRequest: 1 trace id, as bytes in v2 and as text in v3, 2 start, 3 end, 4 raw traces.
func readGRPCTrace(message []byte, asText bool) (id model.TraceID, start, end int64, raw bool, err error) {
	f := wire.Fields{Rest: message}
	for f.Next() && err == nil {
		switch {
		case f.Is(1, wire.Bytes):
			id, err = grpcTraceID(f.Bytes, asText)
		case f.Is(2, wire.Bytes):
			start, err = grpcTime(f.Bytes)
		case f.Is(3, wire.Bytes):
			end, err = grpcTime(f.Bytes)
		case f.Is(4, wire.Varint):
			raw = f.Value != 0
		}
	}
	switch {
	case err != nil:
		return id, 0, 0, false, err
	case f.Err != nil:
		return id, 0, 0, false, errMessage(f.Err)
	case id.IsZero():
		return id, 0, 0, false, badData("trace_id is missing")
	}
	start, end, err = traceHint(start, end)
	return id, start, end, raw, err
}

func grpcTraceID(raw []byte, asText bool) (id model.TraceID, err error) {
	switch {
	case asText:
		if id, err = model.ParseTraceID(string(raw)); err != nil {
			err = badData("%w", err)
		}
	case len(raw) == 8 || len(raw) == 16:
		copy(id[16-len(raw):], raw)
	default:
		err = badData("a trace id has %d bytes: 16 are expected", len(raw))
	}
	return id, err
}
