package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"
	promodel "github.com/prometheus/common/model"
)

// entry is one entry of a receiver, of a kind of our own. Those of a kind have a file named for it.
type entry interface {
	// common are the settings that every kind has.
	common() *settings
	// check says what is wrong with what was set; badField names where.
	check() error
	// send tells of a page, and says of an error whether trying again may help.
	send(ctx context.Context, p *page) (retry bool, err error)
}

// addressed is an entry that can be pointed at one person.
type addressed interface {
	entry
	// to returns a copy that tells whoever has this address; check says what is wrong with the address.
	to(address string) addressed
}

// settings are what every kind has.
type settings struct {
	SendResolvedToo bool                        `yaml:"send_resolved"`
	HTTPConfig      *commoncfg.HTTPClientConfig `yaml:"http_config"`
	MaxPerHour      int                         `yaml:"max_per_hour"`
	Timeout         promodel.Duration           `yaml:"timeout"`

	n      *Notifier
	client *http.Client
	folder string
}

func (s *settings) common() *settings { return s }

// defaultTimeout bounds one try, so that a server that hangs leaves time for others.
const defaultTimeout = promodel.Duration(30 * time.Second)

func defaults() settings { return settings{SendResolvedToo: true, Timeout: defaultTimeout} }

// newEntry makes an entry with its kind's defaults; nil when the kind is not known.
func newEntry(kind string) entry {
	if kind == "oncall" {
		return newOncall()
	}
	if e := newAddressed(kind); e != nil && kind != "email" { // email_configs are Alertmanager's
		return e
	}
	return nil
}

// newAddressed makes an entry of a kind that can be pointed at one person.
func newAddressed(kind string) addressed {
	switch kind {
	case "bleemeo":
		return newBleemeo()
	case "email":
		return newMail()
	case "google_chat":
		return newGoogleChat()
	case "gotify":
		return newGotify()
	case "http":
		return newHTTP()
	case "matrix":
		return newMatrix()
	case "ntfy":
		return newNtfy()
	case "signal":
		return newSignal()
	case "sms":
		return newSMS()
	case "web_push":
		return newWebPush()
	}
	return nil
}

// own is an integration of a kind of our own.
type own struct {
	n       *Notifier
	target  target
	entry   entry
	tmpl    *template.Template
	log     *slog.Logger
	secrets []string
	flushes flushes
}

func (n *Notifier) build(t target, e Extra, tmpl *template.Template) (*own, error) {
	en := newEntry(e.Kind)
	if en == nil {
		return nil, fmt.Errorf("line %d: %s_configs is not known", e.Node.Line, e.Kind)
	}
	if err := decode(&e, en); err != nil {
		return nil, err
	}
	if err := n.prepare(&e, en, tmpl); err != nil {
		return nil, inEntry(&e, err)
	}
	return &own{
		n: n, target: t, entry: en, tmpl: tmpl, secrets: secretsOf(en),
		log: n.log.With("receiver", t.receiver, "integration", fmt.Sprintf("%s[%d]", t.integration, t.index)),
	}, nil
}

const maxMaxPerHour = 10_000 // more is no limit

// prepare checks what was read, and makes the client.
func (n *Notifier) prepare(e *Extra, en entry, tmpl *template.Template) error {
	s := en.common()
	s.n, s.folder = n, e.Folder
	switch {
	case s.MaxPerHour < 0 || s.MaxPerHour > maxMaxPerHour:
		return badField("max_per_hour", "is %d: 0 (no limit) to %d", s.MaxPerHour, maxMaxPerHour)
	case s.Timeout <= 0:
		return badField("timeout", "is not above 0")
	}
	if err := en.check(); err != nil {
		return err
	}
	if err := checkTemplates(en, tmpl); err != nil {
		return err
	}
	if f, ok := en.(interface {
		finish(e *Extra, tmpl *template.Template) error
	}); ok {
		if err := f.finish(e, tmpl); err != nil {
			return err
		}
	}
	hc := commoncfg.DefaultHTTPClientConfig
	switch {
	case s.HTTPConfig != nil:
		s.HTTPConfig.SetDirectory(e.Folder)
		hc = *s.HTTPConfig
	case e.Global != nil && e.Global.HTTPConfig != nil:
		hc = *e.Global.HTTPConfig
	}
	var options []commoncfg.HTTPClientOption
	if d, ok := en.(interface {
		clientOptions() []commoncfg.HTTPClientOption
	}); ok {
		options = d.clientOptions()
	}
	client, err := amnotify.NewClientWithTracing(hc, e.Kind, append(options, commoncfg.WithUserAgent(userAgent))...)
	if err != nil {
		return badField("http_config", "cannot be used: %w", err)
	}
	if client.CheckRedirect == nil {
		client.CheckRedirect = sameHost
	}
	s.client = client
	return nil
}

const userAgent = "Hulotte"

// sameHost follows redirects only where the secrets of a request may go.
func sameHost(r *http.Request, via []*http.Request) error {
	const most = 5
	if len(via) >= most {
		return fmt.Errorf("more than %d redirects", most)
	}
	if before := via[0].URL; r.URL.Host != before.Host || before.Scheme == "https" && r.URL.Scheme != "https" {
		return errors.New("it redirects to another host")
	}
	return nil
}

func (o *own) SendResolved() bool { return o.entry.common().SendResolvedToo }

// Notify tells of alerts.
func (o *own) Notify(ctx context.Context, alerts ...*amalert.Alert) (bool, error) {
	note := noteOf(ctx)
	note.own = true
	s := o.entry.common()
	if err := o.n.allow(ctx, o.target, s.MaxPerHour, note); err != nil {
		return false, err
	}
	key, _ := amnotify.GroupKey(ctx)
	p := &page{
		Data: amnotify.GetTemplateData(ctx, o.tmpl, alerts, o.log), Version: "4", GroupKey: key, at: time.Now(), flush: o.flushes.begin(ctx, contentOf(alerts)), alerts: alerts,
		note: note, tmpl: o.tmpl, secrets: &secretList{all: o.secrets}, log: o.log,
	}
	if at, ok := amnotify.Now(ctx); ok {
		p.at = at
	}
	_, p.test = ctx.Value(testKey{}).(*capture)
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(s.Timeout), fmt.Errorf("no answer within %s (timeout)", s.Timeout))
	defer cancel()
	p.ctx = ctx
	retry, err := o.entry.send(ctx, p)
	if err == nil {
		o.flushes.end(ctx)
	}
	return retry, p.secrets.redactError(err)
}

// allow says whether max_per_hour lets one more through. It is given back when the try is in the log, which counts it from then on.
func (n *Notifier) allow(ctx context.Context, t target, most int, note *note) error {
	if _, test := ctx.Value(testKey{}).(*capture); most == 0 || test {
		return nil
	}
	now := time.Now()
	sent, first := n.told.sent(t, now)
	n.mu.Lock()
	defer n.mu.Unlock()
	if sent+n.sending[t] >= most {
		return fmt.Errorf("not sent: %d were sent within the last hour, as many as max_per_hour allows; the next one may be sent at %s",
			most, cmp.Or(first, now).Add(time.Hour).UTC().Format("15:04:05 MST"))
	}
	n.sending[t]++
	note.release = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.sending[t]--; n.sending[t] <= 0 {
			delete(n.sending, t)
		}
	}
	return nil
}

// secret reads a secret from a file of the configuration, or returns the one that stands in it.
func (s *settings) secret(p *page, value commoncfg.Secret, file string) (string, error) {
	if file == "" {
		return string(value), nil
	}
	const most = 64 << 10
	b, err := os.ReadFile(commoncfg.JoinDir(s.folder, file))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read a secret: %w", err)
	case len(b) > most:
		return "", fmt.Errorf("cannot read a secret: %s has more than %d bytes", file, most)
	}
	text := strings.TrimSpace(string(b))
	p.secrets.add(text)
	return text, nil
}

// oneOf checks that exactly one of a secret and its file is set.
func oneOf(field string, value commoncfg.Secret, file string) error {
	switch {
	case value == "" && file == "":
		return badField(field, "is missing: set it, or %s_file", field)
	case value != "" && file != "":
		return badField(field+"_file", "is set besides %s: only one of them", field)
	}
	return nil
}

// checkURL checks an address, which the error does not show. Templates are checked when they are filled in.
func checkURL(field, text string) error {
	if strings.Contains(text, "{{") {
		return nil
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return badField(field, "is no URL that begins with http:// or https://")
	}
	return nil
}

// secretsOf are the secrets in an entry: values of the type Secret, and of those that are addresses, the parts that tell.
func secretsOf(en entry) []string {
	var list secretList
	walkStrings(reflect.ValueOf(en), 0, func(_ string, v reflect.Value) {
		if v.Type() == reflect.TypeFor[commoncfg.Secret]() {
			list.add(v.String())
		}
	})
	if o, ok := en.(*oncall); ok {
		for _, base := range o.bases {
			for _, s := range secretsOf(base) {
				list.add(s)
			}
		}
	}
	return list.all
}
