package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/fluent"
	"github.com/hulotte-dev/hulotte/ingest/gelf"
	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/ingest/snmptrap"
	"github.com/hulotte-dev/hulotte/ingest/syslog"
)

// door is an address at which something is received.
type door struct {
	key, addr string
	open      func() (stopFunc, error)
}

// openDoors opens all that have an address. A usual address that another program has is no reason not to start.
func (a *App) openDoors(what string, doors ...door) (stopFunc, error) {
	c := a.config.get()
	var stops []stopFunc
	stop := func(ctx context.Context) error {
		var errs []error
		for _, s := range stops {
			errs = append(errs, s(ctx))
		}
		return errors.Join(errs...)
	}
	for _, d := range doors {
		if d.addr == "" {
			continue
		}
		s, err := d.open()
		switch {
		case err == nil:
			stops = append(stops, s)
		case errors.Is(err, syscall.EADDRINUSE) && !c.Chosen(d.key):
			a.log.Warn(what+" is not received at its usual address: another program has it", "address", d.addr, "key", d.key)
		default:
			return nil, errors.Join(err, stop(context.Background()))
		}
	}
	return stop, nil
}

// tlsWhen returns how to show our certificate when on.
func (a *App) tlsWhen(on bool) *tls.Config {
	if !on {
		return nil
	}
	return a.made.server.TLS()
}

// startFluent receives what Fluentd, Fluent Bit and Docker's fluentd driver forward.
func (a *App) startFluent(context.Context) (stopFunc, error) {
	c := a.config.get()
	o := c.FluentOptions()
	o.TLS = a.tlsWhen(c.Ingest.Fluent.TLS)
	return a.openDoors("Fluentd's forward protocol", door{"ingest.fluent.listen", o.Address, func() (stopFunc, error) {
		s, err := fluent.Listen(o, a.made.sockets, a.made.intake, a.made.logs.From("fluent"), a.log.With("part", "fluent"), a.registry)
		if err != nil {
			return nil, err
		}
		return a.stack.run("fluent", s.Serve), nil
	}})
}

// startGELF receives the Graylog Extended Log Format.
func (a *App) startGELF(context.Context) (stopFunc, error) {
	c := a.config.get()
	s := gelf.New(c.GELFOptions(), a.made.intake, a.made.logs.From("gelf"), a.log.With("part", "gelf"), a.registry)
	a.made.gelf = s
	g := c.Ingest.GELF
	return a.openDoors("the Graylog Extended Log Format",
		door{"ingest.gelf.udp_listen", g.UDPListen, a.udpDoor("gelf", g.UDPListen, s.Datagrams)},
		door{"ingest.gelf.tcp_listen", g.TCPListen, a.tcpDoor("gelf", g.TCPListen, a.tlsWhen(g.TLS), s.Connection)})
}

// startSyslog receives syslog.
func (a *App) startSyslog(context.Context) (stopFunc, error) {
	c := a.config.get()
	s := syslog.New(c.SyslogOptions(), a.made.intake, a.made.logs.From("syslog"), a.log.With("part", "syslog"), a.registry)
	l := c.Ingest.Syslog
	return a.openDoors("syslog",
		door{"ingest.syslog.udp_listen", l.UDPListen, a.udpDoor("syslog", l.UDPListen, s.Datagrams)},
		door{"ingest.syslog.tcp_listen", l.TCPListen, a.tcpDoor("syslog", l.TCPListen, nil, s.Connection)},
		door{"ingest.syslog.tls_listen", l.TLSListen, a.tcpDoor("syslog", l.TLSListen, a.made.server.TLS(), s.Connection)})
}

// startSNMPTrap receives what network devices notify of.
func (a *App) startSNMPTrap(context.Context) (stopFunc, error) {
	c := a.config.get()
	return a.openDoors("SNMP traps", door{"ingest.snmp_trap.listen", c.Ingest.SNMPTrap.Listen, func() (stopFunc, error) {
		s, err := snmptrap.New(c.SNMPTrapOptions(), a.made.logs.From("snmp_trap"), a.log.With("part", "snmp trap"), a.registry)
		if err != nil {
			return nil, err
		}
		u, err := a.made.sockets.ListenUDP("snmp_trap", c.Ingest.SNMPTrap.Listen)
		if err != nil {
			return nil, err
		}
		return a.stack.run("SNMP traps", func(ctx context.Context) error { return s.Serve(ctx, u) }), nil
	}})
}

func (a *App) udpDoor(protocol, addr string, handle func(context.Context, []intake.Datagram)) func() (stopFunc, error) {
	return func() (stopFunc, error) {
		u, err := a.made.sockets.ListenUDP(protocol, addr)
		if err != nil {
			return nil, err
		}
		return a.stack.run(protocol+" over UDP", func(ctx context.Context) error { return u.Serve(ctx, handle) }), nil
	}
}

func (a *App) tcpDoor(protocol, addr string, config *tls.Config, handle func(context.Context, net.Conn) error) func() (stopFunc, error) {
	return func() (stopFunc, error) {
		t, err := a.made.sockets.ListenTCP(protocol, addr, config, intake.ConnLimits{})
		if err != nil {
			return nil, err
		}
		return a.stack.run(protocol+" over TCP", func(ctx context.Context) error { return t.Serve(ctx, handle) }), nil
	}
}

func (a *App) gelfEndpoints() []api.Endpoint {
	return []api.Endpoint{{Methods: "POST", Path: "/gelf", Handler: a.made.gelf.HTTP()}}
}
