package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// redisOptions are those of the kind redis.
type redisOptions struct {
	serviceOptions
	Username     string         `json:"username,omitempty" doc:"user, when the server has users (ACL)"`
	Password     string         `json:"password,omitempty" doc:"password"`
	PasswordFile string         `json:"password_file,omitempty" doc:"file with the password"`
	Role         string         `json:"role,omitempty" doc:"master or slave: CRITICAL when it is the other"`
	Commands     []redisCommand `json:"commands,omitempty" doc:"commands to run, and what must come"`
}

// redisCommand is a command with what its answer must be.
type redisCommand struct {
	Command []string `json:"command" doc:"the command's words, such as [LLEN, jobs]"`
	condition
}

func redisKind() check.Kind {
	return newService[redisOptions]("redis", "Asks Redis, Valkey or KeyDB: PING, with login, role, and commands whose answers are judged.", 6379, 0)
}

func (o *redisOptions) prepare() error {
	if o.Role != "" && o.Role != "master" && o.Role != "slave" {
		return fmt.Errorf("role: %q: write master or slave", o.Role)
	}
	if o.Password != "" && o.PasswordFile != "" {
		return errors.New("password and password_file: declare one of them")
	}
	for i := range o.Commands {
		c := &o.Commands[i]
		if len(c.Command) == 0 {
			return fmt.Errorf("commands[%d]: command: declare its words, such as [LLEN, jobs]", i)
		}
		if err := c.prepare(strings.Join(c.Command, " ")); err != nil {
			return fmt.Errorf("commands[%d]: %w", i, err)
		}
	}
	return nil
}

func (o *redisOptions) talk(_ context.Context, s *session, rep *report) error {
	if err := o.login(s); err != nil {
		return err
	}
	pong, err := s.redis("PING")
	var refused redisError
	switch {
	case errors.As(err, &refused) && strings.HasPrefix(string(refused), "NOAUTH"):
		rep.hello("Redis OK, asks for a password")
		if o.Role != "" || len(o.Commands) > 0 {
			return errors.New("the server asks for a password: declare password or password_file")
		}
		return nil
	case err != nil:
		return err
	case pong != "PONG":
		return fmt.Errorf("the answer to PING is %q", printable(pong, 80))
	}
	rep.hello("Redis OK, PONG")
	if err := o.judgeInfo(s, rep); err != nil {
		return err
	}
	for i := range o.Commands {
		c := &o.Commands[i]
		answer, err := s.redis(c.Command...)
		if errors.As(err, &refused) {
			rep.problem(model.Critical, "%s: %s", strings.Join(c.Command, " "), refused)
		} else if err != nil {
			return err
		} else {
			c.judge(rep, strings.Join(c.Command, " "), answer)
		}
	}
	return nil
}

func (o *redisOptions) login(s *session) error {
	if o.Password == "" && o.PasswordFile == "" {
		return nil
	}
	password, err := secret(o.Password, o.PasswordFile, "password_file")
	if err != nil {
		return err
	}
	words := []string{"AUTH", password}
	if o.Username != "" {
		words = []string{"AUTH", o.Username, password}
	}
	if _, err := s.redis(words...); err != nil {
		return fmt.Errorf("cannot log in: %w", err)
	}
	return nil
}

// judgeInfo tells version and role, where the server says them.
func (o *redisOptions) judgeInfo(s *session, rep *report) error {
	text, err := s.redis("INFO")
	var refused redisError
	if errors.As(err, &refused) {
		if o.Role != "" {
			rep.problem(model.Unknown, "cannot read the role: %s", refused)
		}
		return nil
	}
	if err != nil {
		return err
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = v
		}
	}
	if v := info["redis_version"]; v != "" {
		rep.hello("Redis %s OK, PONG as %s", v, info["role"])
	}
	if o.Role != "" && info["role"] != o.Role {
		rep.problem(model.Critical, "it is a %s, not a %s", info["role"], o.Role)
	}
	if info["master_link_status"] == "down" {
		rep.problem(model.Warning, "its link to the master %s is down", info["master_host"])
	}
	return nil
}

// keep logs in: Redis lets a connection stay on which nothing is said, unless its option timeout is set.
func (o *redisOptions) keep(_ context.Context, s *session) error {
	if err := o.login(s); err != nil {
		return err
	}
	_, err := s.redis("PING")
	var refused redisError
	if errors.As(err, &refused) {
		return nil // it lives
	}
	return err
}

// redisError is an error that the server answered.
type redisError string

func (e redisError) Error() string { return printable(string(e), 200) }

// redis sends a command and reads its answer as text: arrays one value a line.
func (s *session) redis(words ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if err := s.send([]byte(b.String())); err != nil {
		return "", err
	}
	return readRESP(s.in, 0)
}

const (
	maxRESPDepth = 4
	maxRESPItems = 4096
)

// readRESP reads one value of the Redis serialization protocol, version 2 (redis.io/docs/latest/develop/reference/protocol-spec).
func readRESP(in *bufio.Reader, depth int) (string, error) {
	line, err := readLine(in, maxLine)
	if err != nil {
		return "", err
	}
	if line == "" {
		return "", errors.New("the other side does not speak Redis' protocol: it sent an empty line")
	}
	switch line[0] {
	case '+', ':':
		return line[1:], nil
	case '-':
		return "", redisError(line[1:])
	case '$', '*':
	default:
		return "", fmt.Errorf("the other side does not speak Redis' protocol: it sent %q", printable(line, 80))
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil {
		return "", fmt.Errorf("the other side sent a length of %q", printable(line[1:], 20))
	}
	if n == -1 {
		return "", nil
	}
	if line[0] == '$' {
		data, err := readExactly(in, n, maxTalk)
		if err != nil {
			return "", err
		}
		_, err = io.CopyN(io.Discard, in, 2)
		return string(data), err
	}
	if n < 0 || n > maxRESPItems || depth >= maxRESPDepth {
		return "", fmt.Errorf("the other side sent an array of %d values in depth %d, more than is read", n, depth)
	}
	items := make([]string, 0, min(n, 64))
	for range n {
		item, err := readRESP(in, depth+1)
		if err != nil {
			return "", err
		}
		items = append(items, item)
	}
	return strings.Join(items, "\n"), nil
}
