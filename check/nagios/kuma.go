package nagios

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// kumaHost is the host of the monitors that are about none, such as heartbeats.
const kumaHost = "uptime-kuma"

// kumaBackup is the file that Uptime Kuma writes at Settings, Backup, Export.
type kumaBackup struct {
	Version  string        `json:"version"`
	Monitors []kumaMonitor `json:"monitorList"`
	Proxies  []kumaProxy   `json:"proxyList"`
}

type kumaProxy struct {
	ID       int    `json:"id"`
	Protocol string `json:"protocol"`
	Host     string `json:"host"`
	Port     number `json:"port"`
	Auth     truth  `json:"auth"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// kumaMonitor is what is read of a monitor. Unknown keys are left alone: every release adds some.
type kumaMonitor struct {
	ID            int      `json:"id"`
	Name          string   `json:"name"`
	Description   string   `json:"description"`
	Type          string   `json:"type"`
	Parent        int      `json:"parent"`
	Active        truth    `json:"active"`
	Interval      number   `json:"interval"`
	RetryInterval number   `json:"retryInterval"`
	Retries       number   `json:"maxretries"`
	Timeout       number   `json:"timeout"`
	UpsideDown    truth    `json:"upsideDown"`
	ProxyID       int      `json:"proxyId"`
	Notifications notified `json:"notificationIDList"`
	Tags          []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"tags"`

	URL           string   `json:"url"`
	Hostname      string   `json:"hostname"`
	Port          number   `json:"port"`
	Method        string   `json:"method"`
	Body          string   `json:"body"`
	BodyEncoding  string   `json:"httpBodyEncoding"`
	Headers       string   `json:"headers"`
	Codes         []string `json:"accepted_statuscodes"`
	MaxRedirects  *number  `json:"maxredirects"`
	IgnoreTLS     truth    `json:"ignoreTls"`
	ExpiryNotice  truth    `json:"expiryNotification"`
	AuthMethod    string   `json:"authMethod"`
	AuthUser      string   `json:"basic_auth_user"`
	AuthPassword  string   `json:"basic_auth_pass"`
	Keyword       string   `json:"keyword"`
	InvertKeyword truth    `json:"invertKeyword"`
	JSONPath      string   `json:"jsonPath"`
	Expected      string   `json:"expectedValue"`
	PacketSize    number   `json:"packetSize"`

	DNSType   string `json:"dns_resolve_type"`
	DNSServer string `json:"dns_resolve_server"`
	PushToken string `json:"pushToken"`

	Connection string `json:"databaseConnectionString"`
	Query      string `json:"databaseQuery"`

	MQTTTopic    string `json:"mqttTopic"`
	MQTTUser     string `json:"mqttUsername"`
	MQTTPassword string `json:"mqttPassword"`

	RadiusUser     string   `json:"radiusUsername"`
	RadiusPassword string   `json:"radiusPassword"`
	RadiusSecret   string   `json:"radiusSecret"`
	GRPCURL        string   `json:"grpcUrl"`
	GRPCTLS        truth    `json:"grpcEnableTls"`
	KafkaBrokers   []string `json:"kafkaProducerBrokers"`
}

// truth is true, 1, "1" or "true": releases differ.
type truth bool

func (v *truth) UnmarshalJSON(text []byte) error {
	switch strings.Trim(string(text), `"`) {
	case "true", "1":
		*v = true
	default:
		*v = false
	}
	return nil
}

// number is one, as such or as text; 0 when it is none.
type number float64

func (v *number) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil || n < 0 || n > 1e9 {
		n = 0
	}
	*v = number(n)
	return nil
}

// notified is whether a list or mapping holds anything.
type notified bool

func (v *notified) UnmarshalJSON(text []byte) error {
	*v = len(text) > 2 && (text[0] == '{' || text[0] == '[')
	return nil
}

// maxKuma bounds a backup.
const maxKuma = 64 << 20

// ImportKuma reads the backup of Uptime Kuma. The error (model.Invalid, model.Limit) says that it is none; what has no meaning here
// is a warning.
func ImportKuma(text []byte) (Result, error) {
	if len(text) > maxKuma {
		return Result{}, model.NewError(model.Limit, "cannot read the backup of Uptime Kuma: it is larger than 64 MiB")
	}
	var backup kumaBackup
	if err := json.Unmarshal(text, &backup); err != nil {
		return Result{}, model.NewError(model.Invalid, fmt.Sprintf("cannot read the backup of Uptime Kuma: %v", err))
	}
	if backup.Monitors == nil {
		return Result{}, model.NewError(model.Invalid, "this is no backup of Uptime Kuma: it has no monitorList")
	}
	k := &kuma{backup: backup, hosts: map[string]bool{}, ids: map[string]bool{}, byID: map[int]*kumaMonitor{}}
	for i := range backup.Monitors {
		k.byID[backup.Monitors[i].ID] = &backup.Monitors[i]
	}
	for i := range backup.Monitors {
		k.monitor(&backup.Monitors[i])
	}
	k.result.Warnings = k.warnings.list
	return k.result, nil
}

type kuma struct {
	backup   kumaBackup
	byID     map[int]*kumaMonitor
	result   Result
	warnings warnings
	hosts    map[string]bool
	ids      map[string]bool
}

func (k *kuma) warn(m *kumaMonitor, format string, args ...any) {
	k.warnings.add(place{}, "monitor %q: %s", m.Name, fmt.Sprintf(format, args...))
}

// asked is what a monitor asks: of which host, and how.
type asked struct {
	host    string
	kind    string
	options map[string]any
}

func (k *kuma) monitor(m *kumaMonitor) {
	if m.Type == "group" {
		return
	}
	if !m.Active {
		k.warn(m, "it is paused, and left out")
		return
	}
	a, ok := k.ask(m)
	if !ok {
		return
	}
	if m.UpsideDown {
		if m.Type != "port" {
			k.warn(m, "upside down has no meaning for kind %s: it is left out", a.kind)
			return
		}
		a.options["refused"] = true
	}
	if m.Notifications {
		k.warnings.add(place{}, "notifications belong to alerting and are left out")
	}
	s := check.Spec{
		Host: goodName(cmp.Or(a.host, kumaHost)), Kind: a.kind, Notes: m.Description, Source: "kuma", Groups: k.groups(m), Labels: labels(m),
		Interval: seconds(max(float64(cmp.Or(m.Interval, 60)), 1)), MaxAttempts: int(min(m.Retries, 10_000)) + 1, Timeout: seconds(float64(m.Timeout)),
	}
	s.RetryInterval = min(seconds(max(float64(cmp.Or(m.RetryInterval, m.Interval, 60)), 1)), s.Interval)
	if a.kind == "heartbeat" {
		s.Passive, s.Freshness, s.StaleStatus = true, s.Interval, model.Critical
	}
	s.Name = k.free(s.Host, goodName(cmp.Or(m.Name, m.Type)))
	s.Options = encode(a.options)
	if !k.hosts[s.Host] {
		k.hosts[s.Host] = true
		k.result.Hosts = append(k.result.Hosts, check.Host{Name: s.Host, Address: a.host, Source: "kuma"})
	}
	k.result.Specs = append(k.result.Specs, s)
}

// free makes a name that no check of the host has.
func (k *kuma) free(host, name string) string {
	if name == check.HostCheck {
		name = "host (monitor)"
	}
	unique := name
	for n := 2; k.ids[host+"/"+unique]; n++ {
		unique = fmt.Sprintf("%s (%d)", name, n)
	}
	k.ids[host+"/"+unique] = true
	return unique
}

// goodName is a name without what names cannot hold.
func goodName(name string) string {
	good := strings.Map(func(r rune) rune {
		if r == '/' || r == '*' || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	const most = 150 // bytes
	for len(good) > most {
		r := []rune(good)
		good = string(r[:len(r)-1])
	}
	return good
}

// groups are the groups that a monitor is in, the inner one first.
func (k *kuma) groups(m *kumaMonitor) []string {
	var out []string
	for id := m.Parent; id != 0 && len(out) < maxDepth; {
		g := k.byID[id]
		if g == nil || slices.Contains(out, g.Name) {
			break
		}
		out = append(out, g.Name)
		id = g.Parent
	}
	return out
}

var noLabel = regexp.MustCompile(`[^a-zA-Z0-9_]+`)

func labels(m *kumaMonitor) map[string]string {
	var out map[string]string
	for _, t := range m.Tags {
		name := strings.Trim(noLabel.ReplaceAllString(t.Name, "_"), "_")
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "tag_" + name
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = cmp.Or(t.Value, "true")
	}
	return out
}

func (k *kuma) ask(m *kumaMonitor) (asked, bool) {
	options := map[string]any{}
	here := asked{host: m.Hostname, options: options}
	if m.Port > 0 && m.Port < 65536 {
		options["port"] = int(m.Port)
	}
	switch m.Type {
	case "http", "keyword", "json-query", "real-browser":
		return k.http(m)
	case "port":
		here.kind = "tcp"
	case "ping", "tailscale-ping":
		delete(options, "port")
		here.kind = "icmp"
		if m.PacketSize > 0 {
			options["size"] = int(min(m.PacketSize, 65000))
		}
	case "dns":
		return k.dns(m), m.Hostname != ""
	case "push":
		return asked{kind: "heartbeat", options: map[string]any{"token": m.PushToken}}, true
	case "mqtt":
		here.kind, here.host = "mqtt", withoutScheme(m.Hostname)
		login(options, m.MQTTUser, m.MQTTPassword)
		if m.MQTTTopic != "" {
			k.warn(m, "it is asked whether the broker answers; no message of others is waited for on %q", m.MQTTTopic)
		}
	case "radius":
		here.kind = "radius"
		login(options, m.RadiusUser, m.RadiusPassword)
		options["secret"] = m.RadiusSecret
	case "postgres", "mysql", "mongodb", "redis":
		return k.database(m)
	case "grpc-keyword":
		return k.grpc(m)
	case "kafka-producer":
		return k.kafka(m)
	default:
		k.warn(m, "there is no kind of check for type %q: it is left out", m.Type)
		return here, false
	}
	if here.host == "" {
		k.warn(m, "it has no hostname")
		return here, false
	}
	return here, true
}

func (k *kuma) dns(m *kumaMonitor) asked {
	o := map[string]any{"name": m.Hostname, "type": cmp.Or(m.DNSType, "A")}
	if server, _, _ := strings.Cut(m.DNSServer, ","); server != "" {
		o["address"] = strings.TrimSpace(server)
	}
	if m.Port > 0 && m.Port < 65536 {
		o["port"] = int(m.Port)
	}
	return asked{host: m.Hostname, kind: "dns", options: o}
}

func (k *kuma) grpc(m *kumaMonitor) (asked, bool) {
	a := asked{kind: "grpc", options: map[string]any{}}
	if !a.at(withoutScheme(m.GRPCURL)) {
		k.warn(m, "%q is no host:port", m.GRPCURL)
		return a, false
	}
	if m.GRPCTLS {
		a.options["tls"] = true
	}
	k.warn(m, "the health service is asked, instead of a method by its definition")
	return a, true
}

func (k *kuma) kafka(m *kumaMonitor) (asked, bool) {
	a := asked{kind: "kafka", options: map[string]any{}}
	if len(m.KafkaBrokers) == 0 || !a.at(m.KafkaBrokers[0]) {
		k.warn(m, "it has no brokers of the form host:port")
		return a, false
	}
	k.warn(m, "the broker is asked; no message is produced")
	return a, true
}

// at takes host and port of an address.
func (a *asked) at(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.Atoi(port)
	a.host, a.options["port"] = host, n
	return err == nil
}

func withoutScheme(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		return rest
	}
	return address
}

func login(options map[string]any, user, password string) {
	if user != "" {
		options["username"] = user
	}
	if password != "" {
		options["password"] = password
	}
}

// database reads a connection string, which is a URL.
func (k *kuma) database(m *kumaMonitor) (asked, bool) {
	a := asked{kind: map[string]string{"postgres": "postgresql"}[m.Type], options: map[string]any{}}
	a.kind = cmp.Or(a.kind, m.Type)
	u, err := url.Parse(m.Connection)
	if err != nil || u.Hostname() == "" {
		k.warn(m, "its connection string is no URL with one host: it is left out")
		return a, false
	}
	a.host = u.Hostname()
	if port, err := strconv.Atoi(u.Port()); err == nil {
		a.options["port"] = port
	}
	if a.kind != "mongodb" {
		password, _ := u.User.Password()
		login(a.options, u.User.Username(), password)
	}
	if a.kind != "postgresql" && a.kind != "mysql" {
		return a, true
	}
	if name := strings.Trim(u.Path, "/"); name != "" {
		a.options["database"] = name
	}
	if m.Query != "" && u.User.Username() != "" {
		a.options["query"] = m.Query
	}
	return a, true
}

func (k *kuma) http(m *kumaMonitor) (asked, bool) {
	u, err := url.Parse(m.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		k.warn(m, "%q is no URL of http or https", m.URL)
		return asked{}, false
	}
	o := map[string]any{"url": m.URL}
	a := asked{host: u.Hostname(), kind: "http", options: o}
	if m.Method != "" && m.Method != http.MethodGet {
		o["method"] = m.Method
	}
	headers := map[string]string{}
	if m.Body != "" {
		o["body"] = m.Body
		headers["Content-Type"] = map[string]string{"xml": "text/xml; charset=utf-8", "form": "application/x-www-form-urlencoded"}[m.BodyEncoding]
		headers["Content-Type"] = cmp.Or(headers["Content-Type"], "application/json")
	}
	if m.Headers != "" {
		var own map[string]any
		dec := json.NewDecoder(bytes.NewReader([]byte(m.Headers)))
		dec.UseNumber()
		if err := dec.Decode(&own); err != nil {
			k.warn(m, "its headers are no JSON: they are left out")
		}
		for name, v := range own {
			headers[http.CanonicalHeaderKey(name)] = fmt.Sprint(v)
		}
	}
	if len(headers) > 0 {
		o["headers"] = headers
	}
	k.httpAnswer(m, o)
	if m.IgnoreTLS {
		o["insecure_skip_verify"] = true
	}
	if !m.ExpiryNotice && u.Scheme == "https" {
		o["warn_days"], o["crit_days"] = -1, -1
	}
	switch m.AuthMethod {
	case "", "null":
	case "basic":
		login(o, m.AuthUser, m.AuthPassword)
	default:
		k.warn(m, "authentication by %s is left out", m.AuthMethod)
	}
	if m.ProxyID != 0 {
		k.proxy(m, o)
	}
	if m.Type == "real-browser" {
		k.warn(m, "it is asked without a browser")
	}
	return a, true
}

var (
	codeRE = regexp.MustCompile(`^[1-5]\d\d(-[1-5]\d\d)?$`)
	pathRE = regexp.MustCompile(`^\$?\.?[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\])*$`)
)

// httpAnswer is what the answer must be.
func (k *kuma) httpAnswer(m *kumaMonitor, o map[string]any) {
	var codes []string
	for _, c := range m.Codes {
		if !codeRE.MatchString(c) {
			k.warn(m, "%q is no code or range of codes", c)
			continue
		}
		codes = append(codes, c)
	}
	if len(codes) > 0 && !slices.Equal(codes, []string{"200-299"}) {
		o["codes"] = codes
	}
	if m.MaxRedirects != nil && *m.MaxRedirects != 10 {
		if o["redirects"] = int(*m.MaxRedirects); *m.MaxRedirects == 0 {
			o["redirects"] = -1
		}
	}
	switch {
	case m.Type == "keyword" && bool(m.InvertKeyword):
		o["not_contains"] = []string{m.Keyword}
	case m.Type == "keyword":
		o["contains"] = []string{m.Keyword}
	case m.Type == "json-query" && pathRE.MatchString(m.JSONPath):
		path := "$." + strings.TrimLeft(m.JSONPath, "$.")
		o["json"] = []map[string]string{{"path": path, "matches": "^" + regexp.QuoteMeta(m.Expected) + "$"}}
	case m.Type == "json-query":
		k.warn(m, "the query %q is more than a path: it is left out, and only the answer looked at", m.JSONPath)
	}
}

func (k *kuma) proxy(m *kumaMonitor, o map[string]any) {
	i := slices.IndexFunc(k.backup.Proxies, func(p kumaProxy) bool { return p.ID == m.ProxyID })
	if i < 0 {
		k.warn(m, "its proxy is not in the backup")
		return
	}
	p := k.backup.Proxies[i]
	u := url.URL{Scheme: p.Protocol, Host: net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))}
	switch p.Protocol {
	case "http", "https", "socks5":
	case "socks", "socks5h":
		u.Scheme = "socks5"
	default:
		k.warn(m, "a proxy of %s is left out", p.Protocol)
		return
	}
	if p.Auth {
		u.User = url.UserPassword(p.Username, p.Password)
	}
	o["proxy"] = u.String()
}
