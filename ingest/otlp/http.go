package otlp

import (
	"encoding/json"
	"mime"
	"net/http"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The content types of OTLP over HTTP.
const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// Logs returns the handler of POST /v1/logs.
func (r *Receiver) Logs() http.Handler { return r.http("logs", r.exportLogs, jsonExportLogs) }

func (r *Receiver) http(signal string, export exporter, what jsonTable) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		contentType, err := httpType(req)
		var response []byte
		if err == nil {
			response, err = r.takeHTTP(w, req, contentType, export, what)
		}
		status := http.StatusOK
		if err != nil {
			status = intake.LaterStatus(err)
			response = intake.StatusMessage(intake.GRPCCode(status), err.Error(), nil)
			intake.SetRetryAfter(w.Header(), status, err)
			r.complain(signal, req, status, err)
		}
		r.count(signal, "http", status)
		w.Header().Set("Content-Type", contentType)
		if contentType == typeJSON {
			response = answerJSON(response, err != nil, rejected(signal))
		}
		w.WriteHeader(status)
		_, _ = w.Write(response) // whoever is gone needs no answer
	})
}

// httpType returns the content type of the request, in which the answer is given too.
func httpType(req *http.Request) (string, error) {
	if req.Method != http.MethodPost {
		return typeJSON, intake.Errorf(http.StatusMethodNotAllowed, "exports are sent with POST")
	}
	media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || media != typeProtobuf && media != typeJSON {
		return typeJSON, intake.Errorf(http.StatusUnsupportedMediaType, "the content type %.100q is not taken: use %s or %s", req.Header.Get("Content-Type"), typeProtobuf, typeJSON)
	}
	return media, nil
}

func (r *Receiver) takeHTTP(w http.ResponseWriter, req *http.Request, contentType string, export exporter, what jsonTable) ([]byte, error) {
	body, err := r.intake.Read(w, req, intake.Plain)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	message := body.Data
	if contentType == typeJSON {
		// The shortest values grow the most: {} has two bytes, its key and length six. A comma stands between.
		if err := body.Reserve(2 * int64(len(message))); err != nil {
			return nil, err
		}
		if message, err = fromJSON(make([]byte, 0, len(message)), message, what); err != nil {
			return nil, intake.Malformed(err)
		}
	}
	return export(req.Context(), body, message)
}

// complain logs what is wrong with us, not with the sender.
func (r *Receiver) complain(signal string, req *http.Request, status int, err error) {
	if intake.Status(err) == http.StatusInternalServerError {
		r.log.Error("cannot keep an export", "signal", signal, "status", status, "tenant", model.Tenant(req.Context()), "from", req.RemoteAddr, "err", err)
	}
}

// partialSuccess returns an ExportLogsServiceResponse:
//
//	1 ExportLogsPartialSuccess: 1 rejected records   2 error message
//
// It is empty when everything was kept.
func partialSuccess(refused model.Refusals) []byte {
	if len(refused) == 0 {
		return nil
	}
	n := intake.CountRefused(refused)
	partial := wire.AppendVarint(nil, 1, uint64(n)) //nolint:gosec // a count
	partial = wire.AppendBytes(partial, 2, []byte(intake.Refused(refused, n)))
	return wire.AppendBytes(nil, 1, partial)
}

// rejected is what the answer calls the number of what was not kept.
func rejected(signal string) string {
	if signal == "traces" {
		return "rejectedSpans"
	}
	return "rejectedLogRecords"
}

// answerJSON turns one of the two answers that there are into JSON.
func answerJSON(response []byte, failed bool, rejected string) []byte {
	var out any = struct{}{}
	var number int64
	var message string
	read := func(raw []byte) {
		f := wire.Fields{Rest: raw}
		for f.Next() {
			switch f.Num {
			case 1:
				number = int64(f.Value) //nolint:gosec // a count or a code
			case 2:
				message = f.Text()
			}
		}
	}
	switch {
	case failed:
		read(response)
		out = map[string]any{"code": number, "message": message}
	case len(response) > 0:
		_ = each(response, 1, func(partial []byte) error { read(partial); return nil }) // we wrote it
		out = map[string]any{"partialSuccess": map[string]any{rejected: number, "errorMessage": message}}
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic("BUG: an answer cannot be JSON: " + err.Error())
	}
	return text
}
