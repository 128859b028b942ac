package zabbix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

func netItems() map[string]item {
	return map[string]item{
		"net.if.in":            limited(2, ifCounter(0)),
		"net.if.out":           limited(2, ifCounter(8)),
		"net.if.total":         limited(2, ifTotal),
		"net.if.collisions":    limited(1, ifCollisions),
		"net.if.discovery":     fixed(ifDiscovery),
		"net.if.list":          fixed(ifList),
		"net.tcp.listen":       limited(1, listening("tcp", "0A")),
		"net.udp.listen":       limited(1, listening("udp", "07")),
		"net.tcp.port":         limited(2, tcpPort),
		"net.tcp.service":      limited(3, tcpService),
		"net.tcp.service.perf": limited(3, tcpServicePerf),
	}
}

// interfaces are the counters of /proc/net/dev by interface: eight of what came, eight of what went.
func interfaces() (names []string, counters map[string][]uint64, err error) {
	b, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return nil, nil, err
	}
	counters = map[string][]uint64{}
	for line := range strings.Lines(string(b)) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || len(f) < 16 {
			continue
		}
		values := make([]uint64, 16)
		for i := range values {
			values[i], _ = strconv.ParseUint(f[i], 10, 64) // what does not fit is 0
		}
		name = strings.TrimSpace(name)
		names = append(names, name)
		counters[name] = values
	}
	return names, counters, nil
}

// ifModes are the columns of each direction. Those that differ between the two are checked by their names.
func ifMode(mode string, out bool) (int, bool) {
	switch mode {
	case "", "bytes":
		return 0, true
	case "packets":
		return 1, true
	case "errors":
		return 2, true
	case "dropped":
		return 3, true
	case "overruns":
		return 4, true
	case "frame":
		return 5, !out
	case "collisions":
		return 5, out
	case "carrier":
		return 6, out
	case "compressed":
		if out {
			return 7, true
		}
		return 6, true
	case "multicast":
		return 7, !out
	}
	return 0, false
}

func ifValues(name string) ([]uint64, error) {
	if name == "" {
		return nil, invalid(0)
	}
	_, counters, err := interfaces()
	if err != nil {
		return nil, err
	}
	v, ok := counters[name]
	if !ok {
		return nil, errors.New("Cannot find information for this network interface in /proc/net/dev.") //nolint:staticcheck // the words of the protocol
	}
	return v, nil
}

func ifCounter(base int) item {
	return func(_ context.Context, _ *Agent, k Key) (string, error) {
		column, ok := ifMode(k.Param(1), base > 0)
		if !ok {
			return "", invalid(1)
		}
		v, err := ifValues(k.Param(0))
		if err != nil {
			return "", err
		}
		return formatUint(v[base+column]), nil
	}
}

func ifTotal(_ context.Context, _ *Agent, k Key) (string, error) {
	in, ok1 := ifMode(k.Param(1), false)
	out, ok2 := ifMode(k.Param(1), true)
	if !ok1 || !ok2 {
		return "", invalid(1)
	}
	v, err := ifValues(k.Param(0))
	if err != nil {
		return "", err
	}
	return formatUint(v[in] + v[8+out]), nil
}

func ifCollisions(_ context.Context, _ *Agent, k Key) (string, error) {
	v, err := ifValues(k.Param(0))
	if err != nil {
		return "", err
	}
	return formatUint(v[8+5]), nil
}

func ifDiscovery(*Agent) (string, error) {
	type row struct {
		Name string `json:"{#IFNAME}"`
	}
	names, _, err := interfaces()
	if err != nil {
		return "", err
	}
	rows := []row{}
	for _, n := range names {
		rows = append(rows, row{n})
	}
	return toJSON(rows)
}

// ifList is a line for each interface: name, state, addresses.
func ifList(*Agent) (string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, i := range list {
		state := "disabled"
		if i.Flags&net.FlagUp != 0 {
			state = "enabled"
		}
		fmt.Fprintf(&b, "%s %s", i.Name, state)
		addrs, _ := i.Addrs() // none when it has gone
		for _, a := range addrs {
			fmt.Fprintf(&b, " %s", a)
		}
		b.WriteByte('\n')
	}
	return strings.TrimSpace(b.String()), nil
}

// listening looks for a socket in the given state of the kernel, for IPv4 and IPv6.
func listening(network, state string) item {
	return func(ctx context.Context, _ *Agent, k Key) (string, error) {
		port, err := strconv.ParseUint(k.Param(0), 10, 16)
		if err != nil {
			return "", invalid(0)
		}
		suffix := fmt.Sprintf(":%04X", port)
		for _, path := range []string{"/proc/net/" + network, "/proc/net/" + network + "6"} {
			found, err := hasSocket(ctx, path, suffix, state)
			if err != nil {
				return "", err
			}
			if found {
				return "1", nil
			}
		}
		return "0", nil
	}
}

func hasSocket(ctx context.Context, path, suffix, state string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // no IPv6
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	for scanner.Scan() && ctx.Err() == nil {
		if f := strings.Fields(scanner.Text()); len(f) > 3 && strings.HasSuffix(f[1], suffix) && f[3] == state {
			return true, nil
		}
	}
	return false, scanner.Err()
}

func tcpPort(ctx context.Context, _ *Agent, k Key) (string, error) {
	host := k.Param(0)
	if host == "" {
		host = "127.0.0.1"
	}
	if n, err := strconv.ParseUint(k.Param(1), 10, 16); err != nil || n == 0 {
		return "", invalid(1)
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, k.Param(1)))
	if err != nil {
		return "0", nil //nolint:nilerr // that is the answer
	}
	_ = c.Close()
	return "1", nil
}

// greetings are the ports of services, how they begin, and how one says goodbye.
func greetings() map[string][3]string {
	return map[string][3]string{
		"ssh": {"22", "SSH-", ""}, "smtp": {"25", "220", "QUIT\r\n"}, "ftp": {"21", "220", "QUIT\r\n"}, "pop": {"110", "+OK", "QUIT\r\n"},
		"nntp": {"119", "20", "QUIT\r\n"}, "imap": {"143", "* OK", "a1 LOGOUT\r\n"}, "http": {"80", "", ""}, "https": {"443", "", ""},
		"ldap": {"389", "", ""}, "tcp": {"", "", ""}, "telnet": {"23", "", ""},
	}
}

func service(ctx context.Context, k Key) (time.Duration, bool, error) {
	g, ok := greetings()[k.Param(0)]
	if !ok {
		return 0, false, invalid(0)
	}
	host, port := k.Param(1), k.Param(2)
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = g[0]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return 0, false, invalid(2)
	}
	start := time.Now()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return 0, false, nil
	}
	defer c.Close()
	if g[1] == "" {
		return time.Since(start), true, nil
	}
	end, _ := ctx.Deadline()
	_ = c.SetDeadline(end)
	line, err := bufio.NewReaderSize(&limitedConn{c, 1024}, 1024).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, g[1]) {
		return 0, false, nil
	}
	_, _ = c.Write([]byte(g[2]))
	return time.Since(start), true, nil
}

// limitedConn gives at most left bytes.
type limitedConn struct {
	net.Conn
	left int
}

func (l *limitedConn) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

func tcpService(ctx context.Context, _ *Agent, k Key) (string, error) {
	_, ok, err := service(ctx, k)
	if err != nil || !ok {
		return "0", err
	}
	return "1", nil
}

func tcpServicePerf(ctx context.Context, _ *Agent, k Key) (string, error) {
	took, ok, err := service(ctx, k)
	if err != nil || !ok {
		return "0", err
	}
	return formatFloat(max(took.Seconds(), 0.000001)), nil // 0 is "down"
}
