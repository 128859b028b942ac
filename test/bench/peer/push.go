package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Pushed is how long pushes took, ascending, and how many were sent again since the system asked for that.
type Pushed struct {
	Took  []time.Duration
	Again int
}

// PushAll posts the files, protocol buffers each, over some connections.
func (s *System) PushAll(ctx context.Context, connections int, files []string) (Pushed, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	to := s.Push
	if strings.HasPrefix(to, "/") {
		to = s.Base + to
	}
	var mu sync.Mutex
	var out Pushed
	var group sync.WaitGroup
	queue := make(chan string)
	for range connections {
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for file := range queue {
				t, again, err := pushOne(ctx, client, to, file)
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				out.Took, out.Again = append(out.Took, t), out.Again+again
				mu.Unlock()
			}
		})
	}
	for _, f := range files {
		select {
		case queue <- f:
		case <-ctx.Done():
		}
	}
	close(queue)
	group.Wait()
	slices.Sort(out.Took)
	return out, context.Cause(ctx)
}

// pushOne sends one push, again and again while the system asks for that.
func pushOne(ctx context.Context, client *http.Client, to, file string) (time.Duration, int, error) {
	body, err := os.ReadFile(file) //nolint:gosec // written by us
	if err != nil {
		return 0, 0, err
	}
	for again := 0; ; again++ {
		begin := time.Now()
		status, text, err := pushBody(ctx, client, to, body)
		switch {
		case err != nil:
			return 0, again, err
		case status/100 == 2:
			return time.Since(begin), again, nil
		case status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable || again > 600:
			return 0, again, fmt.Errorf("%s answers %d: %s", to, status, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func pushBody(ctx context.Context, client *http.Client, to string, body []byte) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	return answer.StatusCode, string(text), err
}

// Median sorts x and returns its median.
func Median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// Mean returns the mean of x.
func Mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
