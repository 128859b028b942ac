package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
)

func fail2banKind() Kind {
	return withOptions(Kind{
		Name: "fail2ban", Exporter: "fail2ban-prometheus-exporter", Job: "fail2ban", Up: "f2b_up", Address: "unix:/run/fail2ban/fail2ban.sock",
		Doc:   "Jails, and of each its failures, bans and settings, from the server's socket.",
		Setup: "The socket lets only root in, and there is nothing smaller to ask for: whoever may write to it may also change jails. Run Hulotte as root, or leave this out.",
	}, newFail2ban)
}

// Each message is a pickle and then this (fail2ban's protocol.py).
var fail2banEnd = []byte("<F2B_END_COMMAND>")

const maxJails = 200

func newFail2ban(t Target, _ noOptions) (reader, error) {
	return func(ctx context.Context, f *families) error {
		ask := func(words ...string) (any, error) { return askFail2ban(ctx, t.Address, words...) }
		status, err := ask("status")
		if err != nil {
			return err
		}
		jails := strings.FieldsFunc(fail2banText(fail2banPairs(status)["Jail list"]), func(r rune) bool { return r == ',' || r == ' ' })
		f.gauge("f2b_jail_count", "Jails.", float64(len(jails)))
		if len(jails) > maxJails {
			f.warn(fmt.Errorf("only %d of %d jails are read", maxJails, len(jails)))
			jails = jails[:maxJails]
		}
		for _, jail := range jails {
			v, err := ask("status", jail)
			if err != nil {
				f.warn(err) // it may be gone
				continue
			}
			addJail(f, jail, v)
			for setting, name := range map[string]string{"bantime": "ban_time", "findtime": "find_time", "maxretry": "max_retries"} {
				if v, err := ask("get", jail, setting); err == nil {
					if n, ok := v.(float64); ok {
						f.gauge("f2b_jail_config_"+name, "The setting "+setting+" of the jail.", n, "jail", jail)
					}
				}
			}
		}
		if v, err := ask("version"); err == nil {
			f.gauge("f2b_version", "1; the label tells the version.", 1, "fail2ban", fail2banText(v))
		}
		return nil
	}, nil
}

// askFail2ban sends one command. The answer is a pair: 0 and the value, or 1 and an error.
func askFail2ban(ctx context.Context, address string, words ...string) (any, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.Write(append(appendPickle(nil, words...), fail2banEnd...)); err != nil {
		return nil, err
	}
	var answer []byte
	buf := make([]byte, 32<<10)
	for !bytes.HasSuffix(answer, fail2banEnd) {
		n, err := c.r.Read(buf)
		if err != nil {
			return nil, err
		}
		if answer = append(answer, buf[:n]...); len(answer) > maxAnswerBytes/2 {
			return nil, errTooLong
		}
	}
	return fail2banValue(answer[:len(answer)-len(fail2banEnd)])
}

func fail2banValue(answer []byte) (any, error) {
	v, err := unpickle(answer)
	if err != nil {
		return nil, err
	}
	pair, ok := v.(*pickleList)
	if !ok || len(pair.items) != 2 {
		return nil, errors.New("the answer is no pair: is it fail2ban?")
	}
	if pair.items[0] != 0.0 {
		return nil, fmt.Errorf("fail2ban answers %s", excerpt(fail2banText(pair.items[1])))
	}
	return pair.items[1], nil
}

// fail2banPairs makes a map of a list of pairs.
func fail2banPairs(v any) map[string]any {
	out := map[string]any{}
	list, ok := v.(*pickleList)
	if !ok {
		return out
	}
	for _, item := range list.items {
		if pair, ok := item.(*pickleList); ok && len(pair.items) == 2 {
			if key, ok := pair.items[0].(string); ok {
				out[key] = pair.items[1]
			}
		}
	}
	return out
}

func fail2banText(v any) string {
	s, _ := v.(string)
	return s
}

func addJail(f *families, jail string, v any) {
	parts := fail2banPairs(v)
	for _, m := range [...]struct{ part, key, name, help string }{
		{"Filter", "Currently failed", "f2b_jail_failed_current", "Failures that count towards a ban."},
		{"Filter", "Total failed", "f2b_jail_failed_total", "Failures since the start."},
		{"Actions", "Currently banned", "f2b_jail_banned_current", "Addresses that are banned."},
		{"Actions", "Total banned", "f2b_jail_banned_total", "Bans since the start."},
	} {
		if n, ok := fail2banPairs(parts[m.part])[m.key].(float64); ok {
			f.gauge(m.name, m.help, n, "jail", jail)
		}
	}
}
