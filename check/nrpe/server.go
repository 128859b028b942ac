package nrpe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/internal/tcpserver"
	"github.com/hulotte-dev/hulotte/model"
)

// nasty are the characters that arguments may not have, as NRPE has them.
const nasty = "|`&><'\\[]{};\r\n"

// maxArguments is how many $ARGn$ there are.
const maxArguments = 16

// Version is what the question _NRPE_CHECK is answered with. Scripts look for "NRPE v".
const Version = "NRPE v4.1.0 (Hulotte)"

// ServerOptions configures a Server. Zero values mean the default, or what ConfigFile says.
type ServerOptions struct {
	// Address to listen on. Default: 127.0.0.1:5666, or server_address and server_port of ConfigFile.
	Address string
	// ConfigFile is an nrpe.cfg, taken as it is. What is set here goes before what is set there.
	ConfigFile string
	// Commands are further ones by name, without a shell; $ARG1$ to $ARG16$ are replaced.
	Commands       map[string]plugin.Argv
	AllowedHosts   []string
	AllowArguments bool
	// AllowShell runs commands of ConfigFile that only a shell can run ("a | b") by /bin/sh. Arguments never reach them.
	AllowShell bool
	NoTLS      bool
	// NoAnonymous refuses clients that know nothing but anonymous Diffie-Hellman, as check_nrpe before 3.0. With ClientCerts they are
	// refused anyway. Those that verify certificates lose nothing by others being answered.
	NoAnonymous bool
	// CertFile and KeyFile are the server's certificate; without them one is made at each start, which check_nrpe accepts. CAFile has the
	// authorities of clients' certificates, which are asked for when ClientCerts is 1 and required when it is 2.
	CertFile, KeyFile, CAFile string
	ClientCerts               int
	CommandTimeout            time.Duration // 60s
	MaxConns                  int           // 256
	MaxCommands               int           // that run at once; 64
	Runner                    *plugin.Runner
	// Lookup answers with the newest result of one of our own checks, by its name or host/name, false when there is none. The name ""
	// asks for all of them in one result. Nil: only commands are answered.
	Lookup func(name string) (model.CheckResult, bool)
}

// Server answers check_nrpe.
type Server struct {
	o        ServerOptions
	tls      *tls.Config // when the server itself does the handshake; see NoAnonymous
	tcp      *tcpserver.Server
	lines    map[string]string // commands of the file
	prefix   []string
	metas    string
	running  chan struct{} // a place for each command that runs; never closed
	log      *slog.Logger
	requests *prometheus.CounterVec
}

// Listen reads the configuration and binds the address.
func Listen(o ServerOptions, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	s := &Server{o: o, metas: nasty, lines: map[string]string{}, log: log}
	if o.ConfigFile != "" {
		c, err := ReadConfig(o.ConfigFile)
		if err != nil {
			return nil, err
		}
		for _, w := range c.Warnings {
			log.Warn("NRPE's configuration", "problem", w)
		}
		if err := s.take(c); err != nil {
			return nil, err
		}
	}
	s.setDefaults()
	secure, err := s.o.tls()
	if err != nil {
		return nil, err
	}
	if !s.o.NoAnonymous && secure != nil && s.o.ClientCerts == 0 {
		s.tls, secure = secure, nil // which one it is, the first bytes tell
	}
	s.tcp, err = tcpserver.Listen("nrpe", tcpserver.Options{
		Address: s.o.Address, TLS: secure, Allowed: s.o.AllowedHosts, MaxConns: s.o.MaxConns,
		// A connection is as long as its command, and a little for the question and the answer.
		Lifetime: s.o.CommandTimeout + 10*time.Second,
	}, log, reg)
	if err != nil {
		return nil, err
	}
	s.requests = promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_nrpe_requests_total", Help: "Questions of check_nrpe by what became of them: version, command, check, unknown, refused or busy.",
	}, []string{"answer"})
	return s, nil
}

func (s *Server) setDefaults() {
	o := &s.o
	if o.Address == "" {
		o.Address = "127.0.0.1:5666"
	}
	if o.CommandTimeout <= 0 {
		o.CommandTimeout = time.Minute
	}
	if o.MaxCommands <= 0 {
		o.MaxCommands = 64
	}
	if o.Runner == nil {
		o.Runner = plugin.NewRunner()
	}
	s.running = make(chan struct{}, o.MaxCommands)
}

// take fills in what the file says and the options do not.
func (s *Server) take(c *Config) error {
	o := &s.o
	if o.Address == "" {
		port := c.Port
		if port == 0 {
			port = 5666
		}
		o.Address = net.JoinHostPort(c.Address, strconv.Itoa(port))
	}
	if o.AllowedHosts == nil {
		o.AllowedHosts = c.AllowedHosts
	}
	o.AllowArguments = o.AllowArguments || c.AllowArguments
	if o.CommandTimeout == 0 {
		o.CommandTimeout = c.CommandTimeout
	}
	if o.MaxCommands == 0 {
		o.MaxCommands = c.MaxCommands
	}
	if o.CertFile == "" {
		o.CertFile, o.KeyFile = c.CertFile, c.KeyFile
	}
	if o.CAFile == "" {
		o.CAFile = c.CAFile
	}
	if o.ClientCerts == 0 {
		o.ClientCerts = c.ClientCerts
	}
	o.NoAnonymous = o.NoAnonymous || c.NoAnonymous
	s.metas = c.NastyMetachars
	s.lines = c.Commands
	for _, name := range c.Names() {
		if _, err := plugin.Split(c.Commands[name]); errors.Is(err, plugin.ErrShell) && !o.AllowShell {
			s.log.Warn("a command of NRPE's configuration needs a shell, and is not run", "command", name, "fix", "write a script, or set allow_shell")
		}
	}
	var err error
	if s.prefix, err = plugin.Split(c.Prefix); err != nil {
		return fmt.Errorf("command_prefix: %w", err)
	}
	return nil
}

// Addr is the address in use.
func (s *Server) Addr() net.Addr { return s.tcp.Addr() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error { return s.tcp.Serve(ctx, s.serve) }

// Close unbinds a server that does not serve.
func (s *Server) Close() error { return s.tcp.Close() }

func (s *Server) serve(ctx context.Context, c net.Conn) error {
	if s.tls != nil {
		t, err := s.secure(ctx, c)
		if err != nil {
			return err
		}
		defer func() { _ = t.Close() }()
		c = t
	}
	// The question comes at once: a slow sender does not hold a connection for as long as a command may run.
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	q, err := readPacket(c, defaultPayload)
	if err != nil {
		return err
	}
	if q.kind != query {
		return fmt.Errorf("a packet of type %d is no question", q.kind)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := s.answer(ctx, string(q.text))
	status := r.Status
	if status < model.OK || status > model.Unknown {
		status = model.Unknown
	}
	a := packet{version: q.version, kind: response, result: int16(status), text: []byte(plugin.Format(r))}
	_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err = c.Write(a.encode(defaultPayload))
	return err
}

// secure does the handshake that the client understands.
func (s *Server) secure(ctx context.Context, c net.Conn) (net.Conn, error) {
	c, suite, err := peekHello(c)
	if err != nil {
		return nil, err
	}
	if suite != 0 {
		return serveAnonymous(ctx, c)
	}
	t := tls.Server(c, s.tls)
	return t, t.HandshakeContext(ctx)
}

func unknown(format string, args ...any) model.CheckResult {
	return model.CheckResult{Status: model.Unknown, Output: fmt.Sprintf(format, args...)}
}

// answer answers "name!argument!argument".
func (s *Server) answer(ctx context.Context, text string) model.CheckResult {
	parts := strings.Split(text, "!")
	name, args := parts[0], parts[1:]
	if name == "_NRPE_CHECK" {
		s.requests.WithLabelValues("version").Inc()
		return model.CheckResult{Output: Version}
	}
	line, inFile := s.lines[name]
	argv, declared := s.o.Commands[name]
	if !inFile && !declared {
		return s.lookUp(name, args)
	}
	if why := s.refuse(args); why != "" {
		s.requests.WithLabelValues("refused").Inc()
		return unknown("NRPE: %s", why)
	}
	var err error
	if declared {
		argv = expand(argv, args)
	} else if argv, err = s.split(line, args); err != nil {
		s.requests.WithLabelValues("refused").Inc()
		return unknown("NRPE: command %s cannot be run: %v", name, err)
	}
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	default:
		s.requests.WithLabelValues("busy").Inc()
		return unknown("NRPE: %d commands run already; try again later, or raise max_commands", cap(s.running))
	}
	s.requests.WithLabelValues("command").Inc()
	return s.run(ctx, argv)
}

func (s *Server) run(ctx context.Context, argv []string) model.CheckResult {
	ctx, cancel := context.WithTimeout(ctx, s.o.CommandTimeout)
	defer cancel()
	path, err := plugin.LookUp(argv[0], plugin.Dirs())
	if err != nil {
		return unknown("NRPE: %v", err)
	}
	ran, err := s.o.Runner.Run(ctx, plugin.Command{
		Argv: slices.Concat([]string{path}, argv[1:]),
		Env:  map[string]string{"NRPE_MULTILINESUPPORT": "1", "NRPE_PROGRAMVERSION": "4.1.0"},
	})
	if err != nil {
		return unknown("NRPE: %v", err)
	}
	return ran.Result()
}

// lookUp answers with the state of one of our checks.
func (s *Server) lookUp(name string, args []string) model.CheckResult {
	if s.o.Lookup != nil {
		of := name
		if name == "check_hulotte" {
			of = strings.Join(args, "!")
		}
		if r, ok := s.o.Lookup(of); ok {
			s.requests.WithLabelValues("check").Inc()
			return r
		}
	}
	s.requests.WithLabelValues("unknown").Inc()
	return unknown("NRPE: Command '%s' not defined", name)
}

// refuse says why arguments are not taken.
func (s *Server) refuse(args []string) string {
	if len(args) == 0 {
		return ""
	}
	if !s.o.AllowArguments {
		return "arguments are not allowed: set dont_blame_nrpe=1 (allow_arguments) if you trust every allowed host"
	}
	if len(args) > maxArguments {
		return fmt.Sprintf("there are more than %d arguments", maxArguments)
	}
	for _, a := range args {
		if strings.ContainsAny(a, s.metas) || strings.Contains(a, "$(") {
			return "an argument has characters that are not allowed: " + strconv.Quote(s.metas)
		}
	}
	return ""
}

// split makes an argument vector of a line of nrpe.cfg. As in NRPE, an argument may stand for several words.
func (s *Server) split(line string, args []string) ([]string, error) {
	if _, err := plugin.Split(line); errors.Is(err, plugin.ErrShell) {
		switch {
		case !s.o.AllowShell:
			return nil, err
		case len(args) > 0:
			return nil, errors.New("arguments are not given to a command that needs a shell")
		}
		return slices.Concat(s.prefix, []string{"/bin/sh", "-c", line}), nil
	}
	argv, err := plugin.Split(replaceArguments(line, args))
	if err == nil && len(argv) == 0 {
		err = errors.New("nothing is left of it without arguments")
	}
	return slices.Concat(s.prefix, argv), err
}

// expand replaces arguments in each word by itself: one argument is never two words.
func expand(argv plugin.Argv, args []string) plugin.Argv {
	out := make(plugin.Argv, len(argv))
	for i, a := range argv {
		out[i] = replaceArguments(a, args)
	}
	return out
}

// replaceArguments replaces $ARG1$ to $ARG16$ in one pass, so that an argument cannot bring in another macro. Those that
// were not given are empty.
func replaceArguments(text string, args []string) string {
	if !strings.Contains(text, "$ARG") {
		return text
	}
	var pairs []string
	for i := range maxArguments {
		value := ""
		if i < len(args) {
			value = args[i]
		}
		pairs = append(pairs, fmt.Sprintf("$ARG%d$", i+1), value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// readPEM reads a file of certificates.
func readPEM(name, path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !bytes.Contains(b, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("%s: %s has no certificate in PEM form", name, path)
	}
	return b, nil
}
