package api

// Limits bound what one request may ask for. The zero value means the defaults.
type Limits struct {
	// MaxBodyBytes bounds a form in a request's body, before and after decompression. 4 MiB holds the longest
	// queries that dashboards make, many times over.
	MaxBodyBytes int64
	// MaxQueryBytes bounds one PromQL expression or selector; see shape.go for how deep it may nest.
	MaxQueryBytes int
	// MaxSelectors bounds the match[] parameters of a request.
	MaxSelectors int
	// MaxMatchers bounds the label matchers of one match[] parameter.
	MaxMatchers int
	// MaxPoints bounds the points per series of a range query; Prometheus' limit is 11,000.
	MaxPoints int
	// RemoteReadSamples bounds the samples of a remote read answered as samples rather than chunks.
	RemoteReadSamples int
	// RemoteReadConcurrent bounds the remote reads served at the same time.
	RemoteReadConcurrent int
	// RemoteReadFrameBytes is the size of one frame of a streamed remote read.
	RemoteReadFrameBytes int
	// FederateSeries bounds the series of one /federate answer.
	FederateSeries int
	// AnswerItems bounds the series, names or values that one answer of /series, /labels and
	// /label/.../values holds; beyond it the answer is cut and says so.
	AnswerItems int
	// LiveStreams bounds the streams of live events that are open at the same time.
	LiveStreams int
}

func (l Limits) withDefaults() Limits {
	def(&l.MaxBodyBytes, 4<<20)
	def(&l.MaxQueryBytes, 128<<10)
	def(&l.MaxSelectors, 1000)
	def(&l.MaxMatchers, 1000)
	def(&l.MaxPoints, 11_000)
	def(&l.RemoteReadSamples, 50_000_000)
	def(&l.RemoteReadConcurrent, 10)
	def(&l.RemoteReadFrameBytes, 1<<20)
	def(&l.FederateSeries, 1_000_000)
	def(&l.AnswerItems, 2_000_000)
	def(&l.LiveStreams, defaultMaxLive)
	return l
}

func def[T int | int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
