package check

import (
	"encoding/json"
	"testing"
)

func TestPublic(t *testing.T) {
	f := func(options, want string) {
		t.Helper()
		s := Spec{Host: "h", Name: "n", Options: json.RawMessage(options)}
		if got := string(s.Public().Options); got != want {
			t.Errorf("%s is shown as %s, want %s", options, got, want)
		}
		if string(s.Options) != options {
			t.Errorf("the spec itself became %s", s.Options)
		}
	}
	f(`{"url": "https://x"}`, `{"url": "https://x"}`) // byte for byte
	f(`{"password_file": "/run/secrets/db"}`, `{"password_file": "/run/secrets/db"}`)
	f(`{"password":"p","username":"u"}`, `{"password":"(secret)","username":"u"}`)
	f(`{"priv_password":"p","Community":"c"}`, `{"Community":"(secret)","priv_password":"(secret)"}`)
	f(`{"headers":{"Authorization":"Bearer x","Accept":"*/*"}}`, `{"headers":{"Accept":"*/*","Authorization":"(secret)"}}`)
	f(`{"steps":[{"token":"t"}]}`, `{"steps":[{"token":"(secret)"}]}`)
	f(`{"token":""}`, `{"token":""}`)
	f(``, ``)
	f(`no JSON with a password`, `no JSON with a password`)
}
