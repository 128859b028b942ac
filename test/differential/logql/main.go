// Command logql asks a real Loki and Hulotte the same queries over the same lines and shows every difference. Loki runs
// as a separate program.
//
//	go run ./test/differential/logql -hulotte bin/hulotte -loki /path/loki
//
// queries.txt holds the queries, one a line; a line "# differs: why" above one explains a difference that is meant. The
// exit status is 1 when there is a difference that nobody has explained, or an explained one that is gone.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

//go:embed queries.txt
var queriesText string

// query is one line of queries.txt.
type query struct {
	text    string
	differs string // why the answers may differ; empty: they may not
}

func parseQueries(text string) []query {
	var out []query
	differs := ""
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		why, found := strings.CutPrefix(line, "# differs: ")
		switch {
		case found:
			differs = why
		case line == "" || strings.HasPrefix(line, "#"):
		default:
			out = append(out, query{line, differs})
			differs = ""
		}
	}
	return out
}

func main() {
	hulotte := flag.String("hulotte", "bin/hulotte", "program; empty: show Loki's answers")
	loki := flag.String("loki", "", "program of Loki")
	verbose := flag.Bool("v", false, "show the answers of queries that differ in full")
	only := flag.String("only", "", "only the queries that contain this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	unexplained, err := run(ctx, *hulotte, *loki, *only, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "logql:", err)
		os.Exit(2)
	}
	if unexplained > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, hulotte, loki, only string, verbose bool) (unexplained int, err error) {
	dir, err := os.MkdirTemp("", "hulotte-differential-logql")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	servers, stop, err := startBoth(ctx, dir, hulotte, loki)
	defer stop()
	if err != nil {
		return 0, err
	}
	for _, s := range servers {
		if err := s.push(ctx, dataset()); err != nil {
			return 0, err
		}
	}
	same, explained := 0, 0
	for _, q := range parseQueries(queriesText) {
		if !strings.Contains(q.text, only) {
			continue
		}
		if hulotte == "" {
			fmt.Printf("%s\n    %s\n", q.text, strings.Join(servers[0].ask(ctx, q.text), "\n    "))
			continue
		}
		diff := differences(ctx, servers, q.text, verbose)
		switch {
		case diff == "" && q.differs == "":
			same++
		case diff == "":
			unexplained++
			fmt.Printf("NO LONGER DIFFERS  %s\n  %s\n", q.text, q.differs)
		case q.differs != "":
			explained++
		default:
			unexplained++
			fmt.Printf("DIFFERS  %s\n%s\n", q.text, diff)
		}
	}
	fmt.Printf("%d queries: %d the same, %d differ as explained, %d unexplained\n", same+explained+unexplained, same, explained, unexplained)
	return unexplained, nil
}
