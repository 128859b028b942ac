package services

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

func squidKind() Kind {
	return withOptions(Kind{
		Name: "squid", Exporter: "squid-exporter", Job: "squid", Up: "squid_up", Address: "127.0.0.1:3128",
		Doc:   "Requests, bytes, hits, service times and resources, from the cache manager.",
		Setup: "Squid lets this machine ask the manager unless it was told otherwise:\n\n```\nhttp_access allow localhost manager\nhttp_access deny manager\n```\n\nWith `cachemgr_passwd`, give that password.",
	}, newSquid)
}

const squidHint = "allow this machine to ask the manager (http_access allow localhost manager)"

func newSquid(t Target, o webOptions) (reader, error) {
	site, err := newWebsite(t, o, "/squid-internal-mgr", squidHint)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(t.Address)
	if err != nil {
		host = t.Address
	}
	names := mustTable("squid")
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"host", host}
		text, err := site.get(ctx, "/counters")
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "client_http.requests") {
			return fmt.Errorf("the page is not Squid's counters: it begins with %s: %s", excerpt(string(text)), squidHint)
		}
		readSquidCounters(string(text), names, f)
		for page, add := range map[string]func(string, table, *families){"/service_times": readSquidTimes, "/info": readSquidInfo} {
			text, err := site.get(ctx, page)
			if err != nil {
				f.warn(err)
				continue
			}
			add(string(text), names, f)
		}
		return nil
	}, nil
}

// readSquidCounters reads "client_http.requests = 5".
func readSquidCounters(text string, names table, f *families) {
	for line := range strings.Lines(text) {
		key, v, ok := strings.Cut(line, "=")
		if n, err := strconv.ParseFloat(firstWord(v), 64); ok && err == nil {
			names.add(f, "counters."+strings.TrimSpace(key), n)
		}
	}
}

func firstWord(s string) string {
	if words := strings.Fields(s); len(words) > 0 {
		return words[0]
	}
	return ""
}

// squidTimes are the lines of service_times: requests, and how they were answered.
var squidTimes = map[string]string{
	"HTTP Requests (All)": "HTTP_Requests_All", "Cache Misses": "Cache_Misses", "Cache Hits": "Cache_Hits", "Near Hits": "Near_Hits",
	"DNS Lookups": "DNS_Lookups",
}

// readSquidTimes reads "HTTP Requests (All):  50%  0.00091  0.00091" lines, and those under them that lack the name.
func readSquidTimes(text string, _ table, f *families) {
	for line := range strings.Lines(text) {
		about, rest, ok := strings.Cut(line, ":")
		name, known := squidTimes[strings.TrimSpace(about)]
		percent, rest, ok2 := strings.Cut(rest, "%")
		percent = strings.TrimSpace(percent)
		_, err := strconv.ParseUint(percent, 10, 8)
		n, err2 := strconv.ParseFloat(firstWord(rest), 64)
		if ok && ok2 && known && err == nil && err2 == nil && isWord(name) {
			f.gauge("squid_"+name+"_"+percent, "Time at the percentile over the last 5 minutes, in seconds.", n)
		}
	}
}

// readSquidInfo reads "Name: value unit", "Name: 5min: 1.0%, 60min: 2.0%" and "  value name" lines.
func readSquidInfo(text string, names table, f *families) {
	about := map[string]string{}
	for line := range strings.Lines(text) {
		key, v, ok := strings.Cut(strings.TrimSpace(line), ":")
		v = strings.TrimSpace(v)
		if !ok { // 154 StoreEntries
			number, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if n, err := strconv.ParseFloat(number, 64); err == nil {
				names.add(f, "info."+strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(name)), n)
			}
			continue
		}
		key = strings.NewReplacer(" ", "_", "(", "", ")", "", ",", "", "/", "").Replace(strings.TrimSpace(key))
		switch key {
		case "Squid_Object_Cache":
			about["Squid_Object_Cache_Version"] = strings.TrimPrefix(v, "Version ")
			continue
		case "Build_Info", "Service_Name":
			about[key] = v
			continue
		}
		if words := strings.Fields(v); len(words) == 4 && words[0] == "5min:" && words[2] == "60min:" {
			for i, over := range []string{"_5min", "_60min"} {
				if n, err := strconv.ParseFloat(strings.Trim(words[1+2*i], "%,"), 64); err == nil {
					names.add(f, "info."+key+over, n)
				}
			}
			continue
		}
		if n, err := strconv.ParseFloat(strings.Trim(firstWord(v), "%,"), 64); err == nil {
			names.add(f, "info."+key, n)
		}
	}
	f.gauge("squid_info_service", "1; the labels tell the version.", 1, "Squid_Object_Cache_Version", about["Squid_Object_Cache_Version"], "Build_Info", about["Build_Info"], "Service_Name", about["Service_Name"])
}
