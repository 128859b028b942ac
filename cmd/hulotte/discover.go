package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/collect/discovery"
)

func discoverCommand(f *settings) *command {
	asJSON, why := false, false
	return &command{
		name:    "hulotte discover",
		summary: "Look for the services of this machine and print what is found, and why.",
		about: `It looks once, by itself: no server is needed, nothing is kept and nothing is asked of the services. The
configuration's section monitoring.discovery holds. What it may see depends on the user: root sees everything.`,
		examples: []string{"hulotte discover", "hulotte discover --why", "hulotte discover --json | jq '.services[].address'"},
		flags: func(fs *flag.FlagSet) {
			fs.Func("config", "configuration `FILE`; else ./hulotte.yml or /etc/hulotte/hulotte.yml when there is one", func(s string) error {
				f.file = s
				return nil
			})
			fs.BoolVar(&why, "why", false, "print everything that is known of why, and what listens that is no known service")
			jsonFlag(fs, &asJSON)
		},
		run: func(_ []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			if err := discover(ctx, f, asJSON, why, s); err != nil {
				return failed(s.err, "hulotte discover", err)
			}
			return exitOK
		},
	}
}

// seen is what `hulotte discover --json` prints.
type seen struct {
	Services []discovery.Service  `json:"services"`
	Others   []discovery.Stranger `json:"others"`
	Warnings []string             `json:"warnings"`
}

func discover(ctx context.Context, f *settings, asJSON, why bool, s streams) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	d, err := discovery.New(c.DiscoveryOptions(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	for range 2 { // the second time the engines of containers have answered
		if err := d.Scan(ctx); err != nil {
			return err
		}
	}
	all := seen{Services: d.Services(), Others: d.Strangers(), Warnings: d.Warnings()}
	if asJSON {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	if err := printServices(s.out, all, why); err != nil {
		return err
	}
	for _, w := range all.Warnings {
		fmt.Fprintln(s.err, "warning: "+w)
	}
	return nil
}

func printServices(out io.Writer, all seen, why bool) error {
	if len(all.Services) == 0 {
		fmt.Fprintln(out, "No service of the catalogue runs here.")
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(all.Services) > 0 {
		fmt.Fprintln(w, "SERVICE\tINSTANCE\tPID\tLISTENS\tCHECK\tMETRICS\tWHY")
	}
	for i := range all.Services {
		v := &all.Services[i]
		fmt.Fprintln(w, printable(strings.Join([]string{
			v.Name, orDash(v.Instance), pidText(v), listenText(v), orDash(v.Check.Kind), orDash(metricsText(v)), strings.TrimSuffix(first(v.Why), "."),
		}, "\t")))
	}
	if err := w.Flush(); err != nil || !why {
		return err
	}
	for i := range all.Services {
		v := &all.Services[i]
		fmt.Fprintf(out, "\n%s: %s\n", printable(v.ID), printable(v.Title+map[bool]string{true: " " + v.Version}[v.Version != ""]))
		for _, line := range v.Why {
			fmt.Fprintln(out, "  "+printable(line))
		}
		fmt.Fprintln(out, "  "+printable(checkText(v)))
		if text := metricsText(v); text != "" {
			fmt.Fprintln(out, printable(fmt.Sprintf("  Metrics: %s at %s, as job %s.", text, cmp.Or(urlOf(v), v.Metrics.Address), v.Metrics.Job)))
		}
	}
	return printOthers(out, all.Others)
}

func printOthers(out io.Writer, others []discovery.Stranger) error {
	if len(others) == 0 {
		return nil
	}
	fmt.Fprintln(out, "\nThese listen too, and are no services of the catalogue:")
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, o := range others {
		fmt.Fprintln(w, printable(fmt.Sprintf("  %s\t%s\t%s", o.Address, orDash(o.Program), map[bool]string{true: "pid " + strconv.Itoa(o.PID)}[o.PID != 0])))
	}
	return w.Flush()
}

func orDash(s string) string { return cmp.Or(s, "-") }

func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

func pidText(v *discovery.Service) string {
	switch n := len(v.PIDs); n {
	case 0:
		return "-"
	case 1:
		return strconv.Itoa(v.PIDs[0])
	default:
		return fmt.Sprintf("%d +%d", v.PIDs[0], n-1)
	}
}

// listenText is the address that is asked, and how many others there are.
func listenText(v *discovery.Service) string {
	others := 0
	for _, a := range v.Listen {
		if a != v.Address {
			others++
		}
	}
	text := orDash(v.Address.String())
	if v.Address.Network == "udp" {
		text += "/udp"
	}
	if others > 0 {
		text += fmt.Sprintf(" +%d", others)
	}
	return text
}

func metricsText(v *discovery.Service) string {
	if v.Metrics.Kind == "prometheus" && v.Metrics.Exporter != "" {
		return "prometheus (" + v.Metrics.Exporter + ")"
	}
	return v.Metrics.Kind
}

func urlOf(v *discovery.Service) string {
	url, _ := v.Metrics.Options["url"].(string) // only a page that is scraped has one
	return url
}

func checkText(v *discovery.Service) string {
	if v.Check.Kind == "" {
		return "It is not checked."
	}
	text, err := json.Marshal(v.Check.Options)
	if err != nil {
		return "Check: " + v.Check.Kind
	}
	return fmt.Sprintf("Check: %s %s", v.Check.Kind, text)
}
