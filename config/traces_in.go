package config

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
