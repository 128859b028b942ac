package services

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

type dovecotOptions struct {
	Users bool `json:"users" doc:"read each user too, not only the sums"`
}

func dovecotKind() Kind {
	return withOptions(Kind{
		Name: "dovecot", Exporter: "dovecot_exporter", Job: "dovecot", Up: "dovecot_up", Address: "unix:/run/dovecot/old-stats",
		Doc: "Logins, commands, sessions and resources, from the socket of the plugin old_stats; while the plugin is off, the sessions that are connected, from the socket anvil beside it.",
		Setup: "As root, connected sessions are read with nothing to set up. The rest wants the plugin:\n\n```\nmail_plugins = $mail_plugins old_stats\nprotocol imap {\n  mail_plugins = $mail_plugins imap_old_stats\n}\nplugin {\n  old_stats_refresh = 30 secs\n  old_stats_track_cmds = yes\n}\n" +
			"service old-stats {\n  unix_listener old-stats {\n    user = hulotte\n    mode = 0660\n  }\n}\n```\n\nDovecot 2.4 no longer has it: it has a page in Prometheus' format (`service stats { inet_listener http { port = 9900 } }`), which is scraped.",
	}, newDovecot)
}

const dovecotHint = "turn the plugin old_stats on, and let Hulotte's user at its socket"

func newDovecot(t Target, o dovecotOptions) (reader, error) {
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"scope", "global"}
		scopes := []string{"global"}
		if o.Users {
			scopes = append(scopes, "user")
		}
		for _, scope := range scopes {
			if err := askDovecot(ctx, t.Address, scope, f); err != nil {
				return fmt.Errorf("%w: %s", err, dovecotHint)
			}
			if anvil := anvilSocket(t.Address); scope == "global" && anvil != "" && f.isZero("dovecot_global_last_update") {
				if sessions, err := askAnvil(ctx, anvil); err == nil { // the plugin is not on: all others are 0 and mean nothing
					clear(f.byName)
					f.untyped("dovecot_global_num_connected_sessions", "The value num_connected_sessions of the scope global.", sessions)
				}
			}
			f.gauge("dovecot_up", "1 while Dovecot answers.", 1, "scope", scope)
		}
		return nil
	}, nil
}

// anvilSocket is the socket of anvil beside that of old-stats; "" when it is not there.
func anvilSocket(address string) string {
	network, path := splitAddress(address)
	anvil := filepath.Join(filepath.Dir(path), "anvil")
	if _, err := os.Stat(anvil); network != "unix" || err != nil {
		return ""
	}
	return "unix:" + anvil
}

// askAnvil counts the sessions that anvil knows, as "doveadm who" of Dovecot 2.3 does.
func askAnvil(ctx context.Context, address string) (float64, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	if _, err := io.WriteString(c, "VERSION\tanvil\t1\t0\nCONNECT-DUMP\n"); err != nil {
		return 0, err
	}
	return readAnvil(c.r)
}

const maxAnvilLines = 200_000

// readAnvil reads "service/address/user<tab>pid<tab>count" lines up to an empty one, and sums the counts.
func readAnvil(r *bufio.Reader) (float64, error) {
	sum := 0.0
	for range maxAnvilLines {
		line, err := readLine(r)
		if err != nil {
			return 0, err
		}
		if line == "" {
			return sum, nil
		}
		if strings.HasPrefix(line, "VERSION\t") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) < 3 {
			return 0, fmt.Errorf("anvil answers %s", excerpt(line))
		}
		n, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("anvil answers %s", excerpt(line))
		}
		sum += float64(n)
	}
	return 0, errTooLong
}

// askDovecot asks for a scope. The answer ends with an empty line, and not always with the connection.
func askDovecot(ctx context.Context, address, scope string, f *families) error {
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := fmt.Fprintf(c, "EXPORT\t%s\n", scope); err != nil {
		return err
	}
	return readDovecot(c.r, scope, f)
}

// readDovecot reads a line of columns, then lines of values, all separated by tabs, up to an empty line. In the scope global there is
// one line of values; in others the first column says whose they are.
func readDovecot(r *bufio.Reader, scope string, f *families) error {
	head, err := readLine(r)
	if err != nil {
		return err
	}
	columns := strings.Split(head, "\t")
	if len(columns) < 2 {
		return fmt.Errorf("the answer is not Dovecot's statistics: it begins with %s", excerpt(head))
	}
	for rows := 0; ; rows++ {
		line, err := readLine(r)
		if err != nil {
			if rows > 0 && scope == "global" {
				return nil
			}
			return err
		}
		if line == "" {
			if rows == 0 {
				return errors.New("the statistics are empty")
			}
			return nil
		}
		values := strings.Split(line, "\t")
		if len(values) != len(columns) {
			return fmt.Errorf("a row has %d values for %d columns", len(values), len(columns))
		}
		first := 0
		var pairs []string
		if scope != "global" {
			if first = 1; values[0] == "" {
				values[0] = "empty_user"
			}
			pairs = []string{scope, values[0]}
		}
		for i := first; i < len(columns); i++ {
			if v, err := strconv.ParseFloat(values[i], 64); err == nil && isWord(columns[i]) {
				f.untyped("dovecot_"+scope+"_"+columns[i], "The value "+columns[i]+" of the scope "+scope+".", v, pairs...)
			}
		}
		if scope == "global" {
			return nil
		}
	}
}
