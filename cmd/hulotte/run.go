package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/hulotte-dev/hulotte/app"
	"github.com/hulotte-dev/hulotte/config"
)

// root is the whole command line.
func root() *command {
	f := &settings{}
	c := f.runCommand("hulotte", config.Both)
	c.summary = "Hulotte watches this host and whatever reports to it, keeps the metrics, and shows them in a browser."
	c.about = "Without a command it is agent and server in one: it needs no configuration."
	c.examples = []string{
		"hulotte                                        # then open http://127.0.0.1:9070/",
		"hulotte --data-dir /srv/hulotte --listen 127.0.0.1:9100",
		"hulotte --prometheus.config /etc/prometheus/prometheus.yml",
		"hulotte config check /etc/hulotte/hulotte.yml",
	}
	agent := f.runCommand("hulotte agent", config.AgentRole)
	agent.summary = "Collect from this host and from targets, and send everything to a server."
	agent.about = "What the server cannot take now waits on the disk, in the data folder. There is no user interface here."
	agent.examples = []string{
		"hulotte agent --server https://obs.example.org/",
		"HULOTTE_AGENT_BASIC_AUTH_USERNAME=web-1 HULOTTE_AGENT_BASIC_AUTH_PASSWORD_FILE=/etc/hulotte/password hulotte agent --config /etc/hulotte/hulotte.yml",
	}
	agent.flags = func(fs *flag.FlagSet) {
		f.declare(fs)
		f.key(fs, "server", "agent.server", "`URL` of the server to send to")
	}
	server := f.runCommand("hulotte server", config.ServerRole)
	server.summary = "Receive, scrape, keep and show, without collecting from this host."
	server.examples = []string{"hulotte server --config /etc/hulotte/hulotte.yml"}
	c.subs = []*command{agent, server, queryCommand(), logsCommand(), statusCommand(f), checkCommand(f), alertCommand(f), rulesCommand(), importCommand(), discoverCommand(f), snmpCommand(f), storageCommand(f), backupCommand(f), restoreCommand(f), configCommand(f), versionCommand()}
	return c
}

// settings are the flags that set keys of the configuration.
type settings struct {
	file  string
	flags []config.Flag
}

func (f *settings) declare(fs *flag.FlagSet) {
	fs.Func("config", "configuration `FILE`; else ./hulotte.yml or /etc/hulotte/hulotte.yml when there is one", func(s string) error {
		f.file = s
		return nil
	})
	f.key(fs, "data-dir", "data_dir", "`DIR` that holds everything that is kept")
	f.key(fs, "listen", "server.listen", "`ADDR` of the HTTP port, 127.0.0.1:9070 by default")
	f.key(fs, "prometheus.config", "prometheus.config", "prometheus.yml `FILE` that is taken as it is")
	f.key(fs, "log.level", "log.level", "least `LEVEL` that is logged: debug, info, warn or error")
	f.key(fs, "log.format", "log.format", "`FORMAT` of the log: auto, text or json")
}

// declareStorage declares what commands about the data folder need.
func (f *settings) declareStorage(fs *flag.FlagSet) {
	fs.Func("config", "configuration `FILE`; else ./hulotte.yml or /etc/hulotte/hulotte.yml when there is one", func(s string) error {
		f.file = s
		return nil
	})
	f.key(fs, "data-dir", "data_dir", "`DIR` that holds everything that is kept")
}

func (f *settings) key(fs *flag.FlagSet, name, key, usage string) {
	fs.Func(name, usage, func(s string) error {
		f.flags = slices.DeleteFunc(f.flags, func(o config.Flag) bool { return o.Key == key })
		f.flags = append(f.flags, config.Flag{Name: "--" + name, Key: key, Value: s})
		return nil
	})
}

// sources is where the configuration of a role comes from.
func (f *settings) sources(role config.Role) config.Sources {
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // the folder is gone: then there is no checkout around it either
	}
	file := f.file
	if file == "" {
		file = config.FileOfEnv()
	}
	return config.Sources{File: file, Search: config.DefaultFiles(), Env: os.Environ(), Flags: f.flags, Role: role, Dir: dir}
}

func (f *settings) runCommand(name string, role config.Role) *command {
	return &command{name: name, flags: f.declare, run: func(_ []string, s streams) int {
		err := app.Run(context.Background(), app.Options{Sources: f.sources(role), Build: build(), Log: s.err})
		if err != nil {
			fmt.Fprintf(s.err, "hulotte: %v\n", err)
			return exitFailed
		}
		return exitOK
	}}
}
