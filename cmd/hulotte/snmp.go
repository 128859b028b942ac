package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/hulotte-dev/hulotte/collect/snmp"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/internal/suggest"
)

func snmpCommand(f *settings) *command {
	return &command{
		name:    "hulotte snmp",
		summary: "Ask network devices by hand, and find them.",
		about: `No server is needed and nothing is kept. ADDRESS is a host, host:port, tcp://host:port, or the name of a device of the
configuration, whose address and auth are then used.`,
		subs: []*command{snmpGet(f), snmpWalk(f), snmpTry(f), snmpScan(f)},
	}
}

// askFlags say who asks, and how patiently.
type askFlags struct {
	settings *settings
	auths    []snmp.NamedAuth // as they are on the command line, in order
	fromFile []string         // of those the names to look up: their place in auths is kept by the name
	v1       bool
	timeout  time.Duration
	tries    int
}

func (a *askFlags) declare(fs *flag.FlagSet, timeout time.Duration) {
	fs.Func("config", "configuration `FILE` with devices and auths; else ./hulotte.yml or /etc/hulotte/hulotte.yml when there is one", func(s string) error {
		a.settings.file = s
		return nil
	})
	fs.Func("auth", "`NAME` of an auth of the configuration, which keeps passwords off the command line", func(s string) error {
		a.auths, a.fromFile = append(a.auths, snmp.NamedAuth{Name: s}), append(a.fromFile, s)
		return nil
	})
	fs.Func("community", "`NAME` of a community", func(s string) error {
		name := "community_" + strconv.Itoa(len(a.auths)+1)
		if s == "public" {
			name = "public_v2"
		}
		a.auths = append(a.auths, snmp.NamedAuth{Name: name, Auth: snmpsession.Auth{Community: s}})
		return nil
	})
	fs.BoolVar(&a.v1, "v1", false, "ask with version 1 instead of 2c")
	fs.Func("v3", "`USER` of version 3, such as username=noc,password=...,auth_protocol=SHA,priv_password=...,priv_protocol=AES", func(s string) error {
		auth, err := parseV3(s)
		if err == nil {
			a.auths = append(a.auths, snmp.NamedAuth{Name: "user_" + auth.Username, Auth: auth})
		}
		return err
	})
	fs.DurationVar(&a.timeout, "timeout", timeout, "`DURATION` for which an answer is waited for")
	fs.IntVar(&a.tries, "tries", 2, "`N`, how often a question is asked before it counts as unanswered")
}

// parseV3 reads the keys of monitoring.snmp.auths. A value may hold everything but a comma.
func parseV3(text string) (a snmpsession.Auth, err error) {
	a.Version = 3
	fields := map[string]*string{
		"username": &a.Username, "password": &a.Password, "auth_protocol": &a.AuthProtocol, "priv_password": &a.PrivPassword,
		"priv_protocol": &a.PrivProtocol, "security_level": &a.SecurityLevel, "context_name": &a.ContextName,
	}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		field := fields[key]
		if field == nil {
			return a, fmt.Errorf("%q is none of %s", key, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		*field = value
	}
	return a, a.Validate()
}

// resolve returns who asks, in order, with the configuration's auths in their places; none when the command line names none.
func (a *askFlags) resolve(s *config.SNMP) ([]snmp.NamedAuth, error) {
	out := slices.Clone(a.auths)
	for i := range out {
		if !slices.Contains(a.fromFile, out[i].Name) {
			if a.v1 {
				out[i].Version = 1
				out[i].Name = strings.Replace(out[i].Name, "public_v2", "public_v1", 1)
			}
			continue
		}
		auth, ok := s.Config.Auths[out[i].Name]
		if !ok {
			return nil, fmt.Errorf("--auth: there is no %q under monitoring.snmp.auths", out[i].Name)
		}
		out[i].Auth = auth
	}
	return out, nil
}

// target is the device that an ADDRESS means, and who asks it.
func (a *askFlags) target(s *config.SNMP, address string) (snmp.DeviceOptions, error) {
	o := snmp.DeviceOptions{Address: address, Auth: s.Config.Auths["public_v2"]}
	for _, d := range s.Devices {
		if d.Name == address || d.Address == address {
			var err error
			if o, err = s.Options(d); err != nil {
				return o, err
			}
		}
	}
	auths, err := a.resolve(s)
	if err != nil || len(auths) == 0 {
		return o, err
	}
	if len(auths) > 1 {
		return o, errors.New("several auths: one device is asked as one; `hulotte snmp scan` finds out which one it takes")
	}
	o.Auth = auths[0].Auth
	return o, nil
}

// ask opens a session and gives it to f.
func (a *askFlags) ask(address string, f func(context.Context, *snmpsession.Session, *snmp.Names) error) error {
	ctx, stop := interrupted()
	defer stop()
	c, err := a.settings.load()
	if err != nil {
		return err
	}
	target, err := a.target(&c.Monitoring.SNMP, address)
	if err != nil {
		return err
	}
	o := snmpsession.Options{Address: target.Address, Auth: target.Auth, Timeout: a.timeout, Retries: a.tries - 1}
	if o.Retries <= 0 {
		o.Retries = -1
	}
	session, err := snmpsession.Open(ctx, o)
	if err != nil {
		return err
	}
	defer session.Close()
	return f(ctx, session, c.Monitoring.SNMP.Config.Names())
}

func snmpGet(f *settings) *command {
	a := &askFlags{settings: f}
	return &command{
		name:     "hulotte snmp get",
		args:     "ADDRESS OBJECT...",
		summary:  "Print objects of a device.",
		about:    "An OBJECT is an OID or a name with its index, such as sysName.0.",
		examples: []string{"hulotte snmp get 192.0.2.1 sysName.0 ifOperStatus.3", "hulotte snmp get core-switch 1.3.6.1.2.1.1.3.0"},
		flags:    func(fs *flag.FlagSet) { a.declare(fs, 3*time.Second) },
		run: func(args []string, s streams) int {
			if len(args) < 2 {
				return usage(s, "hulotte snmp get", "name a device and an object, such as 192.0.2.1 sysName.0")
			}
			err := a.ask(args[0], func(ctx context.Context, session *snmpsession.Session, names *snmp.Names) error {
				var oids []snmpsession.OID
				for _, text := range args[1:] {
					oid, err := names.OID(text)
					if err != nil {
						return err
					}
					oids = append(oids, oid)
				}
				values, err := session.Get(ctx, oids...)
				for _, v := range values {
					fmt.Fprintln(s.out, printable(names.Line(v)))
				}
				if err == nil && len(values) < len(oids) {
					err = fmt.Errorf("the device has no value for %d of %d objects: is the index there?", len(oids)-len(values), len(oids))
				}
				return err
			})
			if err != nil {
				return failed(s.err, "hulotte snmp get", err)
			}
			return exitOK
		},
	}
}

func usage(s streams, name, text string) int {
	fmt.Fprintf(s.err, "%s: %s\nSee `%s --help`.\n", name, text, name)
	return exitUsage
}

func snmpWalk(f *settings) *command {
	a := &askFlags{settings: f}
	return &command{
		name:     "hulotte snmp walk",
		args:     "ADDRESS [OBJECT]",
		summary:  "Print all that a device tells below an object.",
		about:    "An OBJECT is an OID or a name, such as ifTable or ifHCInOctets; mib-2 (1.3.6.1.2.1) when none is named.",
		examples: []string{"hulotte snmp walk 192.0.2.1 system", "hulotte snmp walk core-switch ifHCInOctets", "hulotte snmp walk --v3 username=noc,password=correct-horse,auth_protocol=SHA 192.0.2.1"},
		flags:    func(fs *flag.FlagSet) { a.declare(fs, 3*time.Second) },
		run: func(args []string, s streams) int {
			if len(args) < 1 || len(args) > 2 {
				return usage(s, "hulotte snmp walk", "name a device, such as 192.0.2.1, and at most one object")
			}
			err := a.ask(args[0], func(ctx context.Context, session *snmpsession.Session, names *snmp.Names) error {
				root, err := names.OID(append(args, "mib-2")[1])
				if err != nil {
					return err
				}
				count := 0
				err = session.Walk(ctx, root, func(v snmpsession.Value) error {
					count++
					_, err := fmt.Fprintln(s.out, printable(names.Line(v)))
					return err
				})
				if err == nil && count == 0 {
					err = fmt.Errorf("the device tells nothing below %s", root)
				}
				return err
			})
			if err != nil {
				return failed(s.err, "hulotte snmp walk", err)
			}
			return exitOK
		},
	}
}

func snmpTry(f *settings) *command {
	a := &askFlags{settings: f}
	var modules []string
	return &command{
		name:     "hulotte snmp try",
		args:     "ADDRESS",
		summary:  "Read a device once by modules and print its series, as snmp_exporter would.",
		about:    "Modules are those that come with Hulotte and those of monitoring.snmp.files; auto stands for those that fit the device.",
		examples: []string{"hulotte snmp try 192.0.2.1 --module auto", "hulotte snmp try core-switch"},
		flags: func(fs *flag.FlagSet) {
			a.declare(fs, 20*time.Second)
			fs.Func("module", "`NAME` of a module, several with commas or by several flags; else those of the device", func(s string) error {
				modules = append(modules, strings.Split(s, ",")...)
				return nil
			})
		},
		run: func(args []string, s streams) int {
			if len(args) != 1 {
				return usage(s, "hulotte snmp try", "name one device, such as 192.0.2.1")
			}
			if err := a.tryModules(args[0], modules, s.out); err != nil {
				return failed(s.err, "hulotte snmp try", err)
			}
			return exitOK
		},
	}
}

func (a *askFlags) tryModules(address string, modules []string, out io.Writer) error {
	c, err := a.settings.load()
	if err != nil {
		return err
	}
	s := &c.Monitoring.SNMP
	o, err := a.target(s, address)
	if err != nil {
		return err
	}
	if len(modules) > 0 {
		o.Modules = modules
	}
	known := slices.Sorted(maps.Keys(s.Config.Modules))
	for _, name := range o.Modules {
		if s.Config.Modules[name] == nil && name != snmp.Auto {
			if near := suggest.Closest(name, known); near != "" {
				return fmt.Errorf("there is no module %q: did you mean %q?", name, near)
			}
			return fmt.Errorf("there is no module %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	o.Timeout = a.timeout
	device, err := snmp.NewDevice(s.Config, o)
	if err != nil {
		return err
	}
	families, gatherErr := device.Gather()
	var b bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			return fmt.Errorf("cannot write %s: %w", family.GetName(), err)
		}
	}
	if _, err := io.WriteString(out, printable(b.String())); err != nil {
		return err
	}
	return gatherErr
}

func snmpScan(f *settings) *command {
	a := &askFlags{settings: f}
	var o snmp.ScanOptions
	asYAML, asJSON, quiet, port := false, false, false, 161
	return &command{
		name:    "hulotte snmp scan",
		args:    "SUBNET|RANGE|ADDRESS...",
		summary: "Look which addresses of a network answer to SNMP, and what they are.",
		about: `Who asks are the communities, users and auths of the flags, tried in their order; without one those of the configuration, then
the community public. Ctrl-C ends it with what was found until then. Scan only networks that are yours: a scan looks like an
attack to those who watch a network.`,
		examples: []string{
			"hulotte snmp scan 192.0.2.0/24", "hulotte snmp scan --community public --community office 192.0.2.10-192.0.2.40 198.51.100.0/24",
			"hulotte snmp scan --auth office --yaml 192.0.2.0/24",
		},
		flags: func(fs *flag.FlagSet) {
			a.declare(fs, time.Second)
			fs.IntVar(&port, "port", 161, "`PORT` of addresses that name none")
			fs.IntVar(&o.AtOnce, "at-once", 128, "at most `N` addresses are asked at the same time")
			fs.IntVar(&o.Rate, "rate", 500, "at most `N` questions are asked in a second")
			fs.BoolVar(&asYAML, "yaml", false, "print configuration: entries of monitoring.snmp.devices, with auths (secrets too)")
			jsonFlag(fs, &asJSON)
			quietFlag(fs, &quiet)
		},
		run: func(args []string, s streams) int {
			addresses, err := snmp.Addresses(args, port)
			if err != nil {
				return usage(s, "hulotte snmp scan", err.Error())
			}
			if err := a.scan(addresses, o, scanOutput{asYAML, asJSON, quiet}, s); err != nil {
				return failed(s.err, "hulotte snmp scan", err)
			}
			return exitOK
		},
	}
}

type scanOutput struct{ yaml, json, quiet bool }

func (a *askFlags) scan(addresses []string, o snmp.ScanOptions, as scanOutput, s streams) error {
	ctx, stop := interrupted()
	defer stop()
	c, err := a.settings.load()
	if err != nil {
		return err
	}
	if o.Auths, err = a.scanAuths(&c.Monitoring.SNMP); err != nil {
		return err
	}
	o.Timeout, o.Tries, o.Modules = a.timeout, a.tries, c.Monitoring.SNMP.Config.Detect
	p := newProgress(s.err, as.quiet)
	o.Progress = func(at snmp.Progress) {
		p.line(func(elapsed time.Duration) string { return scanLine(at, elapsed) })
	}
	result, err := snmp.Scan(ctx, addresses, o)
	p.done()
	if err != nil && ctx.Err() == nil {
		return err
	}
	if err := as.write(s.out, result, a.pasted(o.Auths)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped after %d of %d addresses", result.Asked, len(addresses))
	}
	if !as.quiet {
		fmt.Fprintf(s.err, "%d of %d addresses answer.\n", len(result.Found), len(addresses))
	}
	return nil
}

func scanLine(at snmp.Progress, elapsed time.Duration) string {
	left := time.Duration(float64(elapsed) / float64(max(at.Asked, 1)) * float64(at.Total-at.Asked))
	return fmt.Sprintf("%d of %d addresses asked, %d found, %s left", at.Asked, at.Total, at.Found, left.Round(time.Second))
}

// scanAuths are those of the flags, else all that the configuration has and the community public.
func (a *askFlags) scanAuths(s *config.SNMP) ([]snmp.NamedAuth, error) {
	auths, err := a.resolve(s)
	if err != nil || len(auths) > 0 {
		return auths, err
	}
	for _, name := range slices.Sorted(maps.Keys(s.Auths)) {
		auths = append(auths, snmp.NamedAuth{Name: name, Auth: s.Auths[name]})
	}
	if _, own := s.Auths["public_v2"]; !own {
		auths = append(auths, snmp.NamedAuth{Name: "public_v2", Auth: s.Config.Auths["public_v2"]})
	}
	return auths, nil
}

// pasted are the auths that the configuration does not have yet.
func (a *askFlags) pasted(auths []snmp.NamedAuth) []snmp.NamedAuth {
	if len(a.auths) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(auths), func(n snmp.NamedAuth) bool {
		return n.Name == "public_v1" || n.Name == "public_v2" || slices.Contains(a.fromFile, n.Name)
	})
}

func (as scanOutput) write(out io.Writer, r snmp.ScanResult, auths []snmp.NamedAuth) error {
	switch {
	case as.json:
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	case as.yaml:
		text, err := snmp.DevicesYAML(r.Found, auths)
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}
	return printFound(out, r)
}

// modelName has the vendor in front once: many devices tell it with the model.
func modelName(f snmp.Found) string {
	if f.Model == "" || strings.HasPrefix(strings.ToLower(f.Model), strings.ToLower(f.Vendor)) {
		return f.Model
	}
	return f.Vendor + " " + f.Model
}

func printFound(out io.Writer, r snmp.ScanResult) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(r.Found) > 0 {
		fmt.Fprintln(w, "ADDRESS\tNAME\tKIND\tAUTH\tUP FOR\tMODULES\tDESCRIPTION")
	}
	for _, f := range r.Found {
		address := f.Address
		if len(f.Others) > 0 {
			address += fmt.Sprintf(" +%d", len(f.Others))
		}
		description := strings.Join(strings.Fields(cmp.Or(modelName(f), f.Description)), " ")
		if short := []rune(description); len(short) > 60 {
			description = string(short[:59]) + "…"
		}
		up := time.Duration(f.UptimeSeconds) * time.Second
		fmt.Fprintln(w, printable(strings.Join([]string{
			address, orDash(f.Name), orDash(f.Kind), f.Auth, ago(time.Unix(1, 0).Add(up), time.Unix(1, 0)), orDash(strings.Join(f.Modules, ",")), orDash(description),
		}, "\t")))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Refused) > 0 {
		fmt.Fprintln(out, "\nThese answer, but not to those who asked, or could not be asked:")
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		for _, f := range r.Refused {
			fmt.Fprintln(w, printable("  "+f.Address+"\t"+f.Error))
		}
		return w.Flush()
	}
	return nil
}
