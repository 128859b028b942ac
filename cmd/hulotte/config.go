package main

import (
	"fmt"

	"github.com/hulotte-dev/hulotte/config"
)

func configCommand(f *settings) *command {
	return &command{
		name:     "hulotte config",
		summary:  "Check or show the configuration.",
		examples: []string{"hulotte config check", "hulotte config show --config /etc/hulotte/hulotte.yml"},
		subs:     []*command{configCheck(f), configShow(f)},
	}
}

func configCheck(f *settings) *command {
	return &command{
		name:    "hulotte config check",
		args:    "[FILE]",
		summary: "Read the configuration, its scrape configurations and rule files, and print everything that is wrong.",
		about:   "Ends with 0 when all is well and with 1 otherwise. Environment and flags count as they would for the process.",
		examples: []string{
			"hulotte config check /etc/hulotte/hulotte.yml",
			"hulotte config check --prometheus.config /etc/prometheus/prometheus.yml",
		},
		flags: f.declare,
		run: func(args []string, s streams) int {
			if !f.fileArgument(args, s) {
				return exitUsage
			}
			return checkConfig(f.sources(config.Both), s)
		},
	}
}

func checkConfig(src config.Sources, s streams) int {
	c, err := config.Load(src)
	if err != nil {
		fmt.Fprintln(s.err, err)
		return exitFailed
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(s.err, "warning: "+w.Error())
	}
	fmt.Fprintln(s.out, c.Summary())
	return exitOK
}

func configShow(f *settings) *command {
	return &command{
		name:     "hulotte config show",
		args:     "[FILE]",
		summary:  "Print the values in force as YAML, each with where it came from; secrets are masked.",
		examples: []string{"hulotte config show", "HULOTTE_SERVER_LISTEN=:9070 hulotte config show /etc/hulotte/hulotte.yml"},
		flags:    f.declare,
		run: func(args []string, s streams) int {
			if !f.fileArgument(args, s) {
				return exitUsage
			}
			c, err := config.Load(f.sources(config.Both))
			if err == nil {
				err = c.Show(s.out)
			}
			if err != nil {
				fmt.Fprintln(s.err, err)
				return exitFailed
			}
			return exitOK
		},
	}
}

// fileArgument takes the file as an argument too, not only as --config.
func (f *settings) fileArgument(args []string, s streams) bool {
	if len(args) == 0 {
		return true
	}
	if len(args) > 1 || f.file != "" {
		fmt.Fprintln(s.err, "hulotte config: give one file")
		return false
	}
	f.file = args[0]
	return true
}
