package notify

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"
	commoncfg "github.com/prometheus/common/config"
	promodel "github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// The kinds of documents: the key pair that says who sends (RFC 8292), and browsers that want to be told (RFC 8030).
const (
	pushKeyKind     = "web-push-key"
	pushKeyName     = "vapid"
	pushBrowserKind = "web-push-browser"
)

const (
	maxBrowsers    = 1000
	maxEndpoint    = 2048 // bytes
	pushMaxPayload = 3900 // bytes: 4096 of a record (RFC 8291) without its header, tag and padding
	pushTTL        = promodel.Duration(4 * time.Hour)
)

// webPush tells browsers, also closed ones, through their makers' push services: RFC 8030, 8291, 8292.
type webPush struct {
	settings `yaml:",inline"`

	People []string `yaml:"people"` // whose browsers; all when empty
	// Contact is whom a push service may ask about what is sent: a mail address, or an https URL.
	Contact string            `yaml:"contact"`
	TTL     promodel.Duration `yaml:"ttl"` // for how long a service keeps it for a browser that is away
	Title   string            `yaml:"title"`
	Message string            `yaml:"message"`
	Click   string            `yaml:"click"`
	// AllowPrivate lets browsers name push services with addresses of the own network.
	AllowPrivate bool `yaml:"allow_private"`
}

func newWebPush() addressed {
	return &webPush{settings: defaults(), Title: defaultTitle, Message: defaultMessage, Click: defaultLink, TTL: pushTTL}
}

func (w *webPush) check() error {
	const most = promodel.Duration(28 * 24 * time.Hour)
	switch {
	case w.TTL < 0 || w.TTL > most:
		return badField("ttl", "is %s: 0s to 28d", w.TTL)
	case slices.Contains(w.People, ""):
		return badField("people", "have an empty name")
	case w.Contact != "" && !strings.Contains(w.Contact, "@") && !strings.HasPrefix(w.Contact, "https://"):
		return badField("contact", "is %q: a mail address, or a URL that begins with https://", w.Contact)
	}
	return nil
}

func (w *webPush) to(address string) addressed {
	c := *w
	c.People = []string{address}
	return &c
}

// clientOptions keep whoever subscribes from making this server call others in its network.
func (w *webPush) clientOptions() []commoncfg.HTTPClientOption {
	if w.AllowPrivate {
		return nil
	}
	d := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if a := to.Addr().Unmap(); !a.IsGlobalUnicast() || a.IsPrivate() {
			return fmt.Errorf("%s is an address of the own network, and allow_private is not set", a)
		}
		return nil
	}}
	return []commoncfg.HTTPClientOption{commoncfg.WithDialContextFunc(d.DialContext)}
}

// pushMessage is what the page's service worker gets.
type pushMessage struct {
	Title    string `json:"title"`
	Body     string `json:"body"`
	URL      string `json:"url,omitempty"`
	AckURL   string `json:"ack_url,omitempty"`
	Tag      string `json:"tag"` // of the group: a later one takes the place of an earlier one
	Status   string `json:"status"`
	Severity string `json:"severity,omitempty"`
}

func (w *webPush) send(ctx context.Context, p *page) (bool, error) {
	browsers, err := w.n.push.browsers(ctx)
	if err != nil {
		return true, fmt.Errorf("cannot read who subscribed: %w", err)
	}
	keys, err := w.n.push.keys(ctx)
	if err != nil {
		return true, fmt.Errorf("cannot read the key pair of web push: %w", err)
	}
	sum := sha256.Sum256([]byte(p.GroupKey))
	topic := base64.RawURLEncoding.EncodeToString(sum[:24]) // 32 characters, as many as RFC 8030 allows
	m := pushMessage{
		Title: cutRunes(p.line(w.Title), maxTitle), Body: strings.TrimSpace(p.text(w.Message)), URL: p.link(w.Click), AckURL: p.AckURL,
		Tag: topic, Status: p.Status, Severity: p.severity(),
	}
	payload, err := m.encode()
	if err != nil {
		return false, err
	}
	byKey := map[string]*alert.Browser{}
	var names []string
	for key, b := range browsers {
		if len(w.People) == 0 || slices.Contains(w.People, b.Person) {
			byKey[key] = b
			names = append(names, key)
		}
	}
	if len(names) == 0 {
		return false, errors.New("no browser" + w.whose() + " has subscribed")
	}
	slices.Sort(names)
	options := webpush.Options{
		Subscriber: w.subscriber(), TTL: int(time.Duration(w.TTL).Seconds()), Topic: topic, Urgency: webpush.UrgencyNormal,
		VAPIDPublicKey: keys.Public, VAPIDPrivateKey: keys.Private,
	}
	if p.severity() == "critical" {
		options.Urgency = webpush.UrgencyHigh
	}
	var mu sync.Mutex
	gone := 0
	retry, err := p.each(names, func(p *page, key string) (bool, error) {
		left, retry, err := w.push(ctx, p, key, byKey[key], payload, options)
		if left {
			mu.Lock()
			defer mu.Unlock()
			gone++
		}
		return retry, err
	})
	if err == nil && gone == len(names) {
		return false, errors.New("no browser" + w.whose() + " is subscribed any more")
	}
	return retry, err
}

func (w *webPush) whose() string {
	if len(w.People) == 0 {
		return ""
	}
	return " of " + strings.Join(w.People, ", ")
}

// subscriber says who sends: RFC 8292, section 2.1. Some services refuse what has none.
func (w *webPush) subscriber() string {
	if w.Contact != "" {
		return w.Contact
	}
	if u := w.n.opts.ExternalURL; u.Scheme == "https" && u.Host != "" {
		return "https://" + u.Host
	}
	return "hulotte@localhost"
}

func (m pushMessage) encode() ([]byte, error) {
	for {
		payload, err := encode(m)
		if over := len(payload) - pushMaxPayload; err == nil && over > 0 && m.Body != "" {
			m.Body = cutBytes(m.Body, max(0, len(m.Body)-max(over/2, 2*len(cut))))
			continue
		}
		return payload, err
	}
}

// push tells one browser. One whose service says that it is gone is forgotten, which is no failure.
func (w *webPush) push(ctx context.Context, p *page, key string, b *alert.Browser, payload []byte, o webpush.Options) (gone, retry bool, err error) {
	if p.err != nil {
		return false, false, p.err
	}
	p.secrets.add(b.Endpoint)
	o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		_, retry, err = w.do(ctx, p, r, false)
		return nil, errSent
	})
	// the library writes behind the payload's end, so that each gets one of its own
	_, failed := webpush.SendNotificationWithContext(ctx, bytes.Clone(payload), &webpush.Subscription{Endpoint: b.Endpoint, Keys: webpush.Keys{Auth: b.Auth, P256dh: b.P256DH}}, &o) //nolint:bodyclose // there is no answer: do reads it
	switch {
	case !errors.Is(failed, errSent):
		return false, false, fmt.Errorf("the browser of %s: cannot encrypt: %w", b.Person, failed)
	case hasStatus(err, http.StatusNotFound, http.StatusGone): // RFC 8030, section 7.3
		p.note.answered("a browser of " + b.Person + " is gone")
		return true, false, w.n.push.forget(ctx, key)
	case err != nil:
		return false, retry, fmt.Errorf("the browser of %s: %w", b.Person, err)
	}
	p.note.reached(b.Person)
	return false, false, nil
}

var errSent = errors.New("sent")

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// pushBook keeps the key pair and the browsers.
type pushBook struct {
	docs func() (medium.Documents, error)
}

type pushKeys struct {
	Private string `json:"private"`
	Public  string `json:"public"`
}

// keys are made when somebody asks for the first time, on whichever node.
func (b *pushBook) keys(ctx context.Context) (pushKeys, error) {
	var k pushKeys
	docs, err := b.docs()
	if err != nil {
		return k, err
	}
	doc, err := docs.Get(ctx, pushKeyKind, pushKeyName)
	if errors.Is(err, medium.ErrNotFound) {
		if k.Private, k.Public, err = webpush.GenerateVAPIDKeys(); err != nil {
			return k, err
		}
		value, err := json.Marshal(k)
		if err != nil {
			return k, err
		}
		if _, err = docs.Put(ctx, pushKeyKind, pushKeyName, value, medium.Absent); err == nil {
			return k, nil
		}
		doc, err = docs.Get(ctx, pushKeyKind, pushKeyName) // another node was faster
		if err != nil {
			return pushKeys{}, err
		}
	} else if err != nil {
		return k, err
	}
	if err := json.Unmarshal(doc.Value, &k); err != nil || k.Private == "" || k.Public == "" {
		return pushKeys{}, fmt.Errorf("the document %s/%s is damaged", pushKeyKind, pushKeyName)
	}
	return k, nil
}

// browsers are those that subscribed, by key. What cannot be read is left out.
func (b *pushBook) browsers(ctx context.Context) (map[string]*alert.Browser, error) {
	docs, err := b.docs()
	if err != nil {
		return nil, err
	}
	out := map[string]*alert.Browser{}
	for doc, err := range docs.List(ctx, pushBrowserKind, "") {
		if err != nil {
			return nil, err
		}
		var one alert.Browser
		if json.Unmarshal(doc.Value, &one) == nil && checkBrowser(&one) == nil && len(out) < maxBrowsers {
			out[doc.Key] = &one
		}
	}
	return out, nil
}

func (b *pushBook) forget(ctx context.Context, key string) error {
	docs, err := b.docs()
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, docs, pushBrowserKind, key, func([]byte) ([]byte, error) { return nil, nil })
	return err
}

func browserKey(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return hex.EncodeToString(sum[:])
}

// checkBrowser says what is wrong with a subscription: https://w3c.github.io/push-api/#pushsubscription-interface.
func checkBrowser(b *alert.Browser) error {
	u, err := url.Parse(b.Endpoint)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(b.Endpoint) > maxEndpoint:
		return model.NewError(model.Invalid, "endpoint is no URL that begins with https://")
	case len(b.Person) > 100 || len(b.Agent) > 500:
		return model.NewError(model.Invalid, "the names are too long")
	}
	point, err := decodeKey(b.P256DH)
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(point)
	}
	if err != nil {
		return model.NewError(model.Invalid, "keys.p256dh is no public key of P-256, in base64url")
	}
	if auth, err := decodeKey(b.Auth); err != nil || len(auth) != 16 {
		return model.NewError(model.Invalid, "keys.auth is not 16 bytes in base64url")
	}
	return nil
}

func decodeKey(text string) ([]byte, error) {
	const most = 200
	if len(text) > most {
		return nil, errors.New("too long")
	}
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	return base64.RawURLEncoding.DecodeString(text)
}

// PushKey is the public key that a browser needs to subscribe (applicationServerKey, base64url).
func (n *Notifier) PushKey(ctx context.Context) (string, error) {
	k, err := n.push.keys(ctx)
	return k.Public, err
}

// Subscribe keeps a browser that wants to be told; again, it is changed.
func (n *Notifier) Subscribe(ctx context.Context, b alert.Browser) error {
	if err := checkBrowser(&b); err != nil {
		return err
	}
	docs, err := n.push.docs()
	if err != nil {
		return err
	}
	all, err := n.push.browsers(ctx)
	if err != nil {
		return err
	}
	key := browserKey(b.Endpoint)
	if _, again := all[key]; !again && len(all) >= maxBrowsers {
		return model.NewError(model.Limit, fmt.Sprintf("%d browsers have subscribed: no more are taken", len(all)))
	}
	value, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, docs, pushBrowserKind, key, func([]byte) ([]byte, error) { return value, nil })
	return err
}

// Replace is Subscribe for a browser that had another endpoint before: the push service changed it, or the server's key. Without a person it
// stays whose it was.
func (n *Notifier) Replace(ctx context.Context, endpoint string, b alert.Browser) error {
	all, err := n.push.browsers(ctx)
	if err != nil {
		return err
	}
	if before := all[browserKey(endpoint)]; before != nil && b.Person == "" {
		b.Person = before.Person
	}
	if b.Person == "" {
		b.Person = "web" // as the API names whoever does not say who they are
	}
	if err := n.Subscribe(ctx, b); err != nil || endpoint == b.Endpoint {
		return err
	}
	return n.Unsubscribe(ctx, endpoint)
}

// Unsubscribe forgets a browser. One that is not there is no error.
func (n *Notifier) Unsubscribe(ctx context.Context, endpoint string) error {
	err := n.push.forget(ctx, browserKey(endpoint))
	if errors.Is(err, medium.ErrNotFound) || errors.Is(err, medium.ErrConflict) {
		return nil
	}
	return err
}

// Browsers are those that subscribed, without what lets others send to them, the oldest first.
func (n *Notifier) Browsers(ctx context.Context) ([]alert.Browser, error) {
	all, err := n.push.browsers(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]alert.Browser, 0, len(all))
	for key, b := range all {
		u, _ := url.Parse(b.Endpoint)
		out = append(out, alert.Browser{ID: key[:min(len(key), 16)], Endpoint: "https://" + u.Host + "/<secret>", Person: b.Person, Agent: b.Agent, At: b.At})
	}
	slices.SortFunc(out, func(a, b alert.Browser) int { return a.At.Compare(b.At) })
	return out, nil
}
