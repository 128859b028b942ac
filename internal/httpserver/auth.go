package httpserver

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

const (
	// maxVerified bounds the memory of passwords found right; more users than that only cost CPU.
	maxVerified = 1024
	// maxVerifying bounds who waits for a bcrypt comparison. One runs at a time (some 50 ms of CPU), so the
	// last in the queue waits a second or two; a flood of guesses gets 429 and never more than one core.
	maxVerifying = 32
)

// auth asks for HTTP basic authentication (RFC 7617).
type auth struct {
	key []byte // of digest; random, so that a memory image gives no digests to compare

	busy    chan struct{} // holds one token while a comparison runs
	waiting chan struct{} // one token for each who waits or compares

	mu       sync.RWMutex
	users    map[string]string              // never changed once it stands here; guarded by mu
	verified map[[sha256.Size]byte]struct{} // what was found right with users; guarded by mu
}

func newAuth(users map[string]string) *auth {
	a := &auth{key: make([]byte, 32), busy: make(chan struct{}, 1), waiting: make(chan struct{}, maxVerifying)}
	rand.Read(a.key)
	a.set(users)
	return a
}

func (a *auth) set(users map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users, a.verified = users, map[[sha256.Size]byte]struct{}{}
}

// require lets requests through that open allows, and those of users.
func (a *auth) require(open func(path string) bool, m *metrics, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		switch a.check(r) {
		case allowed:
			next.ServeHTTP(w, r)
		case overloaded:
			m.unauthorized.Inc()
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many logins are being checked", http.StatusTooManyRequests)
		default:
			m.unauthorized.Inc()
			w.Header().Set("WWW-Authenticate", `Basic realm="Hulotte", charset="UTF-8"`)
			http.Error(w, "log in with a user of server.users", http.StatusUnauthorized)
		}
	})
}

type verdict int

const (
	denied verdict = iota
	allowed
	overloaded
)

func (a *auth) check(r *http.Request) verdict {
	a.mu.RLock()
	users := a.users
	a.mu.RUnlock()
	if len(users) == 0 {
		return allowed
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return denied
	}
	hash, known := users[name]
	if !known {
		hash = anyOf(users) // the answer takes as long as for a known name
	}
	digest := a.digest(name, password, hash)
	if a.seen(digest) {
		return allowed
	}
	right, ran := a.compare(r.Context(), hash, password)
	if !ran {
		return overloaded
	}
	if !right || !known {
		return denied
	}
	a.remember(digest)
	return allowed
}

func anyOf(users map[string]string) string {
	for _, hash := range users {
		return hash
	}
	return ""
}

// compare tells whether the password is right, and whether it came to a comparison at all.
func (a *auth) compare(ctx context.Context, hash, password string) (right, ran bool) {
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return false, false
	}
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return false, false
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil, true
}

func (a *auth) digest(name, password, hash string) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, a.key)
	for _, s := range []string{name, hash, password} {
		mac.Write([]byte(s))
		mac.Write([]byte{0})
	}
	mac.Sum(d[:0])
	return d
}

// seen looks up a keyed digest, whose timing tells nothing about the password.
func (a *auth) seen(d [sha256.Size]byte) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, ok := a.verified[d]
	return ok
}

func (a *auth) remember(d [sha256.Size]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.verified) >= maxVerified {
		clear(a.verified)
	}
	a.verified[d] = struct{}{}
}
