package passive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/internal/tcpserver"
	"github.com/hulotte-dev/hulotte/model"
)

// The server speaks first: 128 random bytes, of which the first are the initialization vector, and the time in seconds, big endian.
// Then the client sends packets, encrypted one behind the other:
//
//	int16  version, 3           char[64]   host
//	[2]    filler               char[128]  service; empty for a host
//	uint32 CRC-32, of all       char[512]  output: 720 bytes in all, to NSCA 2.7
//	       with 0 here          char[4096] output: 4304 bytes in all, since NSCA 2.9
//	uint32 the server's time    [2]        filler
//	int16  return code
const (
	nscaIV      = 128
	nscaVersion = 3
	nscaHost    = 14
	nscaService = nscaHost + 64
	nscaOutput  = nscaService + 128
	nscaShort   = 720
	nscaLong    = 4304
	// maxNSCA bounds the packets of one connection.
	maxNSCA = 10_000
)

// NSCAOptions configures an NSCA server. Zero values mean the default.
type NSCAOptions struct {
	Address      string // 127.0.0.1:5667
	AllowedHosts []string
	// Method is NSCA's decryption_method, by number or name: none, xor (default), des, 3des, cast128, xtea, blowfish, twofish, aes.
	Method   string
	Password string
	// MaxAge is how old a packet may be; 30s. It keeps out packets that were recorded and are sent again.
	MaxAge   time.Duration
	MaxConns int
	Submit   Submit
}

// NSCA takes what send_nsca sends.
type NSCA struct {
	o       NSCAOptions
	method  method
	tcp     *tcpserver.Server
	log     *slog.Logger
	packets *prometheus.CounterVec
}

// ListenNSCA binds the address.
func ListenNSCA(o NSCAOptions, log *slog.Logger, reg prometheus.Registerer) (*NSCA, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:5667"
	}
	if o.Method == "" {
		o.Method = "xor"
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 30 * time.Second
	}
	m, err := findMethod(o.Method)
	if err != nil {
		return nil, err
	}
	if m.number > 0 && o.Password == "" && m.number != 1 {
		return nil, fmt.Errorf("the NSCA encryption %s needs a password, the same as in send_nsca.cfg", m.name)
	}
	tcp, err := tcpserver.Listen("nsca", tcpserver.Options{Address: o.Address, Allowed: o.AllowedHosts, MaxConns: o.MaxConns}, log, reg)
	if err != nil {
		return nil, err
	}
	return &NSCA{o: o, method: m, tcp: tcp, log: log, packets: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_nsca_packets_total", Help: "Packets of send_nsca by what became of them: taken, malformed, old or refused.",
	}, []string{"result"})}, nil
}

// Addr is the address in use.
func (n *NSCA) Addr() net.Addr { return n.tcp.Addr() }

// Serve takes results until ctx ends.
func (n *NSCA) Serve(ctx context.Context) error { return n.tcp.Serve(ctx, n.serve) }

func (n *NSCA) serve(ctx context.Context, c net.Conn) error {
	hello := make([]byte, nscaIV+4)
	_, _ = rand.Read(hello[:nscaIV])                                      // never fails
	binary.BigEndian.PutUint32(hello[nscaIV:], uint32(time.Now().Unix())) //nolint:gosec // as the protocol has it
	decrypt, err := n.method.decrypter(n.o.Password, hello[:nscaIV])
	if err != nil {
		return err
	}
	if _, err := c.Write(hello); err != nil {
		return err
	}
	size := 0 // not known yet
	for range maxNSCA {
		b, err := readNSCA(c, decrypt, &size)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			n.packets.WithLabelValues("malformed").Inc()
			return err
		}
		if err := n.take(ctx, b); err != nil {
			return err
		}
	}
	return fmt.Errorf("there are more than %d packets in one connection", maxNSCA)
}

var errNSCA = errors.New("the packet's checksum is wrong: the password or the encryption differs, or it is none of NSCA")

// readNSCA reads one packet. Which of the two sizes it has, the checksum of the first one tells.
func readNSCA(r io.Reader, decrypt decrypter, size *int) ([]byte, error) {
	b := make([]byte, 0, nscaLong)
	for _, end := range []int{nscaShort, nscaLong} {
		if *size != 0 && *size != end {
			continue
		}
		start := len(b)
		b = b[:end]
		if _, err := io.ReadFull(r, b[start:]); err != nil {
			if start > 0 && errors.Is(err, io.EOF) {
				err = errNSCA // as long as a short one, and nothing follows
			}
			return nil, err
		}
		decrypt(b[start:], start)
		if nscaSum(b) {
			*size = end
			return b, nil
		}
	}
	return nil, errNSCA
}

func nscaSum(b []byte) bool {
	var zero [4]byte
	sum := crc32.ChecksumIEEE(b[:4])
	sum = crc32.Update(sum, crc32.IEEETable, zero[:])
	sum = crc32.Update(sum, crc32.IEEETable, b[8:])
	return sum == binary.BigEndian.Uint32(b[4:])
}

func (n *NSCA) take(ctx context.Context, b []byte) error {
	if v := int16(binary.BigEndian.Uint16(b)); v != nscaVersion { //nolint:gosec // the same bits
		n.packets.WithLabelValues("malformed").Inc()
		return fmt.Errorf("the packet's version is %d, not %d", v, nscaVersion)
	}
	sent := time.Unix(int64(binary.BigEndian.Uint32(b[8:])), 0)
	if age := time.Since(sent); age > n.o.MaxAge || age < -n.o.MaxAge {
		n.packets.WithLabelValues("old").Inc()
		return fmt.Errorf("the packet is %s old; at most %s are allowed", age.Round(time.Second), n.o.MaxAge)
	}
	code := int(int16(binary.BigEndian.Uint16(b[12:]))) //nolint:gosec // the same bits
	host, service, output := cString(b[nscaHost:nscaService]), cString(b[nscaService:nscaOutput]), cString(b[nscaOutput:])
	name, r := result(service, code, output)
	if err := n.o.Submit(ctx, host, name, r); err != nil {
		n.packets.WithLabelValues("refused").Inc()
		n.log.Warn("a result from NSCA is refused", "host", host, "check", name, "err", err)
		return nil // the next one may be good
	}
	n.packets.WithLabelValues("taken").Inc()
	return nil
}

// cString is the text up to the first NUL.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.ToValidUTF8(string(b), "")
}

// result makes a result of what NSCA and the command file bring. In both a line break is written as \n. Without a service it is the
// host's, whose codes differ.
func result(service string, code int, output string) (name string, r model.CheckResult) {
	output = strings.NewReplacer(`\n`, "\n", `\\`, `\`).Replace(output)
	r = plugin.Parse(code, []byte(output))
	r.Start = time.Now()
	if service == "" {
		r.Status = hostStatus(code)
		return check.HostCheck, r
	}
	return service, r
}
