package api

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/model"
)

// prepare reads the request's form and tenant. The returned request carries the tenant in its context, and its
// Form holds the parameters of the URL and of a form in the body.
func (a *api) prepare(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	r, err := withTenant(r)
	if err != nil {
		return nil, err
	}
	if err := a.readForm(w, r); err != nil {
		return nil, err
	}
	return r, nil
}

// withTenant puts the tenant that the request names into its context.
func withTenant(r *http.Request) (*http.Request, error) {
	names := r.Header.Values(model.TenantHeader)
	switch len(names) {
	case 0:
		return r.WithContext(model.WithTenant(r.Context(), model.DefaultTenant)), nil
	case 1:
	default:
		return nil, badData("%d %s headers: send one", len(names), model.TenantHeader)
	}
	if err := model.ValidTenant(names[0]); err != nil {
		return nil, badData("header %s: %w", model.TenantHeader, err)
	}
	return r.WithContext(model.WithTenant(r.Context(), names[0])), nil
}

func (a *api) readForm(w http.ResponseWriter, r *http.Request) error {
	if int64(len(r.URL.RawQuery)) > a.Limits.MaxBodyBytes {
		return tooLarge("the URL", a.Limits.MaxBodyBytes)
	}
	if r.Body != nil && isForm(r) && !jsonAsForm(r) {
		r.Body = http.MaxBytesReader(w, r.Body, a.Limits.MaxBodyBytes)
		body, err := decompressed(r.Body, r.Header.Get("Content-Encoding"))
		if err != nil {
			return err
		}
		defer body.Close()
		// The second limit is on what comes out of the decompressor.
		r.Body = http.MaxBytesReader(w, body, a.Limits.MaxBodyBytes)
	}
	err := r.ParseForm()
	var size *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &size):
		return tooLarge("the form in the body", size.Limit)
	}
	return badData("error parsing form values: %w", err)
}

// jsonAsForm says whether what is called a form is JSON, as curl -d sends it, and calls it what it is.
func jsonAsForm(r *http.Request) bool {
	if r.Header.Get("Content-Encoding") != "" {
		return false
	}
	body := bufio.NewReader(r.Body)
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	if first, err := body.Peek(1); err != nil || first[0] != '{' {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	return true
}

func isForm(r *http.Request) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return false
	}
	ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && ct == "application/x-www-form-urlencoded"
}

func tooLarge(what string, limit int64) error {
	return &apiError{
		kind:   errBadData,
		status: http.StatusRequestEntityTooLarge,
		err:    fmt.Errorf("%s is larger than %d bytes", what, limit),
	}
}

// maxZstdWindow bounds the memory that a compressed body can ask for before any limit on its length can act.
const maxZstdWindow = 8 << 20

// decompressed returns the plain text of a body in one of the encodings that we read.
func decompressed(body io.ReadCloser, encoding string) (io.ReadCloser, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, badData("the body is not gzip: %w", err)
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, badData("the body is not zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	}
	return nil, &apiError{
		kind:   errBadData,
		status: http.StatusUnsupportedMediaType,
		err:    fmt.Errorf("content encoding %q is not supported: use gzip, zstd or none", cutText(encoding, 50)),
	}
}
