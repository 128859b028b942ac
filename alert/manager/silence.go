package manager

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Matcher is one condition on a label.
type Matcher struct {
	Name, Value string
	Regexp, Not bool
}

// Silence keeps alerts quiet whose labels all matchers match.
type Silence struct {
	ID        string
	Matchers  []Matcher
	Start     time.Time
	End       time.Time
	CreatedBy string
	Comment   string
	// Annotations are for programs.
	Annotations map[string]string
}

// SetSilence makes a silence, or changes the one with its ID; it returns the ID, which may be another one.
func (m *Manager) SetSilence(ctx context.Context, s Silence) (string, error) {
	p := &silencepb.Silence{
		Id: s.ID, StartsAt: timestamppb.New(s.Start), EndsAt: timestamppb.New(s.End), CreatedBy: s.CreatedBy, Comment: s.Comment, Annotations: s.Annotations,
	}
	for _, x := range s.Matchers {
		p.Matchers = append(p.Matchers, &silencepb.Matcher{Type: matcherType(x), Name: x.Name, Pattern: x.Value})
	}
	p.MatcherSets = []*silencepb.MatcherSet{{Matchers: p.GetMatchers()}}
	err := m.silences.Set(ctx, p)
	return p.GetId(), err
}

func matcherType(x Matcher) silencepb.Matcher_Type {
	switch {
	case x.Regexp && x.Not:
		return silencepb.Matcher_NOT_REGEXP
	case x.Regexp:
		return silencepb.Matcher_REGEXP
	case x.Not:
		return silencepb.Matcher_NOT_EQUAL
	}
	return silencepb.Matcher_EQUAL
}

// ExpireSilence ends a silence now.
func (m *Manager) ExpireSilence(ctx context.Context, id string) error { return m.expire(ctx, id) }

// SilencesWith returns those, active or to come, that have an annotation, by its value.
func (m *Manager) SilencesWith(annotation string) map[string]Silence {
	all, _, err := m.silences.Query(context.Background(), silence.QState(silence.SilenceStateActive, silence.SilenceStatePending))
	if err != nil {
		m.log.Error("cannot read silences", "err", err)
	}
	out := map[string]Silence{}
	for _, p := range all {
		if value := p.GetAnnotations()[annotation]; value != "" {
			out[value] = plainSilence(p)
		}
	}
	return out
}

// Silence returns the one with an ID.
func (m *Manager) Silence(id string) (Silence, bool) {
	p, err := m.silences.QueryOne(context.Background(), silence.QIDs(id))
	if err != nil {
		return Silence{}, false
	}
	return plainSilence(p), true
}

func plainSilence(p *silencepb.Silence) Silence {
	s := Silence{
		ID: p.GetId(), Start: p.GetStartsAt().AsTime(), End: p.GetEndsAt().AsTime(), CreatedBy: p.GetCreatedBy(), Comment: p.GetComment(), Annotations: p.GetAnnotations(),
	}
	matchers := p.GetMatchers()
	if sets := p.GetMatcherSets(); len(matchers) == 0 && len(sets) > 0 {
		matchers = sets[0].GetMatchers() // as they are after they were kept
	}
	for _, x := range matchers {
		t := x.GetType()
		s.Matchers = append(s.Matchers, Matcher{
			Name: x.GetName(), Value: x.GetPattern(),
			Regexp: t == silencepb.Matcher_REGEXP || t == silencepb.Matcher_NOT_REGEXP, Not: t == silencepb.Matcher_NOT_EQUAL || t == silencepb.Matcher_NOT_REGEXP,
		})
	}
	return s
}

// Matches makes a function of matchers that says whether labels match all of them; the error names the matcher that is none.
func Matches(matchers []Matcher) (func(map[string]string) bool, error) {
	var all []*labels.Matcher
	for _, x := range matchers {
		t := labels.MatchEqual
		switch {
		case x.Regexp && x.Not:
			t = labels.MatchNotRegexp
		case x.Regexp:
			t = labels.MatchRegexp
		case x.Not:
			t = labels.MatchNotEqual
		}
		lm, err := labels.NewMatcher(t, x.Name, x.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, lm)
	}
	return func(set map[string]string) bool {
		for _, x := range all {
			if !x.Matches(set[x.Name]) {
				return false
			}
		}
		return true
	}, nil
}

// SilencesOf are the IDs of active silences that match labels.
func (m *Manager) SilencesOf(set map[string]string) []Silence {
	all, _, err := m.silences.Query(context.Background(), silence.QState(silence.SilenceStateActive), silence.QMatches(labelSet(set)))
	if err != nil {
		m.log.Error("cannot read silences", "err", err)
	}
	var out []Silence
	for _, p := range all {
		out = append(out, plainSilence(p))
	}
	return out
}

// join reads a path as relative to a folder.
func join(folder, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
