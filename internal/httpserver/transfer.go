package httpserver

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// limitBodies bounds the size of a body and the time that a client takes to send it.
//
// The time is no http.Server.ReadTimeout, because that one goes on running after the body has been read and ends
// the context of an answer that takes longer.
func (s *Server) limitBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		if r.ContentLength > s.options.MaxBodySize {
			w.Header().Set("Connection", "close")
			http.Error(w, "the body is bigger than server.max_body_size allows", http.StatusRequestEntityTooLarge)
			return
		}
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(s.options.ReadTimeout)) // every connection of ours can
		r.Body = &timedBody{ReadCloser: http.MaxBytesReader(w, r.Body, s.options.MaxBodySize), control: control}
		next.ServeHTTP(w, r)
	})
}

// timedBody takes the deadline away at the end of the body.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// response remembers what was answered, and moves the write deadline on as long as the client takes something.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration // 0 for HTTP/2, which watches its connection itself
	touched time.Time
	code    int // 0 as long as nothing was answered
	bytes   int64

	stream   bool   // the answer is an event stream or a WebSocket
	onStream func() // called when it turns out to be one
}

func newResponse(w http.ResponseWriter, r *http.Request, stall time.Duration) *response {
	if r.ProtoMajor >= 2 {
		stall = 0
	}
	res := &response{ResponseWriter: w, control: http.NewResponseController(w), stall: stall}
	res.touch()
	return res
}

// touchEvery is the part of the stall time after which the deadline is moved: setting it costs a lock and a timer.
const touchEvery = 8

func (w *response) touch() {
	if w.stall == 0 {
		return
	}
	if now := time.Now(); now.Sub(w.touched) > w.stall/touchEvery {
		w.touched = now
		_ = w.control.SetWriteDeadline(now.Add(w.stall))
	}
}

func (w *response) WriteHeader(code int) {
	if (code >= 200 || code == http.StatusSwitchingProtocols) && w.code == 0 { // the other 1xx are not the answer yet
		w.begin(code)
	}
	w.touch()
	w.ResponseWriter.WriteHeader(code)
}

// begin takes note of the answer.
func (w *response) begin(code int) {
	w.code = code
	if code == http.StatusSwitchingProtocols || strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		w.stream = true
		w.onStream()
	}
}

// pieceSize is what a client must take within the stall time: at 30 s some 9 KB/s.
const pieceSize = 256 << 10

func (w *response) Write(p []byte) (n int, err error) {
	if w.code == 0 {
		w.begin(http.StatusOK)
	}
	for {
		w.touch()
		piece := p[n:min(n+pieceSize, len(p))]
		m, err := w.ResponseWriter.Write(piece)
		n += m
		w.bytes += int64(m)
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// Flush is for handlers that look for http.Flusher.
func (w *response) Flush() {
	w.touch()
	_ = w.control.Flush() // the next Write tells what is wrong
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
