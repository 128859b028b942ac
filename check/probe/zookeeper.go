package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// zookeeperOptions are those of the kind zookeeper.
type zookeeperOptions struct {
	serviceOptions
	Command string `json:"command,omitempty" doc:"ruok (when nothing is declared), or srvr, which also tells version and mode; the server must allow it (4lw.commands.whitelist)"`
	Mode    string `json:"mode,omitempty" doc:"with srvr: leader, follower, observer or standalone, CRITICAL when it is another"`
}

func zookeeperKind() check.Kind {
	return newService[zookeeperOptions]("zookeeper", "Asks ZooKeeper by a four letter word whether it serves.", 2181, 0)
}

func (o *zookeeperOptions) prepare() error {
	switch o.Command {
	case "":
		o.Command = "ruok"
		if o.Mode != "" {
			o.Command = "srvr"
		}
	case "ruok", "srvr":
	default:
		return fmt.Errorf("command: %q: write ruok or srvr", o.Command)
	}
	if o.Mode != "" && o.Command != "srvr" {
		return errors.New("mode: only srvr tells it")
	}
	return nil
}

func (o *zookeeperOptions) talk(_ context.Context, s *session, rep *report) error {
	if err := s.send([]byte(o.Command)); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(s.in, maxLine))
	answer := string(data)
	switch {
	case err != nil && answer == "":
		return err
	case strings.Contains(answer, "not in the whitelist"):
		rep.hello("ZooKeeper OK, does not allow the command %s", o.Command)
		if o.Mode != "" {
			return notAsked("the server does not allow the command srvr: add it to 4lw.commands.whitelist")
		}
		return nil
	case answer == "":
		return errors.New("the server closed the connection without a word")
	case o.Command == "ruok" && answer != "imok":
		return fmt.Errorf("the answer to ruok is %q", printable(answer, 100))
	case o.Command == "ruok":
		rep.hello("ZooKeeper OK, imok")
		return nil
	}
	return o.judge(answer, rep)
}

func (o *zookeeperOptions) judge(answer string, rep *report) error {
	fields := map[string]string{}
	for line := range strings.Lines(answer) {
		if name, v, ok := strings.Cut(line, ":"); ok {
			fields[strings.TrimSpace(name)] = strings.TrimSpace(v)
		}
	}
	mode := fields["Mode"]
	if mode == "" {
		return fmt.Errorf("the server does not serve: %s", printable(answer, 200))
	}
	if o.Mode != "" && mode != o.Mode {
		return fmt.Errorf("it is %s, not %s", mode, o.Mode)
	}
	version, _, _ := strings.Cut(fields["Zookeeper version"], "-")
	rep.hello("ZooKeeper %s OK, %s", version, mode)
	return nil
}
