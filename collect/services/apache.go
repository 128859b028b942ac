package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

func apacheKind() Kind {
	return withOptions(Kind{
		Name: "apache", Exporter: "apache_exporter", Job: "apache", Up: "apache_up", Address: "127.0.0.1:80",
		Doc: "Requests, bytes, workers, connections and the scoreboard, from the page of mod_status; members of load balancers too.",
		Setup: "Debian's Apache has the page for this machine. Elsewhere, with `mod_status` loaded and `ExtendedStatus On`:\n\n" +
			"```apache\n<Location \"/server-status\">\n  SetHandler server-status\n  Require local\n</Location>\n```",
	}, newApache)
}

const apacheHint = "load mod_status and allow this machine to see /server-status"

func newApache(t Target, o webOptions) (reader, error) {
	if o.URL != "" && !strings.Contains(o.URL, "?") {
		o.URL += "?auto"
	}
	site, err := newWebsite(t, o, "/server-status?auto", apacheHint)
	if err != nil {
		return nil, err
	}
	names := mustTable("apache")
	return func(ctx context.Context, f *families) error {
		text, err := site.get(ctx, "")
		if err != nil {
			return err
		}
		return readApache(text, names, f)
	}, nil
}

// scoreboardStates are the letters of the scoreboard (https://httpd.apache.org/docs/2.4/mod/mod_status.html).
var scoreboardStates = [...]struct{ letter, state string }{
	{"_", "idle"}, {"S", "startup"}, {"R", "read"}, {"W", "reply"}, {"K", "keepalive"}, {"D", "dns"}, {"C", "closing"},
	{"L", "logging"}, {"G", "graceful_stop"}, {"I", "idle_cleanup"}, {".", "open_slot"},
}

// readApache reads "Key: value" lines.
func readApache(text []byte, names table, f *families) error {
	if !bytes.Contains(text, []byte("Scoreboard:")) && !bytes.Contains(text, []byte("IdleWorkers:")) {
		return fmt.Errorf("the page is not that of mod_status: it begins with %s: %s", excerpt(string(text)), apacheHint)
	}
	version, mpm, balancer, worker := "UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN"
	cpu := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		key, v, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		key, v = strings.TrimSpace(key), strings.TrimSpace(v)
		switch key {
		case "ServerVersion":
			version = v
			if n, err := apacheVersion(v); err == nil {
				f.gauge("apache_version", "The version as one number: 2.4.7 is 2.04007.", n)
			}
			continue
		case "ServerMPM":
			mpm = v
			continue
		case "Scoreboard":
			addScoreboard(f, v)
			continue
		}
		if strings.HasPrefix(key, "ProxyBalancer[") {
			addBalancer(f, key, v, &balancer, &worker)
			continue
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			continue
		}
		switch key {
		case "CPUUser", "CPUChildrenUser":
			cpu["user"] += n
		case "CPUSystem", "CPUChildrenSystem":
			cpu["system"] += n
		default:
			names.add(f, strings.ReplaceAll(key, " ", ""), n)
		}
	}
	if len(cpu) > 0 {
		for _, t := range []string{"user", "system"} {
			f.counter("apache_cpu_time_ms_total", "Processor time, in milliseconds.", 1000*cpu[t], "type", t)
		}
	}
	if !f.has("apache_cpuload") {
		f.gauge("apache_cpuload", "Part of a processor that the workers use, in percent.", 0)
	}
	f.gauge("apache_info", "1; the labels tell the version.", 1, "version", version, "mpm", mpm)
	return nil
}

// apacheVersion makes 2.04007 of "Apache/2.4.7 (Debian)".
func apacheVersion(text string) (float64, error) {
	_, text, _ = strings.Cut(text, "/")
	text, _, _ = strings.Cut(text, " ")
	parts := strings.Split(text, ".")
	if len(parts) < 3 {
		return 0, errors.New("not a version of three numbers")
	}
	return strconv.ParseFloat(fmt.Sprintf("%s.%02s%03s", parts[0], parts[1], parts[2]), 64)
}

func addScoreboard(f *families, board string) {
	rest := len(board)
	for _, s := range scoreboardStates {
		n := strings.Count(board, s.letter)
		rest -= n
		f.gauge("apache_scoreboard", "Workers by what they do.", float64(n), "state", s.state)
	}
	if rest > 0 {
		f.gauge("apache_scoreboard", "Workers by what they do.", float64(rest), "state", "unknown")
	}
}

// addBalancer reads ProxyBalancer[0]Name and ProxyBalancer[0]Worker[0]Status, each after what it belongs to.
func addBalancer(f *families, key, v string, balancer, worker *string) {
	_, rest, _ := strings.Cut(key, "]")
	if rest == "Name" {
		*balancer = v
		return
	}
	if !strings.HasPrefix(rest, "Worker[") {
		return
	}
	_, field, _ := strings.Cut(rest, "]")
	n, err := strconv.ParseFloat(strings.TrimRight(v, "kK"), 64)
	pairs := []string{"balancer", *balancer, "worker", *worker}
	switch {
	case field == "Name":
		*worker = v
	case field == "Status":
		f.gauge("apache_proxy_balancer_status", "1; the labels tell the state of a member of a load balancer.", 1, append(pairs, "status", v)...)
	case err != nil:
	case field == "Elected":
		f.counter("apache_proxy_balancer_accesses_total", "Requests that went to the member.", n, pairs...)
	case field == "Busy":
		f.gauge("apache_proxy_balancer_busy", "Requests that the member works on.", n, pairs...)
	case field == "Sent":
		f.counter("apache_proxy_balancer_request_kbytes_total", "Kilobytes sent to the member.", n, pairs...)
	case field == "Rcvd":
		f.counter("apache_proxy_balancer_response_kbytes_total", "Kilobytes that came from the member.", n, pairs...)
	}
}
