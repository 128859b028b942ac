package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// grpcOptions are those of the kind grpc.
type grpcOptions struct {
	serviceOptions
	Service   string            `json:"service,omitempty" doc:"service to ask about; the whole server when nothing is declared"`
	Metadata  map[string]string `json:"metadata,omitempty" doc:"metadata to send"`
	Authority string            `json:"authority,omitempty" doc:"name of the site (:authority), when it is not the address"`
	NoHealth  bool              `json:"no_health,omitempty" doc:"OK as well when the server does not have the health service"`
}

// upgrades: the library begins TLS.
func (o *grpcOptions) upgrades() {}

func grpcKind() check.Kind {
	return newService[grpcOptions]("grpc", "Asks a gRPC server by the gRPC health checking protocol.", 50051, 0)
}

func (o *grpcOptions) prepare() error {
	for name := range o.Metadata {
		if strings.ToLower(name) != name || strings.ContainsAny(name, " \r\n:") {
			return fmt.Errorf("metadata: %q: write names in small letters", name)
		}
	}
	return nil
}

func (o *grpcOptions) talk(ctx context.Context, s *session, rep *report) error {
	var hs handshakeState
	creds := insecure.NewCredentials()
	if o.TLS {
		name := s.host
		if o.ServerName != "" {
			name = o.ServerName
		}
		config, err := o.config(name, &hs)
		if err != nil {
			return err
		}
		creds = credentials.NewTLS(config)
	}
	start := time.Now()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(o.Metadata))
	answer := askHealth(ctx, s.Conn, creds, o.Authority, o.Service)
	reportGRPC(rep, answer, time.Since(start))
	o.report(rep, &hs)
	if hs.err != nil && !o.SkipVerify {
		return errCertificate{hs.err}
	}
	name := "server"
	if o.Service != "" {
		name = "service " + o.Service
	}
	switch {
	case answer.err == nil && answer.status == grpc_health_v1.HealthCheckResponse_SERVING:
		rep.hello("gRPC OK, %s is SERVING", name)
	case answer.err == nil:
		rep.problem(model.Critical, "%s is %s", name, answer.status)
	case answer.code == codes.Unimplemented && o.NoHealth:
		rep.hello("gRPC OK, the server does not have the health service")
	case answer.code == codes.Unimplemented:
		return errors.New("the server does not have the health service: declare no_health if that is right")
	case answer.code == codes.NotFound:
		return fmt.Errorf("the server does not know the %s", name)
	case answer.code == codes.DeadlineExceeded:
		return context.DeadlineExceeded
	default:
		return fmt.Errorf("%s: %s", answer.code, printable(withoutNoise(status.Convert(answer.err).Message()), 300))
	}
	return nil
}

// healthAnswer is what the health service said, or why it did not.
type healthAnswer struct {
	status grpc_health_v1.HealthCheckResponse_ServingStatus
	code   codes.Code
	err    error
	peer   peer.Peer
}

// maxHealth is how big an answer may be; the real one has two bytes.
const maxHealth = 4 << 10

// askHealth asks once over a connection, which it closes.
func askHealth(ctx context.Context, c net.Conn, creds credentials.TransportCredentials, authority, service string) healthAnswer {
	given := make(chan net.Conn, 1)
	given <- c
	options := []grpc.DialOption{grpc.WithTransportCredentials(creds), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithUserAgent("hulotte"),
		grpc.WithMaxHeaderListSize(16 << 10), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxHealth)), grpc.WithNoProxy(),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case c := <-given:
				return c, nil
			default:
				return nil, errors.New("the connection was lost")
			}
		})}
	if authority != "" {
		options = append(options, grpc.WithAuthority(authority))
	}
	conn, err := grpc.NewClient("passthrough:///"+c.RemoteAddr().String(), options...)
	if err != nil {
		return healthAnswer{err: notAsked("%w", err)}
	}
	defer func() { _ = conn.Close() }()
	var a healthAnswer
	response, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service}, grpc.Peer(&a.peer))
	a.code, a.err = status.Code(err), err
	if err == nil {
		a.status = response.Status
	}
	return a
}

// reportGRPC gives blackbox_exporter's series.
func reportGRPC(rep *report, a healthAnswer, took time.Duration) {
	secured := 0.0
	if _, ok := a.peer.AuthInfo.(credentials.TLSInfo); ok {
		secured = 1
	}
	rep.metric("probe_grpc_duration_seconds", "Duration of gRPC request by phase", took.Seconds(), "phase", "check")
	rep.metric("probe_grpc_ssl", "Indicates if SSL was used for the connection", secured)
	rep.metric("probe_grpc_status_code", "Response gRPC status code", float64(a.code))
	names := make([]string, 0, len(grpc_health_v1.HealthCheckResponse_ServingStatus_value))
	for name := range grpc_health_v1.HealthCheckResponse_ServingStatus_value {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := 0.0
		if a.err == nil && name == a.status.String() {
			v = 1
		}
		rep.metric("probe_grpc_healthcheck_response", "Response HealthCheck response", v, "serving_status", name)
	}
}
