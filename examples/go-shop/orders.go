package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	_ "modernc.org/sqlite"
)

// orders is what was bought.
type orders struct{ *sql.DB }

// openOrders opens the database through otelsql, so that every statement becomes a span.
func openOrders(ctx context.Context, file string) (*orders, error) {
	db, err := otelsql.Open("sqlite", file,
		otelsql.WithAttributes(attribute.String("db.system.name", "sqlite"), attribute.String("db.namespace", "orders")),
		otelsql.WithSpanOptions(otelsql.SpanOptions{OmitConnResetSession: true, OmitRows: true, OmitConnectorConnect: true}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite takes one writer
	_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, quote INTEGER NOT NULL, text TEXT NOT NULL)")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &orders{db}, nil
}

// add keeps an order and returns its number.
func (o *orders) add(ctx context.Context, quote int, text string) (int64, error) {
	result, err := o.ExecContext(ctx, "INSERT INTO orders (quote, text) VALUES (?, ?)", quote, text)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}
