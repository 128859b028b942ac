// Package otlp receives telemetry in OpenTelemetry's protocol (https://opentelemetry.io/docs/specs/otlp/), over HTTP as
// protocol buffers or JSON, and over gRPC: logs and traces.
//
//	r := otlp.New(otlp.Options{}, intake, sink, log, registerer)
//	mux.Handle("POST /v1/logs", r.Logs())
//	mux.Handle(otlp.LogsService, r.LogsGRPC())
//
// Of gRPC only what its calls with one message need is here, on top of net/http: a call is a POST over HTTP/2 whose body
// is one frame (see intake.GRPC). So that it passes the same limits and logins as everything else over HTTP.
//
// Attributes of the resource become labels of the stream when Options.Labels has them, and fields of the records
// otherwise; so do the attributes of the scope and of the record. Dots in names become underscores, as in Loki
// (https://grafana.com/docs/loki/latest/send-data/otel/).
package otlp

import (
	"context"
	"log/slog"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// Sink is where records go. It takes the strings for the length of the call, and may change streams and records in place,
// but not labels and fields.
type Sink interface {
	Push(ctx context.Context, streams []model.Stream) (model.Refusals, error)
}

// Options configures a Receiver; the zero value works.
type Options struct {
	// Labels are the attributes of a resource that become labels of its streams; nil is Labels.
	Labels []string
}

// Labels returns the attributes of a resource that become labels: those that Loki documents, without
// service.instance.id, which SDKs make up anew with every start of a program.
func Labels() []string {
	return []string{
		"service.name", "service.namespace", "deployment.environment", "deployment.environment.name",
		"cloud.region", "cloud.availability_zone", "host.name",
		"k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name", "container.name",
		"k8s.replicaset.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
	}
}

// Receiver makes the handlers. The tenant is that of a request's context (see model.Tenant).
type Receiver struct {
	labels   map[string]bool
	intake   *intake.Intake
	sink     Sink
	log      *slog.Logger
	decoders sync.Pool              // *decoder
	requests *prometheus.CounterVec // by signal, transport and code
}

// New returns a receiver that writes to sink.
func New(o Options, in *intake.Intake, sink Sink, log *slog.Logger, reg prometheus.Registerer) *Receiver {
	if o.Labels == nil {
		o.Labels = Labels()
	}
	r := &Receiver{labels: make(map[string]bool), intake: in, sink: sink, log: log}
	for _, l := range o.Labels {
		r.labels[l] = true
	}
	r.decoders.New = func() any { return newDecoder(r.labels) }
	r.requests = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_ingest_otlp_requests_total",
		Help: "Exports in OpenTelemetry's protocol by signal, transport (http or grpc) and status of the answer (HTTP's or gRPC's).",
	}, []string{"signal", "transport", "code"})
	return r
}

func (r *Receiver) count(signal, transport string, code int) {
	r.requests.WithLabelValues(signal, transport, strconv.Itoa(code)).Inc()
}

// exporter takes one export that is protocol buffers and returns the answer, protocol buffers too.
type exporter func(ctx context.Context, body *intake.Body, message []byte) ([]byte, error)

// exportLogs takes an ExportLogsServiceRequest and returns the ExportLogsServiceResponse.
func (r *Receiver) exportLogs(ctx context.Context, body *intake.Body, message []byte) ([]byte, error) {
	d := r.decoders.Get().(*decoder)
	defer func() {
		if d.end() {
			r.decoders.Put(d)
		}
	}()
	d.begin(body.Reserve)
	if err := d.logs(message); err != nil {
		return nil, intake.Malformed(err)
	}
	if len(d.streams) == 0 {
		return nil, nil
	}
	refused, err := r.sink.Push(ctx, d.streams)
	if err != nil {
		return nil, err
	}
	return partialSuccess(refused), nil
}
