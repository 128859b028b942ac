package services

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// messages are brokers.
func messages() map[string]definition {
	return map[string]definition{
		"rabbitmq": {
			programs: []string{"/usr/lib/rabbitmq/bin/rabbitmq-server", "epmd"}, packages: "rabbitmq-server", user: "rabbitmq", patient: 60 * time.Second,
			prepare: func(s *Service) error {
				s.port("epmd")
				s.port("cluster")
				s.Extra["management"] = fmt.Sprintf("http://127.0.0.1:%d", s.port("management"))
				s.Extra["metrics"] = fmt.Sprintf("http://127.0.0.1:%d/metrics", s.port("metrics"))
				s.Extra["user"], s.Extra["password"] = "guest", "guest"
				if err := s.write("enabled_plugins", "[rabbitmq_management,rabbitmq_prometheus].\n"); err != nil {
					return err
				}
				return s.write("rabbitmq.conf", "listeners.tcp.default = 127.0.0.1:{port}\nmanagement.tcp.port = {management}\nmanagement.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {metrics}\nprometheus.tcp.ip = 127.0.0.1\n")
			},
			command: func(s *Service) *exec.Cmd {
				cmd := exec.Command(find("/usr/lib/rabbitmq/bin/rabbitmq-server"))
				cmd.Env = append(os.Environ(), s.erlang()...)
				for _, v := range []string{
					"HOME={dir}", "RABBITMQ_NODENAME=test{port}@localhost", "RABBITMQ_MNESIA_BASE={dir}/mnesia", "RABBITMQ_LOG_BASE={dir}/log",
					"RABBITMQ_CONFIG_FILE={dir}/rabbitmq", "RABBITMQ_ENABLED_PLUGINS_FILE={dir}/enabled_plugins", "RABBITMQ_DIST_PORT={cluster}",
					"RABBITMQ_PID_FILE={dir}/pid", "RABBITMQ_CONF_ENV_FILE={dir}/none",
				} {
					cmd.Env = append(cmd.Env, s.expand(v))
				}
				return cmd
			},
			stop: func(s *Service) { // the port mapper is a daemon of its own
				cmd := exec.Command(find("epmd"), "-port", s.expand("{epmd}"), "-kill")
				cmd.Env = append(os.Environ(), s.erlang()...)
				_ = s.run(cmd) // it may have ended
			},
		},
		"mosquitto": {
			programs: []string{"mosquitto"}, packages: "mosquitto", user: "mosquitto",
			prepare: func(s *Service) error {
				return s.write("mosquitto.conf", "listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n")
			},
			command: func(s *Service) *exec.Cmd { return s.args("mosquitto", "-c {dir}/mosquitto.conf") },
		},
		"nats": {
			programs: []string{"nats-server"}, packages: "nats-server", user: "nats",
			prepare: func(s *Service) error {
				s.Extra["status"] = fmt.Sprintf("http://127.0.0.1:%d", s.port("status"))
				return nil
			},
			command: func(s *Service) *exec.Cmd { return s.args("nats-server", "-a 127.0.0.1 -p {port} -m {status}") },
		},
	}
}

func (s *Service) erlang() []string {
	return []string{"ERL_EPMD_ADDRESS=127.0.0.1", s.expand("ERL_EPMD_PORT={epmd}")}
}
