package config

// Jaeger is what comes in Jaeger's own protocols.
type Jaeger struct {
	GRPCListen    string
	HTTPListen    string
	CompactListen string
	BinaryListen  string
}

func jaegerKeys(j *Jaeger) []Key {
	return []Key{
		{Path: "ingest.jaeger.grpc_listen", value: addressOrNone(&j.GRPCListen), Default: "127.0.0.1:14250",
			Doc: "Where spans are received as Jaeger's collector takes them over gRPC (`jaeger.api_v2`), besides the one HTTP port (which speaks gRPC when it has TLS); empty for nowhere. Users, certificates and limits are those of `server`. When the default address is taken by another program, Hulotte does without and says so."},
		{Path: "ingest.jaeger.http_listen", value: addressOrNone(&j.HTTPListen), Default: "127.0.0.1:14268",
			Doc: "Where they are received as it takes them over HTTP (Thrift, `POST /api/traces`), besides the one HTTP port; as `ingest.jaeger.grpc_listen`."},
		{Path: "ingest.jaeger.compact_listen", value: addressOrNone(&j.CompactListen), Default: "127.0.0.1:6831",
			Doc: "Where spans are received as Jaeger's agent takes them over UDP, in Thrift's compact encoding, which most clients use; empty for nowhere." + socketNote},
		{Path: "ingest.jaeger.binary_listen", value: addressOrNone(&j.BinaryListen), Default: "127.0.0.1:6832",
			Doc: "The same in Thrift's binary encoding, which Node.js' client uses; as `ingest.jaeger.compact_listen`."},
	}
}

// Zipkin is what comes in Zipkin's formats.
type Zipkin struct {
	Listen string
}

func zipkinKeys(z *Zipkin) []Key {
	return []Key{
		{Path: "ingest.zipkin.listen", value: addressOrNone(&z.Listen), Default: "127.0.0.1:9411",
			Doc: "Where spans are received in Zipkin's formats (`/api/v2/spans`, `/api/v1/spans`), besides the one HTTP port; empty for nowhere. Users, certificates and limits are those of `server`. When the default address is taken by another program, Hulotte does without and says so."},
	}
}
