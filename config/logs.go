package config

import (
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/ingest/logs"
)

// LogLimits bound what a tenant may send as logs, through whatever protocol.
type LogLimits struct {
	Rate              int64 // bytes a second; 0 is no limit
	Burst             int64 // bytes; 0 is ten seconds of Rate
	MaxLineSize       int64 // bytes
	RefuseLongLines   bool
	MaxLabels         int   // of a stream
	MaxLabelNameSize  int64 // bytes
	MaxLabelValueSize int64 // bytes
	MaxFields         int   // of a record
	MaxFieldsSize     int64 // bytes, of a record
	MaxStreams        int   // of a push
	MaxAhead          time.Duration
	MaxAge            time.Duration // 0 is no limit
	ServiceLabels     []string
	Mask              []string

	MaxCompressedSize   int64 // bytes, of a push
	MaxUncompressedSize int64 // bytes, of a push
	MaxInFlightSize     int64 // bytes, of all pushes
}

func logLimitKeys(l *LogLimits) []Key {
	return []Key{
		{Path: "ingest.logs.max_compressed_size", value: size(&l.MaxCompressedSize, 1<<10, 1<<30), Default: "16MiB",
			Doc: "The most that a push of logs may hold as it is sent, when it is compressed; `server.max_body_size` bounds it too."},
		{Path: "ingest.logs.max_uncompressed_size", value: size(&l.MaxUncompressedSize, 1<<10, 1<<32), Default: "64MiB",
			Doc: "The most that a push of logs may hold when unpacked."},
		{Path: "ingest.logs.max_in_flight_size", value: size(&l.MaxInFlightSize, 1<<20, 1<<40), Default: "256MiB",
			Doc: "The most that all pushes of logs at one time may hold; senders are told to come back later beyond it."},
		{Path: "ingest.logs.rate", value: sizeOrZero(&l.Rate), Default: "0",
			Doc: "How many bytes of log lines and their fields a tenant may send a second, through all protocols together. A push beyond it is refused with a word on when to send it again. 0 is no limit: what is too much for the machine is held back anyway."},
		{Path: "ingest.logs.burst", value: sizeOrZero(&l.Burst), Default: "0",
			Doc: "How many bytes a tenant may send at once after a pause; 0 is ten seconds of `ingest.logs.rate`."},
		{Path: "ingest.logs.max_line_size", value: size(&l.MaxLineSize, 1, 8<<20), Default: "1MiB",
			Doc: "The most that a log line may hold. A longer one is cut, and gets the field `truncated_from_bytes`."},
		{Path: "ingest.logs.refuse_long_lines", value: boolean(&l.RefuseLongLines), Default: "false",
			Doc: "Refuses lines that are too long instead of cutting them."},
		{Path: "ingest.logs.max_labels", value: integer(&l.MaxLabels, 1, 10_000), Default: "64",
			Doc: "Labels of a stream; a stream beyond it is refused, the rest of its push is kept."},
		{Path: "ingest.logs.max_label_name_size", value: size(&l.MaxLabelNameSize, 1, 1<<20), Default: "1KiB",
			Doc: "The most that the name of a stream's label may hold."},
		{Path: "ingest.logs.max_label_value_size", value: size(&l.MaxLabelValueSize, 1, 1<<20), Default: "2KiB",
			Doc: "The most that the value of a stream's label may hold."},
		{Path: "ingest.logs.max_fields", value: integer(&l.MaxFields, 1, 10_000), Default: "256",
			Doc: "Fields of a record (structured metadata, attributes); a record beyond it is refused."},
		{Path: "ingest.logs.max_fields_size", value: size(&l.MaxFieldsSize, 1, 1<<20), Default: "128KiB",
			Doc: "The most that the fields of a record may hold, with their names."},
		{Path: "ingest.logs.max_streams", value: integer(&l.MaxStreams, 1, 1_000_000), Default: "20000",
			Doc: "Streams in one push; those beyond it are refused."},
		{Path: "ingest.logs.max_ahead", value: durationOrZero(&l.MaxAhead), Default: "10m",
			Doc: "How far in the future a record may be; 0 is no limit."},
		{Path: "ingest.logs.max_age", value: durationOrZero(&l.MaxAge), Default: "0",
			Doc: "How old a record may be when it comes in; 0 is no limit."},
		{Path: "ingest.logs.service_labels", value: list(&l.ServiceLabels), Default: "service, app, application, app_name, name, app_kubernetes_io_name, container, container_name, k8s_container_name, component, workload, job, k8s_job_name",
			Doc: "The labels from the first of which `service_name` is made when a stream does not have it, as Loki does; `unknown_service` when it has none of them. An empty list leaves streams as they are."},
		maskKey(&l.Mask),
	}
}

// LogOptions are those of the way in of all logs.
func (c *Config) LogOptions() logs.Options {
	l := c.Ingest.Logs
	services := orNone(l.ServiceLabels)
	return logs.Options{ServiceLabels: services, Limits: logs.Limits{
		Rate: l.Rate, Burst: l.Burst, MaxLine: int(l.MaxLineSize), RefuseLong: l.RefuseLongLines,
		MaxLabels: l.MaxLabels, MaxLabelName: int(l.MaxLabelNameSize), MaxLabelValue: int(l.MaxLabelValueSize),
		MaxFields: l.MaxFields, MaxFieldBytes: int(l.MaxFieldsSize), MaxStreams: l.MaxStreams,
		MaxAhead: off(l.MaxAhead), MaxAge: l.MaxAge,
	}}
}

// LogIntakeLimits are those of the requests that push logs.
func (c *Config) LogIntakeLimits() intake.Limits {
	l := c.Ingest.Logs
	return intake.Limits{
		MaxCompressed: min(l.MaxCompressedSize, c.Server.MaxBodySize), MaxUncompressed: l.MaxUncompressedSize,
		MaxInFlight: l.MaxInFlightSize, ReadTimeout: c.Server.ReadTimeout,
	}
}
