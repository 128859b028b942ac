package services

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type openldapOptions struct {
	TLS                bool `json:"tls" doc:"speak TLS (ldaps)"`
	InsecureSkipVerify bool `json:"insecure_skip_verify" doc:"accept any certificate, such as a self-signed one"`
}

func openldapKind() Kind {
	return withOptions(Kind{
		Name: "openldap", Exporter: "openldap_exporter", Job: "openldap", Up: "openldap_up", Address: "127.0.0.1:389",
		Doc: "Connections, operations, threads, waiters and statistics, from cn=Monitor.",
		Setup: "Load the monitor backend, and let a user or everyone on this machine read it:\n\n```ldif\ndn: cn=module,cn=config\nobjectClass: olcModuleList\nolcModuleLoad: back_monitor\n\n" +
			"dn: olcDatabase=monitor,cn=config\nobjectClass: olcDatabaseConfig\nolcDatabase: monitor\nolcAccess: to * by dn.exact=cn=hulotte,dc=example,dc=org read by * none\n```",
	}, newOpenldap)
}

const openldapHint = "load the monitor backend and let the user read cn=Monitor"

func newOpenldap(t Target, o openldapOptions) (reader, error) {
	return func(ctx context.Context, f *families) error {
		c, err := dial(ctx, t.Address)
		if err != nil {
			return err
		}
		defer func() { c.close() }()
		if o.TLS {
			network, address := splitAddress(t.Address)
			c = bound(ctx, startTLS(c.Conn, network, address, o.InsecureSkipVerify), maxAnswerBytes)
		}
		password, err := t.Credentials.password()
		if err != nil {
			return err
		}
		if _, err := c.Write(appendLdapBind(nil, 1, t.Credentials.Username, password)); err != nil {
			return err
		}
		op, err := readLdap(c.r)
		if err != nil {
			return err
		}
		if op.tag != ldapBound {
			return errBer
		}
		if code, text, err := ldapResult(op); err != nil || code != 0 {
			return errors.Join(err, fmt.Errorf("the server refuses to bind with code %d %s: %s", code, excerpt(text), openldapHint))
		}
		if _, err := c.Write(appendLdapSearch(nil, 2, "cn=Monitor", "monitoredInfo", "monitorCounter", "monitorOpCompleted", "monitorOpInitiated")); err != nil {
			return err
		}
		if err := readOpenldap(c, f); err != nil {
			return err
		}
		_, _ = c.Write(appendBer(nil, berSequence, berNumber(berInteger, 3), appendBer(nil, ldapUnbind))) // a courtesy
		return nil
	}, nil
}

func readOpenldap(c *conn, f *families) error {
	for range maxLdapEntries + 1 {
		op, err := readLdap(c.r)
		if err != nil {
			return err
		}
		switch op.tag {
		case ldapEntry:
			dn, attributes, err := ldapObject(op)
			if err != nil {
				return err
			}
			addOpenldap(f, dn, attributes)
		case ldapDone:
			code, text, err := ldapResult(op)
			if err != nil {
				return err
			}
			if code != 0 && code != ldapSizeLimited || !f.has("openldap_monitor_counter_object") {
				return fmt.Errorf("the search beneath cn=Monitor ends with code %d %s: %s", code, excerpt(text), openldapHint)
			}
			return nil
		}
	}
	return fmt.Errorf("more than %d entries: %w", maxLdapEntries, errTooLong)
}

func addOpenldap(f *families, dn string, attributes map[string]string) {
	for _, m := range [...]struct{ attribute, name, help string }{
		{"monitoredInfo", "openldap_monitored_object", "Objects of cn=Monitor that tell one number, such as threads and waiters."},
		{"monitorCounter", "openldap_monitor_counter_object", "Counters of cn=Monitor, such as connections and statistics."},
		{"monitorOpCompleted", "openldap_monitor_operation", "Operations that were completed."},
		{"monitorOpInitiated", "openldap_monitor_operation_initiated", "Operations that were begun."},
	} {
		v, err := strconv.ParseFloat(strings.TrimSpace(attributes[m.attribute]), 64)
		if err == nil {
			f.gauge(m.name, m.help, v, "dn", dn)
		}
	}
}
