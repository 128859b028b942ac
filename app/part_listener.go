package app

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/httpserver"
	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// addrFile tells the address in use to whoever started Hulotte on port 0.
const addrFile = "listen.addr"

func (a *App) startListener(context.Context) (stopFunc, error) {
	c := a.config.get()
	o := listenerOptions(c)
	o.Open, o.PlainHTTP2 = a.isPublic, true // gRPC's clients ask for traces here
	s, err := httpserver.Listen(o, a.log.With("part", "http"), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.server = s
	name := filepath.Join(c.DataDir, addrFile)
	if err := vfs.WriteFile(vfs.OS{}, name, []byte(s.Addr().String()+"\n"), 0o640); err != nil {
		return nil, err
	}
	stop := a.stack.run("listener", func(context.Context) error { return s.Serve(a.gate) })
	return func(ctx context.Context) error {
		return errors.Join(s.Shutdown(ctx), stop(ctx), os.Remove(name))
	}, nil
}

func (a *App) reloadListener(_, new *config.Config) error {
	a.made.server.SetUsers(new.Server.Users)
	return nil
}

func listenerOptions(c *config.Config) httpserver.Options {
	s := c.Server
	return httpserver.Options{
		Listen: s.Listen, Prefix: s.Prefix(), ExternalURL: s.ExternalURL, AllowedHosts: s.AllowedHosts, AllowedOrigins: s.AllowedOrigins,
		CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile, ClientCAFile: s.TLS.ClientCAFile,
		Users: s.Users, AllowUnauthenticated: s.AllowUnauthenticated,
		MaxConnections: s.MaxConnections, MaxHeaderSize: s.MaxHeaderSize, MaxBodySize: s.MaxBodySize,
		ReadHeaderTimeout: s.ReadHeaderTimeout, ReadTimeout: s.ReadTimeout, IdleTimeout: s.IdleTimeout,
		WriteStallTimeout: s.WriteStallTimeout,
	}
}

// url is where a browser on this machine finds the server.
func (a *App) url() string {
	s := a.config.get().Server
	if s.ExternalURL != "" {
		return s.ExternalURL
	}
	scheme := "http"
	if s.TLS.CertFile != "" {
		scheme = "https"
	}
	addr := a.made.server.Addr().String()
	if tcp, ok := a.made.server.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		_, port, _ := net.SplitHostPort(addr)
		addr = net.JoinHostPort("localhost", port)
	}
	return scheme + "://" + addr + s.Prefix() + "/"
}
