package services

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

func zookeeperKind() Kind {
	return withOptions(Kind{
		Name: "zookeeper", Exporter: "zookeeper-exporter", Job: "zookeeper", Up: "zk_up", Address: "127.0.0.1:2181",
		Doc:   "Everything numeric of mntr: latency, packets, connections, requests that wait, nodes, watches, the state of the server.",
		Setup: "Allow the command in zoo.cfg and restart: `4lw.commands.whitelist=mntr,ruok,srvr`.",
	}, newZookeeper)
}

const zookeeperHint = "set 4lw.commands.whitelist=mntr in zoo.cfg"

func newZookeeper(t Target, _ noOptions) (reader, error) {
	network, host := splitAddress(t.Address)
	if network == "unix" {
		return nil, errors.New("address: ZooKeeper has no Unix socket")
	}
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"zk_host", host}
		text, err := askAndReadAll(ctx, t.Address, "mntr")
		if err != nil {
			return err
		}
		if err := readZookeeper(string(text), host, f); err != nil {
			return err
		}
		answer, err := askAndReadAll(ctx, t.Address, "ruok")
		if err == nil && len(answer) <= 4 { // else the command is not allowed
			f.gauge("zk_ruok", "1 when the server says that it is well.", truth(string(answer) == "imok"), "zk_host", host)
		}
		return nil
	}, nil
}

// readZookeeper reads "zk_key<tab>value" lines; since 3.6 there are also zk_key{quantile="0.5"}.
func readZookeeper(text, host string, f *families) error {
	if strings.Contains(text, "not in the whitelist") {
		return fmt.Errorf("ZooKeeper answers %s: %s", excerpt(strings.TrimSpace(text)), zookeeperHint)
	}
	if strings.Contains(text, "not currently serving requests") {
		return errors.New("ZooKeeper does not serve requests: it has no quorum")
	}
	if !strings.HasPrefix(text, "zk_") {
		return fmt.Errorf("the answer is not that of mntr: it begins with %s: %s", excerpt(text), zookeeperHint)
	}
	for line := range strings.Lines(text) {
		key, v, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		switch key {
		case "zk_version":
			version, _, _ := strings.Cut(v, "-")
			f.gauge("zk_version", "1; the label tells the version.", 1, "zk_host", host, "version", version)
			continue
		case "zk_server_state":
			f.gauge("zk_server_leader", "1 when the server is the leader.", truth(v == "leader"), "zk_host", host)
			continue
		case "zk_peer_state":
			f.gauge("zk_peer_state", "1; the label tells the state among its peers.", 1, "zk_host", host, "state", v)
			continue
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			continue
		}
		pairs := []string{"zk_host", host}
		name, label, ok := strings.Cut(key, "{")
		if ok { // zk_x{quantile="0.5"}
			l, value, _ := strings.Cut(strings.TrimSuffix(label, "}"), "=")
			if !isWord(l) {
				continue
			}
			pairs = append(pairs, l, strings.Trim(value, `"`))
		}
		if isWord(name) {
			f.gauge(name, "The value "+name+" of mntr.", n, pairs...)
		}
	}
	return nil
}
