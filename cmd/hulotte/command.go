package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/suggest"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// streams are where a command writes. err is a file because the log looks whether it is a terminal.
type streams struct {
	out io.Writer
	err *os.File
}

// command is one word of the command line.
type command struct {
	name     string // with the words before it, such as "hulotte config"
	args     string // what follows the flags, such as "[FILE]"
	summary  string // one line
	about    string
	examples []string
	// flags declares the command's flags.
	flags func(*flag.FlagSet)
	// run gets the arguments behind the flags and returns the exit code; nil when a subcommand is needed.
	run func(args []string, s streams) int
	// raw hands all arguments to run, unparsed.
	raw  bool
	subs []*command
}

// execute reads the flags, goes down to the subcommand that is named, and runs it.
func (c *command) execute(args []string, s streams) int {
	if c.raw {
		return c.run(args, s)
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if c.flags != nil {
		c.flags(fs)
	}
	args, err := c.parse(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(s.out, fs)
		return exitOK
	} else if err != nil {
		return c.usageError(s, flagError(fs, err))
	}
	if len(args) > 0 && len(c.subs) > 0 {
		return c.descend(args, s, fs)
	}
	if c.run == nil {
		c.help(s.err, fs)
		return exitUsage
	}
	if len(args) > 0 && c.args == "" {
		return c.usageError(s, fmt.Sprintf("takes no argument %q", args[0]))
	}
	return c.run(args, s)
}

// parse returns the arguments that are no flags. Where no subcommand can follow, flags may stand behind them.
func (c *command) parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if args = fs.Args(); len(args) == 0 || len(c.subs) > 0 {
			return append(rest, args...), nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

func (c *command) descend(args []string, s streams, fs *flag.FlagSet) int {
	var known []string
	for _, sub := range c.subs {
		if sub.word() == args[0] {
			return sub.execute(args[1:], s)
		}
		known = append(known, sub.word())
	}
	if args[0] == "help" {
		if len(args) > 1 {
			return c.descend([]string{args[1], "--help"}, s, fs)
		}
		c.help(s.out, fs)
		return exitOK
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if m := suggest.Closest(args[0], known); m != "" {
		text += fmt.Sprintf(": did you mean %q?", m)
	}
	return c.usageError(s, text)
}

func (c *command) word() string {
	return c.name[strings.LastIndexByte(c.name, ' ')+1:]
}

func (c *command) usageError(s streams, text string) int {
	fmt.Fprintf(s.err, "%s: %s\nSee `%s --help`.\n", c.name, text, c.name)
	return exitUsage
}

// flagError words the errors of package flag our way, and says which flag was meant.
func flagError(fs *flag.FlagSet, err error) string {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err.Error()
	}
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	text := fmt.Sprintf("there is no flag --%s", strings.TrimPrefix(name, "-"))
	if m := suggest.Closest(name, known); m != "" {
		text += fmt.Sprintf(": did you mean --%s?", m)
	}
	return text
}

func (c *command) help(w io.Writer, fs *flag.FlagSet) {
	fmt.Fprintf(w, "%s\n\nUsage:\n", strings.TrimSpace(c.summary+"\n\n"+c.about))
	if c.run != nil {
		fmt.Fprintf(w, "  %s\n", strings.Join(nonEmpty(c.name, flagsWord(fs), c.args), " "))
	}
	if len(c.subs) > 0 {
		fmt.Fprintf(w, "  %s COMMAND ...\n\nCommands:\n", c.name)
		for _, sub := range c.subs {
			fmt.Fprintf(w, "  %-10s %s\n", sub.word(), sub.summary)
		}
	}
	if flagsWord(fs) != "" {
		fmt.Fprintf(w, "\nFlags:\n")
		fs.VisitAll(func(f *flag.Flag) { writeFlag(w, f) })
	}
	if len(c.examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n")
		for _, e := range c.examples {
			fmt.Fprintf(w, "  %s\n", e)
		}
	}
}

func writeFlag(w io.Writer, f *flag.Flag) {
	operand, usage := flag.UnquoteUsage(f)
	fmt.Fprintf(w, "  %-26s %s\n", strings.TrimSpace("--"+f.Name+" "+operand), usage)
}

func flagsWord(fs *flag.FlagSet) string {
	word := ""
	fs.VisitAll(func(*flag.Flag) { word = "[flags]" })
	return word
}

func nonEmpty(words ...string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}
