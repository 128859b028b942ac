package probe

import (
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decompressed reads the body as its Content-Encoding says. The reader's limit is the caller's: it counts what comes out.
func decompressed(resp *http.Response) (io.Reader, error) {
	return decompressor(strings.ToLower(resp.Header.Get("Content-Encoding")), resp.Body)
}

func decompressor(encoding string, in io.Reader) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return in, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(in)
	case "deflate":
		return flate.NewReader(in), nil
	case "br":
		return brotli.NewReader(in), nil
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBodyLimit), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		return z, nil // with one goroutine it has none of its own, so that nothing is left when it is not closed
	}
	return nil, fmt.Errorf("the answer is compressed by %q, which is not understood", printable(encoding, 40))
}
