package check

import (
	"encoding/json"
	"strings"
)

// Redacted replaces what nobody should read.
const Redacted = "(secret)"

// secretOptions are the names, or ends of names, of options whose text is a secret.
var secretOptions = []string{"password", "passphrase", "secret", "token", "community", "psk", "credentials", "authorization", "cookie", "api_key", "x-api-key"}

// Public is the spec as people may see it: without the passwords, tokens and communities among its options.
func (s Spec) Public() Spec {
	s.Options = redact(s.Options)
	return s
}

// redact leaves text as it is when there is nothing to hide.
func redact(options json.RawMessage) json.RawMessage {
	lower := strings.ToLower(string(options))
	found := false
	for _, name := range secretOptions {
		found = found || strings.Contains(lower, name)
	}
	var all any
	if !found || json.Unmarshal(options, &all) != nil {
		return options
	}
	if !hide(all) {
		return options
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return text
}

// hide replaces secrets within v, and says whether there were any.
func hide(v any) (hidden bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if text, ok := value.(string); ok && text != "" && isSecret(name) {
				v[name], hidden = Redacted, true
				continue
			}
			hidden = hide(value) || hidden
		}
	case []any:
		for _, value := range v {
			hidden = hide(value) || hidden
		}
	}
	return hidden
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, s := range secretOptions {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
