package probe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the protocol's
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// radiusOptions are those of the kind radius.
type radiusOptions struct {
	targetOptions
	Secret     string `json:"secret,omitempty" doc:"secret that is shared with the server"`
	SecretFile string `json:"secret_file,omitempty" doc:"file with the secret"`
	loginOptions
	NASIdentifier string `json:"nas_identifier,omitempty" doc:"how we introduce ourselves; hulotte when nothing is declared"`
	Rejected      bool   `json:"rejected,omitempty" doc:"the user must be rejected: OK for Access-Reject"`
}

func radiusKind() check.Kind {
	return newKind("radius", "Asks a RADIUS server: Status-Server, or with a user Access-Request.", func(p check.Params, o *radiusOptions) (check.Prober, error) {
		t, err := o.target(p, 1812)
		if err != nil {
			return nil, err
		}
		if (o.Secret == "") == (o.SecretFile == "") {
			return nil, errors.New("secret or secret_file: declare one of them")
		}
		if o.NASIdentifier == "" {
			o.NASIdentifier = "hulotte"
		}
		if len(o.NASIdentifier) > 253 || len(o.Username) > 253 || len(o.Password) > 128 {
			return nil, errors.New("nas_identifier and username may have 253 bytes, password 128")
		}
		if err := o.validateLogin(); err != nil {
			return nil, err
		}
		k := &radiusProbe{o, t}
		return &prober{timeout: p.Timeout, ask: k.ask}, nil
	})
}

type radiusProbe struct {
	*radiusOptions
	at target
}

// Codes of RADIUS (RFC 2865, 3; RFC 5997, 3).
const (
	radiusAccessRequest = 1
	radiusAccept        = 2
	radiusReject        = 3
	radiusChallenge     = 11
	radiusStatus        = 12
)

func (k *radiusProbe) ask(ctx context.Context, rep *report) {
	shared, err := secret(k.Secret, k.SecretFile, "secret_file")
	if err != nil {
		rep.failed(err)
		return
	}
	password, err := k.secret()
	if err != nil {
		rep.failed(err)
		return
	}
	d, err := k.at.dialUDP(ctx, rep)
	if err != nil {
		rep.failed(err)
		return
	}
	defer d.end()
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		rep.failed(notAsked("%w", err))
		return
	}
	question := radiusQuestion(random, shared, k.NASIdentifier, k.Username, password)
	var code byte
	took, err := d.exchange(ctx, question, func(b []byte, _ time.Time) (err error) {
		code, err = parseRADIUS(b, question, shared)
		return err
	})
	if err != nil {
		rep.failed(err)
		return
	}
	k.judge(code, rep)
	rep.facts[0] += " in " + duration(took)
	rep.duration("time", took, k.WarnTime, k.CritTime, "answer took %s")
}

func (k *radiusProbe) judge(code byte, rep *report) {
	rep.fact("RADIUS, %s", radiusCode(code))
	switch {
	case k.Username == "" || code == radiusChallenge:
	case k.Rejected && code != radiusReject:
		rep.problem(model.Critical, "%s is accepted, though it should be rejected", k.Username)
	case !k.Rejected && code == radiusReject:
		rep.problem(model.Critical, "%s is rejected", k.Username)
	}
}

func radiusCode(code byte) string {
	switch code {
	case radiusAccept:
		return "Access-Accept"
	case radiusReject:
		return "Access-Reject"
	case radiusChallenge:
		return "Access-Challenge"
	case 5:
		return "Accounting-Response"
	}
	return fmt.Sprintf("code %d", code)
}

// radiusQuestion is code 1, number 1, length 2, authenticator 16, attributes (type 1, length 1, value). Message-Authenticator is first,
// as servers want it since the Blast-RADIUS attack.
func radiusQuestion(random [16]byte, shared, nas, user, password string) []byte {
	code := byte(radiusStatus)
	if user != "" {
		code = radiusAccessRequest
	}
	b := append([]byte{code, random[0], 0, 0}, random[:]...)
	b = append(append(b, 80, 18), make([]byte, 16)...)
	b = appendAttribute(b, 32, []byte(nas))
	if user != "" {
		b = appendAttribute(b, 1, []byte(user))
		b = appendAttribute(b, 2, hidePassword(password, shared, random))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	mac := hmac.New(md5.New, []byte(shared))
	mac.Write(b)
	copy(b[22:], mac.Sum(nil))
	return b
}

func appendAttribute(b []byte, kind byte, v []byte) []byte {
	return append(append(b, kind, byte(2+len(v))), v...)
}

// hidePassword is RFC 2865, 5.2.
func hidePassword(password, shared string, random [16]byte) []byte {
	plain := make([]byte, max((len(password)+15)/16*16, 16))
	copy(plain, password)
	last := random[:]
	for i := 0; i < len(plain); i += 16 {
		sum := md5.Sum(append([]byte(shared), last...)) //nolint:gosec // the protocol's
		for j := range 16 {
			plain[i+j] ^= sum[j]
		}
		last = plain[i : i+16]
	}
	return plain
}

// parseRADIUS verifies that the answer is to our question and from one who knows the secret (RFC 2865, 3).
func parseRADIUS(b, question []byte, shared string) (code byte, err error) {
	if len(b) < 20 || int(binary.BigEndian.Uint16(b[2:])) > len(b) || binary.BigEndian.Uint16(b[2:]) < 20 {
		return 0, errors.New("the answer is cut short")
	}
	b = b[:binary.BigEndian.Uint16(b[2:])]
	if b[1] != question[1] {
		return 0, errors.New("the answer is to another question")
	}
	sum := md5.New() //nolint:gosec // the protocol's
	sum.Write(b[:4])
	sum.Write(question[4:20])
	sum.Write(b[20:])
	sum.Write([]byte(shared))
	if !bytes.Equal(sum.Sum(nil), b[4:20]) {
		return 0, errors.New("the answer is not signed with our secret")
	}
	return b[0], nil
}
