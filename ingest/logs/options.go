package logs

import (
	"math"
	"time"
)

// The defaults of Limits. They are Loki's where Loki has the limit and its users do not run into it; where they do, they
// are more generous: what is stored in columns does not mind a long line or a field more.
const (
	defaultMaxLine       = 1 << 20
	defaultMaxLabels     = 64
	defaultMaxLabelName  = 1024
	defaultMaxLabelValue = 2048
	defaultMaxFields     = 256
	defaultMaxFieldBytes = 128 << 10
	defaultMaxStreams    = 20_000
	defaultMaxAhead      = 10 * time.Minute
)

// Limits bounds what a tenant may send. The zero value of each is its default, a negative one is no limit.
type Limits struct {
	// Rate is how many bytes of lines and fields a tenant may send a second, and Burst how many at once after a pause (no
	// limit; ten seconds of Rate). A push beyond it is refused whole, so that it can be sent again. One that is larger than
	// Burst passes when nothing was sent before it, and is paid for afterwards.
	Rate  int64
	Burst int64

	// MaxLine is the bytes of a line (1 MiB). A longer one is cut, and told by the field FieldTruncated; with RefuseLong
	// it is refused.
	MaxLine    int
	RefuseLong bool

	// MaxLabels, MaxLabelName and MaxLabelValue bound a stream (64 labels, 1,024 and 2,048 bytes). A stream beyond them is
	// refused.
	MaxLabels     int
	MaxLabelName  int
	MaxLabelValue int

	// MaxFields and MaxFieldBytes bound the fields of a record (256, 128 KiB with their names). A record beyond them is
	// refused.
	MaxFields     int
	MaxFieldBytes int

	// MaxStreams bounds the streams of one push (20,000). Those beyond it are refused.
	MaxStreams int

	// MaxAhead is how far in the future a record may be (10 minutes), MaxAge how old (no limit).
	MaxAhead time.Duration
	MaxAge   time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MaxLine, defaultMaxLine)
	setDefault(&l.MaxLabels, defaultMaxLabels)
	setDefault(&l.MaxLabelName, defaultMaxLabelName)
	setDefault(&l.MaxLabelValue, defaultMaxLabelValue)
	setDefault(&l.MaxFields, defaultMaxFields)
	setDefault(&l.MaxFieldBytes, defaultMaxFieldBytes)
	setDefault(&l.MaxStreams, defaultMaxStreams)
	if l.MaxAhead == 0 {
		l.MaxAhead = defaultMaxAhead
	}
	if l.Burst <= 0 {
		l.Burst = 10 * l.Rate
	}
	return l
}

// setDefault turns a negative limit into one that nothing reaches.
func setDefault(field *int, value int) {
	switch {
	case *field == 0:
		*field = value
	case *field < 0:
		*field = math.MaxInt
	}
}

// Options configures a Sink; the zero value works.
type Options struct {
	Limits Limits
	// Level says how grave a line is: one of model.Levels, or "" when it does not tell. Nil is Level.
	Level func(line string) string
	// Mask, when it is not nil, returns the text without its secrets; it sees every line and every value of a field.
	Mask func(text string) string
	// ServiceLabels are the labels from the first of which the label service_name is made when a stream does not
	// have it. Nil is ServiceLabels; an empty list leaves streams as they are.
	ServiceLabels []string
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// ServiceLabels returns the labels that name what a stream belongs to, the best first. They are those of Loki
// (https://grafana.com/docs/loki/latest/get-started/labels/#default-labels-for-all-users).
func ServiceLabels() []string {
	return []string{
		"service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container", "container_name",
		"k8s_container_name", "component", "workload", "job", "k8s_job_name",
	}
}
