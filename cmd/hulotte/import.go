package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check/nagios"
)

func importCommand() *command {
	return &command{
		name:    "hulotte import",
		summary: "Turn what another monitoring is configured with into checks of Hulotte's configuration.",
		subs:    []*command{importNagios(), importKuma()},
	}
}

func importNagios() *command {
	return importFrom("nagios", "PATH", "Print the hosts, services and time periods of a Nagios configuration as Hulotte's.",
		"PATH is a nagios.cfg, or a folder that holds it or object files. To run the configuration as it is instead, name it in monitoring.nagios.",
		[]string{"hulotte import nagios /etc/nagios4 > /etc/hulotte/nagios.yml", "hulotte import nagios --quiet /usr/local/nagios/etc/nagios.cfg"}, nagios.Import)
}

func importKuma() *command {
	return importFrom("uptime-kuma", "FILE", "Print the monitors of Uptime Kuma's backup as Hulotte's checks.",
		"FILE is what Settings, Backup, Export gives.", []string{"hulotte import uptime-kuma backup.json > /etc/hulotte/kuma.yml"}, readKuma)
}

func readKuma(path string) (nagios.Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nagios.Result{}, err
	}
	return nagios.ImportKuma(text)
}

// importFrom is a command that turns over what another monitoring is configured with.
func importFrom(what, args, summary, about string, examples []string, read func(path string) (nagios.Result, error)) *command {
	quiet := false
	name := "hulotte import " + what
	return &command{
		name: name, args: args, summary: summary,
		about:    about + " What has no meaning here\nis told on the error output.",
		examples: examples,
		flags:    func(fs *flag.FlagSet) { fs.BoolVar(&quiet, "quiet", false, "tell of no warnings") },
		run: func(args []string, s streams) int {
			if len(args) != 1 {
				return failed(s.err, name, errors.New("name one file or folder"))
			}
			result, err := read(args[0])
			if err != nil {
				return failed(s.err, name, err)
			}
			if !quiet {
				for _, w := range result.Warnings {
					fmt.Fprintln(s.err, "warning:", printable(w.String()))
				}
			}
			if err := writeImported(s.out, result); err != nil {
				return failed(s.err, name, err)
			}
			fmt.Fprintf(s.err, "%d hosts, %d checks, %d time periods, %d warnings\n", len(result.Hosts), len(result.Specs), len(result.Periods), len(result.Warnings))
			return exitOK
		},
	}
}

// writeImported writes a configuration file.
func writeImported(out io.Writer, r nagios.Result) error {
	text, err := r.YAML()
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	comment := doc.HeadComment
	doc.HeadComment = ""
	file := yaml.Node{Kind: yaml.MappingNode, HeadComment: comment, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "monitoring"}, doc.Content[0]}}
	enc := yaml.NewEncoder(out)
	enc.SetIndent(2)
	if err := enc.Encode(&file); err != nil {
		return err
	}
	return enc.Close()
}
