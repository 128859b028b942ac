package state

import (
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Acknowledge takes a person's word that the problem is known. It replaces an earlier one. It fails (model.Conflict) when
// there is no problem and (model.Invalid) when it would have expired already.
func (m *Machine) Acknowledge(at time.Time, ack check.Ack) ([]check.Change, error) {
	if !bad(m.st.Status) {
		return nil, model.NewError(model.Conflict, fmt.Sprintf("there is nothing to acknowledge: the check is %s", m.st.Status))
	}
	if !ack.Until.IsZero() && !ack.Until.After(at) {
		return nil, model.NewError(model.Invalid, "the acknowledgement would end before it begins: until must be in the future")
	}
	if ack.At.IsZero() {
		ack.At = at
	}
	m.st.Ack = &ack
	s := step{Machine: m, at: at}
	s.note(check.AckSet, ack.Comment).By = ack.By
	return s.changes, nil
}

// Unacknowledge takes it back. It fails (model.Conflict) when the problem is not acknowledged.
func (m *Machine) Unacknowledge(at time.Time, by, comment string) ([]check.Change, error) {
	if m.st.Ack == nil {
		return nil, model.NewError(model.Conflict, "the check is not acknowledged")
	}
	m.st.Ack = nil
	s := step{Machine: m, at: at}
	s.note(check.AckRemoved, comment).By = by
	return s.changes, nil
}

// expire ends an acknowledgement whose time is over. People hear of the problem again.
func (s *step) expire() {
	ack := s.st.Ack
	if ack == nil || ack.Until.IsZero() || s.at.Before(ack.Until) {
		return
	}
	s.st.Ack = nil
	s.st.Told = model.Pending
	s.ended = "the acknowledgement expired"
	s.note(check.AckRemoved, "expired")
}

// endAck ends it when the status, which was prev, became OK, or another one when it is not sticky.
func (s *step) endAck(prev model.Status) {
	ack := s.st.Ack
	switch {
	case ack == nil:
	case !bad(s.st.Status):
		s.st.Ack = nil
		s.note(check.AckRemoved, "recovered")
	case !ack.Sticky && s.st.Status != prev:
		s.st.Ack = nil
		s.note(check.AckRemoved, fmt.Sprintf("the status changed from %s to %s", prev, s.st.Status))
	}
}
