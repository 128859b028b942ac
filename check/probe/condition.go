package probe

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// condition is what a text or number that a service answered must be.
type condition struct {
	Equals  text        `json:"equals,omitempty" doc:"text that it must be"`
	Matches string      `json:"matches,omitempty" doc:"regular expression that it must match"`
	Warn    check.Range `json:"warn,omitempty" doc:"for a number: WARNING outside this range"`
	Crit    check.Range `json:"crit,omitempty" doc:"for a number: CRITICAL outside this range"`
	Label   string      `json:"label,omitempty" doc:"its name in the performance data"`

	re *regexp.Regexp
}

func (c *condition) prepare(label string) (err error) {
	if c.Label == "" {
		c.Label = label
	}
	if c.Matches != "" {
		if c.re, err = regexp.Compile(c.Matches); err != nil {
			return fmt.Errorf("matches: %w", err)
		}
	}
	return nil
}

// judge reports on what was answered; what names it. Numbers become performance data.
func (c *condition) judge(rep *report, what, answer string) {
	switch {
	case c.Equals != "" && answer != string(c.Equals):
		rep.problem(model.Critical, "%s is %q, not %q", what, printable(answer, 100), c.Equals)
		return
	case c.re != nil && !c.re.MatchString(answer):
		rep.problem(model.Critical, "%s is %q, which does not match %q", what, printable(answer, 100), c.Matches)
		return
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(answer), 64)
	if err != nil {
		if c.Warn.Set() || c.Crit.Set() {
			rep.problem(model.Unknown, "%s is %q, which is no number", what, printable(answer, 100))
		}
		return
	}
	rep.value(c.Label, number, "", c.Warn, c.Crit, strings.ReplaceAll(what, "%", "%%")+" is %s")
}
