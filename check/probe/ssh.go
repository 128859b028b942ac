package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// sshOptions are those of the kind ssh.
type sshOptions struct {
	targetOptions
	Fingerprints []string `json:"fingerprints,omitempty" doc:"host keys of which one must be the server's, as ssh-keygen -l shows them (SHA256:...)"`
	KeyTypes     []string `json:"key_types,omitempty" doc:"host key algorithms to ask for, such as ssh-ed25519"`
	BannerOnly   bool     `json:"banner_only,omitempty" doc:"no exchange of keys: only the server's first line is read"`
	Version      string   `json:"version,omitempty" doc:"text that the server's version must contain"`
}

// sshService is the dialogue of the options; SSH has no TLS.
type sshService struct {
	sshOptions
	serviceOptions
}

func sshKind() check.Kind {
	return newKind("ssh", "Asks an SSH server: version, exchange of keys, host key. It does not log in.", func(p check.Params, o *sshOptions) (check.Prober, error) {
		for _, f := range o.Fingerprints {
			if !strings.HasPrefix(f, "SHA256:") {
				return nil, fmt.Errorf("fingerprints: %q: write it like SHA256:..., as ssh-keygen -l shows it", f)
			}
		}
		if o.BannerOnly && len(o.Fingerprints) > 0 {
			return nil, errors.New("banner_only and fingerprints: declare one of them")
		}
		t, err := o.target(p, 22)
		if err != nil {
			return nil, err
		}
		k := &serviceProbe{speaker: &sshService{*o, serviceOptions{targetOptions: o.targetOptions}}, at: t}
		return &prober{timeout: p.Timeout, ask: k.ask}, nil
	})
}

// sshID is how we introduce ourselves (RFC 4253, 4.2).
const sshID = "SSH-2.0-Hulotte"

func (o *sshService) talk(ctx context.Context, s *session, rep *report) error {
	line, err := s.sshVersion()
	if err != nil {
		return err
	}
	version := strings.TrimPrefix(strings.TrimPrefix(line, "SSH-2.0-"), "SSH-1.99-")
	if o.Version != "" && !strings.Contains(version, o.Version) {
		rep.problem(model.Critical, "version is %q, without %q", printable(version, 100), o.Version)
	}
	if o.BannerOnly {
		rep.hello("SSH OK, %s", version)
		return s.sendLine(sshID) // so that the server logs a client that left, not a scan
	}
	key, err := o.exchange(s, line)
	if err != nil {
		return err
	}
	fingerprint := ssh.FingerprintSHA256(key)
	rep.hello("SSH OK, %s, %s", version, key.Type())
	rep.detail("host key %s %s", key.Type(), fingerprint)
	if len(o.Fingerprints) == 0 {
		return nil
	}
	for _, f := range o.Fingerprints {
		if f == fingerprint {
			return nil
		}
	}
	return fmt.Errorf("host key is another: %s %s", key.Type(), fingerprint)
}

// maxBanner is how many lines may come before the version.
const maxBanner = 50

func (s *session) sshVersion() (string, error) {
	for range maxBanner {
		line, err := s.line()
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(line, "SSH-") {
			if !strings.HasPrefix(line, "SSH-2.0-") && !strings.HasPrefix(line, "SSH-1.99-") {
				return "", fmt.Errorf("the server speaks only %s", printable(line, 80))
			}
			return line, nil
		}
	}
	return "", errors.New("the server does not say its SSH version")
}

// errSeen ends the handshake when the host key is known: nobody logs in.
var errSeen = errors.New("host key seen")

// replay gives a version that was already read to the library again.
type replay struct {
	net.Conn
	in io.Reader
}

func (r replay) Read(p []byte) (int, error) { return r.in.Read(p) }

func (o *sshService) exchange(s *session, version string) (ssh.PublicKey, error) {
	var key ssh.PublicKey
	config := &ssh.ClientConfig{User: "hulotte", ClientVersion: sshID, HostKeyAlgorithms: o.KeyTypes,
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return errSeen
		}}
	conn, _, _, err := ssh.NewClientConn(replay{s.Conn, io.MultiReader(strings.NewReader(version+"\r\n"), s.in)}, "", config)
	if err == nil {
		_ = conn.Close()
	}
	if key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("exchange of keys: %w", err)
}
