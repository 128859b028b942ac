// Package passive takes results that come from outside: NSCA (send_nsca), Nagios' external command file, heartbeats over HTTP (a dead
// man's switch), and the kinds of the checks that wait for them.
package passive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/zabbix"
	"github.com/hulotte-dev/hulotte/model"
)

// Submit takes a result of a check. The error says that there is no such check, or why the result is not taken.
type Submit = func(ctx context.Context, host, check string, r model.CheckResult) error

// Options are those of a check of the kind passive.
type Options struct {
	ZabbixKey string      `json:"zabbix_key" doc:"Key of the item whose values, sent by zabbix_sender or an active agent, are the results."`
	Warning   check.Range `json:"warning" doc:"Range of good numbers of the item beyond which the check is WARNING."`
	Critical  check.Range `json:"critical" doc:"Range beyond which it is CRITICAL."`
	Unit      string      `json:"unit" doc:"Unit of the number, for graphs."`
}

// HeartbeatOptions are those of a check of the kind heartbeat.
type HeartbeatOptions struct {
	Token string `json:"token" doc:"The secret part of the URL, at least 16 letters, digits, - or _. Make one with: openssl rand -hex 16"`
}

// minToken is how long a token is at least: 64 bits when it is random hexadecimal.
const minToken = 16

// Kinds are the kinds of this package.
func Kinds() []check.Kind {
	return []check.Kind{
		{
			Name:    "passive",
			Doc:     "Waits for results from outside: NSCA, the external command file, zabbix_sender, the API.",
			Options: &Options{}, Passive: true,
			New: func(p check.Params) (check.Prober, error) {
				var o Options
				if err := check.Decode(p.Options, &o); err != nil {
					return nil, err
				}
				if o.ZabbixKey == "" {
					if o.Warning.Set() || o.Critical.Set() {
						return nil, errors.New("warning and critical: they compare the numbers of zabbix_key, which is missing; other results bring their status")
					}
					return nil, nil
				}
				if _, err := zabbix.ParseKey(o.ZabbixKey); err != nil {
					return nil, fmt.Errorf("zabbix_key: %w", err)
				}
				return nil, nil
			},
		},
		{
			Name:    "heartbeat",
			Doc:     "Waits for a signal at its URL, /heartbeat/TOKEN, and is bad when none comes in time (freshness) or a bad one comes.",
			Options: &HeartbeatOptions{}, Passive: true,
			New: func(p check.Params) (check.Prober, error) {
				_, err := token(p.Options)
				return nil, err
			},
		},
	}
}

// token reads and judges the token of a heartbeat.
func token(options []byte) (string, error) {
	var o HeartbeatOptions
	if err := check.Decode(options, &o); err != nil {
		return "", err
	}
	if len(o.Token) < minToken || len(o.Token) > 128 {
		return "", fmt.Errorf("token: it has %d characters; write at least %d that nobody can guess (openssl rand -hex 16)", len(o.Token), minToken)
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if rest := strings.Trim(o.Token, letters); rest != "" {
		return "", fmt.Errorf("token: it has %q; write letters, digits, - and _ only", rest)
	}
	return o.Token, nil
}

// Targets finds the checks that take items of Zabbix, for a zabbix.Trapper.
func Targets(specs []check.Spec) (map[[2]string]zabbix.Target, error) {
	targets := map[[2]string]zabbix.Target{}
	var bad []error
	for _, s := range specs {
		if s.Kind != "passive" {
			continue
		}
		var o Options
		if err := check.Decode(s.Options, &o); err != nil {
			bad = append(bad, fmt.Errorf("check %s: %w", s.ID(), err))
			continue
		}
		if o.ZabbixKey == "" {
			continue
		}
		key := [2]string{s.Host, o.ZabbixKey}
		if other, ok := targets[key]; ok {
			bad = append(bad, fmt.Errorf("check %s: zabbix_key: %s is that of the check %s already", s.ID(), o.ZabbixKey, other.Check))
			continue
		}
		targets[key] = zabbix.Target{Check: s.Name, Warning: o.Warning, Critical: o.Critical, Unit: o.Unit, Label: o.ZabbixKey}
	}
	return targets, errors.Join(bad...)
}

// host codes: Nagios' 0 is up, 1 down, 2 unreachable.
func hostStatus(code int) model.Status {
	switch code {
	case 0:
		return model.OK
	case 1, 2:
		return model.Critical
	}
	return model.Unknown
}
