package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"

	"github.com/hulotte-dev/hulotte/app"
)

func storageInfo(f *settings) *command {
	var r remote
	asJSON := false
	return &command{
		name:     "hulotte storage info",
		summary:  "Print where everything rests, how much it is and how it fares, as the running server tells it.",
		examples: []string{"hulotte storage info", "hulotte storage info --json --server https://obs.example.org/ --user alice"},
		flags: func(fs *flag.FlagSet) {
			f.declareStorage(fs)
			r.declare(fs)
			jsonFlag(fs, &asJSON)
		},
		run: func(_ []string, s streams) int {
			ctx, stop := interrupted()
			defer stop()
			if err := printInfo(ctx, f, r, asJSON, s.out); err != nil {
				return failed(s.err, "hulotte storage info", err)
			}
			return exitOK
		},
	}
}

func printInfo(ctx context.Context, f *settings, r remote, asJSON bool, out io.Writer) error {
	if r.url == "" {
		c, err := f.load()
		if err != nil {
			return err
		}
		held, err := isHeld(c.DataDir)
		if err != nil {
			return err
		}
		if !held {
			return fmt.Errorf("no server uses the data folder %s: start one, or give --server", c.DataDir)
		}
		if r, err = r.of(c); err != nil {
			return err
		}
	}
	raw, info, err := askInfo(ctx, r)
	if err != nil {
		return err
	}
	if asJSON {
		_, err := fmt.Fprintf(out, "%s\n", raw)
		return err
	}
	_, err = io.WriteString(out, printable(info.String()))
	return err
}

// maxInfo bounds the answer.
const maxInfo = 64 << 20

func askInfo(ctx context.Context, r remote) (raw json.RawMessage, info app.StorageInfo, err error) {
	res, err := r.ask(ctx, http.MethodGet, "storage", nil)
	if err != nil {
		return nil, info, err
	}
	defer res.Body.Close()
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxInfo)).Decode(&answer); err != nil {
		return nil, info, fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	if err := json.Unmarshal(answer.Data, &info); err != nil {
		return nil, info, fmt.Errorf("cannot understand the answer of the server: %w", err)
	}
	return answer.Data, info, nil
}
