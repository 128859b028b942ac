package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/collect/forward"
	"github.com/hulotte-dev/hulotte/collect/tail"
	"github.com/hulotte-dev/hulotte/internal/suggest"
	"github.com/hulotte-dev/hulotte/logformat"
)

// Logs is what is followed of this machine's logs.
type Logs struct {
	Enabled     bool
	Auto        bool
	Journal     bool
	Containers  bool
	Own         bool
	Files       []tail.FileInput
	Exclude     []string
	Labels      map[string]string
	Fields      bool
	MaxLineSize int64 // bytes
	MaxFiles    int
	MaxOpen     int
	Wait        time.Duration
	Poll        time.Duration
	Scan        time.Duration
	Watch       bool
	TimeZone    string
}

func tailKeys(l *Logs, role Role) []Key {
	return []Key{
		{Path: "logs.enabled", value: boolean(&l.Enabled), Default: strconv.FormatBool(role != ServerRole),
			Doc: "Whether this host's logs are followed. `hulotte server` leaves them out unless this says true."},
		{Path: "logs.auto", value: boolean(&l.Auto), Default: "true",
			Doc: "Follows the logs that are usually there: `/var/log`, the places of known services, and the log files that running processes write to. What a syslog daemon copies from the journal is left out while the journal is followed."},
		{Path: "logs.journal", value: boolean(&l.Journal), Default: "true",
			Doc: "Follows the systemd journal where there is one, with `journalctl`."},
		{Path: "logs.containers", value: boolean(&l.Containers), Default: "true",
			Doc: "Follows containers: the files of Docker, podman and Kubernetes and, for those that have none, the engines' API (`host.containers.sockets`, `host.containers.ask_engines`)."},
		{Path: "logs.own", value: boolean(&l.Own), Default: "true",
			Doc: "Follows Hulotte's own log, when that goes to a terminal or into a file: elsewhere the journal, or the log of a container, has it."},
		{Path: "logs.files", value: tailFiles{&l.Files},
			Doc: "Files to follow besides. Each entry has `paths` (files or globs, with `**` for any number of folders), and may have `exclude` (globs), `labels` (names with a value each), " +
				"`format` (the name of a [format](logs-collecting.md#formats); found by itself when empty), `encoding` (`utf-8`, `utf-16le`, `utf-16be`, `latin-1`; found by itself, but for `latin-1`), " +
				"`multiline` (an expression that the first line of each record matches), `start` (where files are begun that were there before: `beginning`, the default, `recent`, which is the last 4 MiB, or `end`), and `compressed` (also reads `.gz`, `.zst` and `.bz2` files, once). " +
				"In the environment: the same as YAML in one line."},
		{Path: "logs.exclude", value: list(&l.Exclude),
			Doc: "Globs of files that are never followed; one without a slash is about the name alone."},
		{Path: "logs.labels", value: textMap(&l.Labels, checkLabel),
			Doc: "Labels to put on everything that is followed."},
		{Path: "logs.fields", value: boolean(&l.Fields), Default: "true",
			Doc: "Stores the fields that formats find in lines, such as the status of an access log. Without, only times and levels are taken from lines; queries can still parse them."},
		{Path: "logs.max_line_size", value: size(&l.MaxLineSize, 1<<10, 16<<20), Default: "1MiB",
			Doc: "The most that a line, or a record of several lines, may hold. A longer line is cut, and gets the field `truncated_from_bytes`; a longer record goes on in a further one."},
		{Path: "logs.max_files", value: integer(&l.MaxFiles, 1, 1_000_000), Default: "10000",
			Doc: "Files that are followed at a time; further ones are left out, and counted in `hulotte_tail_errors_total`."},
		{Path: "logs.max_open_files", value: integer(&l.MaxOpen, 1, 1_000_000), Default: "512",
			Doc: "Files above which those are closed to which nothing was written for some seconds."},
		{Path: "logs.multiline_wait", value: duration(&l.Wait), Default: "1s",
			Doc: "How long a record waits for further lines of it, such as those of a trace."},
		{Path: "logs.poll_interval", value: duration(&l.Poll), Default: "1s",
			Doc: "How often followed files are looked at, besides when the kernel tells of a change."},
		{Path: "logs.scan_interval", value: duration(&l.Scan), Default: "5s",
			Doc: "How often new files are looked for."},
		{Path: "logs.watch", value: boolean(&l.Watch), Default: "true",
			Doc: "Lets the kernel tell of changes. Network file systems do not: there it is the polling that finds them, in any case."},
		{Path: "logs.time_zone", value: text(&l.TimeZone),
			Doc: "The zone of times in lines that name none, such as `Europe/Paris`; the default is the machine's."},
	}
}

// maskKey says which secrets are masked.
func maskKey(rules *[]string) Key {
	return Key{Path: "ingest.logs.mask", value: list(rules),
		Doc: "Which secrets are replaced by `***` before a record is kept or sent: `all`, or some of " + maskNames() + ". `hulotte agent` masks what it follows by the same key. The default masks nothing: lines are kept as they came."}
}

// allMasks stands for every rule that is not optional.
const allMasks = "all"

func maskNames() string {
	var names []string
	for _, r := range logformat.MaskRules() {
		names = append(names, "`"+r.Name+"`")
	}
	return strings.Join(names, ", ")
}

// LogMasker masks secrets; it is nil when nothing is to be masked.
func (c *Config) LogMasker() (*logformat.Masker, error) {
	rules := c.Ingest.Logs.Mask
	if len(rules) == 0 {
		return nil, nil
	}
	o := logformat.MaskOptions{On: slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == allMasks })}
	if !slices.Contains(rules, allMasks) {
		o.Off = []string{allMasks}
	}
	return logformat.NewMasker(o)
}

// TailOptions are those of what is followed. Mask is not among them.
func (c *Config) TailOptions() tail.Options {
	l := c.Logs
	zone, _ := time.LoadLocation(l.TimeZone) // it was checked
	if l.TimeZone == "" {
		zone = time.Local
	}
	o := tail.Options{
		Dir: filepath.Join(c.DataDir, "tail"), Instance: c.Host.Instance, Files: l.Files, Auto: l.Auto,
		Exclude: append(slices.Clone(l.Exclude), c.DataDir+"/**"), Labels: l.Labels,
		ProcFS: c.Host.ProcFS, RootFS: c.Host.RootFS,
		NoFields: !l.Fields, Zone: zone, MaxLine: int(l.MaxLineSize), MaxRecord: int(l.MaxLineSize),
		MaxFiles: l.MaxFiles, MaxOpen: l.MaxOpen, FlushAfter: l.Wait, PollEvery: l.Poll, ScanEvery: l.Scan, NoWatch: !l.Watch,
	}
	if l.Journal {
		o.Journal = &tail.JournalOptions{}
	}
	if l.Containers {
		o.Containers = &tail.ContainerOptions{Sockets: c.Host.Containers.Sockets}
		if !c.Host.Containers.AskEngines {
			o.Containers.Sockets = []string{}
		}
	}
	return o
}

// LogForwardOptions are those of the logs that `hulotte agent` sends. The error tells of files that cannot be read.
func (c *Config) LogForwardOptions() (forward.Options, error) {
	o, err := c.ForwardOptions()
	if err != nil {
		return forward.Options{}, err
	}
	external := map[string]string{}
	for name, value := range o.ExternalLabels.Map() {
		external[name] = value
	}
	return forward.Options{
		URL: strings.TrimSuffix(o.URL, "api/v1/write") + "loki/api/v1/push", Client: o.Client, Header: o.Header, Timeout: o.Timeout, Labels: external,
	}, nil
}

func (c *Config) validateLogs(fail func(key, text string)) {
	if _, err := time.LoadLocation(c.Logs.TimeZone); err != nil {
		fail("logs.time_zone", fmt.Sprintf("%q is no time zone that this machine knows: write one such as Europe/Paris or UTC", c.Logs.TimeZone))
	}
	if _, err := c.LogMasker(); err != nil {
		fail("ingest.logs.mask", err.Error())
	}
	if err := tail.CheckGlobs(c.Logs.Exclude); err != nil {
		fail("logs.exclude", err.Error())
	}
}

func checkLabel(name, _ string) error {
	if !tail.ValidLabel(name) {
		return fmt.Errorf("has the label %q: a name has letters, digits and underscores, and does not begin with a digit", name)
	}
	return nil
}

// tailFiles is a list of files to follow.
type tailFiles struct{ p *[]tail.FileInput }

func (v tailFiles) kind() string { return "list of entries" }

func (v tailFiles) parse(s string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s), &doc); err != nil {
		return fmt.Errorf("is no YAML: %w", err)
	}
	if len(doc.Content) == 0 {
		*v.p = nil
		return nil
	}
	return v.decode(doc.Content[0])
}

func (v tailFiles) decode(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("is %s: write a list of entries, such as - paths: [/var/log/app/*.log]", nodeKind(n))
	}
	files := make([]tail.FileInput, 0, len(n.Content))
	for i, m := range n.Content {
		in, err := decodeTailFile(resolve(m))
		if err == nil {
			err = tail.Check(in)
		}
		if err != nil {
			return fmt.Errorf("[%d] (line %d): %w", i, m.Line, err)
		}
		files = append(files, in)
	}
	*v.p = files
	return nil
}

// tailFields binds the names of an entry.
func tailFields(in *tail.FileInput, multiline *string) map[string]value {
	return map[string]value{
		"paths": list(&in.Paths), "exclude": list(&in.Exclude), "labels": textMap(&in.Labels, checkLabel), "format": text(&in.Format),
		"encoding": text(&in.Encoding), "multiline": text(multiline), "start": text(&in.Start), "compressed": boolean(&in.Compressed),
	}
}

func decodeTailFile(n *yaml.Node) (in tail.FileInput, err error) {
	if n.Kind == yaml.ScalarNode { // a path alone
		return tail.FileInput{Paths: []string{n.Value}}, nil
	}
	if n.Kind != yaml.MappingNode {
		return in, fmt.Errorf("is %s: write paths and, when you need them, the other keys", nodeKind(n))
	}
	multiline := ""
	fields := tailFields(&in, &multiline)
	var errs []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		field, ok := fields[name]
		if !ok {
			known := slices.Sorted(maps.Keys(fields))
			hint := "known here are " + strings.Join(known, ", ")
			if s := suggest.Closest(name, known); s != "" {
				hint = fmt.Sprintf("did you mean %q?", s)
			}
			errs = append(errs, fmt.Errorf("unknown key %q: %s", name, hint))
			continue
		}
		if err := field.decode(resolve(n.Content[i+1])); err != nil {
			errs = append(errs, fmt.Errorf("%s %w", name, err))
		}
	}
	if multiline != "" {
		in.Multiline = &tail.Multiline{Begin: multiline}
	}
	return in, errors.Join(errs...)
}

func (v tailFiles) encode() *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range *v.p {
		in := (*v.p)[i]
		multiline := ""
		if in.Multiline != nil {
			multiline = in.Multiline.Begin
		}
		fields := tailFields(&in, &multiline)
		entry := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range [...]string{"paths", "exclude", "labels", "format", "encoding", "multiline", "start", "compressed"} {
			n := fields[name].encode()
			if n.Kind != yaml.ScalarNode && len(n.Content) == 0 || n.Kind == yaml.ScalarNode && (n.Value == "" || n.Value == "false") {
				continue // as if it were not there
			}
			entry.Content = append(entry.Content, scalarNode(name), n)
		}
		out.Content = append(out.Content, entry)
	}
	if len(out.Content) == 0 {
		out.Style = yaml.FlowStyle
	}
	return out
}
