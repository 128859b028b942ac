package cassandra

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are chosen below the range from which Linux takes the ports of outgoing connections (32768 and up): a node
// that is down for a while finds its ports free when it comes back.
const (
	firstPort = 12000
	lastPort  = 31999
	portTries = 200
)

// ports of a cluster. All nodes share native and storage, each on its own address; jmx is on 127.0.0.1 for all, because
// Java binds its local port there, so each node has its own.
type ports struct {
	Native  int   `json:"native"`
	Storage int   `json:"storage"`
	JMX     []int `json:"jmx"`
}

// choosePorts returns ports that are free on every node's address. native 0 is chosen, too.
func choosePorts(nodes, native int) (ports, error) {
	p := ports{Native: native}
	taken := map[int]bool{native: true}
	if native != 0 {
		if err := portFree(nodes, native); err != nil {
			return p, err
		}
	}
	want := []*int{&p.Storage}
	if native == 0 {
		want = append(want, &p.Native)
	}
	p.JMX = make([]int, nodes)
	for i := range p.JMX {
		want = append(want, &p.JMX[i])
	}
	for _, w := range want {
		port, err := freePort(nodes, taken)
		if err != nil {
			return p, err
		}
		taken[port] = true
		*w = port
	}
	return p, nil
}

func freePort(nodes int, taken map[int]bool) (int, error) {
	var err error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if taken[port] {
			continue
		}
		if err = portFree(nodes, port); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("cannot find a free port between %d and %d: %w", firstPort, lastPort, err)
}

// check says which of the ports is in use.
func (p ports) check(nodes int) error {
	err := errors.Join(portFree(nodes, p.Native), portFree(nodes, p.Storage))
	for _, port := range p.JMX {
		err = errors.Join(err, portFree(1, port))
	}
	return err
}

// portFree says whether every node's address can listen on the port.
func portFree(nodes, port int) error {
	for i := range nodes {
		l, err := net.Listen("tcp", net.JoinHostPort(nodeIP(i), strconv.Itoa(port)))
		if err != nil {
			return fmt.Errorf("cannot use port %d: %w", port, err)
		}
		l.Close()
	}
	return nil
}

// nodeIP is the address of a node, counted from 0. Linux answers on all of 127.0.0.0/8; macOS needs
// `ifconfig lo0 alias 127.0.0.2` and .3 first.
func nodeIP(i int) string { return fmt.Sprintf("127.0.0.%d", i+1) }
