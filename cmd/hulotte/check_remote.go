package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/user"

	"github.com/hulotte-dev/hulotte/check"
)

// checkServer is the server whose checks a command is about.
type checkServer struct {
	settings *settings
	remote   remote
}

func (c *checkServer) declare(fs *flag.FlagSet) {
	c.settings.declareStorage(fs)
	c.remote.declare(fs)
}

// find returns the server that was named, or the one that uses the data folder.
func (c *checkServer) find() (remote, error) {
	if c.remote.url != "" {
		return c.remote, nil
	}
	cfg, err := c.settings.load()
	if err != nil {
		return remote{}, err
	}
	held, err := isHeld(cfg.DataDir)
	if err != nil {
		return remote{}, err
	}
	if !held {
		return remote{}, fmt.Errorf("no server uses the data folder %s: start one, or give --server", cfg.DataDir)
	}
	return c.remote.of(cfg)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// get reads the data of an answer into a value.
func (c *checkServer) get(ctx context.Context, path string, query url.Values, into any) error {
	r, err := c.find()
	if err != nil {
		return err
	}
	res, err := r.ask(ctx, http.MethodGet, path, query)
	if err != nil {
		return err
	}
	return readAnswer(res, into)
}

// post sends JSON, and reads the data of the answer.
func (c *checkServer) post(ctx context.Context, path string, body, into any) error {
	r, err := c.find()
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	res, err := r.send(ctx, http.MethodPost, path, nil, bytes.NewReader(text), http.Header{"Content-Type": {"application/json"}, "X-Hulotte-User": {me()}})
	if err != nil {
		return err
	}
	return readAnswer(res, into)
}

// plain asks an API whose answers have no envelope, such as Alertmanager's. body and into may be nil.
func (c *checkServer) plain(ctx context.Context, method, path string, body, into any) error {
	r, err := c.find()
	if err != nil {
		return err
	}
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(text)
	}
	res, err := r.sendAt(ctx, method, path, nil, in, http.Header{"Content-Type": {"application/json"}, "X-Hulotte-User": {me()}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	return nil
}

func readAnswer(res *http.Response, into any) error {
	defer res.Body.Close()
	answer := struct {
		Data any `json:"data"`
	}{Data: into}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil {
		return fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	return nil
}

// me is who uses the command, for the history of a check.
func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "command line"
}

// checkList is the answer with several checks.
type checkList struct {
	Total  int          `json:"total"`
	Checks []check.View `json:"checks"`
}
