// Package elastic receives log records in the API with which documents are put into Elasticsearch
// (https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk): what Filebeat, Logstash, Fluent Bit, Vector,
// rsyslog and Elasticsearch's own clients speak.
//
//	s := elastic.New(elastic.Options{}, intake, sink, log, registerer)
//	mux.Handle("/elasticsearch/", http.StripPrefix("/elasticsearch", s))
//
// Documents come by _bulk, _doc and _create; _bulk answers for each of them, in order. What senders ask before, such as version,
// licence and templates, is answered as they expect it, and templates, pipelines and policies are acknowledged without being kept.
//
// The time of a record is @timestamp, its line message (or log, or msg), or the whole document when there is none. Its label index
// is the name of the index without a date at the end, and so is job; others are chosen by Options.Labels. Everything else becomes
// fields, those of nested objects with _ between the names. Identifiers are not kept: a document that is sent twice is there twice,
// unless it is the same in every byte.
package elastic

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
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

// Options configures a Server; the zero value works.
type Options struct {
	// Labels are the fields that become labels, as documents name them, with dots or nested; nil is Labels.
	Labels []string
	// MaxDocuments is how many documents a request may have (100,000). One with more gets 413, whereupon senders halve it.
	MaxDocuments int
}

// Labels returns the fields that become labels: those of the Elastic Common Schema
// (https://www.elastic.co/docs/reference/ecs/ecs-field-reference) that tell where a record is from.
func Labels() []string {
	return []string{
		"host.name", "service.name", "container.name", "kubernetes.namespace", "kubernetes.pod.name", "kubernetes.container.name",
		"event.dataset", "log.file.path",
	}
}

const defaultMaxDocuments = 100_000

// Server answers requests. The tenant is that of the request's context (see model.Tenant).
type Server struct {
	intake    *intake.Intake
	sink      Sink
	log       *slog.Logger
	most      int // documents of a request
	decoders  sync.Pool
	requests  *prometheus.CounterVec // by endpoint and code
	documents *prometheus.CounterVec // by result
}

// New returns a server that writes to sink.
func New(o Options, in *intake.Intake, sink Sink, log *slog.Logger, reg prometheus.Registerer) *Server {
	if o.Labels == nil {
		o.Labels = Labels()
	}
	if o.MaxDocuments == 0 {
		o.MaxDocuments = defaultMaxDocuments
	}
	labels := map[string]bool{}
	for _, l := range o.Labels {
		labels[string(appendName(nil, l))] = true
	}
	with := promauto.With(reg)
	s := &Server{
		intake: in, sink: sink, log: log, most: o.MaxDocuments,
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_elasticsearch_requests_total",
			Help: "Requests in Elasticsearch's API by endpoint (bulk, document, or handshake: what senders ask besides) and HTTP status of the answer.",
		}, []string{"endpoint", "code"}),
		documents: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_elasticsearch_documents_total",
			Help: "Documents in Elasticsearch's API by result: kept, malformed, refused (by a limit), unsupported (an action other than index and create), or busy (of a request that was not kept and may be sent again).",
		}, []string{"result"}),
	}
	s.decoders.New = func() any { return newDecoder(labels) }
	return s
}

// ServeHTTP takes one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Elasticsearch's clients talk to nothing that does not say so.
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	endpoint, status, body, err := s.answer(w, r)
	if err != nil {
		status = intake.Status(err)
		intake.SetRetryAfter(w.Header(), status, err)
		body = appendErrorAnswer(nil, status, err)
		if status == http.StatusInternalServerError {
			s.log.Error("cannot keep documents", "tenant", model.Tenant(r.Context()), "from", r.RemoteAddr, "err", err)
		}
	}
	s.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever has gone needs no answer
	}
}

// The endpoints, as metrics name them.
const (
	bulkEndpoint      = "bulk"
	documentEndpoint  = "document"
	handshakeEndpoint = "handshake"
)

// answer finds out what is asked for. Paths are [index/[type/]]_endpoint, and older ones index/type/[id].
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (endpoint string, status int, body []byte, err error) {
	path, err := splitPath(r.URL.EscapedPath())
	if err != nil {
		return handshakeEndpoint, 0, nil, err
	}
	if n := len(path); n > 0 && n <= 3 && path[n-1] == "_bulk" {
		index := ""
		if n > 1 {
			index = path[0]
		}
		status, body, err = s.bulk(w, r, index)
		return bulkEndpoint, status, body, err
	}
	if len(path) > 1 && len(path) <= 3 && !strings.HasPrefix(path[0], "_") && isDocument(path[1]) {
		status, body, err = s.document(w, r, path)
		return documentEndpoint, status, body, err
	}
	status, body, err = handshake(w, r, path)
	return handshakeEndpoint, status, body, err
}

// isDocument says whether a document's identifier follows. What begins with no underscore is a type, as it was until Elasticsearch 7.
func isDocument(part string) bool {
	return part == "_doc" || part == "_create" || !strings.HasPrefix(part, "_")
}

// wantMethod returns an error when the request has none of the methods.
func wantMethod(r *http.Request, methods ...string) error {
	for _, m := range methods {
		if r.Method == m {
			return nil
		}
	}
	return intake.Errorf(http.StatusMethodNotAllowed, "the method %.20s is not taken here: use %s", r.Method, strings.Join(methods, " or "))
}

// bulk takes many documents.
func (s *Server) bulk(w http.ResponseWriter, r *http.Request, index string) (int, []byte, error) {
	if err := wantMethod(r, http.MethodPost, http.MethodPut); err != nil {
		return 0, nil, err
	}
	wanted := parseFilter(r.URL.Query().Get("filter_path"))
	return s.take(w, r, func(d *decoder, data []byte) error { return d.bulk(data, index, s.most) },
		func(d *decoder) (int, []byte) { return http.StatusOK, d.bulkAnswer(wanted) })
}

// document takes a single one.
func (s *Server) document(w http.ResponseWriter, r *http.Request, path []string) (int, []byte, error) {
	if err := wantMethod(r, http.MethodPost, http.MethodPut); err != nil {
		return 0, nil, err
	}
	it := item{action: actionIndex, index: path[0]}
	if path[1] == "_create" {
		it.action = actionCreate
	}
	if len(path) == 3 {
		it.id = path[2]
	} else if it.action == actionCreate {
		return 0, nil, intake.Errorf(http.StatusBadRequest, "an identifier is missing: use /{index}/_create/{id}, or /{index}/_doc")
	}
	return s.take(w, r, func(d *decoder, data []byte) error { return d.single(data, it) }, (*decoder).documentAnswer)
}

// take reads the body, decodes it, keeps what is in it and makes the answer.
func (s *Server) take(w http.ResponseWriter, r *http.Request, decode func(*decoder, []byte) error, answer func(*decoder) (int, []byte)) (int, []byte, error) {
	body, err := s.intake.Read(w, r, intake.Plain)
	if err != nil {
		return 0, nil, err
	}
	defer body.Close()
	d := s.decoders.Get().(*decoder)
	defer s.release(d)
	if err := d.begin(body.Reserve, int64(len(body.Data))); err != nil {
		return 0, nil, err
	}
	if err := decode(d, body.Data); err != nil {
		return 0, nil, intake.Malformed(err)
	}
	if d.out.Len() > 0 {
		refused, err := s.sink.Push(r.Context(), d.out.List())
		if err != nil {
			s.documents.WithLabelValues("busy").Add(float64(d.out.Len()))
			return 0, nil, err
		}
		d.refuse(refused)
	}
	s.count(d.items)
	status, text := answer(d)
	return status, text, nil
}

// count counts what became of documents.
func (s *Server) count(items []item) {
	var kept, malformed, refused, unsupported int
	for i := range items {
		switch it := &items[i]; {
		case it.failure == nil:
			kept++
		case it.failure.kind == kindUnsupported:
			unsupported++
		case it.stream >= 0:
			refused++
		default:
			malformed++
		}
	}
	for result, n := range map[string]int{"kept": kept, "malformed": malformed, "refused": refused, "unsupported": unsupported} {
		if n > 0 {
			s.documents.WithLabelValues(result).Add(float64(n))
		}
	}
}

func (s *Server) release(d *decoder) {
	if d.end() {
		s.decoders.Put(d)
	}
}
