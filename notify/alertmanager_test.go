package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/notify"
)

// services are what Alertmanager's own receivers call. Each answers as its documentation says.
type services struct {
	mu    sync.Mutex
	calls map[string]string // path → body
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.calls[r.URL.Path] = string(body)
	s.mu.Unlock()
	switch r.URL.Path {
	case "/slack": // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
		_, _ = io.WriteString(w, "ok")
	case "/discord": // https://discord.com/developers/docs/resources/webhook#execute-webhook
		w.WriteHeader(http.StatusNoContent)
	case "/bot1:SECRETTOKEN/sendMessage": // https://core.telegram.org/bots/api#sendmessage
		_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":7,"date":1,"chat":{"id":5,"type":"group"}}}`)
	case "/v2/enqueue": // https://developer.pagerduty.com/docs/send-alert-event
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"k"}`)
	case "/v2/alerts": // https://docs.opsgenie.com/docs/alert-api#create-alert
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"result":"Request will be processed","took":0.1,"requestId":"r"}`)
	case "/1/messages.json": // https://pushover.net/api
		_, _ = io.WriteString(w, `{"status":1,"request":"r"}`)
	case "/broken":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "no such hook https://hooks.example/SECRETTOKEN")
	}
}

// tunnel is a proxy that leads everything to one address: Pushover's API has an address that cannot be configured.
func tunnel(t *testing.T, to string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "api.pushover.net:443" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		there, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer there.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, rw) }()
		_, _ = io.Copy(conn, there)
	}))
	t.Cleanup(s.Close)
	return s
}

// postOffice takes mail over TLS from who says the right password.
type postOffice struct {
	mu    sync.Mutex
	mails []string
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{office: p}, nil }

type session struct {
	office *postOffice
	known  bool
	to     []string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "hulotte" || password != "owl" {
			return errors.New("wrong password")
		}
		s.known = true
		return nil
	}), nil
}
func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	return nil
}
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }
func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.mails = append(s.office.mails, strings.Join(s.to, ",")+"\n"+string(b))
	return err
}
func (s *session) Reset()        { s.to = nil }
func (s *session) Logout() error { return nil }

// open begins to take mail, on a port, with a certificate that is in a file.
func (p *postOffice) open(t *testing.T) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(p)
	server.Domain = "localhost"
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port, ca
}

const wholeConfig = `
global: {smtp_smarthost: 'MAIL', smtp_from: hulotte@x.example, smtp_auth_username: hulotte, smtp_auth_password: owl, smtp_tls_config: {ca_file: CA}}
route: {receiver: everybody, group_by: [alertname], group_wait: 1ms, group_interval: 10m, repeat_interval: 4h}
receivers:
- name: everybody
  email_configs: [{to: ops@x.example}]
  webhook_configs: [{url: 'URL/hook'}, {url: 'URL/broken?k=SECRETTOKEN'}]
  slack_configs: [{api_url: 'URL/slack', channel: '#ops'}]
  discord_configs: [{webhook_url: 'URL/discord'}]
  telegram_configs: [{api_url: 'URL', bot_token: '1:SECRETTOKEN', chat_id: 5}]
  msteams_configs: [{webhook_url: 'URL/teams'}]
  pushover_configs: [{user_key: u, token: SECRETTOKEN, http_config: {proxy_url: 'PROXY', tls_config: {insecure_skip_verify: true}}}]
  pagerduty_configs: [{url: 'URL/v2/enqueue', routing_key: SECRETTOKEN}]
  opsgenie_configs: [{api_url: 'URL', api_key: SECRETTOKEN}]
  ntfy_configs: [{server: 'URL/ntfy', topic: ops}]
  oncall_configs: [{team: web}]
`

type anna struct{}

func (anna) Recipients(context.Context, notify.Ask) ([]notify.Recipient, error) {
	return []notify.Recipient{{Contact: "Anna", AckURL: "https://hulotte.example/ack/1", Methods: []notify.Method{{Kind: "email", To: "anna@x.example"}}}}, nil
}

// Whatever receiver somebody is told by, Alertmanager's own or ours: the log has it.
func TestAlertmanagersReceivers(t *testing.T) {
	all := &services{calls: map[string]string{}}
	plain, secure := httptest.NewServer(all), httptest.NewTLSServer(all)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	proxy := tunnel(t, secure.Listener.Addr().String())
	office := &postOffice{}
	address, ca := office.open(t)

	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	n, err := notify.New(notify.Options{People: anna{}}, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manager.New(manager.Options{Build: n.Build, Wrap: n.Wrap}, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := manager.ReadConfig([]byte(strings.NewReplacer("URL", plain.URL, "PROXY", proxy.URL, "MAIL", address, "CA", ca).Replace(wholeConfig)), "/")
	if err == nil {
		err = m.Apply(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	n.InForce(m.Receivers())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	defer func() { cancel(); <-done }()
	firing := alert.Alert{Labels: map[string]string{"alertname": "Down", "host": "web1"}, Annotations: map[string]string{"summary": "web1 is down"}, EndsAt: time.Now().Add(time.Hour)}
	if err := m.Put(t.Context(), alert.FromRule, firing); err != nil {
		t.Fatal(err)
	}

	const told = 12
	var deliveries []alert.Delivery
	for deadline := time.Now().Add(30 * time.Second); len(deliveries) < told; deliveries = n.Deliveries(notify.Filter{}) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d deliveries: %+v", len(deliveries), deliveries)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, d := range deliveries {
		which := fmt.Sprintf("%s[%d]", d.Integration, d.Index)
		if d.OK != (which != "webhook[1]") || d.Receiver != "everybody" || d.GroupKey != `{}:{alertname="Down"}` || len(d.Alerts) != 1 || d.Alerts[0].Name != "Down" ||
			d.Alerts[0].Fingerprint != manager.Fingerprint(firing.Labels) || d.GroupLabels["alertname"] != "Down" {
			t.Errorf("%s: %+v", which, d)
		}
	}
	if f := n.Failing(); len(f) != 1 || f[0].Integration != "webhook" || f[0].Index != 1 || !strings.Contains(f[0].Error, "unexpected status code 400: no such hook https://hooks.example/<redacted>") {
		t.Errorf("failing: %+v", f)
	}
	text, _ := json.Marshal(deliveries)
	if strings.Contains(string(text), "SECRETTOKEN") {
		t.Errorf("a secret: %s", text)
	}
	all.mu.Lock()
	for path, has := range map[string]string{
		"/hook": `"status":"firing"`, "/slack": "#ops", "/discord": "embeds", "/bot1:SECRETTOKEN/sendMessage": "web1", "/teams": "MessageCard",
		"/v2/enqueue": `"event_action":"trigger"`, "/v2/alerts": `"alias"`, "/1/messages.json": "", "/ntfy/": `"topic":"ops"`,
	} {
		if body, ok := all.calls[path]; !ok || !strings.Contains(body, has) {
			t.Errorf("%s got %q, which does not have %s", path, body, has)
		}
	}
	all.mu.Unlock()
	office.mu.Lock()
	defer office.mu.Unlock()
	byTo := map[string]string{}
	for _, one := range office.mails {
		to, rest, _ := strings.Cut(one, "\n")
		parsed, err := mail.ReadMessage(bufio.NewReader(strings.NewReader(rest)))
		if err != nil {
			t.Fatal(err)
		}
		byTo[to] = parsed.Header.Get("To") + " " + parsed.Header.Get("Subject") + "\n" + strings.ReplaceAll(rest, "=\r\n", "")
	}
	for to, has := range map[string]string{"ops@x.example": "web1", "anna@x.example": "https://hulotte.example/ack/1"} {
		if !strings.HasPrefix(byTo[to], to+" [FIRING:1] Down") || !strings.Contains(byTo[to], has) {
			t.Errorf("the mail to %s is %s", to, byTo[to])
		}
	}
}
