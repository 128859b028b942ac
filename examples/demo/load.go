package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// mostAtOnce bounds the requests under way: when the shop is slow, load waits instead of piling up.
const mostAtOnce = 16

// load asks the shop for its pages as customers would.
type load struct {
	shop             string
	rate             float64
	client           http.Client
	asked, bad, late atomic.Int64
}

func newLoad(shop string, rate float64) *load {
	return &load{shop: shop, rate: rate, client: http.Client{Timeout: 15 * time.Second}}
}

// run asks until ctx ends, and waits for what is under way.
func (l *load) run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	places := make(chan struct{}, mostAtOnce)
	tick := time.NewTicker(time.Duration(float64(time.Second) / l.rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case places <- struct{}{}:
			group.Go(func() { l.one(ctx); <-places })
		default:
			l.late.Add(1)
		}
	}
}

// one is what one customer wants.
func (l *load) one(ctx context.Context) {
	method, path := choose()
	req, err := http.NewRequestWithContext(ctx, method, l.shop+path, nil)
	if err != nil {
		panic("BUG: " + err.Error()) // method and path are ours
	}
	l.asked.Add(1)
	response, err := l.client.Do(req)
	if err != nil {
		l.bad.Add(1)
		return
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
	if response.StatusCode >= 500 {
		l.bad.Add(1)
	}
}

func choose() (method, path string) {
	switch n := rand.IntN(100); {
	case n < 55:
		return http.MethodGet, "/"
	case n < 70:
		return http.MethodGet, "/find?word=" + pick("reason", "giants", "garden", "owl")
	case n < 95:
		return http.MethodPost, fmt.Sprintf("/order/%d?language=%s", 1+rand.IntN(500), pick("en", "fr", "de"))
	case n < 98:
		return http.MethodPost, fmt.Sprintf("/order/%d?language=tlh", 1+rand.IntN(500)) // nobody translates into it
	}
	return http.MethodPost, "/order/99999?language=en" // there is no such quotation
}

func pick(of ...string) string { return of[rand.IntN(len(of))] }

// told says what was asked.
func (l *load) told() string {
	return fmt.Sprintf("%d requests, %d of them failed (as some should), %d not made because the shop was busy", l.asked.Load(), l.bad.Load(), l.late.Load())
}
