package notify

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/model"
)

// browser is the other end of a subscription.
type browser struct {
	key  *ecdh.PrivateKey
	auth []byte
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := make([]byte, 16)
	_, _ = rand.Read(auth)
	return &browser{key, auth}
}

func (b *browser) subscription(endpoint, person string) alert.Browser {
	return alert.Browser{
		Endpoint: endpoint, P256DH: base64.RawURLEncoding.EncodeToString(b.key.PublicKey().Bytes()), Auth: base64.RawURLEncoding.EncodeToString(b.auth),
		Person: person, At: time.Now(),
	}
}

// open decrypts as RFC 8291, section 3.4, and RFC 8188, section 2, say.
func (b *browser) open(t *testing.T, body []byte) []byte {
	t.Helper()
	must := func(out []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	salt, sender := body[:16], body[21:21+int(body[20])]
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		t.Fatal(err)
	}
	shared := must(b.key.ECDH(public))
	info := append(append([]byte("WebPush: info\x00"), b.key.PublicKey().Bytes()...), sender...)
	ikm := must(hkdf.Key(sha256.New, shared, b.auth, string(info), 32))
	key := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	nonce := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12))
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain := must(gcm.Open(nil, nonce, body[21+int(body[20]):], nil))
	return plain[:bytes.LastIndexByte(plain, 2)]
}

// RFC 8030 (the request), 8291 (the encryption), 8292 (who sends)
func TestWebPush(t *testing.T) {
	var mu sync.Mutex
	var calls []got
	statuses := map[string]int{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, got{r.Method, r.URL.Path, "", r.Header, string(body)})
		status := statuses[r.URL.Path]
		if status == 0 {
			status = http.StatusCreated
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	docs := newShelf()
	n, _ := newNotifier(t, Options{Documents: docs.get})
	const config = "{allow_private: true, http_config: {tls_config: {insecure_skip_verify: true}}, contact: ops@x.example"
	i := integration(t, n, "web_push", config+", people: [Anna]}")
	if retry, err := i.Notify(group(t.Context(), "g"), raised("web1", "critical", "x")); retry || err == nil || !strings.Contains(err.Error(), "no browser of Anna has subscribed") {
		t.Error(retry, err)
	}
	anna, bob := newBrowser(t), newBrowser(t)
	for _, b := range []alert.Browser{anna.subscription(s.URL+"/anna", "Anna"), anna.subscription(s.URL+"/anna", "Anna"), bob.subscription(s.URL+"/bob", "Bob")} {
		if err := n.Subscribe(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	tell(t, i, raised("web1", "critical", strings.Repeat("é\n", 5000)))
	if len(calls) != 1 {
		t.Fatalf("%d requests", len(calls))
	}
	g := calls[0]
	want(t, "the request", g.method+" "+g.path, "POST /anna")
	want(t, "the headers", g.header.Get("Content-Encoding")+" "+g.header.Get("TTL")+" "+g.header.Get("Urgency"), "aes128gcm 14400 high")
	if topic := g.header.Get("Topic"); len(topic) != 32 {
		t.Errorf("the topic is %q", topic)
	}
	key, err := n.PushKey(t.Context())
	token, k, _ := strings.Cut(strings.TrimPrefix(g.header.Get("Authorization"), "vapid t="), ", k=")
	if err != nil || k != key {
		t.Errorf("the key is %s, not %s (%v)", k, key, err)
	}
	claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if !strings.Contains(string(claims), `"aud":"`+s.URL+`"`) || !strings.Contains(string(claims), `"sub":"mailto:ops@x.example"`) {
		t.Errorf("the claims are %s", claims)
	}
	if len(g.body) != 4096 {
		t.Errorf("%d bytes", len(g.body))
	}
	var m map[string]any
	if err := json.Unmarshal(anna.open(t, []byte(g.body)), &m); err != nil {
		t.Fatal(err)
	}
	text := m["body"].(string)
	if len(text) < 2000 || !strings.HasSuffix(text, "…") {
		t.Errorf("the body has %d bytes", len(text))
	}
	delete(m, "body")
	want(t, "the message", m, map[string]any{"title": "[FIRING:1] Down web1 (critical)", "url": "https://hulotte.example/alerts", "tag": g.header.Get("Topic"), "status": "firing", "severity": "critical"})
	want(t, "who was told", n.Deliveries(Filter{})[0].People, []string{"Anna"})

	// a browser that is gone is forgotten; what may pass is tried again
	i = integration(t, n, "web_push", config+"}")
	statuses["/bob"] = http.StatusGone
	tell(t, i)
	browsers, err := n.Browsers(t.Context())
	if err != nil || len(browsers) != 1 || browsers[0].Person != "Anna" || browsers[0].Endpoint != strings.Replace(s.URL, "https://", "https://", 1)+"/<secret>" || browsers[0].Auth != "" {
		t.Errorf("%+v, %v", browsers, err)
	}
	f := func(status int, again bool) {
		t.Helper()
		statuses["/anna"] = status
		if retry, err := i.Notify(group(t.Context(), "g"), raised("web1", "critical", "x")); err == nil || retry != again {
			t.Errorf("%d: retry %t, %v", status, retry, err)
		}
	}
	f(http.StatusTooManyRequests, true)
	f(http.StatusServiceUnavailable, true)
	f(http.StatusForbidden, false)
	f(http.StatusGone, false)
	text = ""
	for _, d := range n.Deliveries(Filter{}) {
		text += d.Error + d.Answer
	}
	if strings.Contains(text, "/anna") {
		t.Errorf("an endpoint is shown: %s", text)
	}

	// a key pair is made once
	other, _ := newNotifier(t, Options{Documents: docs.get})
	if again, err := other.PushKey(t.Context()); err != nil || again != key {
		t.Errorf("another node has the key %s (%v)", again, err)
	}
}

// Whoever subscribes must not make the server call into its own network.
func TestWebPushStaysOutside(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	docs := newShelf()
	n, _ := newNotifier(t, Options{Documents: docs.get})
	if err := n.Subscribe(t.Context(), newBrowser(t).subscription(s.URL+"/x", "Eve")); err != nil {
		t.Fatal(err)
	}
	_, err := integration(t, n, "web_push", "{}").Notify(group(t.Context(), "g"), raised("web1", "critical", "x"))
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1 is an address of the own network, and allow_private is not set") {
		t.Error(err)
	}
}

func TestSubscribeErrors(t *testing.T) {
	docs := newShelf()
	n, _ := newNotifier(t, Options{Documents: docs.get})
	good := newBrowser(t).subscription("https://push.example/x", "Anna")
	f := func(change func(*alert.Browser), want string) {
		t.Helper()
		b := good
		change(&b)
		if err := n.Subscribe(t.Context(), b); err == nil || model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(func(b *alert.Browser) { b.Endpoint = "http://push.example/x" }, "endpoint is no URL")
	f(func(b *alert.Browser) { b.Endpoint = "https://" + strings.Repeat("x", 3000) }, "endpoint is no URL")
	f(func(b *alert.Browser) { b.P256DH = "AAAA" }, "keys.p256dh is no public key")
	f(func(b *alert.Browser) { b.Auth = "!" }, "keys.auth is not 16 bytes")
	f(func(b *alert.Browser) { b.Person = strings.Repeat("x", 101) }, "too long")
	if err := n.Subscribe(t.Context(), good); err != nil {
		t.Error(err)
	}
	moved := good
	moved.Endpoint, moved.Person = "https://push.example/y", ""
	if err := n.Replace(t.Context(), good.Endpoint, moved); err != nil {
		t.Error(err)
	}
	if all, err := n.Browsers(t.Context()); err != nil || len(all) != 1 || all[0].Person != "Anna" || all[0].ID != browserKey(moved.Endpoint)[:16] {
		t.Error(all, err)
	}
	good = moved
	for range 2 {
		if err := n.Unsubscribe(t.Context(), good.Endpoint); err != nil {
			t.Error(err)
		}
	}
	if all, err := n.Browsers(t.Context()); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
	docs.away = true
	if err := n.Subscribe(context.Background(), good); err == nil {
		t.Error("it is kept nowhere")
	}
}
