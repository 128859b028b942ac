// Command shop is a small shop that prints quotations on postcards. It asks the quotes application for them and keeps its orders
// in SQLite. It shows how little a Go program needs to be seen whole in Hulotte: telemetry.go, one wrapper around the
// server, one around the client, one around the database.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "where to serve")
	quotes := flag.String("quotes", "http://127.0.0.1:8082", "the quotes application")
	orders := flag.String("orders", "orders.sqlite3", "the file of orders")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *quotes, *orders); err != nil {
		log.Fatal(err) // and not by slog: what it would send is not sent any more
	}
}

func run(ctx context.Context, listen, quotes, orders string) (err error) {
	stop, err := startTelemetry(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(context.WithoutCancel(ctx))) }()
	store, err := openOrders(ctx, orders)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	server := &http.Server{Addr: listen, Handler: newShop(quotes, store), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx)) // whoever is served waits for the answer
	}()
	slog.InfoContext(ctx, "the shop is open", "listen", listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
