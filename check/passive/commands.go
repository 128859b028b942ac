package passive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
)

// Actions are what external commands do; app connects them to the engine. A command whose action is nil fails.
type Actions struct {
	Submit        Submit
	Acknowledge   func(ctx context.Context, ids []string, a check.Ack) error
	Unacknowledge func(ctx context.Context, ids []string, by, comment string) error
	AddDowntime   func(ctx context.Context, d check.Downtime) (check.Downtime, error)
	EndDowntime   func(ctx context.Context, id, by string) error
	Downtimes     func() []check.Downtime
	Recheck       func(ids []string, by string) error
	Comment       func(ctx context.Context, id, by, text string) error
	// Services are the IDs of a host's checks without the host's own; Hosts the names of a host group's hosts; Members the IDs of a
	// service group's checks.
	Services, Hosts, Members func(name string) []string
}

var (
	errUnknownCommand = errors.New("the command is not known here")
	errMalformed      = errors.New("the command is malformed")
	errNoAction       = errors.New("the command is not connected to anything")
)

// command is one external command while it is carried out.
type command struct {
	ctx  context.Context
	a    Actions
	now  time.Time
	args []string
}

// Do carries out one line: "[1700000000] NAME;argument;argument". name is for the log.
func (a Actions) Do(ctx context.Context, line string, now time.Time) (name string, err error) {
	line = strings.TrimSpace(line)
	if rest, ok := strings.CutPrefix(line, "["); ok {
		stamp, after, closed := strings.Cut(rest, "]")
		if _, err := strconv.ParseInt(strings.TrimSpace(stamp), 10, 64); !closed || err != nil {
			return "", fmt.Errorf("%w: it begins with [ and no time: write [1700000000] NAME;…", errMalformed)
		}
		line = strings.TrimSpace(after)
	}
	name, rest, _ := strings.Cut(line, ";")
	name = strings.ToUpper(strings.TrimSpace(name))
	do, ok := commands()[name]
	if !ok {
		return cut(name), errUnknownCommand
	}
	c := &command{ctx: ctx, a: a, now: now}
	// The last argument is a text and may hold semicolons.
	c.args = strings.SplitN(rest, ";", do.args)
	if rest == "" {
		c.args = nil
	}
	need := do.least
	if need == 0 {
		need = do.args
	}
	if len(c.args) < need {
		return name, fmt.Errorf("%w: it has %d arguments, not %d: %s;%s", errMalformed, len(c.args), need, name, do.usage)
	}
	for len(c.args) < do.args {
		c.args = append(c.args, "")
	}
	return name, do.run(c)
}

func cut(text string) string { return text[:min(len(text), 64)] }

// action is what a command does. least is how many arguments it needs when that is fewer than args.
type action struct {
	args, least int
	usage       string
	run         func(c *command) error
}

// commands are those of Nagios that mean something here. The numbers of arguments are those of its documentation.
func commands() map[string]action {
	all := map[string]action{
		"PROCESS_SERVICE_CHECK_RESULT": {4, 0, "host;service;code;output", func(c *command) error { return c.result(c.args[0], c.args[1], c.args[2], c.args[3]) }},
		"PROCESS_HOST_CHECK_RESULT":    {3, 0, "host;code;output", func(c *command) error { return c.result(c.args[0], "", c.args[1], c.args[2]) }},

		"ACKNOWLEDGE_SVC_PROBLEM":         {7, 0, "host;service;sticky;notify;persistent;author;comment", func(c *command) error { return c.acknowledge(c.svc(), 2, -1, 5) }},
		"ACKNOWLEDGE_HOST_PROBLEM":        {6, 0, "host;sticky;notify;persistent;author;comment", func(c *command) error { return c.acknowledge(c.host(), 1, -1, 4) }},
		"ACKNOWLEDGE_SVC_PROBLEM_EXPIRE":  {8, 0, "host;service;sticky;notify;persistent;until;author;comment", func(c *command) error { return c.acknowledge(c.svc(), 2, 5, 6) }},
		"ACKNOWLEDGE_HOST_PROBLEM_EXPIRE": {7, 0, "host;sticky;notify;persistent;until;author;comment", func(c *command) error { return c.acknowledge(c.host(), 1, 4, 5) }},
		"REMOVE_SVC_ACKNOWLEDGEMENT":      {2, 0, "host;service", func(c *command) error { return c.unacknowledge(c.svc()) }},
		"REMOVE_HOST_ACKNOWLEDGEMENT":     {1, 0, "host", func(c *command) error { return c.unacknowledge(c.host()) }},

		"ADD_SVC_COMMENT":  {5, 0, "host;service;persistent;author;comment", func(c *command) error { return c.comment(c.svc(), 3) }},
		"ADD_HOST_COMMENT": {4, 0, "host;persistent;author;comment", func(c *command) error { return c.comment(c.host(), 2) }},

		"DEL_SVC_DOWNTIME":          {1, 0, "id", func(c *command) error { return c.endDowntime(c.args[0]) }},
		"DEL_HOST_DOWNTIME":         {1, 0, "id", func(c *command) error { return c.endDowntime(c.args[0]) }},
		"DEL_DOWNTIME_BY_HOST_NAME": {4, 1, "host;service;start;comment", func(c *command) error { return c.endDowntimes() }},
	}
	for _, forced := range []string{"", "FORCED_"} {
		all["SCHEDULE_"+forced+"SVC_CHECK"] = action{3, 2, "host;service;time", func(c *command) error { return c.recheck(c.svc()) }}
		all["SCHEDULE_"+forced+"HOST_CHECK"] = action{2, 1, "host;time", func(c *command) error { return c.recheck(c.host()) }}
		all["SCHEDULE_"+forced+"HOST_SVC_CHECKS"] = action{2, 1, "host;time", func(c *command) error { return c.recheck(c.services(c.args[0])) }}
	}
	for name, d := range map[string]struct {
		first string // what the first argument names
		ids   func(c *command) []string
	}{
		"SCHEDULE_SVC_DOWNTIME":               {"host;service", (*command).svc},
		"SCHEDULE_HOST_DOWNTIME":              {"host", (*command).host},
		"SCHEDULE_HOST_SVC_DOWNTIME":          {"host", func(c *command) []string { return c.services(c.args[0]) }},
		"SCHEDULE_HOSTGROUP_HOST_DOWNTIME":    {"host group", (*command).groupHosts},
		"SCHEDULE_HOSTGROUP_SVC_DOWNTIME":     {"host group", (*command).groupServices},
		"SCHEDULE_SERVICEGROUP_SVC_DOWNTIME":  {"service group", (*command).members},
		"SCHEDULE_SERVICEGROUP_HOST_DOWNTIME": {"service group", (*command).memberHosts},
	} {
		at := strings.Count(d.first, ";") + 1
		all[name] = action{at + 7, 0, d.first + ";start;end;fixed;trigger;duration;author;comment", func(c *command) error { return c.downtime(d.ids(c), at) }}
	}
	return all
}

func (c *command) svc() []string  { return []string{c.args[0] + "/" + c.args[1]} }
func (c *command) host() []string { return []string{c.args[0] + "/" + check.HostCheck} }

func (c *command) services(host string) []string {
	if c.a.Services == nil {
		return nil
	}
	return c.a.Services(host)
}

func (c *command) hosts(group string) []string {
	if c.a.Hosts == nil {
		return nil
	}
	return c.a.Hosts(group)
}

func (c *command) groupHosts() (ids []string) {
	for _, h := range c.hosts(c.args[0]) {
		ids = append(ids, h+"/"+check.HostCheck)
	}
	return ids
}

func (c *command) groupServices() (ids []string) {
	for _, h := range c.hosts(c.args[0]) {
		ids = append(ids, c.services(h)...)
	}
	return ids
}

func (c *command) members() []string {
	if c.a.Members == nil {
		return nil
	}
	return c.a.Members(c.args[0])
}

func (c *command) memberHosts() (ids []string) {
	seen := map[string]bool{}
	for _, id := range c.members() {
		host, _, _ := strings.Cut(id, "/")
		if !seen[host] {
			seen[host] = true
			ids = append(ids, host+"/"+check.HostCheck)
		}
	}
	return ids
}

// number reads an argument.
func (c *command) number(i int) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(c.args[i]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: argument %d, %.40q, is no number", errMalformed, i+1, c.args[i])
	}
	return n, nil
}

// when reads a time in seconds since 1970.
func (c *command) when(i int) (time.Time, error) {
	n, err := c.number(i)
	if err == nil && (n < 0 || n > 1<<33) {
		err = fmt.Errorf("%w: argument %d, %d, is no time in seconds since 1970", errMalformed, i+1, n)
	}
	return time.Unix(n, 0), err
}

func (c *command) result(host, service, code, output string) error {
	if c.a.Submit == nil {
		return errNoAction
	}
	n, err := strconv.Atoi(strings.TrimSpace(code))
	if err != nil {
		return fmt.Errorf("%w: the code %.40q is no number", errMalformed, code)
	}
	name, r := result(service, n, output)
	return c.a.Submit(c.ctx, host, name, r)
}

// acknowledge has the stickiness (2 is sticky), the expiry (-1 for none) and the author before the comment at the given places.
func (c *command) acknowledge(ids []string, sticky, until, author int) error {
	if c.a.Acknowledge == nil {
		return errNoAction
	}
	n, err := c.number(sticky)
	if err != nil {
		return err
	}
	a := check.Ack{By: c.args[author], Comment: c.args[author+1], At: c.now, Sticky: n == 2}
	if until >= 0 {
		if a.Until, err = c.when(until); err != nil {
			return err
		}
	}
	return c.a.Acknowledge(c.ctx, ids, a)
}

// commandFile is who did it where a command does not say.
const commandFile = "command file"

func (c *command) unacknowledge(ids []string) error {
	if c.a.Unacknowledge == nil {
		return errNoAction
	}
	return c.a.Unacknowledge(c.ctx, ids, commandFile, "")
}

func (c *command) comment(ids []string, author int) error {
	if c.a.Comment == nil {
		return errNoAction
	}
	return c.a.Comment(c.ctx, ids[0], c.args[author], c.args[author+1])
}

func (c *command) recheck(ids []string) error {
	if c.a.Recheck == nil {
		return errNoAction
	}
	if len(ids) == 0 {
		return fmt.Errorf("there is nothing to check: %s has no services", c.args[0])
	}
	return c.a.Recheck(ids, commandFile)
}

// downtime has start;end;fixed;trigger;duration;author;comment from at on.
func (c *command) downtime(ids []string, at int) error {
	if c.a.AddDowntime == nil {
		return errNoAction
	}
	start, err1 := c.when(at)
	end, err2 := c.when(at + 1)
	fixed, err3 := c.number(at + 2)
	length, err4 := c.number(at + 4)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	if !end.After(start) {
		return fmt.Errorf("%w: the downtime ends before it begins", errMalformed)
	}
	if len(ids) == 0 {
		return fmt.Errorf("there is nothing in %s to have a downtime", c.args[0])
	}
	d := check.Downtime{By: c.args[at+5], Comment: c.args[at+6], Created: c.now, Checks: ids, Start: start, End: end}
	if fixed == 0 {
		d.Flexible = true
		d.Length = check.Duration(time.Duration(min(max(length, 0), 1<<31)) * time.Second)
	}
	if trigger := strings.TrimSpace(c.args[at+3]); trigger != "0" {
		d.Trigger = trigger
	}
	_, err := c.a.AddDowntime(c.ctx, d)
	return err
}

func (c *command) endDowntime(id string) error {
	if c.a.EndDowntime == nil {
		return errNoAction
	}
	return c.a.EndDowntime(c.ctx, strings.TrimSpace(id), commandFile)
}

// endDowntimes ends those of a host, or of one of its services, that begin at a time or have a comment when these are given.
func (c *command) endDowntimes() error {
	if c.a.EndDowntime == nil || c.a.Downtimes == nil {
		return errNoAction
	}
	host, service, start, comment := c.args[0], c.args[1], strings.TrimSpace(c.args[2]), c.args[3]
	var all []error
	for _, d := range c.a.Downtimes() {
		match := false
		for _, id := range d.Checks {
			of, name, _ := strings.Cut(id, "/")
			match = match || of == host && (service == "" || name == service)
		}
		if !match || start != "" && start != strconv.FormatInt(d.Start.Unix(), 10) || comment != "" && comment != d.Comment {
			continue
		}
		all = append(all, c.a.EndDowntime(c.ctx, d.ID, commandFile))
	}
	return errors.Join(all...)
}
