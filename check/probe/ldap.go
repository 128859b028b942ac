package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hulotte-dev/hulotte/check"
)

// ldapOptions are those of the kind ldap.
type ldapOptions struct {
	serviceOptions
	BindDN       string      `json:"bind_dn,omitempty" doc:"whom to log in as; nobody (anonymous) when nothing is declared"`
	Password     string      `json:"password,omitempty" doc:"its password"`
	PasswordFile string      `json:"password_file,omitempty" doc:"file with the password"`
	PlainLogin   bool        `json:"plain_login,omitempty" doc:"log in without TLS too"`
	StartTLS     bool        `json:"starttls,omitempty" doc:"continue in TLS with StartTLS"`
	Base         string      `json:"base,omitempty" doc:"where to search; the server's own entry (root DSE) when nothing is declared"`
	Attribute    string      `json:"attribute,omitempty" doc:"attribute that entries below base must have; objectClass when nothing is declared"`
	Value        string      `json:"value,omitempty" doc:"value of the attribute; any when nothing is declared"`
	Entries      check.Range `json:"entries,omitempty" doc:"how many entries must be found below base, such as 1:; CRITICAL otherwise"`
}

func ldapKind() check.Kind {
	return newService[ldapOptions]("ldap", "Asks an LDAP server: bind, the server's own entry or a search.", 389, 636)
}

func (o *ldapOptions) prepare() error {
	switch {
	case o.TLS && o.StartTLS:
		return errors.New("tls and starttls: declare one of them")
	case o.BindDN == "" && (o.Password != "" || o.PasswordFile != ""):
		return errors.New("bind_dn: declare it with the password")
	case o.BindDN != "" && o.Password == "" && o.PasswordFile == "":
		return errors.New("password: declare it with bind_dn: without one the bind is anonymous")
	case o.Base == "" && (o.Entries.Set() || o.Attribute != "" || o.Value != ""):
		return errors.New("base: declare it for a search")
	}
	if o.Attribute == "" {
		o.Attribute = "objectClass"
		if o.Value != "" {
			return errors.New("attribute: declare it with value")
		}
	}
	return nil
}

func (o *ldapOptions) talk(ctx context.Context, s *session, rep *report) error {
	if err := o.bind(ctx, s); err != nil {
		return err
	}
	entries, attributes, err := o.search(s)
	if err != nil {
		return err
	}
	who := "anonymous bind"
	if o.BindDN != "" {
		who = "bind as " + o.BindDN
	}
	if o.Base == "" {
		rep.hello("LDAP OK, %s, %s", who, ldapServer(attributes))
	} else {
		rep.hello("LDAP OK, %s, %d entries below %s", who, entries, o.Base)
		rep.value("entries", float64(entries), "", check.Range{}, o.Entries, "search found %s entries")
	}
	return s.ldapSend(ldapUnbind, func(*cryptobyte.Builder) {})
}

func ldapServer(attributes map[string][]string) string {
	var parts []string
	for _, name := range []string{"vendorname", "vendorversion", "namingcontexts"} {
		if v := attributes[name]; len(v) > 0 {
			parts = append(parts, strings.Join(v, " "))
		}
	}
	if len(parts) == 0 {
		return "the server tells nothing of itself"
	}
	return strings.Join(parts, ", ")
}

// keep binds: servers let connections stay, unless an idle time is set.
func (o *ldapOptions) keep(ctx context.Context, s *session) error { return o.bind(ctx, s) }

// Tags of LDAP's operations: [APPLICATION n] (RFC 4511, 4.2 and on).
const (
	ldapBind        = asn1.Tag(0x60)
	ldapBindAnswer  = asn1.Tag(0x61)
	ldapUnbind      = asn1.Tag(0x42)
	ldapSearch      = asn1.Tag(0x63)
	ldapEntry       = asn1.Tag(0x64)
	ldapDone        = asn1.Tag(0x65)
	ldapReference   = asn1.Tag(0x73)
	ldapExtended    = asn1.Tag(0x77)
	ldapExtendedEnd = asn1.Tag(0x78)
)

func (o *ldapOptions) bind(ctx context.Context, s *session) error {
	if o.StartTLS {
		if err := s.ldapStartTLS(ctx, &o.tlsOptions); err != nil {
			return err
		}
	}
	if o.BindDN != "" && s.secured == nil && !o.PlainLogin {
		return errNotAsked{errPlainLogin}
	}
	password, err := secret(o.Password, o.PasswordFile, "password_file")
	if err != nil {
		return err
	}
	err = s.ldapSend(ldapBind, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1OctetString([]byte(o.BindDN))
		b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(password)) })
	})
	if err != nil {
		return err
	}
	if err := s.ldapResult(ldapBindAnswer); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// ldapStartTLS is RFC 4511, 4.14.
func (s *session) ldapStartTLS(ctx context.Context, o *tlsOptions, protos ...string) error {
	err := s.ldapSend(ldapExtended, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte("1.3.6.1.4.1.1466.20037")) })
	})
	if err != nil {
		return err
	}
	if err := s.ldapResult(ldapExtendedEnd); err != nil {
		return fmt.Errorf("StartTLS: %w", err)
	}
	return s.startTLS(ctx, o, protos...)
}

// maxEntries of a search are counted.
const maxEntries = 10000

func (o *ldapOptions) search(s *session) (entries int, attributes map[string][]string, err error) {
	err = s.ldapSend(ldapSearch, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString([]byte(o.Base))
		scope, wanted := int64(0), []string{"namingContexts", "vendorName", "vendorVersion"}
		if o.Base != "" {
			scope, wanted = 2, []string{"1.1"} // no attributes
		}
		b.AddASN1Enum(scope)
		b.AddASN1Enum(0)           // aliases as they are
		b.AddASN1Int64(maxEntries) // entries
		b.AddASN1Int64(0)          // no limit of time besides ours
		b.AddASN1Boolean(false)
		o.filter(b)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, name := range wanted {
				b.AddASN1OctetString([]byte(name))
			}
		})
	})
	if err != nil {
		return 0, nil, err
	}
	attributes = map[string][]string{}
	for range 2 * maxEntries {
		op, body, err := s.ldapAnswer()
		if err != nil {
			return 0, nil, err
		}
		switch op {
		case ldapEntry:
			entries++
			parseLDAPEntry(body, attributes)
		case ldapReference:
		case ldapDone:
			if err := parseLDAPResult(body); err != nil {
				return 0, nil, fmt.Errorf("search: %w", err)
			}
			return entries, attributes, nil
		default:
			return 0, nil, fmt.Errorf("the answer to the search is operation %#x", byte(op))
		}
	}
	return 0, nil, errors.New("the search has no end")
}

// filter is (attribute=*) or (attribute=value).
func (o *ldapOptions) filter(b *cryptobyte.Builder) {
	if o.Value == "" {
		b.AddASN1(asn1.Tag(7).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(o.Attribute)) })
		return
	}
	b.AddASN1(asn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1OctetString([]byte(o.Attribute))
		b.AddASN1OctetString([]byte(o.Value))
	})
}

// ldapSend sends one operation. Answers are read one after the other, so that all have the same number.
func (s *session) ldapSend(op asn1.Tag, body func(*cryptobyte.Builder)) error {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(op, body)
	})
	data, err := b.Bytes()
	if err != nil {
		return notAsked("request: %w", err)
	}
	return s.send(data)
}

// ldapAnswer reads one message and returns its operation.
func (s *session) ldapAnswer() (asn1.Tag, cryptobyte.String, error) {
	head, err := s.read(2, 2)
	if err != nil {
		return 0, nil, err
	}
	if head[0] != byte(asn1.SEQUENCE) {
		return 0, nil, fmt.Errorf("the other side does not speak LDAP: it began with %#x", head[0])
	}
	length := int(head[1])
	if length >= 0x80 {
		if length > 0x84 || length == 0x80 {
			return 0, nil, errors.New("the other side does not speak LDAP: a length has no sense")
		}
		more, err := s.read(length-0x80, 4)
		if err != nil {
			return 0, nil, err
		}
		length = 0
		for _, c := range more {
			length = length<<8 | int(c)
		}
	}
	data, err := s.read(length, maxDocument)
	if err != nil {
		return 0, nil, err
	}
	return parseLDAPMessage(data)
}

// parseLDAPMessage reads number and operation; lengths of four bytes are what OpenLDAP and Active Directory write, though DER has them
// shorter: cryptobyte does not take them, so that messages are cut by hand.
func parseLDAPMessage(data []byte) (asn1.Tag, cryptobyte.String, error) {
	errShort := errors.New("the server's answer is cut short")
	tag, _, rest, ok := cutBER(data)
	if !ok || tag != asn1.INTEGER {
		return 0, nil, errShort
	}
	op, body, _, ok := cutBER(rest)
	if !ok {
		return 0, nil, errShort
	}
	return op, body, nil
}

// cutBER takes one value with a tag of one byte and any definite length (X.690, 8.1).
func cutBER(b []byte) (tag asn1.Tag, body, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	tag, length, b := asn1.Tag(b[0]), int(b[1]), b[2:]
	if length >= 0x80 {
		n := length - 0x80
		if n == 0 || n > 4 || n > len(b) {
			return 0, nil, nil, false
		}
		length = 0
		for _, c := range b[:n] {
			length = length<<8 | int(c)
		}
		b = b[n:]
	}
	if length > len(b) {
		return 0, nil, nil, false
	}
	return tag, b[:length], b[length:], true
}

func (s *session) ldapResult(want asn1.Tag) error {
	op, body, err := s.ldapAnswer()
	if err != nil {
		return err
	}
	if op != want && op != ldapExtendedEnd {
		return fmt.Errorf("the answer is operation %#x", byte(op))
	}
	return parseLDAPResult(body)
}

// parseLDAPResult is nil for success: a code, a name, a text (RFC 4511, 4.1.9).
func parseLDAPResult(b []byte) error {
	tag, code, rest, ok := cutBER(b)
	if !ok || tag != asn1.ENUM || len(code) != 1 {
		return errors.New("the server's result cannot be read")
	}
	_, _, rest, _ = cutBER(rest)
	_, text, _, _ := cutBER(rest)
	if code[0] == 0 {
		return nil
	}
	name := map[byte]string{1: "operations error", 2: "protocol error", 4: "more entries than the server gives", 8: "stronger authentication required", 13: "confidentiality required",
		32: "no such entry", 34: "a name that is no DN", 48: "inappropriate authentication", 49: "invalid credentials", 50: "insufficient access", 51: "busy", 52: "unavailable", 53: "unwilling to perform"}[code[0]]
	return fmt.Errorf("the server says %d %s %s", code[0], name, printable(string(text), 200))
}

// parseLDAPEntry adds an entry's attributes, in small letters: a name, and a list of a name and a set of values.
func parseLDAPEntry(b []byte, into map[string][]string) {
	_, _, rest, ok := cutBER(b)
	if !ok {
		return
	}
	_, list, _, _ := cutBER(rest)
	for len(list) > 0 && len(into) < 100 {
		var attribute []byte
		if _, attribute, list, ok = cutBER(list); !ok {
			return
		}
		_, name, values, ok := cutBER(attribute)
		if !ok {
			return
		}
		_, set, _, _ := cutBER(values)
		key := strings.ToLower(string(name))
		for len(set) > 0 && len(into[key]) < 20 {
			var v []byte
			if _, v, set, ok = cutBER(set); !ok {
				return
			}
			into[key] = append(into[key], printable(string(v), 100))
		}
	}
}
