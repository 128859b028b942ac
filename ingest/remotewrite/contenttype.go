package remotewrite

import (
	"fmt"
	"mime"
	"net/http"
)

// messageVersion returns the version of the protocol of a content type: application/x-protobuf, whose parameter
// proto names the message, by default that of remote write 1.0.
func messageVersion(contentType string) (int, error) {
	if contentType == "" {
		return 1, nil // senders of the first days
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/x-protobuf" {
		return 0, &answer{http.StatusUnsupportedMediaType, fmt.Errorf("the content type %q is not taken: use application/x-protobuf", contentType)}
	}
	switch proto := params["proto"]; proto {
	case "", "prometheus.WriteRequest":
		return 1, nil
	case "io.prometheus.write.v2.Request":
		return 2, nil
	default:
		return 0, &answer{http.StatusUnsupportedMediaType, fmt.Errorf("the message %q is not taken: use prometheus.WriteRequest or io.prometheus.write.v2.Request", proto)}
	}
}
