package probe

import (
	"context"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// memcachedOptions are those of the kind memcached.
type memcachedOptions struct {
	serviceOptions
	Stats []statCondition `json:"stats,omitempty" doc:"values of the command stats that are judged"`
}

// statCondition is a named value with what it must be.
type statCondition struct {
	Name string `json:"name" doc:"name of the value, such as curr_connections"`
	condition
}

func memcachedKind() check.Kind {
	return newService[memcachedOptions]("memcached", "Asks memcached for its version, and for values of its stats that are judged.", 11211, 0)
}

func (o *memcachedOptions) prepare() error {
	for i := range o.Stats {
		if o.Stats[i].Name == "" {
			return fmt.Errorf("stats[%d]: name: declare it, such as curr_connections", i)
		}
		if err := o.Stats[i].prepare(o.Stats[i].Name); err != nil {
			return fmt.Errorf("stats[%d]: %w", i, err)
		}
	}
	return nil
}

func (o *memcachedOptions) talk(ctx context.Context, s *session, rep *report) error {
	if err := s.sendLine("version"); err != nil {
		return err
	}
	line, err := s.line()
	if err != nil {
		return err
	}
	version, ok := strings.CutPrefix(line, "VERSION ")
	if !ok {
		return fmt.Errorf("the answer to version is %q", printable(line, 80))
	}
	rep.hello("Memcached %s OK", version)
	if len(o.Stats) == 0 {
		return nil
	}
	stats, err := s.memcachedStats()
	if err != nil {
		return err
	}
	for i := range o.Stats {
		c := &o.Stats[i]
		if v, ok := stats[c.Name]; ok {
			c.judge(rep, c.Name, v)
		} else {
			rep.problem(model.Unknown, "the server has no stat %q", c.Name)
		}
	}
	return nil
}

// maxStats is more than memcached has.
const maxStats = 1000

func (s *session) memcachedStats() (map[string]string, error) {
	if err := s.sendLine("stats"); err != nil {
		return nil, err
	}
	stats := map[string]string{}
	for range maxStats {
		line, err := s.line()
		if err != nil {
			return nil, err
		}
		if line == "END" {
			return stats, nil
		}
		words := strings.SplitN(line, " ", 3)
		if len(words) != 3 || words[0] != "STAT" {
			return nil, fmt.Errorf("the answer to stats has %q", printable(line, 80))
		}
		stats[words[1]] = words[2]
	}
	return nil, fmt.Errorf("the answer to stats has more than %d values", maxStats)
}

// keep asks once: memcached lets a connection stay on which nothing is said, unless its option idle_timeout is set.
func (o *memcachedOptions) keep(ctx context.Context, s *session) error {
	return o.talk(ctx, s, newReport())
}
