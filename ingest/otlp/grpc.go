package otlp

import (
	"net/http"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// LogsService is the path of the call that exports logs.
const LogsService = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

// LogsGRPC returns the handler of LogsService.
func (r *Receiver) LogsGRPC() http.Handler { return r.grpc("logs", r.exportLogs) }

func (r *Receiver) grpc(signal string, export exporter) http.Handler {
	return r.intake.GRPC(export, func(req *http.Request, code int, err error) {
		if err != nil {
			r.complain(signal, req, intake.LaterStatus(err), err)
		}
		r.count(signal, "grpc", code)
	})
}
