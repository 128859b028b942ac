// Package model holds the words of Hulotte as types. It does no I/O and imports the standard library only.
package model

import (
	"context"
	"fmt"
	"strings"
)

// DefaultTenant owns what nobody else claims.
const DefaultTenant = "default"

// TenantHeader names the tenant of an HTTP request.
const TenantHeader = "X-Scope-OrgID"

// maxTenantLength keeps a tenant's name usable as a folder on every file system.
const maxTenantLength = 150

type tenantKey struct{}

// WithTenant returns a context that carries the tenant's name.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// Tenant returns the tenant's name that ctx carries, else DefaultTenant.
func Tenant(ctx context.Context) string {
	if t, ok := ctx.Value(tenantKey{}).(string); ok {
		return t
	}
	return DefaultTenant
}

// ValidTenant returns an error that says what is wrong with a tenant's name. A name has 1 to 150 characters of
// a-z A-Z 0-9 ! - _ . * ' ( ), and is neither "." nor "..".
func ValidTenant(name string) error {
	if name == "" {
		return fmt.Errorf("tenant name is empty: leave out the %s header for the tenant %q", TenantHeader, DefaultTenant)
	}
	if len(name) > maxTenantLength {
		return fmt.Errorf("tenant name has %d characters: at most %d are allowed", len(name), maxTenantLength)
	}
	if name == "." || name == ".." {
		return fmt.Errorf("tenant name %q is not allowed", name)
	}
	for _, r := range name {
		if !validTenantRune(r) {
			return fmt.Errorf("tenant name %q has the character %q: only letters, digits and !-_.*'() are allowed", name, r)
		}
	}
	return nil
}

func validTenantRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return strings.ContainsRune("!-_.*'()", r)
}
