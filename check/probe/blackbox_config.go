package probe

import (
	"errors"
	"fmt"
	"math"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/miekg/dns"
	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v2"
)

// Module is one of blackbox_exporter's modules, with the names of its configuration file (prometheus/blackbox_exporter,
// CONFIGURATION.md). What it says of a protocol that is not its prober's is not used.
type Module struct {
	Prober    string          `yaml:"prober,omitempty"`
	Timeout   time.Duration   `yaml:"timeout,omitempty"`
	HTTP      ModuleHTTP      `yaml:"http,omitempty"`
	TCP       ModuleTCP       `yaml:"tcp,omitempty"`
	ICMP      ModuleICMP      `yaml:"icmp,omitempty"`
	DNS       ModuleDNS       `yaml:"dns,omitempty"`
	GRPC      ModuleGRPC      `yaml:"grpc,omitempty"`
	Unix      ModuleUnix      `yaml:"unix,omitempty"`
	Websocket ModuleWebsocket `yaml:"websocket,omitempty"`
}

// ModuleHTTP is its section http.
type ModuleHTTP struct {
	ValidStatusCodes       []int                   `yaml:"valid_status_codes,omitempty"`
	ValidHTTPVersions      []string                `yaml:"valid_http_versions,omitempty"`
	IPProtocol             string                  `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback     bool                    `yaml:"ip_protocol_fallback,omitempty"`
	SkipResolveWithProxy   bool                    `yaml:"skip_resolve_phase_with_proxy,omitempty"`
	NoFollowRedirects      *bool                   `yaml:"no_follow_redirects,omitempty"`
	FailIfSSL              bool                    `yaml:"fail_if_ssl,omitempty"`
	FailIfNotSSL           bool                    `yaml:"fail_if_not_ssl,omitempty"`
	Method                 string                  `yaml:"method,omitempty"`
	Headers                map[string]string       `yaml:"headers,omitempty"`
	FailIfBodyMatches      []Pattern               `yaml:"fail_if_body_matches_regexp,omitempty"`
	FailIfBodyNotMatches   []Pattern               `yaml:"fail_if_body_not_matches_regexp,omitempty"`
	FailIfBodyCEL          string                  `yaml:"fail_if_body_json_matches_cel,omitempty"`
	FailIfBodyNotCEL       string                  `yaml:"fail_if_body_json_not_matches_cel,omitempty"`
	FailIfHeaderMatches    []HeaderPattern         `yaml:"fail_if_header_matches,omitempty"`
	FailIfHeaderNotMatches []HeaderPattern         `yaml:"fail_if_header_not_matches,omitempty"`
	Body                   string                  `yaml:"body,omitempty"`
	BodyFile               string                  `yaml:"body_file,omitempty"`
	Client                 config.HTTPClientConfig `yaml:"http_client_config,inline"`
	Compression            string                  `yaml:"compression,omitempty"`
	BodySizeLimit          units.Base2Bytes        `yaml:"body_size_limit,omitempty"`
	HTTP3                  bool                    `yaml:"enable_http3,omitempty"`
}

// HeaderPattern is what a header must be, or must not.
type HeaderPattern struct {
	Header       string  `yaml:"header,omitempty"`
	Regexp       Pattern `yaml:"regexp,omitempty"`
	AllowMissing bool    `yaml:"allow_missing,omitempty"`
}

// QueryResponse is one step of a dialogue.
type QueryResponse struct {
	Expect      Pattern       `yaml:"expect,omitempty"`
	ExpectBytes string        `yaml:"expect_bytes,omitempty"`
	Labels      []ModuleLabel `yaml:"labels,omitempty"`
	Send        string        `yaml:"send,omitempty"`
	StartTLS    bool          `yaml:"starttls,omitempty"`
}

// ModuleLabel is a label of probe_expect_info.
type ModuleLabel struct {
	Name  string `yaml:"name,omitempty"`
	Value string `yaml:"value,omitempty"`
}

// ModuleTCP is its section tcp.
type ModuleTCP struct {
	IPProtocol         string           `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool             `yaml:"ip_protocol_fallback,omitempty"`
	SourceIPAddress    string           `yaml:"source_ip_address,omitempty"`
	QueryResponse      []QueryResponse  `yaml:"query_response,omitempty"`
	TLS                bool             `yaml:"tls,omitempty"`
	TLSConfig          config.TLSConfig `yaml:"tls_config,omitempty"`
}

// ModuleUnix is its section unix.
type ModuleUnix struct {
	QueryResponse []QueryResponse  `yaml:"query_response,omitempty"`
	TLS           bool             `yaml:"tls,omitempty"`
	TLSConfig     config.TLSConfig `yaml:"tls_config,omitempty"`
}

// ModuleICMP is its section icmp.
type ModuleICMP struct {
	IPProtocol         string `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool   `yaml:"ip_protocol_fallback,omitempty"`
	SourceIPAddress    string `yaml:"source_ip_address,omitempty"`
	PayloadSize        int    `yaml:"payload_size,omitempty"`
	DontFragment       bool   `yaml:"dont_fragment,omitempty"`
	TTL                int    `yaml:"ttl,omitempty"`
}

// ModuleDNS is its section dns.
type ModuleDNS struct {
	IPProtocol         string           `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool             `yaml:"ip_protocol_fallback,omitempty"`
	DNSOverTLS         bool             `yaml:"dns_over_tls,omitempty"`
	TLSConfig          config.TLSConfig `yaml:"tls_config,omitempty"`
	SourceIPAddress    string           `yaml:"source_ip_address,omitempty"`
	Transport          string           `yaml:"transport_protocol,omitempty"`
	QueryClass         string           `yaml:"query_class,omitempty"`
	QueryName          string           `yaml:"query_name,omitempty"`
	QueryType          string           `yaml:"query_type,omitempty"`
	Recursion          bool             `yaml:"recursion_desired,omitempty"`
	ValidRcodes        []string         `yaml:"valid_rcodes,omitempty"`
	Answer             RecordPatterns   `yaml:"validate_answer_rrs,omitempty"`
	Authority          RecordPatterns   `yaml:"validate_authority_rrs,omitempty"`
	Additional         RecordPatterns   `yaml:"validate_additional_rrs,omitempty"`
}

// RecordPatterns are what records must be, or must not.
type RecordPatterns struct {
	FailIfMatches     []Pattern `yaml:"fail_if_matches_regexp,omitempty"`
	FailIfAllMatch    []Pattern `yaml:"fail_if_all_match_regexp,omitempty"`
	FailIfNotMatches  []Pattern `yaml:"fail_if_not_matches_regexp,omitempty"`
	FailIfNoneMatches []Pattern `yaml:"fail_if_none_matches_regexp,omitempty"`
}

// ModuleGRPC is its section grpc.
type ModuleGRPC struct {
	Service            string              `yaml:"service,omitempty"`
	TLS                bool                `yaml:"tls,omitempty"`
	TLSConfig          config.TLSConfig    `yaml:"tls_config,omitempty"`
	IPProtocolFallback bool                `yaml:"ip_protocol_fallback,omitempty"`
	IPProtocol         string              `yaml:"preferred_ip_protocol,omitempty"`
	Metadata           map[string][]string `yaml:"metadata,omitempty"`
}

// ModuleWebsocket is its section websocket.
type ModuleWebsocket struct {
	Client             config.HTTPClientConfig `yaml:"http_config,omitempty"`
	Headers            map[string]any          `yaml:"headers,omitempty"`
	QueryResponse      []QueryResponse         `yaml:"query_response,omitempty"`
	IPProtocol         string                  `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool                    `yaml:"ip_protocol_fallback,omitempty"`
}

// Pattern is a regular expression.
type Pattern struct{ *regexp.Regexp }

// UnmarshalYAML reads a text.
func (p *Pattern) UnmarshalYAML(unmarshal func(any) error) (err error) {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	if p.Regexp, err = regexp.Compile(text); err != nil {
		return fmt.Errorf("%q is no regular expression: %w", text, err)
	}
	return nil
}

// MarshalYAML writes it as it was.
func (p Pattern) MarshalYAML() (any, error) {
	if p.Regexp == nil {
		return nil, nil
	}
	return p.String(), nil
}

// ReadModules reads the modules of a blackbox.yml. Each module that is wrong is left out and named in the error; the others are
// returned all the same.
func ReadModules(data []byte) (map[string]Module, error) {
	var file struct {
		Modules map[string]rawModule `yaml:"modules"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("cannot read modules: %w", err)
	}
	modules := map[string]Module{}
	var errs []error
	for name, raw := range file.Modules {
		m := newModule()
		err := yaml.UnmarshalStrict(raw.text, &m)
		if err == nil {
			err = m.validate()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("module %s: %w", name, err))
			continue
		}
		modules[name] = m
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return modules, errors.Join(errs...)
}

// rawModule keeps a module as text, so that one that is wrong does not hide the others.
type rawModule struct{ text []byte }

// UnmarshalYAML keeps whatever there is.
func (r *rawModule) UnmarshalYAML(unmarshal func(any) error) error {
	var v yaml.MapSlice
	err := unmarshal(&v)
	if err == nil {
		r.text, err = yaml.Marshal(v)
	}
	return err
}

// newModule has blackbox_exporter's defaults.
func newModule() Module {
	return Module{
		HTTP: ModuleHTTP{IPProtocolFallback: true, Client: config.DefaultHTTPClientConfig},
		TCP:  ModuleTCP{IPProtocolFallback: true}, ICMP: ModuleICMP{IPProtocolFallback: true, TTL: 64},
		DNS: ModuleDNS{IPProtocolFallback: true, Recursion: true}, GRPC: ModuleGRPC{IPProtocolFallback: true},
		Websocket: ModuleWebsocket{IPProtocolFallback: true, Client: config.DefaultHTTPClientConfig},
	}
}

func (m *Module) validate() error {
	switch m.Prober {
	case "http":
		return m.HTTP.validate()
	case "tcp":
		return validateDialogue(m.TCP.QueryResponse)
	case "unix":
		return validateDialogue(m.Unix.QueryResponse)
	case "dns":
		return m.DNS.validate()
	case "icmp":
		if m.ICMP.TTL < 0 || m.ICMP.TTL > 255 || m.ICMP.PayloadSize < 0 || m.ICMP.PayloadSize > 65000 {
			return errors.New("icmp: ttl may be 0 to 255, payload_size 0 to 65000")
		}
		return nil
	case "grpc":
		return nil
	case "websocket":
		if err := m.Websocket.Client.Validate(); err != nil {
			return fmt.Errorf("websocket: %w", err)
		}
		return validateDialogue(m.Websocket.QueryResponse)
	}
	return fmt.Errorf("prober: %q: write http, tcp, icmp, dns, grpc, unix or websocket", m.Prober)
}

func validateDialogue(steps []QueryResponse) error {
	for i, s := range steps {
		if s.Expect.Regexp != nil && s.ExpectBytes != "" {
			return fmt.Errorf("query_response[%d]: expect and expect_bytes: declare one of them", i)
		}
	}
	return nil
}

func (h *ModuleHTTP) validate() error {
	if err := h.Client.Validate(); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	if h.NoFollowRedirects != nil { // the old name
		h.Client.FollowRedirects = !*h.NoFollowRedirects
		h.NoFollowRedirects = nil
	}
	switch {
	case h.HTTP3 || slices.Contains(h.ValidHTTPVersions, "HTTP/3.0"):
		return errors.New("http: enable_http3: HTTP/3 is not spoken here")
	case h.FailIfBodyCEL != "" || h.FailIfBodyNotCEL != "":
		return errors.New("http: fail_if_body_json_matches_cel: CEL is not understood here: use a check of the kind http with the option json")
	case h.Body != "" && h.BodyFile != "":
		return errors.New("http: body and body_file: declare one of them")
	case !slices.Contains([]string{"", "gzip", "br", "deflate", "identity"}, strings.ToLower(h.Compression)):
		return fmt.Errorf("http: compression: %q: write gzip, br, deflate or identity", h.Compression)
	}
	for _, p := range slices.Concat(h.FailIfHeaderMatches, h.FailIfHeaderNotMatches) {
		if p.Header == "" || p.Regexp.Regexp == nil || p.Regexp.String() == "" {
			return errors.New("http: fail_if_header_matches: each needs header and regexp")
		}
	}
	if h.BodySizeLimit < 0 || h.BodySizeLimit == math.MaxInt64 {
		h.BodySizeLimit = 0
	}
	for name, v := range h.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Accept-Encoding" && h.Compression != "" && !strings.Contains(v, h.Compression) && !strings.Contains(v, "*") {
			return fmt.Errorf("http: compression: %s is not asked for by the header Accept-Encoding: %s", h.Compression, v)
		}
	}
	return nil
}

func (d *ModuleDNS) validate() error {
	_, class := dns.StringToClass[d.QueryClass]
	_, kind := dns.StringToType[d.QueryType]
	switch {
	case d.QueryName == "":
		return errors.New("dns: query_name: declare the name to ask for")
	case d.QueryClass != "" && !class:
		return fmt.Errorf("dns: query_class: %q is no class", d.QueryClass)
	case d.QueryType != "" && !kind:
		return fmt.Errorf("dns: query_type: %q is no type of record", d.QueryType)
	case !slices.Contains([]string{"", "udp", "tcp"}, d.Transport):
		return fmt.Errorf("dns: transport_protocol: %q: write udp or tcp", d.Transport)
	case d.DNSOverTLS && d.Transport != "tcp":
		return errors.New("dns: dns_over_tls: it needs transport_protocol: tcp")
	}
	for _, rcode := range d.ValidRcodes {
		if _, ok := dns.StringToRcode[rcode]; !ok {
			return fmt.Errorf("dns: valid_rcodes: %q is no response code", rcode)
		}
	}
	return nil
}
