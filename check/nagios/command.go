package nagios

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/check/plugin"
)

// subject is what a command is about: the source of its macros.
type subject struct {
	*files
	at        place
	host      *object
	service   *object // nil for the host's own check
	groups    []string
	serviceOf []string // service groups
	hosts     map[string]*object
	args      []string
	inHandler bool
}

// splitCommand splits a check_command at its exclamation marks: the command's name and $ARG1$ and so on.
func splitCommand(text string) (name string, args []string) {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '!':
			b.WriteByte('!')
			i++
		case text[i] == '!':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(text[i])
		}
	}
	parts = append(parts, b.String())
	return strings.TrimSpace(parts[0]), parts[1:]
}

// expand replaces the macros of a text.
func (s *subject) expand(text string) string {
	parts := strings.Split(text, "$")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case i == len(parts)-1: // a dollar without a second one
			b.WriteString("$" + part)
		case part == "":
			b.WriteByte('$')
		default:
			b.WriteString(s.macro(part))
		}
	}
	return b.String()
}

func (s *subject) macro(name string) string {
	if n, err := strconv.Atoi(strings.TrimPrefix(name, "ARG")); err == nil && strings.HasPrefix(name, "ARG") {
		if n < 1 || n > len(s.args) {
			return ""
		}
		return s.args[n-1]
	}
	if value, ok := s.macros[name]; ok {
		return value
	}
	if value, ok := s.known(name); ok {
		return value
	}
	if macro, host, ok := strings.Cut(name, ":"); ok {
		other := s.hosts[host]
		if other != nil && !strings.HasPrefix(macro, "SERVICE") && !strings.HasPrefix(macro, "_SERVICE") {
			there := *s
			there.host, there.service, there.groups = other, nil, nil
			if value, ok := there.known(macro); ok {
				s.warnings.add(s.at, "the macro $%s$ has the value of now: it does not change with host %s", name, host)
				return value
			}
		}
		s.warnings.add(s.at, "the macro $%s$ of another host or service has no value here", name)
		return ""
	}
	switch {
	case strings.HasPrefix(name, "USER"):
		s.warnings.add(s.at, "no resource file sets the macro $%s$", name)
	case s.inHandler:
		return "$NAGIOS_" + name
	case strings.HasPrefix(name, "_HOST") || strings.HasPrefix(name, "_SERVICE"):
		s.warnings.add(s.at, "the custom variable of $%s$ is not set", name)
	default:
		s.warnings.add(s.at, "the macro $%s$ has no value here: it is empty", name)
	}
	return ""
}

// known returns the macros that objects set.
func (s *subject) known(name string) (string, bool) {
	if key, ok := strings.CutPrefix(name, "_HOST"); ok {
		a, ok := s.host.attrs["_"+strings.ToUpper(key)]
		return a.value, ok
	}
	if key, ok := strings.CutPrefix(name, "_SERVICE"); ok && s.service != nil {
		a, ok := s.service.attrs["_"+strings.ToUpper(key)]
		return a.value, ok
	}
	host := s.host.get("host_name")
	switch name {
	case "HOSTNAME":
		return host, true
	case "HOSTADDRESS":
		return address(s.host), true
	case "HOSTALIAS":
		return or(s.host.get("alias"), host), true
	case "HOSTDISPLAYNAME":
		return or(s.host.get("display_name"), host), true
	case "HOSTNOTES":
		return s.host.get("notes"), true
	case "HOSTGROUPNAMES", "HOSTGROUPNAME":
		return listMacro(name, s.groups), true
	case "MAXHOSTATTEMPTS":
		return s.host.get("max_check_attempts"), true
	}
	if s.service == nil {
		return "", false
	}
	switch name {
	case "SERVICEDESC":
		return s.service.get("service_description"), true
	case "SERVICEDISPLAYNAME":
		return or(s.service.get("display_name"), s.service.get("service_description")), true
	case "SERVICENOTES":
		return s.service.get("notes"), true
	case "SERVICEGROUPNAMES", "SERVICEGROUPNAME":
		return listMacro(name, s.serviceOf), true
	case "MAXSERVICEATTEMPTS":
		return s.service.get("max_check_attempts"), true
	}
	return "", false
}

// listMacro is all of a sorted list for a macro in the plural, else the first, in the order of Nagios: from its end.
func listMacro(name string, list []string) string {
	list = slices.Clone(list)
	slices.Reverse(list)
	if len(list) > 0 && !strings.HasSuffix(name, "S") {
		return list[0]
	}
	return strings.Join(list, ",")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func address(host *object) string { return or(host.get("address"), host.get("host_name")) }

// argv returns the argument vector of a command line whose macros are replaced. What only a shell can run is run by one.
func (s *subject) argv(line string) []string {
	argv, err := plugin.Split(line)
	switch {
	case errors.Is(err, plugin.ErrShell) || err == nil && outside(line, variable):
		if !s.inHandler {
			s.warnings.add(s.at, "the command needs a shell, because of a pipe, a redirection, a list or a substitution: it runs as /bin/sh -c")
		}
		return []string{"/bin/sh", "-c", line}
	case err != nil:
		s.warnings.add(s.at, "the command cannot be read: %v", err)
		return nil
	}
	if !s.inHandler && outside(line, glob) {
		s.warnings.add(s.at, "the command has *, ? or [ without quotes: they go to the plugin as they are, no shell replaces them by the names of files")
	}
	return argv
}

// glob says whether a pattern of file names begins at i, and variable whether a variable of the shell does.
func glob(line string, i int, quote byte) bool {
	return quote == 0 && strings.IndexByte("*?[", line[i]) >= 0
}

func variable(line string, i int, _ byte) bool {
	if line[i] != '$' || i+1 == len(line) {
		return false
	}
	c := line[i+1]
	return c == '_' || c == '{' || c == '?' || c == '!' || c == '#' || c == '@' || c == '*' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// outside says whether a command line has something where a shell would see it: not behind a backslash, nor in single quotes.
func outside(line string, is func(line string, i int, quote byte) bool) bool {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote == '\'' && c != '\'':
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case is(line, i, quote):
			return true
		}
	}
	return false
}

// question is the kind of a check and its options.
type question struct {
	kind    string
	options any
}

type pluginOptions struct {
	Command []string          `json:"command"`
	Env     map[string]string `json:"env,omitempty"`
}

type nrpeOptions struct {
	Command   string   `json:"command"`
	Arguments []string `json:"arguments,omitempty"`
	Address   string   `json:"address,omitempty"`
	Port      int      `json:"port,omitempty"`
	Version   int      `json:"version,omitempty"`
	NoTLS     bool     `json:"no_tls,omitempty"`
}

// probe returns what asks: a command of the check_command's name. ok is false when there is none; that is warned of.
func (s *subject) probe(commands map[string]*object, text string) (p question, ok bool) {
	line, ok := s.commandLine(commands, text)
	if !ok {
		return p, false
	}
	argv := s.argv(line)
	if len(argv) == 0 {
		return p, false
	}
	if o, ok := checkNRPE(argv, address(s.host)); ok {
		return question{"nrpe", o}, true
	}
	return question{"plugin", pluginOptions{Command: argv}}, true
}

// commandLine returns the command line of a check_command or event_handler with its macros replaced.
func (s *subject) commandLine(commands map[string]*object, text string) (string, bool) {
	name, args := splitCommand(text)
	command := commands[name]
	if command == nil {
		s.warnings.add(s.at, "there is no command %q", name)
		return "", false
	}
	if strings.TrimSpace(command.get("command_line")) == "" {
		s.warnings.add(command.place, "command %q has no command_line", name)
		return "", false
	}
	s.args = nil
	for i, a := range args {
		args[i] = s.expand(a)
	}
	s.args = args
	return s.expand(command.get("command_line")), true
}

// checkNRPE reads the arguments of check_nrpe. One that it does not know leaves the check to the plugin.
func checkNRPE(argv []string, host string) (o nrpeOptions, ok bool) {
	if base := path.Base(argv[0]); base != "check_nrpe" && base != "check_nrpe3" {
		return o, false
	}
	words := argv[1:]
	next := func() string {
		if len(words) < 2 {
			return ""
		}
		words = words[1:]
		return words[0]
	}
	for ; len(words) > 0; words = words[1:] {
		switch words[0] {
		case "-H", "--host":
			if o.Address = next(); o.Address == host {
				o.Address = ""
			}
		case "-c", "--command":
			o.Command = next()
		case "-p", "--port":
			var err error
			if o.Port, err = strconv.Atoi(next()); err != nil {
				return o, false
			}
		case "-t", "--timeout": // the check has its own
			_ = next()
		case "-n", "--no-ssl":
			o.NoTLS = true
		case "-u", "--unknown-timeout":
		case "-2", "--v2-packets-only":
			o.Version = 2
		case "-3", "--v3-packets-only":
			o.Version = 3
		case "-a", "--args":
			o.Arguments = slices.Clone(words[1:])
			return o, o.Command != ""
		default:
			return o, false
		}
	}
	return o, o.Command != ""
}
