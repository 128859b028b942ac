package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// People say who is to be told. It is who is on call: see alert/oncall.
type People interface {
	// Recipients returns those who are to be told now. It is called again at each try of a notification; the answer is best the same for one
	// Ask.GroupKey and Ask.At. Nobody is an error that says why ("nobody is on call for the team web until 09:00"), which people see.
	// It must not block for longer than ctx.
	Recipients(ctx context.Context, ask Ask) ([]Recipient, error)
}

// Ask is what somebody is to be told of.
type Ask struct {
	Team       string // one of Team and Escalation is given
	Escalation string
	At         time.Time // when the notification was decided on
	Receiver   string
	GroupKey   string
	// Again is what Notifier.Again was given: nobody but those of this escalation is to be told.
	Again  string
	Labels map[string]string // those that all alerts have
	// GroupLabels are those by which the alerts were put together.
	GroupLabels map[string]string
	Test        bool // somebody tries the receiver out: nothing escalates
	// Firing and Resolved are the alerts' fingerprints. Without firing ones everything is over: whoever was told is to be told so.
	Firing, Resolved []string
}

// Recipient is a person, and how to reach them.
type Recipient struct {
	Contact string // the name
	// Methods are tried all at once; the person is told when one of them works.
	Methods []Method
	// AckURL, when there is one, is where this person acknowledges; it is added to what they are told.
	AckURL string
}

// Method is a way to reach a person.
type Method struct {
	// Kind is email, or one of our kinds of receivers: bleemeo, google_chat, gotify, http, matrix, ntfy, signal, sms, web_push.
	Kind string
	// To is the address: a mail address, a telephone number (sms, signal), a room (matrix), a topic or the whole address of one (ntfy), a
	// name (web_push: whose browsers), a URL (bleemeo, google_chat, http), an application's token (gotify).
	To string
}

// CheckMethod says what is wrong with a way to reach a person, as far as that can be seen without trying.
func CheckMethod(m Method) error {
	if _, ok := methodKinds[m.Kind]; !ok {
		return fmt.Errorf("kind: %q is no way to reach a person: there are %s", m.Kind, strings.Join(slices.Sorted(maps.Keys(methodKinds)), ", "))
	}
	if m.To == "" || len(m.To) > maxAddress {
		return fmt.Errorf("to: an address of 1 to %d bytes is needed", maxAddress)
	}
	return nil
}

const maxAddress = 2000

// SecretAddress says whether who knows an address of this kind can send to it.
func SecretAddress(kind string) bool { return slices.Contains(secretAddress, kind) }
