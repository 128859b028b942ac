package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

var troubles = []trouble{
	{"disk", "HostDiskFull", "mountpoint", "hulotte-rehearsal", beginDisk, fillDisk, emptyDisk},
	{"service", "CheckProblem", "service", "redis", beginRedis, stopRedis, startRedis},
	{"certificate", "CertificateExpiresNow", "instance", "", beginCertificate, nothing, renewCertificate},
	{"memory", "HostOutOfMemoryKill", "instance", "", beginMemory, eatMemory, nothing},
	{"unit", "HostUnitFailed", "name", "hulotte-rehearsal", beginUnit, failUnit, mendUnit},
}

func nothing(context.Context, *stage) error { return nil }

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *stage) disk() string { return filepath.Join(s.dir, "disk") }

// beginDisk makes a file system in a file.
func beginDisk(ctx context.Context, s *stage) error {
	image := filepath.Join(s.dir, "image")
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(300<<20), f.Close(), os.Mkdir(s.disk(), 0o700), command(ctx, "mkfs.ext4", "-q", image), command(ctx, "mount", "-o", "loop", image, s.disk())); err != nil {
		return err
	}
	s.ends = append(s.ends, func() { _ = command(context.WithoutCancel(ctx), "umount", s.disk()) })
	return nil
}

func fillDisk(_ context.Context, s *stage) error {
	f, err := os.Create(filepath.Join(s.disk(), "big"))
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<20)
	for {
		if _, err := f.Write(chunk); err != nil {
			return f.Close() // it is full
		}
	}
}

func emptyDisk(_ context.Context, s *stage) error { return os.Remove(filepath.Join(s.disk(), "big")) }

// redis is one that discovery finds.
var redis struct {
	port string
	cmd  *exec.Cmd
}

func beginRedis(ctx context.Context, s *stage) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, redis.port, _ = net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		return err
	}
	s.ends = append(s.ends, func() { _ = stopRedis(ctx, s) })
	return startRedis(ctx, s)
}

func startRedis(ctx context.Context, s *stage) error {
	redis.cmd = exec.CommandContext(ctx, "redis-server", "--port", redis.port, "--bind", "127.0.0.1", "--save", "", "--dir", s.dir)
	return redis.cmd.Start()
}

func stopRedis(context.Context, *stage) error {
	_ = redis.cmd.Process.Kill() // it may have ended
	_ = redis.cmd.Wait()
	return nil
}

// certificate is the one that the HTTPS server of the rehearsal shows.
var certificate atomic.Pointer[tls.Certificate]

// beginCertificate serves HTTPS with a certificate that ends the day after tomorrow.
func beginCertificate(_ context.Context, s *stage) error {
	if err := certify(47 * time.Hour); err != nil {
		return err
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Load(), nil }}
	server.StartTLS()
	s.ends = append(s.ends, server.Close)
	s.config += fmt.Sprintf("  hosts: [{name: shop, address: 127.0.0.1, check: none}]\n  checks: [{host: shop, name: https, http: {url: %q, server_name: shop, insecure_skip_verify: true, warn_days: 0, crit_days: 0}}]\n", server.URL)
	return nil
}

func renewCertificate(context.Context, *stage) error { return certify(90 * 24 * time.Hour) }

func certify(lasts time.Duration) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{"shop"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	certificate.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	return nil
}

// group is a control group with little memory.
var group string

func beginMemory(_ context.Context, s *stage) error {
	const limit = "100000000"
	for folder, file := range map[string]string{"/sys/fs/cgroup/hulotte-rehearsal": "memory.max", "/sys/fs/cgroup/memory/hulotte-rehearsal": "memory.limit_in_bytes"} {
		if os.Mkdir(folder, 0o700) != nil {
			continue
		}
		s.ends = append(s.ends, func() { _ = os.Remove(folder) })
		if os.WriteFile(filepath.Join(folder, file), []byte(limit), 0o600) == nil && group == "" {
			group = folder
		}
	}
	if group == "" {
		return errors.New("no control group with little memory can be made: it wants root, and the memory controller")
	}
	return nil
}

// eatMemory runs a process that wants more memory than it may have, until the kernel kills it.
func eatMemory(ctx context.Context, _ *stage) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", `echo $$ > "$1/cgroup.procs" && exec tail /dev/zero`, "sh", group)
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		return fmt.Errorf("the kernel did not kill what eats memory: %w", err)
	}
	return nil
}

const unitFile = "/run/systemd/system/hulotte-rehearsal.service"

func beginUnit(ctx context.Context, s *stage) error {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return errors.New("systemd does not run here")
	}
	err := os.WriteFile(unitFile, []byte("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'test -e "+filepath.Join(s.dir, "well")+"'\n"), 0o600)
	s.ends = append(s.ends, func() {
		_ = command(context.WithoutCancel(ctx), "systemctl", "reset-failed", "hulotte-rehearsal.service")
		_ = os.Remove(unitFile)
	})
	return errors.Join(err, command(ctx, "systemctl", "daemon-reload"))
}

func failUnit(ctx context.Context, _ *stage) error {
	if command(ctx, "systemctl", "start", "hulotte-rehearsal.service") == nil {
		return errors.New("the unit did not fail")
	}
	return nil
}

func mendUnit(ctx context.Context, s *stage) error {
	return errors.Join(os.WriteFile(filepath.Join(s.dir, "well"), nil, 0o600), command(ctx, "systemctl", "start", "hulotte-rehearsal.service"))
}
