package oncall

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Links make and read addresses by which somebody acknowledges without signing in: who has the link was told. Their key is a document, so
// that all nodes know it.
type Links struct {
	documents func() (medium.Documents, error)
	base      string // "https://hulotte.example/"

	mu  sync.Mutex
	key []byte // guarded by mu
}

// NewLinks allocates Links below a server's URL, which ends in a slash.
func NewLinks(documents func() (medium.Documents, error), base string) *Links {
	return &Links{documents: documents, base: base}
}

const (
	keyKind    = "oncall-key"
	linkLasts  = 7 * 24 * time.Hour
	keyTimeout = 5 * time.Second
	macBytes   = 16
	maxToken   = 1000
)

// secret is the key; it is made when there is none.
func (l *Links) secret() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key != nil {
		return l.key, nil
	}
	docs, err := l.documents()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyTimeout)
	defer cancel()
	var kept struct {
		Key []byte `json:"key"`
	}
	_, err = medium.Update(ctx, docs, keyKind, "ack", func(old []byte) ([]byte, error) {
		if old != nil && json.Unmarshal(old, &kept) == nil && len(kept.Key) == sha256.Size {
			return old, nil
		}
		kept.Key = make([]byte, sha256.Size)
		_, _ = rand.Read(kept.Key) // it never fails
		return json.Marshal(kept)
	})
	if err != nil {
		return nil, err
	}
	l.key = kept.Key
	return l.key, nil
}

// URL is where a contact acknowledges a group; "" while the medium is away.
func (l *Links) URL(id, contact string) string {
	key, err := l.secret()
	if err != nil {
		return ""
	}
	text := strings.Join([]string{id, contact, strconv.FormatInt(time.Now().Add(linkLasts).Unix(), 36)}, "\n")
	return l.base + "ack/" + base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + base64.RawURLEncoding.EncodeToString(sign(key, text))
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text)) // it never fails
	return mac.Sum(nil)[:macBytes]
}

var (
	errBadLink = model.NewError(model.NotFound, "this link is not one of this server, or only a part of it")
	errOldLink = model.NewError(model.NotFound, "this link is older than a week: see the Alerts page")
)

// Read is what a link is about.
func (l *Links) Read(token string, now time.Time) (id, contact string, err error) {
	text64, mac64, ok := strings.Cut(token, ".")
	if !ok || len(token) > maxToken {
		return "", "", errBadLink
	}
	text, err := base64.RawURLEncoding.DecodeString(text64)
	if err != nil {
		return "", "", errBadLink
	}
	mac, err := base64.RawURLEncoding.DecodeString(mac64)
	if err != nil {
		return "", "", errBadLink
	}
	key, err := l.secret()
	if err != nil {
		return "", "", err
	}
	if !hmac.Equal(mac, sign(key, string(text))) {
		return "", "", errBadLink
	}
	parts := strings.Split(string(text), "\n")
	if len(parts) != 3 {
		return "", "", errBadLink
	}
	ends, err := strconv.ParseInt(parts[2], 36, 64)
	if err != nil {
		return "", "", errBadLink
	}
	if now.Unix() > ends {
		return "", "", errOldLink
	}
	return parts[0], parts[1], nil
}
