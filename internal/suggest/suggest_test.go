package suggest

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	names := []string{"listen", "external_url", "users", "tls", "max_connections"}
	f := func(word, want string) {
		t.Helper()
		if got := Closest(word, names); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
	f("lisen", "listen")
	f("litsen", "listen")
	f("user", "users")
	f("tsl", "tls")
	f("externalurl", "external_url")
	f("max_conections", "max_connections")
	f("retention", "")
	f("", "")
	f(strings.Repeat("listen", 100), "")
}
