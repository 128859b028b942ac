package model

import (
	"context"
	"strings"
	"testing"
)

func TestValidTenant(t *testing.T) {
	ok := func(name string) {
		t.Helper()
		if err := ValidTenant(name); err != nil {
			t.Errorf("ValidTenant(%q) = %v, want nil", name, err)
		}
	}
	bad := func(name, want string) {
		t.Helper()
		err := ValidTenant(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ValidTenant(%q) = %v, want an error with %q", name, err, want)
		}
	}
	ok("default")
	ok("team-a.prod_1")
	ok("(it's)!*")
	ok(strings.Repeat("a", 150))
	bad("", "empty")
	bad(strings.Repeat("a", 151), "151 characters")
	bad("..", "not allowed")
	bad("a/b", `'/'`)
	bad("a|b", `'|'`)
	bad("é", `'é'`)
}

func TestTenantOfContext(t *testing.T) {
	if got := Tenant(context.Background()); got != DefaultTenant {
		t.Errorf("Tenant of an empty context = %q, want %q", got, DefaultTenant)
	}
	if got := Tenant(WithTenant(context.Background(), "a")); got != "a" {
		t.Errorf("Tenant = %q, want a", got)
	}
}
