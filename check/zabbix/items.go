package zabbix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// allItems are the keys that the agent answers. system.run and the log keys are not among them.
func allItems() map[string]item {
	all := map[string]item{}
	for _, group := range []map[string]item{agentItems(), systemItems(), memoryItems(), fsItems(), fileItems(), netItems(), procItems()} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
}

func agentItems() map[string]item {
	return map[string]item{
		"agent.ping":         fixed(func(*Agent) (string, error) { return "1", nil }),
		"agent.version":      fixed(func(*Agent) (string, error) { return Version, nil }),
		"agent.variant":      fixed(func(*Agent) (string, error) { return "2", nil }),
		"agent.hostname":     fixed(func(a *Agent) (string, error) { return a.o.Hostname, nil }),
		"agent.hostmetadata": fixed(func(a *Agent) (string, error) { return a.o.Metadata, nil }),
	}
}

// fixed is an item without parameters.
func fixed(f func(*Agent) (string, error)) item {
	return func(_ context.Context, a *Agent, k Key) (string, error) {
		if k.Brackets {
			return "", errors.New("Item does not allow parameters.") //nolint:staticcheck // the words of the protocol
		}
		return f(a)
	}
}

// limited is an item with at most n parameters.
func limited(n int, f item) item {
	return func(ctx context.Context, a *Agent, k Key) (string, error) {
		if len(k.Params) > n {
			return "", errors.New("Too many parameters.") //nolint:staticcheck // the words of the protocol
		}
		return f(ctx, a, k)
	}
}

// invalid is what Zabbix' agents say of a parameter; i counts from 0.
func invalid(i int) error {
	names := [...]string{"first", "second", "third", "fourth", "fifth", "sixth"}
	return fmt.Errorf("Invalid %s parameter.", names[min(i, len(names)-1)]) //nolint:staticcheck // the words of the protocol
}

func formatUint(v uint64) string { return strconv.FormatUint(v, 10) }

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

// readNumber reads a file of /proc with a number.
func readNumber(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return 0, fmt.Errorf("%s is empty", path)
	}
	return strconv.ParseUint(f[0], 10, 64)
}

func fileNumber(path string) item {
	return fixed(func(*Agent) (string, error) {
		n, err := readNumber(path)
		if err != nil {
			return "", err
		}
		return formatUint(n), nil
	})
}

// percent is a part of a whole; nothing of nothing is 0.
func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
